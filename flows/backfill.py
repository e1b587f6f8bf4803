"""Years of weeks on many machines: a range is cut into months or years, and the weekly deployment runs once for each.

Its runs wait in the deployment's work pool; the workers take them, as many at once as the pool's limit lets them. What
is missing is asked of the lake, before and after: a part is done when its weeks are there, whatever its run says.
"""

import hashlib
import json
import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import cli

ARGUMENTS = cli.begin(sys.argv[1:], cli.parse_backfill) if __name__ == "__main__" else {}  # before Prefect loads

from prefect import flow, runtime
from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId, FlowRunFilterId, FlowRunFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments import run_deployment  # type: ignore[attr-defined] # it does, by other means
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL
from prefect.states import Cancelled, Cancelling, Completed, Crashed, Failed, State

import file_dates
from api import ask, faults, log_to_api
from errors import ApiFailed, BadArgument, EtlError
from etl_web_to_gcs import main_flow
from feeds import AUTO, Feed, feed_named
from file_dates import Asked, label
from lake import Lake
from lakes import open_lake, which_lake
from outcomes import not_loaded
from parts import Part, counted, cut, total
from retry import Patience
from settings import LONGEST, new_york_today, read_settings

log = logging.getLogger("mta.backfill")
POLL = 5.0  # seconds between two looks at the runs
GRACE = timedelta(seconds=60)  # for a worker to end a run it is asked to end; a dead one never does
API_PATIENCE = 600.0  # seconds that the API may be away while parts run
PAGE = 200  # runs the API gives at once, at most


@flow(name="MTA Backfill flow", flow_run_name="{start} to {end} by {deployment}")
def backfill_flow(
    start: date,
    end: date,
    deployment: str,
    by: Literal["month", "year"] = "month",
    feed: str = AUTO,
    lake: str | None = None,
    concurrency: int = 2,
    allow_bad_rows: int = 0,
    part_timeout: float = 7200.0,
    dry_run: bool = False,
) -> State[Any]:
    """Land every due week from start to end, in runs of a deployment of the weekly flow: one a month, or a year.

    Ends Failed, naming the parts and why, unless every week is in the lake. Started again, it runs only the parts of
    which a week is missing; a run of such a part that still waits or works is waited for, not started twice.

    Args:
        deployment: name of a deployment of "MTA Batch flow"; this flow must not run in the same work pool.
        lake: default that of the deployment.
        concurrency: weeks at once in each part.
        part_timeout: seconds a part may run without a final state, or wait while no other part runs. It is ended then.
    """
    log_to_api()
    try:
        if dry_run:
            for line in rehearse(start, end, deployment, by, feed, lake):
                log.info(line)
            return Completed(message="dry run, nothing started")
        if not 0 < part_timeout <= LONGEST:  # neither holds for nan
            raise BadArgument(f"part_timeout {part_timeout}: must be more than 0 and up to {LONGEST} seconds.")
        if concurrency < 1 or allow_bad_rows < 0:
            raise BadArgument(
                f"concurrency {concurrency}, allow_bad_rows {allow_bad_rows}: must be 1 or more, and 0 or more."
            )
        if not PREFECT_API_URL.value():
            raise EtlError("a backfill needs a Prefect server, whose workers take its parts; set PREFECT_API_URL")
        parts = _Parts.of(start, end, deployment, by, feed, lake)
        parts.check_pool()
        log.info("lake: %s", parts.where)
        ours = {"feed": parts.feed.name, "lake": parts.where, "concurrency": concurrency}
        done = parts.run(ours | {"allow_bad_rows": allow_bad_rows}, timedelta(seconds=part_timeout))
    except EtlError as error:
        log.error(str(error))
        return Failed(message=str(error))
    create_table_artifact(  # type: ignore[unused-coroutine] # done at once in a flow that is not async
        key="mta-parts",
        table=[asdict(part) for part in [*done, total(done)]],
        description=f"Lake: {parts.where}; deployment: {parts.deployment.name}",
    )
    outside = [outcome for outcome in not_loaded(parts.plan, parts.feed) if outcome.missed]
    missed = [*(str(part) for part in done if part.missed), *map(str, outside)]
    log.info(counted(done))
    if missed:
        return Failed(message=f"{counted(done)}. " + "; ".join(missed), data=done)
    return Completed(message=counted(done), data=done)


def rehearse(start: date, end: date, deployment: str, by: str, feed: str, lake: str | None, **_: Any) -> Iterator[str]:
    """What a backfill would do, line by line; starts nothing.

    Raises:
        EtlError: the deployment is not there, or the lake cannot be read.
    """
    parts = _Parts.of(start, end, deployment, by, feed, lake)
    missing = parts.missing(parts.plan.weeks)
    yield f"lake: {parts.where}"
    for name, weeks in parts.cut.items():
        lacks = len(missing.intersection(weeks))
        yield f"{name:7}  {'would run' if lacks else 'there before'}  {lacks} of {len(weeks)} weeks missing"
    yield from (f"{each.week}  {each.state}  {each.reason}" for each in not_loaded(parts.plan, parts.feed))


@dataclass(frozen=True)
class _Parts:
    """What a backfill covers, and where it lands."""

    feed: Feed
    plan: file_dates.Plan
    cut: dict[str, tuple[date, ...]]
    deployment: DeploymentResponse
    where: str
    lake: Lake

    @classmethod
    def of(cls, start: date, end: date, deployment: str, by: str, feed: str, lake: str | None) -> "_Parts":
        the_feed = feed_named(feed)
        plan = file_dates.plan(Asked(start=start, end=end), the_feed, new_york_today())
        name = deployment if "/" in deployment else f"{main_flow.name}/{deployment}"
        if not name.startswith(f"{main_flow.name}/"):
            raise BadArgument(f"deployment {name!r}: must be one of the flow {main_flow.name!r}.")
        weekly = _deployment(name)
        where = which_lake(lake or weekly.parameters.get("lake"), read_settings())
        return cls(the_feed, plan, cut(plan.weeks, by), weekly, where, open_lake(where))

    def check_pool(self) -> None:
        """Refuse to wait in the work pool of the parts: with its last place it would wait for itself, for ever."""
        own = runtime.deployment.id
        pool = _deployment(UUID(own)).work_pool_name if own else None
        if pool and pool == self.deployment.work_pool_name:
            raise BadArgument(
                f"work pool {pool}: the parts run in it too, and this run would take a place of theirs while it waits "
                "for them; give the backfill a pool of its own (docker_deploy_etl_web_to_gcs.py --backfill_pool)."
            )

    def run(self, parameters: dict[str, Any], timeout: timedelta) -> list[Part]:
        """Run the parts of which a week is missing, and say what became of all, in order.

        Raises:
            EtlError: the lake cannot be read, or the API is away; runs that were started go on.
        """
        missing, done, runs = self.missing(self.plan.weeks), [], {}
        for name, weeks in self.cut.items():
            if missing.isdisjoint(weeks):
                done.append(_say(Part(name, "there before", len(weeks), 0)))
                continue
            period = {"start": str(weeks[0]), "end": str(weeks[-1])}
            runs[name] = _start(name, self.deployment, parameters | period)
        if runs:
            pool = self.deployment.work_pool_name
            log.info("runs of %d parts wait for the workers of %s, or are at work", len(runs), pool)
        for name, ended, reason in _ends(runs, timeout):
            done.append(_say(self.settle(name, ended, reason)))
        return sorted(done, key=lambda part: part.part)

    def missing(self, weeks: tuple[date, ...]) -> set[date]:
        """Those of the weeks that are not in the lake, or without facts that fit them."""
        keys = {self.feed.key(label(week)): week for week in weeks}
        found = self.lake.find(keys, Patience.of(read_settings(), self.where))
        return {week for key, week in keys.items() if key not in found or not found[key].facts}

    def settle(self, name: str, run: FlowRun | None, reason: str) -> Part:
        """What became of a part whose run has ended: the lake decides."""
        weeks, said = self.cut[name], reason or "its flow run was deleted"
        if run and run.state and not reason:
            said = f"{run.state.name}: {run.state.message or 'no reason given'}"
        seconds = round(run.total_run_time.total_seconds(), 1) if run else 0.0
        part = Part(name, "landed", len(weeks), 0, seconds, str(run.id) if run else "")
        try:
            missing = self.missing(weeks)
        except EtlError as error:
            return replace(part, state="failed", missing=len(weeks), reason=f"{said}; and then: {error}")
        if missing:
            if run and run.state and run.state.is_completed():
                said = f"its run says they are, in a lake that is not this one; {self.where} must be one place for all"
            named = ", ".join(label(week) for week in sorted(missing))
            return replace(part, state="failed", missing=len(missing), reason=f"{named}: {said}")
        fell = not (run and run.state and run.state.is_completed())
        return replace(part, reason=f"its weeks are there, and its run ended so: {said}" if fell else "")


def _start(name: str, deployment: DeploymentResponse, parameters: dict[str, Any]) -> UUID:
    """The flow run of a part: a new one, or the one that another backfill started and that has not ended.

    Its idempotency key numbers the runs of the part, so that two backfills at once ask for the same one.
    """
    named = f"backfill {name}"
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:16]
    earlier = _flow_runs(
        FlowRunFilter(
            name=FlowRunFilterName(any_=[named]), deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id])
        )
    )
    key, number = f"{deployment.id} {named} {digest}", 0
    for run in earlier:
        head, _, tail = (run.idempotency_key or "").rpartition(" ")
        if head == key and run.state:
            number = max(number, int(tail) + run.state.is_final())
    with faults("the parts that were started go on; run it again"):
        started: Any = run_deployment(
            name=deployment.id,
            parameters=parameters,
            flow_run_name=named,
            timeout=0,
            idempotency_key=f"{key} {number}",
            tags=["mta-backfill"],
        )
    return UUID(str(started.id))


def _ends(runs: dict[str, UUID], timeout: timedelta) -> Iterator[tuple[str, FlowRun | None, str]]:
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
            for name, run in ((name, found.get(identity)) for name, identity in waiting.items()):
                if run and (verdict := _overdue(run, moved, timeout)):
                    state, reason, force = verdict
                    ours[name] = ours[name] or reason
                    log.warning("%s: %s", name, reason)
                    _set_state(run.id, state, force)
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


def _overdue(run: FlowRun, moved: datetime, timeout: timedelta) -> tuple[State[Any], str, bool] | None:
    """The state for a run that takes too long, why, and whether it is forced; None for one that does not."""
    state, now = run.state, datetime.now(UTC)
    if state is None or state.is_final():
        return None
    if state.is_cancelling():
        reason = f"no worker ended it within {GRACE.seconds} s of being asked to; its worker is dead"
        return (Crashed(message=reason), reason, True) if now - state.timestamp > GRACE else None
    if state.is_scheduled():
        reason = f"no worker took it, and no other part ran, for {timeout.total_seconds():.0f} s; start a worker"
        return (Cancelled(message=reason), reason, False) if now - moved > timeout else None
    reason = f"no final state after {timeout.total_seconds():.0f} s (part_timeout)"
    since = run.start_time or state.timestamp
    return (Cancelling(message=reason), reason, False) if now - since > timeout else None


def _say(part: Part) -> Part:
    log.log(logging.ERROR if part.missed else logging.INFO, "%s", part)
    return part


def _deployment(name: str | UUID) -> DeploymentResponse:
    """A deployment by its id, or by FLOW/NAME."""

    async def read(client: PrefectClient) -> DeploymentResponse:
        return await (client.read_deployment_by_name(name) if isinstance(name, str) else client.read_deployment(name))

    try:
        with faults("try again"):
            found: DeploymentResponse = ask(read)
    except ObjectNotFound:
        raise BadArgument(f"deployment {name!r}: there is none of that name; see 'prefect deployment ls'.") from None
    return found


def _flow_runs(which: FlowRunFilter) -> list[FlowRun]:
    with faults("try again"):
        found: list[FlowRun] = ask(lambda client: client.read_flow_runs(flow_run_filter=which))
    return found


def _set_state(identity: UUID, state: State[Any], force: bool) -> None:
    with faults("try again"):
        ask(lambda client: client.set_flow_run_state(identity, state, force=force))


def _read(identities: list[UUID]) -> Iterator[FlowRun]:
    for at in range(0, len(identities), PAGE):
        yield from _flow_runs(FlowRunFilter(id=FlowRunFilterId(any_=identities[at : at + PAGE])))


if __name__ == "__main__":
    sys.exit(cli.run(backfill_flow, rehearse, ARGUMENTS))
