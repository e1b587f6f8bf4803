"""Years of weeks on many machines: a range is cut into months or years, and the weekly deployment runs once for each.

Its runs wait in the deployment's work pool; the workers take them, as many at once as the pool's limit lets them. What
is missing is asked of the lake, before and after: a part is done when its weeks are there, whatever its run says.
"""

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from mta_weekly.command.command import begin_command, run_command
from mta_weekly.command.flags import backfill_parser

ARGUMENTS = begin_command(backfill_parser(), sys.argv[1:]) if __name__ == "__main__" else {}  # before Prefect loads

from prefect import flow, runtime
from prefect.client.schemas.objects import FlowRun, WorkPoolStatus
from prefect.client.schemas.responses import DeploymentResponse
from prefect.settings import PREFECT_API_URL
from prefect.states import Completed, Failed, State

from mta_weekly.backfill_parts import Part, check_shared, count_parts, cut_weeks, name_deployment
from mta_weekly.command import progress
from mta_weekly.errors import BadArgument, EtlError
from mta_weekly.feeds.catalog import AUTO, Feed, FeedSequence, feed_named
from mta_weekly.feeds.plans import PeriodRequest, Plan, plan_weeks
from mta_weekly.feeds.weeks import Week
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.objects import BLOCK, Lake
from mta_weekly.options import Options, check_options
from mta_weekly.orchestration.deployment_runs import await_runs, describe_state, find_key, read_deployment, start_run
from mta_weekly.orchestration.lake_blocks import open_lake, which_lake
from mta_weekly.orchestration.prefect_api import NO_SERVER, ask_api, log_to_api, prepare_prefect, translate_faults
from mta_weekly.orchestration.run_ends import CONSOLE_ONLY, end_by_fault
from mta_weekly.orchestration.run_names import list_feeds
from mta_weekly.orchestration.run_report import label_run, report_parts
from mta_weekly.orchestration.run_tags import ALERT_TAG
from mta_weekly.outcomes import Judging, count_noun, list_not_loaded
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import LONGEST, VERSION, Settings, new_york_today, read_settings
from mta_weekly.week_status import WeekStatus, look_at_weeks

log = logging.getLogger("mta.backfill")
AGENTS = "prefect-agent"  # the type of a pool that has no workers
SHOWN = 2500  # characters of a part's reason, for five held weeks with their own; its flow run has all of it


@flow(name="MTA Backfill flow", version=VERSION)
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

    Ends Failed, naming the parts and why, unless every week is in the lake, and looks like its neighbours there or was
    accepted, as far as the deployment's own parameter judge wants that. Started again, it runs only the parts of which
    a week is missing; a run of such a part that still waits or works is waited for, not started twice.

    Args:
        start: Every Saturday from this day ...
        end: ... to this day, both included.
        deployment: Name of a deployment of "MTA Batch flow"; this flow must not run in the same work pool.
        by: What is one run: a month of weeks, or a year.
        feed: What to load: turnstile, ridership or daily; auto: turnstile or ridership, as the week decides.
        lake: Where to: gcs-bucket/NAME of a block, or a folder from the root. Empty: where the deployment lands.
        concurrency: How many weeks at once in each run, 1 or more.
        allow_bad_rows: How many bad rows of a week may be left out; with more it fails.
        part_timeout: Seconds a run may take, or wait while no other one runs. Then it is ended, and named.
        dry_run: Say in the log what would be run, and start nothing.
    """
    log_to_api()
    label_run()
    began = time.monotonic()
    try:
        if dry_run:
            for line in rehearse_backfill(start, end, deployment, by, feed, lake):
                log.info(line)
            return Completed(message="dry run, nothing started")
        if not 0 < part_timeout <= LONGEST:  # neither holds for nan
            raise BadArgument(f"part_timeout {part_timeout}: must be more than 0 and up to {LONGEST} seconds.")
        check_options(concurrency, allow_bad_rows)
        if not PREFECT_API_URL.value():
            raise EtlError(NO_SERVER)
        parts = _Parts.of(start, end, deployment, by, feed, lake)
        parts.check_pool()
        log.info("lake: %s", parts.where)
        ours = {"feed": parts.feed.name, "lake": parts.where, "concurrency": concurrency}
        done = parts.run(ours | {"allow_bad_rows": allow_bad_rows}, timedelta(seconds=part_timeout))
        done += map(_say, list_suspects(parts.look()))
    except EtlError as error:
        return end_by_fault(error)
    done += [
        _say(Part(each.week, each.state, 1, int(each.missed), reason=each.reason))
        for each in list_not_loaded(parts.plan, parts.feed)
    ]
    done.sort(key=lambda part: part.part)
    report_parts(done, parts.newest_feed, parts.where, parts.deployment.name, time.monotonic() - began)
    missed = [part for part in done if part.missed]
    if missed:
        log.error("%s: %s", count_parts(done), ", ".join(part.part for part in missed), extra=CONSOLE_ONLY)
        return Failed(message=f"{count_parts(done)}. " + "; ".join(map(str, missed)), data=done)
    log.info(count_parts(done), extra=CONSOLE_ONLY)
    return Completed(message=count_parts(done), data=done)


def rehearse_backfill(
    start: date, end: date, deployment: str, by: str, feed: str, lake: str | None, **_: Any
) -> Iterator[str]:
    """What a backfill would do, line by line; starts nothing.

    Raises:
        EtlError: the deployment is not there, or the lake cannot be read.
    """
    parts = _Parts.of(start, end, deployment, by, feed, lake)
    status = parts.look()
    yield f"lake: {parts.where}"
    for name, weeks in parts.cut.items():
        lacking = [status[week] for week in weeks if not status[week].facts]
        held = sum(each.held is not None for each in lacking)
        missing = f"{len(lacking)} of {len(weeks)} weeks missing" + (f", {held} of them held" if held else "")
        yield f"{name:7}  {'would run' if lacking else 'there before':12}  {missing}"
    yield from (f"{each.part:7}  {each.reason}" for each in list_suspects(status))
    yield from (f"{each.week:7}  {each.reason}" for each in list_not_loaded(parts.plan, parts.feed))


@dataclass(frozen=True)
class _Parts:
    """What a backfill covers, and where it lands."""

    settings: Settings
    feed: Feed | FeedSequence
    plan: Plan
    cut: dict[str, tuple[Week, ...]]
    deployment: DeploymentResponse
    where: str
    lake: Lake

    @classmethod
    def of(cls, start: date, end: date, deployment: str, by: str, feed: str, lake: str | None) -> "_Parts":
        settings, the_feed = read_settings(), feed_named(feed)
        plan = plan_weeks(PeriodRequest(start=start, end=end), the_feed, new_york_today())
        name = name_deployment(deployment)
        weekly = read_deployment(name)
        named = lake or weekly.parameters.get("lake")
        if not named:
            raise BadArgument(
                f"deployment {name!r} has no lake among its parameters, so nobody here can tell where its runs land; "
                "give one (--lake), or deploy it with one."
            )
        check_shared(named)
        where = which_lake(named, settings)
        return cls(settings, the_feed, plan, cut_weeks(plan.weeks, by), weekly, where, open_lake(where, settings))

    @property
    def newest_feed(self) -> str:
        """The name of the feed of the newest week."""
        return list_feeds(self.feed, [*self.plan.weeks, *self.plan.not_due, *self.plan.outside])[-1]

    def check_pool(self) -> None:
        """Refuse to wait in the work pool of the parts: with its last place it would wait for itself, for ever."""
        own = runtime.deployment.id
        pool = read_deployment(UUID(own)).work_pool_name if own else None
        if pool and pool == self.deployment.work_pool_name:
            raise BadArgument(
                f"work pool {pool}: the parts run in it too, and this run would take a place of theirs while it waits "
                "for them; give the backfill a pool of its own (docker_deploy_etl_web_to_gcs.py --backfill_pool)."
            )

    def run(self, parameters: dict[str, Any], timeout: timedelta) -> list[Part]:
        """Run the parts of which a week is missing, and say what became of all.

        Raises:
            EtlError: the lake cannot be read, or the API is away; runs that were started go on.
        """
        present, done, runs = self.present(self.plan.weeks), [], {}  # one look for all: most may be there
        if not self.where.startswith(BLOCK) and not Path(self.where).exists():
            log.warning("folder %s is not here yet; it must be the same place on all machines", self.where)
        with progress.count_weeks(len(self.plan.weeks)):
            for name, weeks in self.cut.items():
                given = parameters | {"start": str(weeks[0].saturday), "end": str(weeks[-1].saturday)}
                if not all(week in present for week in weeks):
                    key = find_key(name, self.deployment, given)
                    present |= self.present(weeks)
                if all(week in present for week in weeks):
                    done.append(self._done(self._part(name, "there before", present)))
                else:
                    runs[name] = start_run(name, self.deployment, given, key)
            if runs:
                self._say_who_takes(len(runs))
            for name, ended, reason in await_runs(runs, timeout):
                done.append(self._done(self.settle(name, ended, reason)))
        return done

    def present(self, weeks: tuple[Week, ...]) -> dict[Week, Facts]:
        """Those of the weeks that are in the lake, with facts that fit them."""
        keys = {self.feed.feed_of(week).key(week): week for week in weeks}
        found = self.lake.find(keys, RetryBudget.of(self.settings, self.where))
        return {keys[key]: each.facts for key, each in found.items() if each.facts}

    def look(self) -> dict[Week, WeekStatus]:
        """How each week stands, beside its neighbours, those outside the range too; by the deployment's own judge.

        Raises:
            EtlError: the lake cannot be read.
        """
        judge: Judging = self.deployment.parameters.get("judge") or "hold"
        options = Options(self.settings, new_york_today(), self.where, judge=judge)
        return look_at_weeks({week: self.feed.feed_of(week) for week in self.plan.weeks}, self.lake, options)

    def settle(self, name: str, run: FlowRun | None, reason: str) -> Part:
        """What became of a part whose run has ended: the lake decides."""
        try:
            part, fault = self._part(name, "landed", self.present(self.cut[name])), ""
        except EtlError as error:
            part, fault = self._part(name, "failed", {}), f"; and then: {error}"
        if run:
            part = replace(part, seconds=round(run.total_run_time.total_seconds(), 1), flow_run=str(run.id))
        completed = bool(run and run.state and run.state.is_completed())
        if not part.missing:
            said = reason or describe_state(run)
            return part if completed else replace(part, reason=f"its run ended so: {_short(said)}")
        if completed and not fault:
            reason = (
                f"its run has completed, so they landed elsewhere: {self.where} is not the same place on all machines"
            )
        return replace(part, state="failed", reason=_short(reason or _describe_missing(run, part.weeks)) + fault)

    def _part(self, name: str, state: str, present: dict[Week, Facts]) -> Part:
        facts = [present[week] for week in self.cut[name] if week in present]
        count = len(self.cut[name])
        rows, size = sum(each.rows for each in facts), sum(each.size for each in facts)
        return Part(name, state, count, count - len(facts), rows, size)

    def _done(self, part: Part) -> Part:
        progress.add_done(part.weeks, part.rows)
        return _say(part)

    def _say_who_takes(self, count: int) -> None:
        name = self.deployment.work_pool_name
        log.info("%s in the work pool %s, waiting or at work", count_noun(count, "part"), name)
        if ALERT_TAG in self.deployment.tags:
            log.warning("each part bears the tag %s of deployment %s: alerts go by it", ALERT_TAG, self.deployment.name)
        with translate_faults("try again"):
            pool = ask_api(lambda client: client.read_work_pool(str(name)))
        if pool.type != AGENTS and pool.status != WorkPoolStatus.READY:
            log.warning(
                "no worker serves the work pool %s now; start one: prefect worker start --pool '%s'", name, name
            )


def list_suspects(status: Mapping[Week, WeekStatus]) -> list[Part]:
    """The weeks that do not look like their neighbours, each by itself."""
    suspects = (each.suspect for each in status.values() if each.suspect)
    return [Part(each.week, each.state, 1, 0, each.rows, each.bytes, reason=each.reason) for each in suspects]


def _describe_missing(run: FlowRun | None, weeks: int) -> str:
    """Why weeks are missing, in the words of the weekly flow, where it has named them itself."""
    message = run.state.message or "" if run and run.state else ""
    counts, _, names = message.partition(". ")
    return names if names and counts.startswith(f"{weeks} week") else describe_state(run)


def _short(reason: str) -> str:
    return reason if len(reason) <= SHOWN else f"{reason[:SHOWN]} ..."


def _say(part: Part) -> Part:
    log.log(logging.ERROR if part.missed else logging.INFO, str(part))
    return part


if __name__ == "__main__":
    sys.exit(run_command(backfill_flow, rehearse_backfill, prepare_prefect, ARGUMENTS, by_others=True))
