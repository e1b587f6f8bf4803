"""What the next run of a deployment does, at a real server: it ends those that died, and late ones make way."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterParentFlowRunId
from prefect.states import Scheduled

from conftest import HANGS, small_week, wait_until
from fleet import Fleet, kill, objects
from hourly import RIDERSHIP, ridership_week
from mta_weekly.feeds.catalog import FEEDS
from mta_weekly.feeds.plans import newest_due
from mta_weekly.settings import new_york_today
from pings import WELL, Receiver
from soda import RIDERSHIP_SET, Soda
from web import Answer, Web

pytest_plugins = ["fleet", "pings"]

SILENCE = 20.0  # seconds; MTA_WEEK_TIMEOUT
NEWEST = {"feed": "ridership", "catch_up": 1}


@pytest.fixture
def unattended(fleet: Fleet, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """Workers whose runs find today's newest week, and ping the receiver."""
    due = newest_due(FEEDS["ridership"], new_york_today())
    with Soda() as site:
        site.put(RIDERSHIP_SET, RIDERSHIP, ridership_week(due.saturday, 500))
        monkeypatch.setenv("MTA_SOCRATA_URL", site.url)
        monkeypatch.setenv("MTA_PING_URL", receiver.address)
        monkeypatch.setenv("MTA_READ_TIMEOUT", str(HANGS))  # a download that hangs does so until it is killed
        yield fleet


def start_run(fleet: Fleet, name: str, due: datetime | None = None, **parameters: Any) -> UUID:
    """Ask for a run of a deployment, now or since it was due."""

    async def ask_for(client: Any) -> UUID:
        deployment = await client.read_deployment_by_name(f"MTA Batch flow/{name}")
        made = await client.create_flow_run_from_deployment(
            deployment.id, parameters={**deployment.parameters, **parameters}, state=Scheduled(scheduled_time=due)
        )
        return made.id

    return fleet.ask(ask_for)


def read_run(fleet: Fleet, identity: UUID) -> Any:
    return fleet.ask(lambda client: client.read_flow_run(identity))


def await_end(fleet: Fleet, identity: UUID) -> Any:
    (run,) = fleet.await_runs(lambda state: state.is_final(), identity)
    return run


def seconds_in_state(run: Any) -> float:
    return (datetime.now(UTC) - run.state.timestamp).total_seconds()


def read_family(fleet: Fleet, identity: UUID) -> list[Any]:
    """The subflow runs of a run, and the task runs at work when it died."""
    parents = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[identity]))
    flow_runs = fleet.ask(lambda client: client.read_flow_runs(flow_run_filter=parents))
    which = FlowRunFilter(id=FlowRunFilterId(any_=[run.id for run in flow_runs]))
    task_runs = fleet.ask(lambda client: client.read_task_runs(flow_run_filter=which))
    assert len(task_runs) == 2
    return [*flow_runs, *task_runs]


def test_the_next_run_ends_one_that_died_with_its_worker_and_leaves_one_at_work_alone(
    unattended: Fleet, year: Web, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = unattended
    monkeypatch.setenv("MTA_WEEK_TIMEOUT", str(SILENCE))
    fleet.deploy("died")
    for week in range(52):
        saturday = date(2015, 1, 3) + timedelta(weeks=week)
        year.serve(f"/turnstile_{saturday:%y%m%d}.txt", Answer(small_week(saturday), wait=1.0))
    slow = small_week(date(2016, 1, 2))
    year.serve("/turnstile_160102.txt", Answer(slow, pause_at=(len(slow) // 2, 2 * HANGS)))
    dying = start_run(fleet, "died", year=2016, month=1, day=2)
    working = start_run(fleet, "died", year=2015, concurrency=1)
    with ExitStack() as workers:
        both = [workers.enter_context(fleet.worker("died", name)) for name in ("one", "two")]
        wait_until(lambda: any("160102" in seen.path for seen in year.requests), "it never began")
        wait_until(lambda: objects(fleet.lake), "the year never began")
        _, pid = read_run(fleet, dying).infrastructure_pid.rsplit(":", 1)
        (its_worker,) = (worker for worker in both if worker.pid == os.getpgid(int(pid)))
        kill(its_worker)
        silent = [*read_family(fleet, dying), read_run(fleet, working)]
        wait_until(lambda: min(map(seconds_in_state, silent)) > SILENCE, "time stands still")
        assert read_run(fleet, dying).state.name == "Running"  # for ever, if nobody ends it
        next_one = start_run(fleet, "died", **NEWEST)
        workers.enter_context(fleet.worker("died", "three"))
        after = await_end(fleet, next_one)
        assert after.state.message == "1 week: 1 landed", after.state
        before = len(objects(fleet.lake))
        wait_until(lambda: len(objects(fleet.lake)) > before, "the year was ended")
        assert read_run(fleet, working).state.name == "Running"
    dead = read_run(fleet, dying)
    assert (dead.state.name, dead.state.message.partition(" for ")[0]) == (
        "Crashed",
        "no task run of it has changed state",
    )
    assert dead.state.message.endswith(f"its process is dead; ended by '{after.name}'")
    assert {run.state.name for run in read_family(fleet, dying)} == {"Crashed"}
    assert receiver.pings == [WELL]


def test_of_late_runs_all_but_the_newest_make_way(unattended: Fleet, receiver: Receiver) -> None:
    fleet, now = unattended, datetime.now(UTC)
    fleet.deploy("late")
    saturdays = [now - timedelta(weeks=weeks) for weeks in (3, 2, 1, 1)]
    late = [start_run(fleet, "late", due, **NEWEST) for due in saturdays]
    named = start_run(fleet, "late", now - timedelta(weeks=4), feed="turnstile", year=2015, month=1, day=3)
    other = start_run(fleet, "late", now - timedelta(weeks=5), **NEWEST, refresh=True)
    with fleet.worker("late", "one"), fleet.worker("late", "two"):
        *cancelled, landed = sorted((await_end(fleet, run) for run in late), key=lambda run: run.state.name)
    assert landed.id == max(late[2:], key=str)
    assert landed.state.message in ("1 week: 1 landed", "1 week: 1 there")
    for run in cancelled:
        assert run.state.name == "Cancelled"
        assert run.state.message.startswith("overtaken: this run was due")
        assert f"run {landed.id}, due" in run.state.message
    assert len(cancelled) == 3
    assert read_run(fleet, named).state.message == "1 week: 1 landed"  # who names a week wants that week
    assert read_run(fleet, other).state.is_completed()  # and who wants more of it, more
    assert receiver.pings == [WELL, WELL]
