"""What the next run of a deployment does about earlier ones: it ends the dead, and makes way for a newer one.

Prefect 2 has no heartbeat: a run whose worker and process die together stays Running for ever. And where workers were
away for weeks, a late run waits for each of them, though one does the work of all. Knows Prefect's API, and nothing of
weeks or lakes; an API that fails here is a warning, for the work itself does not need this.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType, TaskRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from mta_weekly.errors import ApiFailed
from mta_weekly.orchestration.prefect_api import ask_api, translate_faults

log = logging.getLogger("mta.runs")
LATE = timedelta(seconds=60)  # a run that starts so long after it was due has waited for a worker
PAGE = 200  # runs the API gives at once, at most
MAY_BE_DEAD = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
WORKS = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.COMPLETED]  # does, will or did


def describe_newer_run() -> str:
    """Which newer run does the work of this one, in words; empty where this one has to do it.

    Only a run that is late makes way: for one of the same deployment with the same parameters that was due later, is
    due already, and has not failed. Of two that were due at one moment, the one of the greater id goes on.
    """
    run, now = _this_run(), datetime.now(UTC)
    if run is None or run.expected_start_time is None or now - run.expected_start_time <= LATE:
        return ""
    due = FlowRunFilterExpectedStartTime(after_=run.expected_start_time, before_=now)
    found: list[FlowRun] = []
    with _spare_the_work():
        found = _read_runs(run.deployment_id, WORKS, due)
    newest = max((each for each in [*found, run] if each.parameters == run.parameters), key=_order)
    if newest.id == run.id:
        return ""
    return (
        f"overtaken: this run was due {_moment(run)} and starts late; run {newest.id}, due {_moment(newest)}, is newer "
        "and does the same"
    )


def end_dead_runs(timeout: timedelta) -> None:
    """End as Crashed the other runs of this one's deployment that have shown no life for longer than `timeout`.

    A sign of life is a change of state of the run, of a subflow run or of a task run of them. Subflow and task runs are
    ended with it; so one that was alive after all, as on a laptop that slept, does no harm: Prefect starts no task of a
    flow run that has ended. Runs that are scheduled or paused do not die.
    """
    run = _this_run()
    if run is None:
        return
    with _spare_the_work():
        for other in _read_runs(run.deployment_id, MAY_BE_DEAD):
            if other.id != run.id and (silence := ask_api(partial(_end_silent, other, timeout, run.name))):
                log.warning("run '%s' ended as Crashed: %s", other.name, silence)


def _this_run() -> FlowRun | None:
    """The flow run this is, where a deployment made it."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return run if run and run.deployment_id else None


@contextmanager
def _spare_the_work() -> Iterator[None]:
    try:
        with translate_faults("earlier runs of the deployment are left as they are"):
            yield
    except ApiFailed as error:
        log.warning("%s", error)


def _read_runs(
    deployment: UUID | None, states: list[StateType], due: FlowRunFilterExpectedStartTime | None = None
) -> list[FlowRun]:
    """The runs of a deployment in such states, those that were due last first."""
    which = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment]),  # type: ignore[list-item] # it has one
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states), name=None),
        expected_start_time=due,
    )
    order = FlowRunSort.EXPECTED_START_TIME_DESC
    found: list[FlowRun] = ask_api(lambda client: client.read_flow_runs(flow_run_filter=which, sort=order))
    return found


async def _end_silent(run: FlowRun, timeout: timedelta, by: str, client: PrefectClient) -> str:
    """End a run that shows no life, and say why; empty for one that does, or that is gone."""
    children = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run.id]))
    flow_runs = [*await client.read_flow_runs(flow_run_filter=children), run]
    task_runs = await _read_task_runs(client, flow_runs)
    states = [each.state for each in flow_runs] + [each.state for each in task_runs]
    silence = datetime.now(UTC) - max(state.timestamp for state in states if state)
    if silence <= timeout:
        return ""
    reason = (
        f"no task run of it has changed state for {_describe(silence)}, longer than MTA_WEEK_TIMEOUT "
        f"({_describe(timeout)}); its process is dead; ended by '{by}'"
    )
    try:
        for task_run in task_runs:
            if task_run.state and not task_run.state.is_final():
                await client.set_task_run_state(task_run.id, Crashed(message=reason), force=True)
        for flow_run in flow_runs:  # the run itself last: where this breaks off, it is found again
            if flow_run.state and not flow_run.state.is_final():
                await client.set_flow_run_state(flow_run.id, Crashed(message=reason), force=True)
    except ObjectNotFound:
        return ""
    return reason


async def _read_task_runs(client: PrefectClient, flow_runs: list[FlowRun]) -> list[TaskRun]:
    which = FlowRunFilter(id=FlowRunFilterId(any_=[each.id for each in flow_runs]))
    found: list[TaskRun] = []
    while len(page := await client.read_task_runs(flow_run_filter=which, limit=PAGE, offset=len(found))) == PAGE:
        found += page
    return found + page


def _order(run: FlowRun) -> tuple[datetime, str]:
    return run.expected_start_time or datetime.max.replace(tzinfo=UTC), str(run.id)


def _moment(run: FlowRun) -> str:
    return f"{run.expected_start_time:%Y-%m-%d %H:%M} UTC"


def _describe(duration: timedelta) -> str:
    """2 h 5 min, or seconds where it is less than a minute."""
    seconds = round(duration.total_seconds())
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    parts = [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes)
    return " ".join(parts) or f"{seconds} s"
