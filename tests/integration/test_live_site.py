"""Hours of data.ny.gov in which a week must land, by the command: busy, behind, short, refusing; and its limits."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from isal import igzip
from prefect.blocks.system import Secret

from behaviour import Hour, Replica
from conftest import FILE, content, small_week
from conftest import expected as as_ruled
from hourly import DAILY as DAILY_COLUMNS
from hourly import RIDERSHIP as COLUMNS
from hourly import TURNSTILE as TURNSTILE_COLUMNS
from hourly import daily_week, ridership_week, turnstile_rows
from live_site import DUE, Land, landed
from socrata_weeks import expected, in_order, published
from soda import RIDERSHIP_SET, Fault, Soda
from web import Answer, Web

pytest_plugins = ["live_site"]
pytestmark = pytest.mark.usefixtures("on_a_saturday")

NEWEST = ("--feed", "ridership")
WEEK = ridership_week(DUE, 1200)
OBJECT = "ridership/261107.csv.gz"
HOUR = 3600.0
A_WHILE = 1.8  # seconds, of a patience of nine


@dataclass(frozen=True)
class Trouble:
    """An hour with faults on order, and what is to be seen of it afterwards."""

    hour: Hour = field(default_factory=Hour)
    faults: Sequence[Fault] = ()
    said: str = ""  # in the log
    asked: Callable[[Soda], bool] = lambda site: True


def offsets(site: Soda) -> list[int]:
    return [int(query["$offset"]) for _, query in site.queries if "$offset" in query]


BEHIND = Replica("true", behind=1, clock=-HOUR, until=A_WHILE)
TROUBLES = {
    "429 for a while": Trouble(Hour(busy_for=A_WHILE), said="429 Too Many Requests"),
    "429 for a while, with Retry-After: 0": Trouble(
        Hour(busy_for=A_WHILE, retry_after="0"),
        said="429 Too Many Requests",
        asked=lambda site: len(site.queries) < 100,  # "at once" is no leave to ask on and on
    ),
    "408 for more than a day": Trouble(Hour(longest_days=1)),
    "out of date for a while": Trouble(
        Hour(replicas=(BEHIND, replace(BEHIND, flag='["t69i-h2me"]'))), said="a copy that is out of date"
    ),
    "some copies out of date for a while": Trouble(Hour(replicas=(Replica(), BEHIND), seed=3)),
    "times of last change an hour apart": Trouble(Hour(replicas=(Replica(), Replica("[]", clock=HOUR)), seed=2)),
    "another time of last change in each answer": Trouble(Hour(clock_spread=HOUR)),
    "computed columns, in another order": Trouble(Hour(computed=True)),
    "five breaks with rows in between": Trouble(
        faults=[Fault(on=".csv", cut_rows=20, times=5)], asked=lambda site: offsets(site) == [19, 38, 57, 76, 95]
    ),
    "a proper end after 50 rows": Trouble(Hour(most_rows=50), asked=lambda site: max(offsets(site)) > 100),
    "gzip always": Trouble(Hour(gzip="always")),
    "gzip never": Trouble(Hour(gzip="never")),
    "neither length nor chunks": Trouble(Hour(chunked=False, gzip="never")),  # gzip has an end of its own
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_newest_week_lands(trouble: str, land: Land, live: Soda, tmp_path: Path) -> None:
    """It is asked what it has, and then for the week as by a day, which `test_hours` loads in more hours than these."""
    met = TROUBLES[trouble]
    live.hour = met.hour
    live.revise(RIDERSHIP_SET, "UPDATE {set} SET ridership = '7' WHERE transit_timestamp LIKE '2026-11-03%'")
    revised = [(*row[:7], "7", *row[8:]) if str(row[0]).startswith("2026-11-03") else row for row in WEEK]
    live.fail(*met.faults)
    ran = land(*NEWEST)
    assert ran.lines[-1] == "INFO    1 week: 1 landed"
    assert content(tmp_path / "lake", OBJECT) == expected(in_order(revised))
    assert met.said in ran.err
    assert "from a copy of" not in ran.err
    assert met.asked(live)


@pytest.mark.parametrize("packed", ["igzip", "plain"])
def test_a_weekly_file_lands_that_is_packed_though_it_was_asked_for_plain(
    packed: str, land: Land, web: Web, tmp_path: Path
) -> None:
    body = igzip.compress(small_week()) if packed == "igzip" else small_week()
    web.serve(FILE, Answer(body, headers={"Content-Encoding": "gzip"} if packed == "igzip" else {}))
    assert land().code == 0
    assert content(tmp_path / "lake") == as_ruled(small_week())
    assert {seen.headers["accept-encoding"] for seen in web.requests} == {"identity"}


def test_a_new_column_is_said_once_a_run(land: Land, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Soda() as site:
        monkeypatch.setenv("MTA_SOCRATA_URL", site.url)
        rows = [*WEEK, *ridership_week(DUE - timedelta(weeks=1), 1200)]
        site.put(RIDERSHIP_SET, [("fare_zone", "text"), *COLUMNS], [("1", *row) for row in rows])
        ran = land(*NEWEST, "--catch-up", "2")
    assert ran.code == 0
    said = "127.0.0.1 has columns that are not loaded: FARE_ZONE"
    assert [line for line in ran.lines if line.startswith("WARNING")] == [f"WARNING {said}"]
    reasons = [line for line in ran.lines if ": landed, " in line and line.endswith(f"({said})")]
    assert len(reasons) == 1
    assert content(tmp_path / "lake", OBJECT) == expected(in_order(WEEK))
    facts = [json.loads(path.read_text()) for path in (tmp_path / "lake" / "ridership").glob("*.json")]
    assert [each["unknown_columns"] for each in facts] == [["FARE_ZONE"]] * 2


@pytest.mark.parametrize("holder", ["MTA_SOCRATA_APP_TOKEN", "block secret/mta-socrata-app-token"])
def test_a_token_that_is_refused_is_said_with_where_it_came_from(
    holder: str, land: Land, live: Soda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.hour = Hour(token="")
    if holder.startswith("MTA"):
        monkeypatch.setenv(holder, "t0ken")
        ran = land(*NEWEST)
    else:
        Secret(value="t0ken").save("mta-socrata-app-token", overwrite=True)
        try:
            ran = land(*NEWEST, "--year", "2026", "--month", "11", "--day", "7")
        finally:
            Secret.delete("mta-socrata-app-token")
    warnings = [line for line in ran.lines if line.startswith("WARNING")]
    assert warnings == [f"WARNING 127.0.0.1 refuses the token of {holder}; going on without it, mend it"]
    assert [seen.headers.get("x-app-token") for seen in live.requests[:2]] == ["t0ken", None]
    assert ran.code == 0
    assert content(tmp_path / "lake", OBJECT) == expected(in_order(WEEK))
    assert "t0ken" not in ran.out + ran.err


# The weeks before the first yearly set


def test_a_turnstile_week_before_the_yearly_sets_is_said_never_to_have_been_there(
    land: Land, web: Web, live: Soda, tmp_path: Path
) -> None:
    body = published(date(2014, 2, 8))
    live.put("i55r-43gk", TURNSTILE_COLUMNS, turnstile_rows(body))
    missing = ["140111", "140118", "140125", "140201"]
    ran = land("--start", "2014-01-05", "--end", "2014-02-08")
    assert ran.code == 1
    said = "not published (404 Not Found from 127.0.0.1); if it should be there by now, run it again later"
    errors = sorted(line for line in ran.lines if line.startswith("ERROR"))
    assert errors == [f"ERROR   turnstile {week}: {said}; data.ny.gov never had this week" for week in missing]
    assert sorted(seen.path for seen in web.requests) == [f"/turnstile_{week}.txt" for week in [*missing, "140208"]]
    assert {query["$where"] for _, query in live.queries if "$where" in query} == {
        "date >= '2014-02-01T00:00:00' AND date < '2014-02-08T00:00:00'"
    }
    assert landed(tmp_path / "lake") == ["turnstile 140208"]
    assert content(tmp_path / "lake", "turnstile/140208.csv.gz") == as_ruled(body)
    by_day = land("--year", "2014", "--month", "1", "--day", "20")
    assert by_day.code == 1
    assert [line for line in by_day.lines if line.startswith("ERROR")] == errors[2:3]


# Modes that come later than others

DAILY = "sayj-mze2"
LATE = ("CBD Entries", "CRZ Entries")
ENDS = "CBD Entries ends on 2026-10-31, CRZ Entries ends on 2026-10-31"
BY_DAY = ("--feed", "daily", "--year", "2026", "--month", "11", "--day", "7")


def put_days(live: Soda, *weeks: date, until: str = "9") -> None:
    """Weeks of daily, two modes of which end before a day."""
    for week in weeks:
        rows = [row for row in daily_week(week) if row[1] not in LATE or str(row[0]) < until]
        live.put(DAILY, DAILY_COLUMNS, rows)


def test_a_week_of_which_two_modes_are_late_lands_when_they_are_there(land: Land, live: Soda, tmp_path: Path) -> None:
    newest = ("--feed", "daily")
    put_days(live, DUE - timedelta(weeks=2), DUE - timedelta(weeks=1), DUE, until="2026-11-01")
    assert len([row for row in live.rows(DAILY) if str(row[0]) >= "2026-10-31"]) == 51
    ran = land(*newest)
    assert ran.code == 1
    said = f"ERROR   daily 261107: not published yet: {ENDS}; it is expected on 2026-11-28"
    assert [line for line in ran.lines if line.startswith("ERROR")] == [said]
    assert landed(tmp_path / "lake") == ["daily 261031"]
    live.put(DAILY, DAILY_COLUMNS, [row for row in daily_week(DUE) if row[1] in LATE and str(row[0]) >= "2026-11-01"])
    assert land(*newest).code == 0
    assert landed(tmp_path / "lake") == ["daily 261031", "daily 261107"]
    assert content(tmp_path / "lake", "daily/261107.csv.gz") == expected(
        in_order(daily_week(DUE), (0, 1)), DAILY_COLUMNS
    )


def test_a_mode_that_has_been_gone_for_two_more_weeks_has_ended(land: Land, live: Soda, tmp_path: Path) -> None:
    weeks = [DUE + timedelta(weeks=n) for n in (-2, -1, 0, 1, 2)]
    put_days(live, *weeks, until="2026-11-01")
    live.revise(DAILY, "DELETE FROM {set} WHERE date >= '2026-11-15'")  # not two weeks yet
    assert f"not published yet: {ENDS}; " in land(*BY_DAY).err
    assert landed(tmp_path / "lake") == []
    next_day = [row for row in daily_week(weeks[-1]) if row[1] not in LATE and str(row[0])[:10] == "2026-11-15"]
    live.put(DAILY, DAILY_COLUMNS, next_day)
    ran = land(*BY_DAY)
    assert ran.code == 0
    assert any(line.endswith(f"daily/261107.csv.gz ({ENDS.replace(', ', '; ')})") for line in ran.lines)
    kept = [row for row in daily_week(DUE) if row[1] not in LATE or str(row[0]) < "2026-11-01"]
    assert content(tmp_path / "lake", "daily/261107.csv.gz") == expected(in_order(kept, (0, 1)), DAILY_COLUMNS)
