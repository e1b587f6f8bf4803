"""Alerts on a real server: each cause is one message, that says which run, why and what to do; all else is none."""

import os
import signal
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.settings import (
    PREFECT_API_KEY,
    PREFECT_API_URL,
    PREFECT_CLOUD_API_URL,
    temporary_settings,
)
from prefect.states import Cancelled, Completed, Crashed, Failed, Late, State

from alert_receiver import Receiver
from conftest import Ran, small_week, wait_until
from fleet import Fleet
from mta_weekly.orchestration.run_tags import ALERT_TAG, FRESHNESS_TAG, PART_TAG
from servers import prefect_server
from web import Answer, Web

pytest_plugins = ["fleet"]
UI = "http://pages.example:4200"
SECRET = "T0/hidden-address"
POLICIES, AUTOMATIONS = f"/{SECRET}/policies", f"/{SECRET}/automations"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def watched(tmp_path: Path, year: Web, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """A server with the services that Prefect starts by default, and with events, so that automations run too.

    A run is late after 30 s, not 15: a worker on a busy machine is that slow, and a good run must not be late.
    """
    monkeypatch.setenv("PREFECT_API_SERVICES_LATE_RUNS_AFTER_SECONDS", "30")
    monkeypatch.setenv("PREFECT_UI_URL", UI)
    monkeypatch.setenv("PREFECT_EXPERIMENTAL_EVENTS", "true")
    with prefect_server(tmp_path / "server") as api:
        (tmp_path / "home").mkdir()
        yield Fleet(api, tmp_path / "home", year, tmp_path / "lake")


def register(fleet: Fleet, receiver: Receiver, script: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    """Policies tell one path through Apprise, automations another as a plain webhook; twice is no second message."""
    monkeypatch.setenv("POLICIES", receiver.url.replace("http:", "json:") + POLICIES)
    monkeypatch.setenv("AUTOMATIONS", receiver.url + AUTOMATIONS)
    of_cloud = {PREFECT_CLOUD_API_URL: fleet.api, PREFECT_API_KEY: "pnu_none"}  # with them the server passes for Cloud
    for kind, variable, settings in (("apprise", "POLICIES", {}), ("webhook", "AUTOMATIONS", of_cloud)):
        for _ in range(2):
            with temporary_settings({PREFECT_API_URL: fleet.api, **settings}):
                ran = script("alert_block", "--kind", kind, "--url-env", variable)
            assert ran.code == 0, ran.err
            assert SECRET not in ran.out + ran.err


def test_each_cause_is_one_message_and_all_else_is_none(
    watched: Fleet, year: Web, receiver: Receiver, script: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = watched
    register(fleet, receiver, script, monkeypatch)
    fleet.deploy("watched", limit=1)
    fleet.deploy("nobody")
    held = True
    year.serve("/turnstile_150110.txt", Answer(small_week(date(2015, 1, 10)), until=lambda: not held))
    year.serve("/turnstile_150117.txt", Answer(status=404))
    with fleet.worker("watched"):
        wait_until(lambda: "started!" in (fleet.home / "worker.log").read_text(), "the worker did not start")
        good = begin(fleet, "watched", 3)
        wait_for(fleet, "Completed", good)  # of which nobody is told
        crashed = begin(fleet, "watched", 10)
        wait_until(lambda: any("150110" in seen.path for seen in year.requests), "the run never began")
        part, late = begin(fleet, "watched", 24, PART_TAG), begin(fleet, "nobody", 31)
        wait_for(fleet, "Late", part, late)  # the one for a full pool, the other for a worker that is not there
        _, pid = fleet.ask(lambda client: client.read_flow_run(crashed.id)).infrastructure_pid.rsplit(":", 1)
        os.kill(int(pid), signal.SIGKILL)
        wait_for(fleet, "Crashed", crashed)
        wait_for(fleet, "Completed", part)
        failed = begin(fleet, "watched", 17)
        wait_for(fleet, "Failed", failed)
    held = False
    causes = [
        (late, "Late", "No worker or agent has taken it."),
        (crashed, "Crashed", "status code -9"),
        (failed, "Failed", "turnstile 150117: not published"),
        *tell(fleet),
    ]
    subflows = [run for run in fleet.ask(lambda client: client.read_flow_runs()) if run.parent_task_run_id]
    assert "Failed" in {run.state.name for run in subflows}  # and is no cause of its own
    last = str(causes[-1][0].id)
    for path in (POLICIES, AUTOMATIONS):
        wait_until(lambda path=path: any(last in text for text in receiver.at(path)), "no message of the last cause")
        messages = {text.rpartition("/")[2]: text.splitlines() for text in receiver.at(path)}
        assert sorted(messages) == sorted(str(run.id) for run, _, _ in causes)
        assert len(receiver.at(path)) == len(causes)
        for run, state, why in causes:
            first, reason, asked, advice, link = messages[str(run.id)]
            name = fleet.ask(lambda client, run=run: client.read_flow_run(run.id)).name
            assert first == f"MTA Batch flow, run {name}: {state}"
            assert why in reason
            for word in ("'feed': 'turnstile'", f"'start': '{run.parameters['start']}'", str(fleet.lake)):
                assert word in asked
            assert advice.startswith("What to do: ")
            assert link.startswith(f"{UI}/")
    assert SECRET not in (fleet.home.parent / "server" / "server.log").read_text()


def begin(fleet: Fleet, deployment: str, day: int, tag: str = ALERT_TAG) -> FlowRun:
    """A run of one week of January, with that tag alone."""

    async def ask_for(client: Any) -> FlowRun:
        found = await client.read_deployment_by_name(f"MTA Batch flow/{deployment}")
        found.tags = [tag]
        await client.update_deployment(found)
        asked = {"start": f"2015-01-{day:02}", "end": f"2015-01-{day:02}", "feed": "turnstile"}
        return await client.create_flow_run_from_deployment(found.id, parameters=asked)

    return fleet.ask(ask_for)


def wait_for(fleet: Fleet, name: str, *runs: FlowRun) -> None:
    """Until all runs are in the state of that name."""
    fleet.await_runs(lambda state: state.name == name, *(run.id for run in runs))


def tell(fleet: Fleet) -> list[tuple[FlowRun, str, str]]:
    """States that are said to the API, of runs that nobody takes; returns those that are causes, and why."""
    states: list[tuple[str, State[Any], bool]] = [
        (ALERT_TAG, Failed(message="a {brace}, {{two}} and {% if %}: <b> & 'c'"), True),
        (ALERT_TAG, Failed(name="TimedOut", message="Flow run exceeded timeout"), True),
        (ALERT_TAG, Failed(name="BadArgument", message="--year 1800: no such week"), True),
        (ALERT_TAG, Completed(message="all there"), False),
        (ALERT_TAG, Cancelled(message="another run is newer and does the same"), False),
        (FRESHNESS_TAG, Late(), False),
        (FRESHNESS_TAG, Completed(message="1 week lacks, as the run of Saturday has said"), False),
        (PART_TAG, Failed(message="a part"), False),
        (FRESHNESS_TAG, Failed(message="ridership 150131: lacks"), True),
        (FRESHNESS_TAG, Crashed(message="exit code -9"), True),
    ]
    causes = []
    for tag, state, is_cause in states:
        run = begin(fleet, "nobody", 24, tag)
        fleet.ask(lambda client, run=run, state=state: client.set_flow_run_state(run.id, state, force=True))
        causes += [(run, str(state.name), str(state.message))] if is_cause else []
    return causes
