"""The flow runs of a deployment: start one, or find the one at work; wait for their ends, and end what has none.

Knows Prefect's API, and nothing of weeks or lakes.
"""

import hashlib
import json
import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId, FlowRunFilterId, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments import run_deployment  # type: ignore[attr-defined] # it does, by other means
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Cancelling, Crashed, State

from mta_weekly.errors import ApiFailed, BadArgument, EtlError
from mta_weekly.orchestration.prefect_api import ask_api, translate_faults
from mta_weekly.orchestration.run_names import name_run
from mta_weekly.orchestration.run_tags import PART_TAG
from mta_weekly.settings import new_york_today

log = logging.getLogger("mta.runs")
POLL = 5.0  # seconds between two looks at the runs
GRACE = timedelta(seconds=60)  # for a worker to end a run it is asked to end; a dead one never does
API_PATIENCE = 600.0  # seconds that the API may be away while parts run
PAGE = 200  # runs the API gives at once, at most


def find_key(name: str, deployment: DeploymentResponse, parameters: dict[str, Any]) -> str:
    """The idempotency key of a part's run: that of the one which has not ended, else the next one.

    Two backfills at once so ask for the same run. Who asks for the key before looking at the lake, and starts the run
    after it, starts none whose work has just been done.
    """
    earlier = _flow_runs(
        FlowRunFilter(
            tags=FlowRunFilterTags(all_=[PART_TAG, name]), deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id])
        )
    )
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:16]
    key, number = f"{deployment.id} {PART_TAG} {name} {digest}", 0  # no key of runs before 0.10.0, which lack the tag
    for run in earlier:
        head, _, tail = (run.idempotency_key or "").rpartition(" ")
        if head == key and run.state:
            number = max(number, int(tail) + run.state.is_final())
    return f"{key} {number}"


def start_run(name: str, deployment: DeploymentResponse, parameters: dict[str, Any], key: str) -> UUID:
    """The flow run of a part: a new one, or the one of that key.

    Raises:
        EtlError: the deployment is gone, or the API fails.
    """
    try:
        with translate_faults("the parts that were started go on; run it again"):
            started: Any = run_deployment(
                name=deployment.id,
                parameters=parameters,
                flow_run_name=name_run(parameters, new_york_today())[0],
                timeout=0,
                idempotency_key=key,
                tags=[PART_TAG, name],  # besides those of the deployment
            )
    except ObjectNotFound:
        raise EtlError(f"deployment {deployment.name!r} was deleted while its parts were started.") from None
    return UUID(str(started.id))


def await_runs(runs: dict[str, UUID], timeout: timedelta) -> Iterator[tuple[str, FlowRun | None, str]]:
    """The parts as their runs end: name, run (None where it was deleted), and why we ended it, where we did.

    A dead worker's run never gets a final state: Prefect 2 has no heartbeat. Such a run is ended here, which gives its
    place in the pool back.
    """
    waiting, ours = dict(runs), dict.fromkeys(runs, "")
    moved, answered = datetime.now(UTC), time.monotonic()
    while waiting:
        time.sleep(POLL)
        try:
            found = {run.id: run for run in _read(list(waiting.values()))}
            if any(run.state and not run.state.is_scheduled() for run in found.values()):
                moved = datetime.now(UTC)  # one runs, or has just ended: the others wait for its place
            for name, identity in waiting.items():
                if reason := _end_overdue(name, found.get(identity), moved, timeout):
                    ours[name] = "; ".join(filter(None, [ours[name], reason]))
            answered = time.monotonic()
        except ApiFailed as error:
            if time.monotonic() - answered > API_PATIENCE:
                raise
            log.warning("%s; the parts go on, asking again", error)
            continue
        for name, identity in list(waiting.items()):
            run = found.get(identity)
            if run is None or run.state is None or run.state.is_final():
                del waiting[name]
                yield name, run, ours[name]


def _end_overdue(name: str, run: FlowRun | None, moved: datetime, timeout: timedelta) -> str:
    """Ask for the end of a run that takes too long, and say why; nothing for one that does not."""
    verdict = judge_overdue(run, moved, timeout) if run else None
    if run is None or verdict is None:
        return ""
    state, reason, force = verdict
    log.warning("%s: %s", name, reason)
    set_state(run.id, state, force)
    return reason


def judge_overdue(run: FlowRun, moved: datetime, timeout: timedelta) -> tuple[State[Any], str, bool] | None:
    """The state for a run that takes too long, why, and whether it is forced; None for one that does not."""
    state, now = run.state, datetime.now(UTC)
    if state is None or state.is_final():
        return None
    if state.is_cancelling():
        reason = f"no worker ended it within {GRACE.seconds} s of being asked to; its worker is dead"
        return (Crashed(message=reason), reason, True) if now - state.timestamp > GRACE else None
    if state.is_scheduled():
        reason = (
            f"no worker took it, and no other part ran, for {timeout.total_seconds():.0f} s; look whether the pool has "
            "a worker and a free place, and is not paused"
        )
        return (Cancelled(message=reason), reason, False) if now - moved > timeout else None
    reason = f"no final state after {timeout.total_seconds():.0f} s (part_timeout)"
    since = run.start_time or state.timestamp
    return (Cancelling(message=reason), reason, False) if now - since > timeout else None


def describe_state(run: FlowRun | None) -> str:
    """How a run stands, and why."""
    if run is None or run.state is None:
        return "its flow run was deleted"
    return f"{run.state.name}: {run.state.message or 'no reason given'}"


def read_deployment(name: str | UUID) -> DeploymentResponse:
    """A deployment by its id, or by FLOW/NAME."""

    async def read(client: PrefectClient) -> DeploymentResponse:
        return await (client.read_deployment_by_name(name) if isinstance(name, str) else client.read_deployment(name))

    try:
        with translate_faults("try again"):
            found: DeploymentResponse = ask_api(read)
    except ObjectNotFound:
        raise BadArgument(f"deployment {name!r}: there is none of that name; see 'prefect deployment ls'.") from None
    return found


def _flow_runs(which: FlowRunFilter) -> list[FlowRun]:
    with translate_faults("try again"):
        found: list[FlowRun] = ask_api(lambda client: client.read_flow_runs(flow_run_filter=which))
    return found


def set_state(identity: UUID, state: State[Any], force: bool) -> None:
    """Set the state of a run, unless it was deleted."""
    with translate_faults("try again"), suppress(ObjectNotFound):  # one that was deleted is missed at the next look
        ask_api(lambda client: client.set_flow_run_state(identity, state, force=force))


def _read(identities: list[UUID]) -> Iterator[FlowRun]:
    for at in range(0, len(identities), PAGE):
        yield from _flow_runs(FlowRunFilter(id=FlowRunFilterId(any_=identities[at : at + PAGE])))
