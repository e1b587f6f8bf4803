"""A backfill by many workers: each part once, by whoever is free; what dies, fails or waits too long is named."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pendulum
import pytest
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled, Cancelling, Completed, Crashed, Pending, Running, Scheduled, State

import backfill
import weekly
from conftest import ROOT, ask, content, ended, expected, small_week, start, wait_until
from engine import postgres, prefect_server
from mta_weekly.backfill_parts import Part, counted, cut, total
from mta_weekly.command import command as cli
from mta_weekly.errors import EtlError
from mta_weekly.feeds.weeks import label, saturdays
from mta_weekly.orchestration import deployment_runs as runs
from web import Answer, Web

YEAR = saturdays(date(2015, 1, 1), date(2015, 12, 31))


def test_a_range_is_cut_into_months_or_years() -> None:
    weeks = saturdays(date(2015, 11, 20), date(2016, 1, 10))
    months = {"2015-11": 2, "2015-12": 4, "2016-01": 2}
    assert {name: len(part) for name, part in cut(weeks, "month").items()} == months
    assert {name: len(part) for name, part in cut(weeks, "year").items()} == {"2015": 6, "2016": 2}
    assert [week for part in cut(weeks, "year").values() for week in part] == weeks


def test_parts_in_words() -> None:
    landed = Part("2015-03", "landed", 4, 0, 2_000, 26_000, 35.2, "id")
    failed = Part("2015-04", "failed", 4, 1, 1_500, 19_500, 9.1, "id", "turnstile 150404: not published")
    outside = Part("100501", "outside", 1, 1, reason="outside what turnstile has published")
    assert str(landed) == "2015-03: landed, 4 weeks, 2,000 rows, 26.0 kB, 35 s"
    assert str(failed) == "2015-04: 1 of 4 weeks not in the lake: turnstile 150404: not published"
    assert str(Part("2015-05", "there before", 1, 0, 500, 6_500)) == "2015-05: there before, 1 week, 500 rows, 6.5 kB"
    assert str(outside) == "100501: outside what turnstile has published"
    counts = "2 parts: 1 landed, 1 failed, 1 outside"
    assert counted([outside, landed, failed]) == counts
    assert total([outside, landed, failed], 40) == Part("total", counts, 9, 2, 3_500, 45_500, 40)


@dataclass
class Fleet:
    """A Prefect server, pools, deployments that land in a folder, and workers as processes of their own."""

    api: str
    home: Path
    web: Web
    lake: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PREFECT_API_URL": self.api,
            "PREFECT_HOME": str(self.home),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "MTA_TURNSTILE_URL": self.web.url,
            "MTA_SPOOL": str(self.home / "spool"),
        }

    def ask(self, question: Callable[[Any], Any]) -> Any:
        with temporary_settings({PREFECT_API_URL: self.api}):
            return ask(question)

    def deploy(self, name: str, limit: int | None = None, lake: bool = True) -> None:
        """The weekly flow and the backfill, each in a pool of its own."""
        variables = {"working_dir": str(ROOT)}
        given = ["--work_pool", name, "--deploy_name", name, "--lake", str(self.lake)]
        options = weekly.parser("", weekly.__file__, "").parse_args(given)

        async def put(client: Any) -> None:
            for pool, most in ((name, limit), (f"{name}-q", None)):
                await client.create_work_pool(WorkPoolCreate(name=pool, type="process", concurrency_limit=most))
            place = weekly.Place("flows/etl_web_to_gcs.py:main_flow", str(ROOT), name, job_variables=variables)
            what = weekly.saturdays(options)
            if not lake:
                del what.parameters["lake"]
            await weekly.put(client, options, place, what)
            place = weekly.Place("flows/backfill.py:backfill_flow", str(ROOT), f"{name}-q", job_variables=variables)
            code = weekly.Code.of(backfill.backfill_flow)
            await weekly.put(client, options, place, weekly.What(code, {"deployment": name, "lake": str(self.lake)}))

        self.ask(put)

    @contextmanager
    def worker(self, pool: str, name: str = "worker") -> Iterator[subprocess.Popen[str]]:
        """A worker that takes one run at a time; it and its runs end with the block."""
        command = ["prefect", "worker", "start", "--pool", pool, "--type", "process", "--limit", "1", "--name", name]
        command[0] = str(Path(sys.executable).parent / "prefect")
        log = self.home / f"{name}.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                command, env=self.environment, cwd=self.home, stdout=out, stderr=out, start_new_session=True
            )
        try:
            yield process
        finally:
            kill(process)

    def took(self, name: str) -> int:
        """How many runs a worker has begun; one that another worker was given before it says "Aborted" instead."""
        return (self.home / f"{name}.log").read_text().count("Completed submission of flow run")

    def runs(self, name: str) -> list[Any]:
        """All runs of the weekly deployment that a backfill asked for."""

        async def read(client: Any) -> list[Any]:
            deployment = await client.read_deployment_by_name(f"MTA Batch flow/{name}")
            which = FlowRunFilterDeploymentId(any_=[deployment.id])
            runs = await client.read_flow_runs(flow_run_filter=FlowRunFilter(deployment_id=which))
            return [run for run in runs if run.name.startswith("backfill")]  # and not those of Saturdays

        return self.ask(read)

    def backfill(self, name: str, first: date, last: date, **more: Any) -> State[Any]:
        """The flow in this process, which is not one of the workers."""
        with temporary_settings({PREFECT_API_URL: self.api}):
            return backfill.backfill_flow(first, last, name, **more, return_state=True)

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        return start(arguments, self.environment, cwd=self.home, command="backfill.py")


def kill(process: subprocess.Popen[str]) -> None:
    """kill -9, the worker and all that it started."""
    with nullcontext() if process.poll() is None else pytest.raises(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def year() -> Iterator[Web]:
    """A web server with the weeks of 2015."""
    with Web() as web:
        publish(web)
        yield web


def publish(web: Web, **lies: Any) -> None:
    for saturday in YEAR:
        web.serve(f"/turnstile_{label(saturday)}.txt", Answer(small_week(saturday), **lies))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prefect_server(tmp_path_factory.mktemp("server")) as api:
        yield api


@pytest.fixture
def fleet(api: str, year: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    monkeypatch.setattr(runs, "POLL", 0.5)
    monkeypatch.setattr(runs, "GRACE", timedelta(seconds=2))
    (tmp_path / "home").mkdir()
    publish(year)
    year.requests.clear()
    yield Fleet(api, tmp_path / "home", year, tmp_path / "lake")


def objects(lake: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (lake / "turnstile").glob("*.csv.gz")}


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_twelve_months_by_two_workers_are_as_one_run_in_one_process(database: str, year: Web, tmp_path: Path) -> None:
    with (
        postgres() if database == "postgresql" else nullcontext() as address,
        prefect_server(tmp_path / "server", address) as api,
    ):
        (tmp_path / "home").mkdir()
        fleet = Fleet(api, tmp_path / "home", year, tmp_path / "lake")
        fleet.deploy("months")
        with fleet.worker("months", "one"), fleet.worker("months", "two"):
            ran = ended(fleet.command("--start", "2015-01-01", "--end", "2015-12-31", "--deployment", "months"))
        assert ran.code == 0, ran.err
        assert ran.lines[-1] == "INFO    12 parts: 12 landed"
        months = fleet.runs("months")
        assert sorted(run.name for run in months) == [f"backfill 2015-{month:02}" for month in range(1, 13)]
        assert {run.state.name for run in months} == {"Completed"}
        assert min(fleet.took("one"), fleet.took("two")) >= 2
        again = ended(fleet.command("--start", "2015-01-01", "--end", "2015-12-31", "--deployment", "months"))
        assert again.lines[-1] == "INFO    12 parts: 12 there before"
        assert len(fleet.runs("months")) == 12
    alone = ended(
        start(["--year", "2015", "--lake", str(tmp_path / "alone")], fleet.environment | {"PREFECT_API_URL": ""})
    )
    assert alone.code == 0, alone.err
    assert objects(tmp_path / "lake") == objects(tmp_path / "alone")
    assert len(objects(tmp_path / "lake")) == len(YEAR) == 52


def test_a_worker_that_is_killed_leaves_a_part_that_is_named_and_the_next_backfill_completes_it(
    fleet: Fleet, year: Web, tmp_path: Path
) -> None:
    fleet.deploy("killed")
    slow = small_week(date(2015, 1, 10))
    year.serve("/turnstile_150110.txt", Answer(slow, pause_at=(len(slow) // 2, 600.0)))
    period = date(2015, 1, 1), date(2015, 4, 30)
    with fleet.worker("killed", "one") as one, fleet.worker("killed", "two") as two:
        running = fleet.command("--start", str(period[0]), "--end", str(period[1]), "--deployment", "killed")
        wait_until(lambda: any("150110" in seen.path for seen in year.requests), "January never began", 120)
        (january,) = (run for run in fleet.runs("killed") if run.name == "backfill 2015-01")
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
    names = [run.name for run in fleet.runs("killed")]
    assert sorted(names) == sorted(["backfill 2015-01"] * 2 + [f"backfill 2015-0{month}" for month in (2, 3, 4)])
    assert len(objects(fleet.lake)) == len([week for week in YEAR if week <= period[1]])


def test_as_a_deployment_it_waits_in_a_pool_of_its_own_for_parts_whose_pool_has_one_place(fleet: Fleet) -> None:
    fleet.deploy("one-place", limit=1)
    given = {"start": "2015-01-01", "end": "2015-03-31"}

    def run(deployment: str, **more: Any) -> Any:
        async def ask_for(client: Any) -> Any:
            return await run_deployment(deployment, parameters={**given, **more}, poll_interval=0.5, timeout=200)

        return fleet.ask(ask_for)

    with fleet.worker("one-place", "one"), fleet.worker("one-place", "two"), fleet.worker("one-place-q", "three"):
        ended = run("MTA Backfill flow/one-place")
        assert ended.state.message == "3 parts: 3 landed", ended.state
        parts = sorted((part.start_time, part.end_time) for part in fleet.runs("one-place"))
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
    assert sorted(run.name for run in fleet.runs("twice")) == [f"backfill 2015-0{month}" for month in (1, 2, 3)]
    assert {name: content(fleet.lake, f"turnstile/{name}") for name in objects(fleet.lake)} == {
        f"{label(week)}.csv.gz": expected(small_week(week)) for week in YEAR if week.month <= 3
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
    assert sorted(run.name for run in fleet.runs("missing")) == sorted(
        ["backfill 2015-01", "backfill 2015-02", "backfill 2015-02", "backfill 2015-03"]
    )
    which = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    (table,) = fleet.ask(lambda client: client.read_artifacts(flow_run_filter=which))
    january, february, march, everything = json.loads(table.data)
    assert (january["state"], february["state"], march["state"]) == ("landed", "failed", "landed")
    assert (february["weeks"], february["missing"], february["rows"]) == (4, 1, 3 * 500)
    assert (everything["part"], everything["state"]) == ("total", "3 parts: 2 landed, 1 failed")
    assert everything["bytes"] == sum(map(len, there.values()))


NOBODY = (
    "no worker took it, and no other part ran, for 100 s; look whether the pool has a worker and a free place, "
    "and is not paused"
)


@pytest.mark.parametrize(
    ("state", "ago", "moved", "to", "says"),
    [
        (Scheduled(), 0, 99, None, ""),
        (
            Scheduled(),
            0,
            101,
            "Cancelled",
            NOBODY,
        ),
        (Pending(), 99, 0, None, ""),
        (Pending(), 101, 0, "Cancelling", "no final state after 100 s (part_timeout)"),
        (Running(), 99, 999, None, ""),
        (Running(), 101, 0, "Cancelling", "no final state after 100 s (part_timeout)"),
        (Cancelling(), 59, 0, None, ""),
        (Cancelling(), 61, 0, "Crashed", "no worker ended it within 60 s of being asked to; its worker is dead"),
    ],
)
def test_what_is_done_with_a_run_that_takes_too_long(
    state: State[Any], ago: float, moved: float, to: str | None, says: str
) -> None:
    now = datetime.now(UTC)
    state.timestamp = pendulum.instance(now - timedelta(seconds=ago))
    run = FlowRun(flow_id=uuid4(), state=state)
    verdict = runs.overdue(run, now - timedelta(seconds=moved), timedelta(seconds=100))
    assert (verdict and (verdict[0].name, verdict[1], verdict[2])) == (to and (to, says, to == "Crashed"))


def test_a_part_or_a_deployment_that_is_deleted_meanwhile_is_said(fleet: Fleet) -> None:
    fleet.deploy("deleted")
    deployment = fleet.ask(lambda client: client.read_deployment_by_name("MTA Batch flow/deleted"))
    with temporary_settings({PREFECT_API_URL: fleet.api}):
        gone = runs.start("2015-01", deployment, {}, runs.key_of("2015-01", deployment, {}))
        ask(lambda client: client.delete_flow_run(gone))
        runs.set_state(gone, Cancelling(), force=False)  # between a look and what follows from it
        (ended,) = runs.ends({"2015-01": gone}, timedelta(seconds=60))
        assert ended == ("2015-01", None, "")
        ask(lambda client: client.delete_deployment(deployment.id))
        with pytest.raises(EtlError, match="deployment 'deleted' was deleted while its parts were started"):
            runs.start("2015-02", deployment, {}, "key")


def test_a_run_that_has_not_ended_is_asked_for_again_and_one_that_has_is_not(fleet: Fleet) -> None:
    fleet.deploy("numbered")
    deployment = fleet.ask(lambda client: client.read_deployment_by_name("MTA Batch flow/numbered"))
    with temporary_settings({PREFECT_API_URL: fleet.api}):

        def started(**parameters: Any) -> Any:
            return runs.start("2015", deployment, parameters, runs.key_of("2015", deployment, parameters))

        first = started(concurrency=2)
        assert started(concurrency=2) == first
        assert started(concurrency=3) != first
        runs.set_state(first, Cancelled(), force=True)
        second = started(concurrency=2)
        assert second != first
        ask(lambda client: client.delete_flow_run(first))
        assert started(concurrency=2) == second


def test_the_lake_says_whether_a_part_is_done_whatever_its_run_says(fleet: Fleet) -> None:
    fleet.deploy("judged")
    with temporary_settings({PREFECT_API_URL: fleet.api}):
        parts = backfill._Parts.of(date(2015, 1, 1), date(2015, 1, 31), "judged", "month", "auto", None)
    completed, crashed = (FlowRun(flow_id=uuid4(), state=state) for state in (Completed(), Crashed(message="killed")))
    elsewhere = parts.settle("2015-01", completed, "")
    assert (elsewhere.state, elsewhere.missing) == ("failed", 5)
    assert "its run has completed, so they landed elsewhere" in elsewhere.reason
    ran = ended(start(["--year", "2015", "--month", "1", "--lake", str(fleet.lake)], fleet.environment))
    assert ran.code == 0, ran.err
    there = parts.settle("2015-01", crashed, "")
    assert (there.state, there.missing, there.reason) == ("landed", 0, "its run ended so: Crashed: killed")


def test_a_part_that_has_just_been_done_is_not_run(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the lake and the start of its run another backfill finished it."""
    fleet.deploy("raced")
    period = date(2015, 1, 1), date(2015, 1, 31)

    def key_of(*_: Any) -> str:
        ran = ended(start(["--year", "2015", "--month", "1", "--lake", str(fleet.lake)], fleet.environment))
        assert ran.code == 0, ran.err
        return "key"

    monkeypatch.setattr(backfill, "key_of", key_of)
    assert fleet.backfill("raced", *period, part_timeout=2.0).message == "1 part: 1 there before"
    assert fleet.runs("raced") == []


def test_without_a_worker_the_parts_are_named_and_do_not_stay_behind(fleet: Fleet) -> None:
    fleet.deploy("nobody")
    state = fleet.backfill("nobody", date(2015, 1, 1), date(2015, 2, 28), part_timeout=2.0)
    assert state.is_failed()
    assert "2015-02: 4 of 4 weeks not in the lake: no worker took it, and no other part ran, for 2 s" in str(
        state.message
    )
    assert {run.state.name for run in fleet.runs("nobody")} == {"Cancelled"}


def test_weeks_outside_the_coverage_fail_it_and_the_others_land(fleet: Fleet, year: Web) -> None:
    fleet.deploy("outside")
    last = date(2024, 2, 17)
    year.serve(f"/turnstile_{label(last)}.txt", Answer(small_week(last)))
    with fleet.worker("outside"):
        state = fleet.backfill("outside", last, date(2024, 2, 29), feed="turnstile")
    assert state.is_failed()
    assert str(state.message).startswith("1 part: 1 landed, 1 outside. 240224: outside what turnstile has published")
    assert content(fleet.lake, "turnstile/240217.csv.gz") == expected(small_week(last))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"deployment": "none"}, "deployment 'MTA Batch flow/none': there is none of that name"),
        ({"deployment": "Other/none"}, "must be one of the flow 'MTA Batch flow'"),
        ({"deployment": "asked", "part_timeout": 0.0}, "part_timeout 0.0: must be more than 0"),
        ({"deployment": "asked", "part_timeout": math.inf}, "part_timeout inf: must be more than 0 and up to"),
        ({"deployment": "asked", "part_timeout": math.nan}, "part_timeout nan: must be more than 0"),
        ({"deployment": "asked", "concurrency": 0}, "concurrency 0, allow_bad_rows 0: must be 1 or more"),
        ({"deployment": "asked", "first": date(2016, 1, 1)}, "the end is before the start"),
        (
            {"deployment": "asked", "lake": "gs://bucket"},
            "lake gs://bucket: give gcs-bucket/NAME, or a folder from the root",
        ),
        ({"deployment": "asked", "lake": "a/folder"}, "lake a/folder: give gcs-bucket/NAME, or a folder from"),
        ({"deployment": "asked", "lake": "gcs-bucket/none"}, "no such block is registered"),
    ],
)
def test_what_cannot_be_run_is_said(fleet: Fleet, more: dict[str, Any], says: str) -> None:
    if not fleet.ask(lambda client: exists(client, "asked")):
        fleet.deploy("asked")
    more = {"name": more.pop("deployment"), "first": date(2015, 1, 1), "last": date(2015, 1, 31), **more}
    state = fleet.backfill(**more)
    assert state.is_failed()
    assert says in str(state.message)


def test_a_deployment_without_a_lake_lands_who_knows_where(fleet: Fleet) -> None:
    fleet.deploy("lakeless", lake=False)
    period = date(2015, 1, 1), date(2015, 1, 31)
    assert "has no lake among its parameters" in str(fleet.backfill("lakeless", *period).message)
    assert fleet.runs("lakeless") == []
    with fleet.worker("lakeless"):
        assert fleet.backfill("lakeless", *period, lake=str(fleet.lake)).is_completed()
    assert len(objects(fleet.lake)) == 5


async def exists(client: Any, pool: str) -> bool:
    return pool in [each.name for each in await client.read_work_pools()]


def test_without_a_server_there_are_no_workers() -> None:
    state = backfill.backfill_flow(date(2015, 1, 1), date(2015, 1, 31), "any", return_state=True)
    assert state.is_failed()
    assert "a backfill needs a Prefect server" in str(state.message)


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_the_command_says_so_too(environment: dict[str, str], tmp_path: Path, dry: list[str]) -> None:
    arguments = ["--start", "2015-01-01", "--end", "2015-01-31", "--deployment", "any", "--lake", str(tmp_path)]
    ran = ended(start([*arguments, *dry], environment, command="backfill.py"))
    assert (ran.code, ran.err) == (1, f"{cli.NO_SERVER}\n")
    gone = {**environment, "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    ran = ended(start([*arguments, *dry], gone, command="backfill.py"))
    assert (ran.code, ran.err.splitlines()[-1].endswith("; start it")) == (1, True)


def test_who_interrupts_it_is_told_that_its_parts_go_on(fleet: Fleet) -> None:
    fleet.deploy("interrupted")
    process = fleet.command("--start", "2015-01-01", "--end", "2015-01-31", "--deployment", "interrupted")
    wait_until(lambda: fleet.runs("interrupted"), "it never asked for its part")
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    ran = ended(process)
    assert ran.code == 130
    assert ran.lines[-1].startswith("interrupted: its parts go on in their work pool; the same command waits for them")
    assert "no worker serves the work pool interrupted now; start one: prefect worker start --pool" in ran.err
    assert [run.state.is_final() for run in fleet.runs("interrupted")] == [False]


def test_a_dry_run_lists_the_parts_and_starts_nothing(fleet: Fleet) -> None:
    fleet.deploy("dry")
    ran = ended(fleet.command("--start", "2015-01-01", "--end", "2015-02-28", "--deployment", "dry", "--dry-run"))
    assert ran.code == 0, ran.err
    assert ran.out.splitlines() == [
        f"lake: {fleet.lake}",
        "2015-01  would run     5 of 5 weeks missing",
        "2015-02  would run     4 of 4 weeks missing",
    ]
    assert fleet.runs("dry") == []


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--start", "2015-01-01", "--end", "2014-12-01", "--deployment", "d"], "the end is before the start"),
        (["--start", "2015-01-01", "--deployment", "d"], "the following arguments are required: --end"),
        (["--start", "2015-01-01", "--end", "2015-02-01", "--deployment", "d", "--part-timeout", "nan"], "no number"),
        (["--start", "2015-01-01", "--end", "2015-02-01", "--deployment", "d", "--by", "day"], "invalid choice"),
    ],
)
def test_bad_flags_end_with_2(flags: list[str], says: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.parse(cli.backfill_parser(), flags)
    assert end.value.code == 2
    assert says in capfd.readouterr().err
