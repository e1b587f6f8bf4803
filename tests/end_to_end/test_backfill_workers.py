"""A backfill by many workers: each part once, by whoever is free; what dies or fails is named."""

import json
import os
import re
from calendar import monthrange
from contextlib import nullcontext
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.deployments import run_deployment
from rich.filesize import decimal

from conftest import HANGS, content, ended, expected, small_week, start, wait_until
from fleet import YEAR, Fleet, kill, objects, publish
from mta_weekly.orchestration.run_tags import ALERT_TAG
from servers import find_postgres, postgres, prefect_server
from tries import ALL, tries
from web import Answer, Web

pytest_plugins = ["fleet"]


DATABASES = ("postgresql", "sqlite")


@pytest.mark.parametrize("database", DATABASES if ALL else [DATABASES[not find_postgres()]])
def test_months_by_two_workers_are_as_one_run_in_one_process(database: str, year: Web, tmp_path: Path) -> None:
    months = tries(12, least=3)
    period = ["--start", "2015-01-01", "--end", f"2015-{months:02}-{monthrange(2015, months)[1]}"]
    with (
        postgres() if database == "postgresql" else nullcontext() as address,
        prefect_server(tmp_path / "server", address) as api,
    ):
        (tmp_path / "home").mkdir()
        fleet = Fleet(api, tmp_path / "home", year, tmp_path / "lake")
        fleet.deploy("months")
        with fleet.worker("months", "one"), fleet.worker("months", "two"):
            ran = ended(fleet.command(*period, "--deployment", "months"))
        assert ran.code == 0, ran.err
        assert ran.lines[-1] == f"INFO    {months} parts: {months} landed"
        assert fleet.parts("months") == [f"2015-{month:02}" for month in range(1, months + 1)]
        assert {run.state.name for run in fleet.runs("months")} == {"Completed"}
        assert min(fleet.took("one"), fleet.took("two")) >= months / 6
        again = ended(fleet.command(*period, "--deployment", "months"))
        assert again.lines[-1] == f"INFO    {months} parts: {months} there before"
        assert len(fleet.runs("months")) == months
    alone = ended(start([*period, "--lake", str(tmp_path / "alone")], fleet.environment | {"PREFECT_API_URL": ""}))
    assert alone.code == 0, alone.err
    assert objects(tmp_path / "lake") == objects(tmp_path / "alone")
    assert len(objects(tmp_path / "lake")) == len([week for week in YEAR if week.saturday.month <= months])
    assert len(YEAR) == 52


def test_a_worker_that_is_killed_leaves_a_part_that_is_named_and_the_next_backfill_completes_it(
    fleet: Fleet, year: Web, tmp_path: Path
) -> None:
    fleet.deploy("killed")
    slow = small_week(date(2015, 1, 10))
    year.serve("/turnstile_150110.txt", Answer(slow, pause_at=(len(slow) // 2, 600.0)))
    period = date(2015, 1, 1), date(2015, 4, 30)
    with fleet.worker("killed", "one") as one, fleet.worker("killed", "two") as two:
        running = fleet.command("--start", str(period[0]), "--end", str(period[1]), "--deployment", "killed")
        wait_until(lambda: any("150110" in seen.path for seen in year.requests), "January never began")
        (january,) = (run for run in fleet.runs("killed") if "2015-01" in run.tags)
        _, pid = january.infrastructure_pid.rsplit(":", 1)
        kill(one if os.getpgid(int(pid)) == one.pid else two)
        running.kill()  # and the one who waits for it
        running.communicate()
        year.serve("/turnstile_150110.txt", Answer(slow))
        state = fleet.backfill("killed", *period, part_timeout=40.0)
        assert state.is_failed(), state
        assert re.fullmatch(
            r"4 parts: .*, 1 failed. 2015-01: . of 5 weeks not in the lake: no final state after 40 s "
            r"\(part_timeout\)(; no worker ended it within 2 s of being asked to; its worker is dead)?",
            str(state.message),
        )
        dead = fleet.ask(lambda client: client.read_flow_run(january.id))
        assert dead.state.is_final()  # its place in the pool is free again
        whole = fleet.backfill("killed", *period)
    assert whole.message == "4 parts: 1 landed, 3 there before"
    assert fleet.parts("killed") == ["2015-01"] * 2 + [f"2015-0{month}" for month in (2, 3, 4)]
    assert len(objects(fleet.lake)) == len([week for week in YEAR if week.saturday <= period[1]])


def test_as_a_deployment_it_waits_in_a_pool_of_its_own_for_parts_whose_pool_has_one_place(fleet: Fleet) -> None:
    fleet.deploy("one-place", limit=1)
    given = {"start": "2015-01-01", "end": "2015-03-31"}

    def run(deployment: str, **more: Any) -> Any:
        async def ask_for(client: Any) -> Any:
            return await run_deployment(deployment, parameters={**given, **more}, poll_interval=0.5, timeout=HANGS)

        return fleet.ask(ask_for)

    with fleet.worker("one-place", "one"), fleet.worker("one-place", "two"), fleet.worker("one-place-q", "three"):
        ended = run("MTA Backfill flow/one-place")
        assert ended.state.message == "3 parts: 3 landed", ended.state
        runs = fleet.runs("one-place")
        assert fleet.parts("one-place") == [f"2015-0{month}" for month in (1, 2, 3)]
        assert not any(ALERT_TAG in part.tags for part in runs), "somebody would be told of each"
        parts = sorted((part.start_time, part.end_time) for part in runs)
        for (_, end), (begin, _) in pairwise(parts):
            assert begin >= end, "two parts at once in a pool of one place"
        fleet.ask(lambda client: move(client, "one-place"))
        refused = run("MTA Backfill flow/one-place")
        assert refused.state.is_failed()
        assert "work pool one-place: the parts run in it too" in refused.state.message


async def move(client: Any, pool: str) -> None:
    """Let the backfill wait in the pool of its parts."""
    deployment = await client.read_deployment_by_name(f"MTA Backfill flow/{pool}")
    deployment.work_pool_name = pool
    deployment.work_queue_name = "default"
    await client.update_deployment(deployment)


def test_two_identical_backfills_at_once_share_the_runs(fleet: Fleet) -> None:
    fleet.deploy("twice")
    arguments = ("--start", "2015-01-01", "--end", "2015-03-31", "--deployment", "twice")
    with fleet.worker("twice", "one"), fleet.worker("twice", "two"):
        both = [fleet.command(*arguments) for _ in "ab"]
        for ran in map(ended, both):
            assert ran.code == 0, ran.err
            assert ran.lines[-1] == "INFO    3 parts: 3 landed"
    assert fleet.parts("twice") == [f"2015-0{month}" for month in (1, 2, 3)]
    assert {name: content(fleet.lake, f"turnstile/{name}") for name in objects(fleet.lake)} == {
        f"{week}.csv.gz": expected(small_week(week.saturday)) for week in YEAR if week.saturday.month <= 3
    }


def test_a_part_that_fails_is_named_with_its_reason_and_only_it_runs_again(fleet: Fleet, year: Web) -> None:
    fleet.deploy("missing")
    year.serve("/turnstile_150214.txt", Answer(status=404))
    period = date(2015, 1, 1), date(2015, 3, 31)
    with fleet.worker("missing"):
        state = fleet.backfill("missing", *period)
        assert state.is_failed()
        assert str(state.message).startswith(
            "3 parts: 2 landed, 1 failed. 2015-02: 1 of 4 weeks not in the lake: turnstile 150214: not published (404"
        )
        there = objects(fleet.lake)
        publish(year)
        assert fleet.backfill("missing", *period).message == "3 parts: 1 landed, 2 there before"
    assert fleet.parts("missing") == ["2015-01", "2015-02", "2015-02", "2015-03"]
    which = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    (table,) = fleet.ask(lambda client: client.read_artifacts(flow_run_filter=which))
    everything, january, february, march = json.loads(table.data)
    assert table.key == "mta-parts-turnstile"
    assert (january["state"], february["state"], march["state"]) == ("landed", "failed", "landed")
    assert (february["weeks"], february["missing"], february["rows"]) == (4, 1, "1,500")
    assert [*everything.values()][:3] == ["total", "3 parts", "2 landed, 1 failed"]
    assert everything["size"] == decimal(sum(map(len, there.values())))


def test_a_deployment_without_a_lake_needs_one_and_weeks_outside_the_coverage_fail_a_backfill(
    fleet: Fleet, year: Web
) -> None:
    """Without one they would land who knows where; those inside land."""
    fleet.deploy("lakeless", lake=False)
    last = date(2024, 2, 17)
    period = {"first": last, "last": date(2024, 2, 29), "feed": "turnstile"}
    year.serve(f"/turnstile_{last:%y%m%d}.txt", Answer(small_week(last)))
    assert "has no lake among its parameters" in str(fleet.backfill("lakeless", **period).message)
    assert fleet.runs("lakeless") == []
    with fleet.worker("lakeless"):
        state = fleet.backfill("lakeless", **period, lake=str(fleet.lake))
    assert state.is_failed()
    assert str(state.message).startswith("1 part: 1 landed, 1 outside. 240224: outside what turnstile has published")
    assert content(fleet.lake, "turnstile/240217.csv.gz") == expected(small_week(last))
    assert len(objects(fleet.lake)) == 1
