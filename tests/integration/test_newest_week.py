"""The newest week of a live feed, by the command: complete, late, in the future, or not told."""

from datetime import date, timedelta
from pathlib import Path

import pytest

import etl_web_to_gcs as etl
from hourly import DAILY as DAILY_COLUMNS
from hourly import RIDERSHIP as COLUMNS
from hourly import daily_week, ridership_week
from live_site import DUE, TODAY, Land, landed
from mta_weekly.feeds.catalog import feed_named
from mta_weekly.feeds.plans import newest_due
from soda import RIDERSHIP_SET, Fault, Soda

pytest_plugins = ["live_site"]
pytestmark = pytest.mark.usefixtures("on_a_saturday")


# Which feed a week is of, and when it should be there


@pytest.mark.parametrize(
    ("today", "week"),
    [
        (date(2023, 3, 28), "230325"),
        (date(2024, 2, 17), "240217"),
        (date(2024, 3, 8), "240217"),  # 240224 of ridership is due a day later
        (date(2024, 3, 9), "240224"),
        (TODAY, "261107"),
        (date(2026, 11, 20), "261031"),
    ],
)
def test_the_newest_due_week_of_feeds_that_follow_each_other(today: date, week: str) -> None:
    assert newest_due(feed_named("auto"), today).label == week
    assert etl.get_file_date.fn(today) == week


# The newest week


def test_the_newest_week_lands_by_default(land: Land, live: Soda, tmp_path: Path) -> None:
    ran = land("--catch-up", "1")
    assert ran.lines[-1] == "INFO    1 week: 1 landed"
    assert landed(tmp_path / "lake") == ["ridership 261107"]
    assert live.queries[:2] == [
        ("/api/views/5wq4-mkjj.json", {}),
        ("/resource/5wq4-mkjj.json", {"$select": "max(transit_timestamp) as last"}),
    ]


def test_a_complete_week_that_is_not_due_yet_is_the_newest(land: Land, live: Soda, tmp_path: Path) -> None:
    live.put(RIDERSHIP_SET, COLUMNS, ridership_week(DUE + timedelta(weeks=1), 1200))
    assert land("--catch-up", "1").code == 0
    assert landed(tmp_path / "lake") == ["ridership 261114"]
    assert land("--catch-up", "3").lines[-1] == "INFO    3 weeks: 2 landed, 1 there"


def test_a_week_whose_rows_come_one_by_one_is_complete_when_every_mode_is_there(
    land: Land, live: Soda, tmp_path: Path
) -> None:
    """Every mode has a pace of its own: the last day being there says nothing of all of them."""
    for n in (0, 1, 2, 3):
        rows = daily_week(TODAY - timedelta(weeks=n))
        live.put("sayj-mze2", DAILY_COLUMNS, rows if n else [row for row in rows if row[1] == "BT"])
    assert land("--feed", "daily").lines[-1] == "INFO    1 week: 1 landed"
    assert landed(tmp_path / "lake") == ["daily 261114"]
    live.revise("sayj-mze2", "DELETE FROM {set} WHERE date >= '2026-11-13'")
    assert land("--feed", "daily").lines[-1] == "INFO    1 week: 1 landed"
    assert landed(tmp_path / "lake") == ["daily 261107", "daily 261114"]


def test_a_dry_run_asks_no_source_and_says_so(land: Land, live: Soda) -> None:
    lines = land("--feed", "ridership", "--dry-run").out.splitlines()
    assert lines[1] == "the newest week that is due; a run asks the source for its newest complete one"
    assert lines[2].startswith("261107  would load       ridership/261107.csv.gz  ")
    assert live.queries == []


def test_a_source_that_slipped_lands_what_is_complete_and_the_due_week_is_a_failure(
    land: Land, live: Soda, tmp_path: Path
) -> None:
    live.revise(RIDERSHIP_SET, "DELETE FROM {set} WHERE transit_timestamp >= '2026-11-06'")
    ran = land("--catch-up", "1")
    assert ran.code == 1
    assert landed(tmp_path / "lake") == ["ridership 261031"]
    assert (
        "ERROR   ridership 261107: not published yet: 127.0.0.1 says that its rows of the week end at 2026-11-05 23:00"
        "; it is expected on 2026-11-28"
    ) in ran.lines
    live.put(RIDERSHIP_SET, COLUMNS, [row for row in ridership_week(DUE, 1200) if row[0] >= "2026-11-06"])
    assert land("--catch-up", "2").code == 0
    assert landed(tmp_path / "lake") == ["ridership 261031", "ridership 261107"]


def test_a_source_that_does_not_tell_its_newest_week_is_asked_for_the_due_one(
    land: Land, live: Soda, tmp_path: Path
) -> None:
    live.fail(Fault(on="resource", status=500, times=5))
    ran = land("--catch-up", "1")
    assert ran.code == 0
    assert "gave up after 5 attempts, try again later; taking the newest week that is due" in ran.err
    assert landed(tmp_path / "lake") == ["ridership 261107"]


def test_a_row_from_the_future_does_not_move_the_newest_week(land: Land, live: Soda, tmp_path: Path) -> None:
    row = ridership_week(date(2099, 1, 3), 200)[0]
    live.put(RIDERSHIP_SET, COLUMNS, [row])
    ran = land("--catch-up", "2")
    assert ran.code == 0
    assert landed(tmp_path / "lake") == ["ridership 261031", "ridership 261107"]
    assert "its newest row is of 2098-12-" in ran.err
    assert "which cannot be; taking the newest week that is due" in ran.err


def test_a_week_asked_for_by_day_says_when_it_is_due(land: Land, live: Soda) -> None:
    ran = land("--year", "2026", "--month", "11", "--day", "10", "--feed", "ridership")
    assert ran.code == 2
    assert "week 261114 of ridership is due on 2026-11-28; the nearest week that would work is 261107" in ran.err
    assert live.queries == []
