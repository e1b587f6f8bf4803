"""The live feed as its users meet it: by the command and the flow, with the feed that the week decides."""

import csv
import gzip
import io
import json
import logging
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.system import Secret
from prefect.states import State

import etl_web_to_gcs as etl
from conftest import Ran, content, small_week
from hourly import DAILY as DAILY_COLUMNS
from hourly import RIDERSHIP as COLUMNS
from hourly import TURNSTILE as TURNSTILE_COLUMNS
from hourly import daily_week, ridership_week, turnstile_rows
from mta_weekly.command import command as cli
from mta_weekly.feeds.catalog import RIDERSHIP, TURNSTILE, feed_named
from mta_weekly.feeds.weeks import expected_on, label, newest_complete, newest_due, saturdays
from soda import RIDERSHIP_SET, Fault, Soda
from web import Answer, Web

Land = Callable[..., Ran]
TODAY = date(2026, 11, 21)  # a Saturday
DUE = date(2026, 11, 7)


@pytest.fixture(autouse=True)
def on_a_saturday(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (cli, etl):
        monkeypatch.setattr(module, "new_york_today", lambda: TODAY)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Soda]:
    """A data.ny.gov with the newest due week and the one before it."""
    with Soda() as site:
        monkeypatch.setenv("MTA_SOCRATA_URL", site.url)
        for n in (0, 1):
            site.put(RIDERSHIP_SET, COLUMNS, ridership_week(DUE - timedelta(weeks=n), 1200))
        yield site


def landed(lake: Path) -> list[str]:
    return sorted(f"{path.parent.name} {path.name.partition('.')[0]}" for path in lake.glob("*/*.gz"))


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
    assert label(newest_due(feed_named("auto"), today)) == week
    assert etl.get_file_date.fn(today) == week


def test_auto_is_turnstile_while_it_was_published_and_ridership_after() -> None:
    auto = feed_named("auto")
    weeks, last = saturdays(date(2010, 5, 8), TODAY), date(2024, 2, 17)
    assert [week for week in weeks if auto.of(week) is TURNSTILE] == [week for week in weeks if week <= last]
    assert {auto.of(week).name for week in weeks} == {"turnstile", "ridership"}


@pytest.mark.parametrize(
    ("last", "week"),
    [
        ("2026-11-06T23:00", "261107"),
        ("2026-11-06T22:00", "261031"),
        ("2026-11-07T00:00", "261107"),
        ("2026-11-13T22:00", "261107"),
    ],
)
def test_a_week_is_complete_with_its_last_hour(last: str, week: str) -> None:
    assert label(newest_complete(datetime.fromisoformat(last), RIDERSHIP.sources[0].step)) == week


@pytest.mark.parametrize(
    ("due", "day"),
    [(date(2026, 11, 28), "2026-11-28"), (TODAY, "2026-11-28"), (date(2026, 11, 15), "2026-11-22"),
     (date(2026, 11, 1), "2026-11-22")],
)  # fmt: skip
def test_a_late_week_is_expected_within_a_week(due: date, day: str) -> None:
    assert str(expected_on(due, TODAY)) == day


# The newest week


def test_the_newest_week_lands_by_default(land: Land, site: Soda, tmp_path: Path) -> None:
    ran = land("--catch-up", "1")
    assert ran.lines[-1] == "INFO    1 week: 1 landed"
    assert landed(tmp_path / "lake") == ["ridership 261107"]
    assert site.queries[0] == ("/resource/5wq4-mkjj.json", {"$select": "max(transit_timestamp) as last"})


def test_a_complete_week_that_is_not_due_yet_is_the_newest(land: Land, site: Soda, tmp_path: Path) -> None:
    site.put(RIDERSHIP_SET, COLUMNS, ridership_week(DUE + timedelta(weeks=1), 1200))
    assert land("--catch-up", "1").code == 0
    assert landed(tmp_path / "lake") == ["ridership 261114"]
    assert land("--catch-up", "3").lines[-1] == "INFO    3 weeks: 2 landed, 1 there"


def test_a_week_whose_rows_come_one_by_one_is_complete_only_when_it_is_due(
    land: Land, site: Soda, tmp_path: Path
) -> None:
    """Every mode has a pace of its own: the last day being there says nothing of all of them."""
    for n in (-1, 0, 1, 2):
        rows = daily_week(TODAY - timedelta(weeks=n))
        site.put("sayj-mze2", DAILY_COLUMNS, rows if n else [row for row in rows if row[1] == "BT"])
    assert land("--feed", "daily").lines[-1] == "INFO    1 week: 1 landed"
    assert landed(tmp_path / "lake") == ["daily 261114"]
    site.revise("sayj-mze2", "DELETE FROM {set} WHERE date >= '2026-11-13'")
    ran = land("--feed", "daily", "--force")
    assert (ran.code, "daily 261107: landed" in ran.err) == (1, True)


def test_a_dry_run_asks_no_source_and_says_so(land: Land, site: Soda) -> None:
    lines = land("--feed", "ridership", "--dry-run").out.splitlines()
    assert lines[1] == "the newest week that is due; a run asks the source for its newest complete one"
    assert lines[2].startswith("261107  would load       ridership/261107.csv.gz  ")
    assert site.queries == []


def test_a_source_that_slipped_lands_what_is_complete_and_the_due_week_is_a_failure(
    land: Land, site: Soda, tmp_path: Path
) -> None:
    site.revise(RIDERSHIP_SET, "DELETE FROM {set} WHERE transit_timestamp >= '2026-11-06'")
    ran = land("--catch-up", "1")
    assert ran.code == 1
    assert landed(tmp_path / "lake") == ["ridership 261031"]
    assert (
        "ERROR   ridership 261107: not published yet: 127.0.0.1 says that its rows of the week end at 2026-11-05 23:00"
        "; it is expected on 2026-11-28"
    ) in ran.lines
    site.put(RIDERSHIP_SET, COLUMNS, [row for row in ridership_week(DUE, 1200) if row[0] >= "2026-11-06"])
    assert land("--catch-up", "2").code == 0
    assert landed(tmp_path / "lake") == ["ridership 261031", "ridership 261107"]


def test_a_source_that_does_not_tell_its_newest_week_is_asked_for_the_due_one(
    land: Land, site: Soda, tmp_path: Path
) -> None:
    site.fail(Fault(status=503, times=5))
    ran = land("--catch-up", "1")
    assert ran.code == 0
    assert "gave up after 5 attempts, try again later; taking the newest week that is due" in ran.err
    assert landed(tmp_path / "lake") == ["ridership 261107"]


def test_a_row_from_the_future_does_not_move_the_newest_week(land: Land, site: Soda, tmp_path: Path) -> None:
    row = ridership_week(date(2099, 1, 3), 200)[0]
    site.put(RIDERSHIP_SET, COLUMNS, [row])
    ran = land("--catch-up", "2")
    assert ran.code == 0
    assert landed(tmp_path / "lake") == ["ridership 261031", "ridership 261107"]
    assert "its newest row is of 2098-12-" in ran.err
    assert "which cannot be; taking the newest week that is due" in ran.err


@pytest.mark.parametrize("last", ["1926-11-07", "9999-12-31T23:00", "0001-01-01", "2018-05-26", "1950-06-01"])
def test_a_time_that_cannot_be_is_no_newest_week(land: Land, site: Soda, tmp_path: Path, last: str) -> None:
    site.fail(Fault(on="max(transit_timestamp) as last", body=f'[{{"last":"{last}"}}]'.encode()))
    assert land("--catch-up", "1").code == 0
    assert landed(tmp_path / "lake") == ["ridership 261107"]


def test_a_week_asked_for_by_day_says_when_it_is_due(land: Land, site: Soda) -> None:
    ran = land("--year", "2026", "--month", "11", "--day", "10", "--feed", "ridership")
    assert ran.code == 2
    assert "week 261114 of ridership is due on 2026-11-28; the nearest week that would work is 261107" in ran.err
    assert site.queries == []


def test_the_saturday_deployment_lands_live_data_every_week(
    site: Soda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import weekly

    monkeypatch.setenv("MTA_SPOOL", str(tmp_path / "spool"))
    named = ["--work_pool", "p", "--deploy_name", "d", "--lake", str(tmp_path / "lake")]
    flags = weekly.parser("", "", "").parse_args(named)
    given = weekly.parameters(flags)  # what every scheduled run is given
    for n in range(2, 8):
        site.put(RIDERSHIP_SET, COLUMNS, ridership_week(DUE - timedelta(weeks=n), 200))
    assert etl.main_flow(**given, return_state=True).message == "8 weeks: 8 landed"
    site.put(RIDERSHIP_SET, COLUMNS, ridership_week(DUE + timedelta(weeks=1), 200))
    monkeypatch.setattr(etl, "new_york_today", lambda: TODAY + timedelta(weeks=1))
    assert etl.main_flow(**given, return_state=True).message == "8 weeks: 1 landed, 7 there"
    assert len(landed(tmp_path / "lake")) == 9


# One range, two feeds


def test_a_range_across_both_feeds_takes_each_week_from_its_own(
    land: Land, web: Web, site: Soda, tmp_path: Path
) -> None:
    first, second = date(2024, 2, 17), date(2024, 2, 24)
    web.serve("/turnstile_240217.txt", Answer(small_week(first)))
    site.put("wujg-7c2s", COLUMNS, ridership_week(second, 1200))
    period = ("--start", "2024-02-12", "--end", "2024-02-26")
    dry = land(*period, "--dry-run")
    assert [line.split()[0] for line in dry.out.splitlines()[1:]] == ["240217", "240224"]
    assert dry.out.splitlines()[1].endswith(f"turnstile/240217.csv.gz  {web.url}/turnstile_240217.txt")
    assert f"ridership/240224.csv.gz  {site.url}/resource/wujg-7c2s.csv?$where=" in dry.out
    assert site.queries == []
    assert land(*period).lines[-1] == "INFO    2 weeks: 2 landed"
    assert landed(tmp_path / "lake") == ["ridership 240224", "turnstile 240217"]


def test_weeks_that_fail_are_named_with_their_feed(land: Land, web: Web, site: Soda) -> None:
    ran = land("--start", "2024-02-12", "--end", "2024-02-26")
    assert ran.code == 1
    errors = sorted(line.split(":")[0] for line in ran.lines if line.startswith("ERROR"))
    assert errors == ["ERROR   ridership 240224", "ERROR   turnstile 240217"]


def test_a_range_of_both_feeds_is_found_in_a_bucket(land: Land, web: Web, site: Soda, gcs: Any) -> None:
    from prefect_gcp import GcpCredentials
    from prefect_gcp.cloud_storage import GcsBucket

    first, second = date(2024, 2, 17), date(2024, 2, 24)
    web.serve("/turnstile_240217.txt", Answer(small_week(first)))
    site.put("wujg-7c2s", COLUMNS, ridership_week(second, 1200))
    key = GcpCredentials(service_account_info=gcs.service_account(), project="test")
    GcsBucket(bucket="lake", gcp_credentials=key).save("blk-live", overwrite=True)
    try:
        period = ("--start", "2024-02-12", "--end", "2024-02-26")
        for more, ended in ((), "2 landed"), ((), "2 there"), (("--refresh",), "1 unchanged, 1 there"):
            assert land(*period, *more, lake="gcs-bucket/blk-live").lines[-1] == f"INFO    2 weeks: {ended}"
        facts = gcs.objects["lake"]["ridership/240224.csv.gz"].metadata
        assert set(json.loads(facts["sums"])) == {"RIDERSHIP", "TRANSFERS"}
        assert set(json.loads(facts["empty"])) <= {"LATITUDE", "LONGITUDE", "GEOREFERENCE"}
    finally:
        GcsBucket.delete("blk-live")


def test_a_failed_turnstile_week_comes_from_the_yearly_set_and_the_log_says_so(
    land: Land, site: Soda, tmp_path: Path
) -> None:
    week = date(2016, 3, 12)
    site.put("ekwu-khcy", TURNSTILE_COLUMNS, turnstile_rows(small_week(week)))
    ran = land("--year", "2016", "--month", "3", "--day", "12")
    assert ran.code == 0
    assert any(
        line.startswith("WARNING turnstile 160312: not published (404 Not Found from 127.0.0.1)")
        and line.endswith("; asking data.ny.gov")
        for line in ran.lines
    )
    assert any(line.endswith("turnstile/160312.csv.gz (from data.ny.gov)") for line in ran.lines)
    rows = list(csv.DictReader(io.StringIO(content(tmp_path / "lake", "turnstile/160312.csv.gz").decode())))
    assert len(rows) == 500


# Revisions, by the command


def test_a_refresh_compares_and_says_what_changed(land: Land, site: Soda, tmp_path: Path) -> None:
    period = ("--start", "2026-10-31", "--end", "2026-11-07")
    assert land(*period).code == 0
    assert "would compare" in land(*period, "--refresh", "--dry-run").out
    assert land(*period, "--refresh").lines[-1] == "INFO    2 weeks: 2 there"
    site.revise(RIDERSHIP_SET, "UPDATE {set} SET ridership = '1000' WHERE transit_timestamp LIKE '2026-11-03T08%'")
    ran = land("--catch-up", "2", "--refresh")
    assert ran.lines[-1] == "INFO    2 weeks: 1 replaced, 1 unchanged"
    (line,) = [line for line in ran.lines if "261107: replaced" in line]
    assert "(rows 1,200 before, 1,200 now, RIDERSHIP " in line
    assert b",1000," in content(tmp_path / "lake", "ridership/261107.csv.gz")


def test_a_refresh_loads_what_is_not_there(land: Land, site: Soda) -> None:
    assert land("--catch-up", "2", "--refresh").lines[-1] == "INFO    2 weeks: 2 landed"


def test_refresh_and_force_are_two_things(
    land: Land, site: Soda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = land("--refresh", "--force")
    assert ran.code == 2
    assert "not allowed with argument" in ran.err
    parameters = {"lake": str(tmp_path / "lake"), "year": 2026, "month": 11, "day": 7}
    state: State[Any] = etl.main_flow(force=True, refresh=True, **parameters, return_state=True)
    assert str(state.message).startswith("force and refresh: ")
    assert site.queries == []
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "a-deployment")  # that is made to refresh
    assert etl.main_flow(force=True, refresh=True, **parameters, return_state=True).message == "1 week: 1 landed"


# Who asks


def tokens(site: Soda) -> set[str | None]:
    return {seen.headers.get("x-app-token") for seen in site.requests}


def test_the_token_of_the_variable_or_of_the_block(
    land: Land, site: Soda, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert land("--catch-up", "1").code == 0
    assert tokens(site) == {None}
    Secret(value="t0ken-of-the-block").save("mta-socrata-app-token", overwrite=True)
    try:
        site.requests.clear()
        with caplog.at_level(logging.DEBUG):
            assert "t0ken" not in land("--catch-up", "1", "--force").err + caplog.text
        assert tokens(site) == {"t0ken-of-the-block"}
        monkeypatch.setenv("MTA_SOCRATA_APP_TOKEN", "t0ken-of-the-variable")
        site.requests.clear()
        ran = land("--catch-up", "1", "--force")
        assert ran.code == 0
        assert tokens(site) == {"t0ken-of-the-variable"}
        assert "t0ken" not in ran.err + ran.out
    finally:
        Secret.delete("mta-socrata-app-token")


@pytest.mark.parametrize("value", ["t0ken of\ntwo lines", "t0kén"])
def test_a_block_whose_token_cannot_be_sent_is_said_and_not_shown(land: Land, site: Soda, value: str) -> None:
    Secret(value=value).save("mta-socrata-app-token", overwrite=True)
    try:
        ran = land("--year", "2026", "--month", "11", "--day", "7", "--feed", "ridership")
    finally:
        Secret.delete("mta-socrata-app-token")
    assert ran.code == 1
    assert "block secret/mta-socrata-app-token: must be a token of plain letters and digits" in ran.err
    assert "t0k" not in ran.err
    assert site.queries == []


def test_a_large_week_is_the_same_whatever_its_chunks(site: Soda, land: Land, tmp_path: Path) -> None:
    """Several blocks, several answers of the site to one query, and two breaks."""
    week = date(2026, 6, 6)
    rows = ridership_week(week, 30_000)
    site.put(RIDERSHIP_SET, COLUMNS, rows)
    site.fail(Fault(on=".csv", cut_rows=11_111), Fault(on=".csv", cut_rows=7_777))
    assert land("--year", "2026", "--month", "6", "--day", "6").code == 0
    read = list(csv.reader(io.StringIO(content(tmp_path / "lake", "ridership/260606.csv.gz").decode())))
    assert len(read) == 30_001
    wanted = sorted((row[0], row[2], row[5], row[6], row[3], row[11] or "") for row in rows)
    assert [(row[0], row[2], row[5], row[6], row[3], row[11]) for row in read[1:]] == wanted
    with gzip.open(tmp_path / "lake" / "ridership" / "260606.csv.gz") as packed:
        assert packed.read(18) == b"TRANSIT_TIMESTAMP,"
