"""The runs of a backfill at a server where no worker is: asked for once, judged by the lake, named, cancelled."""

import math
import signal
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled, Cancelling, Completed, Crashed

import backfill
from conftest import ask, ended, small_week, start, wait_until
from fleet import Fleet
from mta_weekly.errors import EtlError
from mta_weekly.orchestration import deployment_runs as runs
from mta_weekly.orchestration.prefect_api import NO_SERVER
from web import Answer

pytest_plugins = ["fleet"]


def test_a_part_or_a_deployment_that_is_deleted_meanwhile_is_said(fleet: Fleet) -> None:
    fleet.deploy("deleted")
    deployment = fleet.ask(lambda client: client.read_deployment_by_name("MTA Batch flow/deleted"))
    with temporary_settings({PREFECT_API_URL: fleet.api}):
        gone = runs.start_run("2015-01", deployment, {}, runs.find_key("2015-01", deployment, {}))
        ask(lambda client: client.delete_flow_run(gone))
        runs.set_state(gone, Cancelling(), force=False)  # between a look and what follows from it
        (ended,) = runs.await_runs({"2015-01": gone}, timedelta(seconds=60))
        assert ended == ("2015-01", None, "")
        ask(lambda client: client.delete_deployment(deployment.id))
        with pytest.raises(EtlError, match="deployment 'deleted' was deleted while its parts were started"):
            runs.start_run("2015-02", deployment, {}, "key")


def test_a_run_that_has_not_ended_is_asked_for_again_and_one_that_has_is_not(fleet: Fleet) -> None:
    fleet.deploy("numbered")
    deployment = fleet.ask(lambda client: client.read_deployment_by_name("MTA Batch flow/numbered"))
    with temporary_settings({PREFECT_API_URL: fleet.api}):

        def started(**parameters: Any) -> Any:
            return runs.start_run("2015", deployment, parameters, runs.find_key("2015", deployment, parameters))

        first = started(concurrency=2)
        ask(lambda client: client.update_flow_run(first, name="turnstile 150103 to 151226"))  # as it does itself
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

    def find_key(*_: Any) -> str:
        ran = ended(start(["--year", "2015", "--month", "1", "--lake", str(fleet.lake)], fleet.environment))
        assert ran.code == 0, ran.err
        return "key"

    monkeypatch.setattr(backfill, "find_key", find_key)
    assert fleet.backfill("raced", *period, part_timeout=2.0).message == "1 part: 1 there before"
    assert fleet.runs("raced") == []


def test_a_week_that_was_there_before_and_looks_wrong_fails_it(fleet: Fleet) -> None:
    fleet.deploy("suspect")
    cut = b"".join(small_week(date(2015, 1, 10)).splitlines(keepends=True)[:201])
    fleet.web.serve("/turnstile_150110.txt", Answer(cut))
    january = ["--year", "2015", "--month", "1", "--lake", str(fleet.lake)]
    assert ended(start(january, fleet.environment)).code == 1
    ran = ended(fleet.command("--start", "2015-01-01", "--end", "2015-01-31", "--deployment", "suspect"))
    said = "150110: is in the lake, and not like its neighbours: rows 200, its neighbours 500 (60 % fewer)"
    assert ran.code == 1
    assert [line.startswith(f"ERROR   {said}") for line in ran.lines] == [False, False, True, False]
    assert ran.lines[-1] == "ERROR   1 part: 1 there before, 1 suspect: 150110"
    state = fleet.backfill("suspect", date(2015, 1, 1), date(2015, 1, 31))
    assert str(state.message).startswith(f"1 part: 1 there before, 1 suspect. {said}")
    assert ended(start([*january, "--accept", "a blizzard"], fleet.environment)).code == 0
    assert fleet.backfill("suspect", date(2015, 1, 1), date(2015, 1, 31)).is_completed()
    assert fleet.runs("suspect") == []


def test_without_a_worker_the_parts_are_named_and_do_not_stay_behind(fleet: Fleet) -> None:
    fleet.deploy("nobody")
    state = fleet.backfill("nobody", date(2015, 1, 1), date(2015, 2, 28), part_timeout=2.0)
    assert state.is_failed()
    assert "2015-02: 4 of 4 weeks not in the lake: no worker took it, and no other part ran, for 2 s" in str(
        state.message
    )
    assert {run.state.name for run in fleet.runs("nobody")} == {"Cancelled"}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"deployment": "none"}, "deployment 'MTA Batch flow/none': there is none of that name"),
        ({"deployment": "Other/none"}, "must be one of the flow 'MTA Batch flow'"),
        ({"deployment": "asked", "part_timeout": 0.0}, "part_timeout 0.0: must be more than 0"),
        ({"deployment": "asked", "part_timeout": math.inf}, "part_timeout inf: must be more than 0 and up to"),
        ({"deployment": "asked", "part_timeout": math.nan}, "part_timeout nan: must be more than 0"),
        ({"deployment": "asked", "concurrency": 0}, "concurrency 0: must be 1 or more"),
        ({"deployment": "asked", "first": date(2016, 1, 1)}, "the end is before the start"),
        (
            {"deployment": "asked", "lake": "gs://bucket"},
            "lake 'gs://bucket': give gcs-bucket/NAME, or a folder from the root",
        ),
        ({"deployment": "asked", "lake": "a/folder"}, "lake 'a/folder': give gcs-bucket/NAME, or a folder from"),
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


async def exists(client: Any, pool: str) -> bool:
    return pool in [each.name for each in await client.read_work_pools()]


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_the_command_says_so_too(environment: dict[str, str], tmp_path: Path, dry: list[str]) -> None:
    arguments = ["--start", "2015-01-01", "--end", "2015-01-31", "--deployment", "any", "--lake", str(tmp_path)]
    ran = ended(start([*arguments, *dry], environment, command="backfill.py"))
    assert (ran.code, ran.err) == (1, f"{NO_SERVER}\n")
    gone = {**environment, "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    ran = ended(start([*arguments, *dry], gone, command="backfill.py"))
    assert (ran.code, ran.err.splitlines()[-1].endswith("; start it")) == (1, True)


def test_who_interrupts_it_is_told_that_its_parts_go_on(fleet: Fleet) -> None:
    fleet.deploy("interrupted")
    process = fleet.command("--start", "2015-01-01", "--end", "2015-01-31", "--deployment", "interrupted")
    wait_until(lambda: fleet.runs("interrupted"), "it never asked for its part")
    told = "no worker serves the work pool interrupted now; start one: prefect worker start --pool"
    assert any(told in line for line in process.stderr)  # it ends with that line, or when there is no more
    process.send_signal(signal.SIGINT)
    ran = ended(process)
    assert ran.code == 130
    assert ran.lines[-1].startswith("interrupted: its parts go on in their work pool; the same command waits for them")
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
