"""Runs that hold weeks, say so at each place a person looks at, and take them when they are told why."""

import json
import random
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.states import State

import etl_web_to_gcs as etl
from conftest import FILE, KEY, ONE_WEEK, WEEK, ask, content, expected
from flow_runs import Land
from held_weeks import AROUND, Runs, full_week, repeat_rows, take_rows
from lake_objects import budget
from mta_weekly.command import flags
from mta_weekly.feeds.weeks import list_weeks
from mta_weekly.fetch.client import open_client
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.folder import FolderLake
from mta_weekly.settings import read_settings
from web import Answer, Web

pytest_plugins = ["flow_runs", "held_weeks"]

CUT = take_rows(full_week(), 0.4)
SAID = r"rows 1,598, its neighbours 4,003 to 4,020 \(60 % fewer\); turnstiles 39, its neighbours 96 \(5\d % fewer\)"
FOUR = ["--start", "2023-12-23", "--end", "2024-01-20", "--feed", "turnstile"]


@pytest.fixture
def site(web: Web, tmp_path: Path, weeks_around: list[tuple[Path, Facts]]) -> Web:
    """A server that has part of a week, and the lake that has those around it."""
    lake = FolderLake(tmp_path / "lake")
    lake.prepare()
    for path, facts in weeks_around:
        lake.publish(path, f"turnstile/{facts.week}.csv.gz", facts, None, budget())
        web.serve(f"/turnstile_{facts.week}.txt", Answer(full_week(facts.week)))
    web.serve(FILE, Answer(CUT))
    return web


def read_table(lake: Path) -> list[dict[str, Any]]:
    """The table of the run that held the one week that is held."""
    (facts,) = (lake / "held" / "turnstile").glob("*.json")
    run_id = json.loads(facts.read_text())["flow_run_id"]
    run = FlowRunFilter(id=FlowRunFilterId(any_=[run_id]))
    (artifact,) = ask(lambda client: client.read_artifacts(flow_run_filter=run))
    rows: list[dict[str, Any]] = json.loads(artifact.data)
    return rows


def test_a_held_week_is_named_with_its_figures_until_it_is_accepted(land: Land, site: Web, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    ran = land(*FOUR)
    assert ran.code == 1
    (line,) = (line for line in ran.lines if line.startswith("ERROR"))
    key = r"held/turnstile/240106-[0-9a-f]{16}\.csv\.gz"
    command = re.escape(f"python flows/etl_web_to_gcs.py {' '.join(ONE_WEEK)} --feed turnstile --lake {lake}")
    reason = rf"held: {SAID}; [^;]*; and \d+ more; kept as {key}; if it is right: {command} --accept WHY"
    assert re.fullmatch(rf"ERROR +turnstile {WEEK}: {reason}", line)
    assert ran.lines[-1] == "INFO    5 weeks: 4 there, 1 held"
    (row,) = (row for row in read_table(lake) if row["week"] == WEEK)
    assert (row["state"], row["rows"], row["object"]) == ("held", "1,598", KEY)
    assert re.fullmatch(r"held: rows 1,598, .* \.\.\.", row["reason"])  # the line has all of it
    assert line.partition(": ")[2].startswith(row["reason"].removesuffix(" ..."))
    assert not (lake / KEY).exists()

    asked = len(site.requests)
    ran = land(*ONE_WEEK, "--accept", "half of the stations were closed")
    assert (ran.code, len(site.requests)) == (0, asked)
    assert content(lake) == expected(CUT)
    ran = land(*FOUR)
    assert (ran.code, ran.lines[-1]) == (0, "INFO    5 weeks: 5 there")


def test_what_landed_with_a_warning_is_suspect_for_a_run_that_holds(
    flow: Callable[..., State[Any]], land: Land, site: Web
) -> None:
    ran = land(*ONE_WEEK, "--judge", "warn")
    assert ran.code == 0
    (warning,) = (line for line in ran.lines if line.startswith("WARNING"))
    assert re.match(rf"WARNING turnstile {WEEK}: not like its neighbours: {SAID}; ", warning)
    assert ran.lines[-1] == "INFO    1 week: 1 landed"
    state = flow(year=2024, month=1, day=6)
    assert state.is_failed()
    said = rf"1 week: 1 suspect\. turnstile {WEEK}: is in the lake, and not like its neighbours: {SAID}; .*"
    assert re.fullmatch(said, state.message or "")


def test_a_run_that_catches_up_takes_what_its_source_has_mended(
    land: Land, site: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (flags, etl):
        monkeypatch.setattr(module, "new_york_today", lambda: date(2024, 1, 24))
    weeks = ["--feed", "turnstile", "--catch-up", "4"]
    assert land(*weeks).lines[-1] == "INFO    4 weeks: 3 there, 1 held"
    assert len(site.requests) == 1
    site.serve(FILE, Answer(full_week()))
    ran = land(*weeks)
    assert (ran.code, ran.lines[-1]) == (0, "INFO    4 weeks: 1 landed, 3 there")
    assert content(tmp_path / "lake") == expected(full_week())


def test_what_cannot_be_accepted_is_said_in_one_line_before_any_request(land: Land, site: Web) -> None:
    one = [*ONE_WEEK, "--accept"]
    for arguments, said in (
        ([*one, "so it was"], "240106 is not held, and not in the lake; load it."),
        (["--year", "2023", "--month", "12", "--accept", "so it was"], "231202, 231209, 231216 are not held, and not"),
        (["--start", "2024-01-13", "--end", "2024-01-20", "--accept", "so it was"], "there is nothing to accept."),
        (["--accept", "so it was"], "accept: name the week, by year, month and day, or weeks, by start and end."),
        (["--catch-up", "4", "--accept", "so it was"], "accept: name the week"),
        ([*one, "so it was", "--force"], "argument --force: not allowed with argument --accept"),
        ([*one, "so it was", "--refresh"], "argument --refresh: not allowed with argument --accept"),
        ([*one, ""], "accept: say why, in one line of up to 200 bytes."),
        ([*one, " "], "accept: say why"),
        ([*one, "so\nit was"], "accept: say why"),
        ([*one, "x" * 300], "accept: say why"),
        ([*ONE_WEEK, "--judge", "maybe"], "argument --judge: invalid choice: 'maybe'"),
    ):
        ran = land(*arguments)
        faults = [line for line in ran.lines if not line.startswith("INFO")]
        assert (ran.code, len(faults), said in faults[0]) == (2, 1, True), ran.err
    assert site.requests == []


def test_a_flow_run_that_cannot_accept_says_so_before_any_request(flow: Callable[..., State[Any]], site: Web) -> None:
    one = {"year": 2024, "month": 1, "day": 6, "accept": "so it was"}
    for parameters, said in (
        (one, "not held, and not in the lake"),
        (one | {"force": True}, "accept and force: "),
        (one | {"refresh": True}, "accept and refresh: "),
        ({"accept": "so it was"}, "accept: name the week"),
        (one | {"accept": "x" * 300}, "accept: say why"),
    ):
        state = flow(**parameters)
        assert (state.is_failed(), state.name, said in (state.message or "")) == (True, "BadArgument", True)
    assert site.requests == []


def test_in_an_empty_lake_a_stump_lands_and_is_suspect_until_it_is_accepted(
    land: Land, web: Web, tmp_path: Path
) -> None:
    for week in (*AROUND, WEEK, "240127"):
        web.serve(f"/turnstile_{week}.txt", Answer(CUT if week == WEEK else full_week(week)))
    six = ["--start", "2023-12-23", "--end", "2024-01-27", "--feed", "turnstile", "--concurrency", "3"]
    ran = land(*six)
    (line,) = (line for line in ran.lines if line.startswith("ERROR"))
    assert f"turnstile {WEEK}: is in the lake, and not like its neighbours: rows 1,598" in line
    assert (ran.code, ran.lines[-1]) == (1, "INFO    6 weeks: 5 landed, 1 suspect")
    assert len(list((tmp_path / "lake" / "turnstile").glob("*.gz"))) == 6
    assert land(*ONE_WEEK, "--accept", "so it was").code == 0
    assert land(*six).lines[-1] == "INFO    6 weeks: 6 there"


EIGHT = list_weeks(date(2023, 8, 5), date(2023, 9, 23))
TWENTY = list_weeks(date(2023, 9, 30), date(2024, 2, 10))
WRONG = {"231007": 0.4, "231125": 0.6, "240203": 2.0}  # what part of the rows the source has


def test_of_twenty_weeks_those_that_are_wrong_are_held_in_any_order(
    flow: Callable[..., State[Any]], web: Web, tmp_path: Path
) -> None:
    for week in map(str, (*EIGHT, *TWENTY)):
        published, part = full_week(week), WRONG.get(week, 1.0)
        web.serve(f"/turnstile_{week}.txt", Answer(take_rows(published, part) if part <= 1 else repeat_rows(published)))
    settings, weeks = read_settings(), [str(week) for week in TWENTY]
    with open_client(settings) as client:
        runs = Runs(FolderLake(tmp_path / "lake"), web, client, settings, tmp_path)
        assert {each.state for each in runs(*map(str, EIGHT))} == {"landed"}
        shutil.copytree(tmp_path / "lake", tmp_path / "other")
        random.Random("any order").shuffle(weeks)
        outcomes = replace(runs, lake=FolderLake(tmp_path / "other"))(*weeks)
    assert {each.week for each in outcomes if each.state == "held"} == set(WRONG)
    assert {each.week for each in outcomes if each.state == "landed"} == set(weeks) - set(WRONG)

    state = flow(start=TWENTY[0].saturday, end=TWENTY[-1].saturday, concurrency=4)
    assert state.is_failed()
    assert state.message
    assert state.message.startswith("20 weeks: 17 landed, 3 held. ")
    assert re.findall(r"turnstile (\d{6}): held: (rows|doubled keys) [\d,]+, its neighbours [\d,]+", state.message) == [
        ("231007", "rows"), ("231125", "rows"), ("240203", "doubled keys"),
    ]  # fmt: skip
