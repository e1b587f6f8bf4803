"""How a run bears with data.ny.gov, by the command: for ever in trouble, in a storm, in a release; and how it asks."""

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import inf
from pathlib import Path
from threading import Barrier

import pytest

from behaviour import Hour, Replica
from conftest import content
from hourly import RIDERSHIP as COLUMNS
from hourly import ridership_week
from live_site import DUE, Land, landed
from socrata_weeks import Loads, asked, expected, in_order
from soda import RIDERSHIP_SET, Fault, Soda

pytest_plugins = ["live_site"]
pytestmark = pytest.mark.usefixtures("on_a_saturday")

WEEKS = [DUE - timedelta(weeks=n) for n in range(8)]
NEWEST = ("--feed", "ridership")
BY_DAY = (*NEWEST, "--year", "2026", "--month", "11", "--day", "7")
MANY = 10**6
OBJECT = "ridership/261107.csv.gz"


def rows_of(saturday: date) -> bytes:
    """What the object of a week of the site holds."""
    return expected(in_order(ridership_week(saturday, 1200 if saturday in WEEKS[:2] else 200)))


@pytest.fixture
def eight(live: Soda) -> Soda:
    """A data.ny.gov with eight weeks."""
    for week in WEEKS[2:]:
        live.put(RIDERSHIP_SET, COLUMNS, ridership_week(week, 200))
    return live


# A site that never recovers


@dataclass(frozen=True)
class Trouble:
    """What never ends, the most queries for it that are no storm, and the most weeks that they are for."""

    said: str
    most: int
    weeks: int
    hour: Hour = field(default_factory=Hour)
    changes_at: str = ""
    variables: dict[str, str] = field(default_factory=dict)


FOR_EVER = {
    "429": Trouble("429 Too Many Requests from 127.0.0.1", 20, 0, Hour(busy_for=inf)),
    "it changes while it is counted": Trouble("changed while it was read", 200, 3, changes_at="count("),
    "it changes while rows are read": Trouble("changed while it was read", 300, 3, changes_at=".csv"),
    "it answers nothing": Trouble(
        "no answer from 127.0.0.1 within 0.2 s (MTA_HEAD_TIMEOUT)",
        20,
        0,
        Hour(first_byte=3600),
        variables={"MTA_HEAD_TIMEOUT": "0.2"},
    ),
}


@pytest.mark.parametrize("kind", FOR_EVER)
def test_a_site_that_never_recovers_is_one_sentence_a_week(
    kind: str, land: Land, eight: Soda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = FOR_EVER[kind]
    eight.hour = trouble.hour

    def change() -> None:
        eight.revise(RIDERSHIP_SET, "UPDATE {set} SET ridership = ridership + 1 WHERE transit_timestamp LIKE '%T09%'")

    if trouble.changes_at:
        eight.fail(Fault(on=trouble.changes_at, before=change, times=MANY))
    for name, value in {"MTA_RETRY_WAIT": "1", **trouble.variables}.items():
        monkeypatch.setenv(name, value)
    ran = land(*NEWEST, "--catch-up", "8")
    assert ran.code == 1
    assert ran.lines[-1] == "INFO    8 weeks: 8 failed"
    errors = sorted(line for line in ran.lines if line.startswith("ERROR"))
    assert [line.split(":")[0] for line in errors] == [f"ERROR   ridership {w:%y%m%d}" for w in reversed(WEEKS)]
    patient = "; gave up: nothing came that could be kept for 1 s (MTA_RETRY_WAIT), try again later"
    assert all(trouble.said in line and line.endswith(patient) for line in errors)
    assert landed(tmp_path / "lake") == []
    assert len(eight.queries) <= trouble.most
    often = Counter(query["$where"] for query in asked(eight, ".json") if "$where" in query)
    assert sum(times > 3 for times in often.values()) <= trouble.weeks  # no more patience with those after them
    eight.hour, eight.faults = Hour(), []
    assert land(*BY_DAY).code == 0  # a run after it has patience again


def test_whole_data_that_is_out_of_date_for_ever_lands_and_is_said(
    land: Land, eight: Soda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    eight.hour = Hour(replicas=(Replica("true", behind=9), Replica('["t69i-h2me"]', behind=9)))
    monkeypatch.setenv("MTA_RETRY_WAIT", "1")
    ran = land(*NEWEST, "--catch-up", "8")
    assert (ran.code, ran.lines[-1]) == (0, "INFO    8 weeks: 8 landed")
    lines = [line for line in ran.lines if ": landed, " in line]
    assert len(lines) == 8
    assert all(line.endswith("(from a copy of 127.0.0.1 that is out of date)") for line in lines)
    for week in WEEKS:
        assert content(tmp_path / "lake", f"ridership/{week:%y%m%d}.csv.gz") == rows_of(week)
    facts = [json.loads(path.read_text()) for path in (tmp_path / "lake" / "ridership").glob("*.json")]
    assert [(each["out_of_date"], each["source_last_modified"]) for each in facts] == [(True, "")] * 8


# Many at once


def test_twelve_runs_at_a_site_that_takes_one_query_at_a_time_all_land(tmp_path: Path) -> None:
    weeks = [DUE - timedelta(weeks=n) for n in range(12)]
    with Soda(Hour(at_once=1, first_byte=0.05)) as site:
        for week in weeks:
            site.put(RIDERSHIP_SET, COLUMNS, ridership_week(week, 200))
        together = Barrier(12)

        def run(week: date) -> bytes:
            load = Loads(site, tmp_path / str(week), retry_base=0.002, retry_wait=40.0)
            together.wait()
            load(saturday=week)
            return load.content(saturday=week)

        for week in weeks:
            (tmp_path / str(week)).mkdir()
        with ThreadPoolExecutor(12) as several:
            contents = list(several.map(run, weeks))
        assert contents == [expected(in_order(ridership_week(week, 200))) for week in weeks]
        assert len(site.queries) > 2 * 12 * (1 + 2 + 7)  # most were refused


def test_a_run_asks_two_queries_at_once_by_name_and_for_a_day_at_most(land: Land, eight: Soda) -> None:
    eight.hour = Hour(first_byte=0.02)
    assert land(*NEWEST, "--catch-up", "8", "--concurrency", "4").code == 0
    assert eight.most_at_once == 2
    rows = asked(eight, ".csv")
    assert len(rows) == 8 * 7
    assert {query.get("$select") for query in rows} == {",".join(name for name, _ in COLUMNS)}
    for query in rows:
        first, end = (date.fromisoformat(bound[:10]) for bound in query["$where"].split("'")[1::2])
        assert end - first == timedelta(days=1)


# In the hour after a release


def changed(live: Soda, ago: float) -> None:
    """Order the site to say that the set changed so many seconds ago."""
    columns = [{"fieldName": name, "dataTypeName": kind} for name, kind in COLUMNS]
    said = {"id": RIDERSHIP_SET, "rowsUpdatedAt": int(time.time() - ago), "columns": columns}
    live.fail(Fault(on="/api/views/", body=json.dumps(said).encode(), times=MANY))


def waited(live: Soda) -> float:
    """Seconds from the first request to the second one."""
    return live.requests[1].at - live.requests[0].at


@pytest.mark.parametrize(("ago", "waits"), [(0.0, True), (3601.0, False)])
def test_a_run_for_the_newest_week_waits_for_the_end_of_a_release_as_long_as_its_patience(
    ago: float, waits: bool, land: Land, live: Soda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTA_RETRY_WAIT", "3")
    changed(live, ago)
    ran = land(*NEWEST)
    assert (ran.code, ran.lines[-1]) == (0, "INFO    1 week: 1 landed")
    said = "has changed within the hour: waiting until its release has settled, 3 s"
    assert sum(line.endswith(said) for line in ran.lines) == waits
    assert not waits or waited(live) >= 2.9
    assert content(tmp_path / "lake", OBJECT) == rows_of(DUE)


def test_a_run_for_a_day_does_not_wait_for_the_end_of_a_release(land: Land, live: Soda, tmp_path: Path) -> None:
    changed(live, 0.0)
    ran = land(*BY_DAY)
    assert ran.code == 0
    assert "settled" not in ran.err
    assert content(tmp_path / "lake", OBJECT) == rows_of(DUE)
