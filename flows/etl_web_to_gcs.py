"""The flows and tasks: they join the wings, and say what happened. Run as a command, this is the command line.

What a week is, how it is fetched, checked and published is for mta_weekly/ to know; here is what Prefect knows of it.
"""

import logging
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, replace
from datetime import date
from typing import Any

from mta_weekly.command.command import begin_command, run_command
from mta_weekly.command.flags import weekly_parser

ARGUMENTS = begin_command(weekly_parser(), sys.argv[1:]) if __name__ == "__main__" else {}  # before Prefect loads

from prefect import flow, runtime, task
from prefect.artifacts import create_table_artifact
from prefect.states import Completed, Failed, State

from mta_weekly.command import progress
from mta_weekly.errors import BadArgument, EtlError
from mta_weekly.feeds.catalog import AUTO, Feed, Succession, feed_named, tells_newest
from mta_weekly.feeds.sources import Table
from mta_weekly.feeds.weeks import Asked, Plan, is_valid, label, newest_complete, newest_due, plan_weeks, saturday
from mta_weekly.fetch import socrata
from mta_weekly.fetch.client import Web
from mta_weekly.lake.objects import BLOCK, Found
from mta_weekly.load import Load, Local
from mta_weekly.orchestration.lake_blocks import open_lake, which_lake
from mta_weekly.orchestration.prefect_api import log_to_api, prepare_prefect
from mta_weekly.orchestration.rehearsal import rehearse
from mta_weekly.orchestration.source_blocks import open_sources
from mta_weekly.outcomes import Outcome, counted, missing, not_loaded, total, waiting
from mta_weekly.retry import Patience
from mta_weekly.settings import Settings, new_york_today, read_settings
from mta_weekly.spool import work_folder

log = logging.getLogger("mta")


@task(task_run_name="newest due week")
def get_file_date(today: date | None = None, feed: str = AUTO) -> str:
    """The newest due week, yyMMdd: the last Saturday on or before today, less the feed's lag."""
    return label(newest_due(feed_named(feed), today or new_york_today()))


@task(task_run_name="weeks of the period")
def get_the_file_dates(
    year: int, month: int, day: int, limit_one: bool = True, today: date | None = None, feed: str = AUTO
) -> list[str]:
    """The due weeks, yyMMdd, of a year, of a month (day 0), or from a day on: the first, or all to the month's end."""
    asked = Asked(year, month, day, limit_one)
    return [label(week) for week in plan_weeks(asked, feed_named(feed), today or new_york_today()).weeks]


@task(task_run_name="is {year}-{month}-{day} a date of the feed")
def valid_task(year: int, month: int, day: int, today: date | None = None, feed: str = AUTO) -> bool:
    """Whether a date is real, covered by the feed and not in the future. Never raises; who asks says why."""
    return is_valid(year, month, day, feed_named(feed).coverage, today or new_york_today())


@task(task_run_name="newest complete week of {feed}")
def get_complete_week(feed: str, today: date) -> date | None:
    """The Saturday of the newest week of which the feed's source has all; None where it does not tell."""
    settings, the_feed = read_settings(), feed_named(feed).feeds[-1]
    source = the_feed.sources[0]
    if not isinstance(source, Table):
        return None
    try:
        with open_sources(settings, the_feed) as client:
            newest = socrata.newest(client, source, settings, Patience.of(settings, the_feed.name), today)
        if newest is None:
            return None
        complete = newest_complete(newest, source.step)
        return complete if source.at_once else min(complete, newest_due(the_feed, today))
    except EtlError as error:
        log.warning("%s: %s; taking the newest week that is due", the_feed.name, error)
        return None


@task(task_run_name="{week} write_local")
def write_local(
    week: str, load: Load, client: Web, settings: Settings, allow_bad_rows: int
) -> Local | Outcome | State[Any]:
    """Download a week and make its checked object in the work folder."""
    try:
        return load.make(client, settings, allow_bad_rows, progress.watched)
    except EtlError as error:
        return Failed(message=str(error))  # returned, not raised: an expected fault shows no traceback


@task(task_run_name="{week} write_gcs")
def write_gcs(week: str, load: Load, local: Local | Outcome) -> Outcome | State[Any]:
    """Publish a week's object, if there is one to publish, after the rows left out of it."""
    try:
        return load.publish(local)
    except EtlError as error:
        return Failed(message=str(error))


@flow(name="etl-web-to-local", flow_run_name="{feed} to {lake}")
def etl_web_to_local(
    weeks: list[str],
    feed: str,
    lake: str,
    concurrency: int,
    force: bool,
    refresh: bool,
    allow_bad_rows: int,
    run_id: str,
) -> State[Any]:
    """Land weeks, so many at once, each as soon as it is ready; the state's data is their outcomes.

    Several weeks share one flow run: a flow run a week would cost more than the work.
    """
    settings, today, outcomes = read_settings(), new_york_today(), []
    feeds = {week: feed_named(feed).of(saturday(week)) for week in weeks}
    keys = {week: of.key(week) for week, of in feeds.items()}
    try:
        target = open_lake(lake)
        if lake.startswith(BLOCK):
            log.info("%s", target)  # which bucket the block speaks of
        target.prepare()
        client = open_sources(settings, *feeds.values())
        with work_folder(settings.spool) as folder, client, progress.counting(len(weeks)):
            present = target.find(keys.values(), Patience.of(settings, lake))
            loads = [
                Load(week, of, target, present.get(keys[week]), folder, run_id,
                     Patience.of(settings, f"{of.name} {week}"), today, refresh)
                for week, of in feeds.items()
            ]  # fmt: skip
            for outcome in _landed(loads, client, settings, concurrency, force, allow_bad_rows):
                outcomes.append(_say(outcome))
                progress.done(rows=outcome.rows)
    except EtlError as error:
        known = {outcome.week for outcome in outcomes}
        outcomes += [
            _say(Outcome(week, "failed", keys[week], reason=str(error))) for week in weeks if week not in known
        ]
    return _ended(outcomes)


@flow(name="MTA Batch flow")
def main_flow(
    year: int = 0,
    month: int = 0,
    day: int = 0,
    limit_one: bool = True,
    start: date | None = None,
    end: date | None = None,
    feed: str = AUTO,
    lake: str | None = None,
    concurrency: int = 2,
    catch_up: int = 1,
    force: bool = False,
    allow_bad_rows: int = 0,
    dry_run: bool = False,
    refresh: bool = False,
) -> State[Any]:
    """Land the weeks asked for in the lake. Ends Failed, naming weeks and reasons, unless every due one is there.

    Without a period: the newest week. docs/operate.md says what the parameters do.
    """
    log_to_api()
    began = time.monotonic()
    asked = Asked(year, month, day, limit_one, start, end, catch_up)
    if runtime.deployment.id and not asked.newest:
        asked = replace(asked, catch_up=1)  # a deployment's default must not forbid a week asked of it by hand
    refresh = refresh and not (runtime.deployment.id and force)  # nor that it is forced
    try:
        if concurrency < 1:
            raise BadArgument(f"concurrency {concurrency}: must be 1 or more.")
        if allow_bad_rows < 0:
            raise BadArgument(f"allow_bad_rows {allow_bad_rows}: must be 0 or more.")
        if force and refresh:
            raise BadArgument("force and refresh: force replaces, refresh replaces what differs; give one of them.")
        if dry_run:
            for line in rehearse(feed, lake, force, refresh, **asdict(asked)):
                log.info(line)
            return Completed(message="dry run, nothing touched")
        where = which_lake(lake, read_settings())
        log.info("lake: %s", where)
        the_feed = feed_named(feed)
        plan, weeks = _weeks(asked, the_feed, new_york_today())
    except EtlError as error:
        log.error(str(error))
        return Failed(message=str(error))
    outcomes = not_loaded(plan, the_feed)
    if later := waiting(outcomes):
        log.info("%s %s", the_feed.feeds[-1].name, later)
    for outside in filter(lambda outcome: outcome.missed, outcomes):
        _say(outside)
    if weeks:
        run_id = str(runtime.flow_run.id or "")
        state = etl_web_to_local(
            weeks, the_feed.name, where, concurrency, force, refresh, allow_bad_rows, run_id, return_state=True
        )
        loaded: Any = state.result(raise_on_failure=False)
        if not isinstance(loaded, list):  # nobody expected this: its traceback is in the log
            reason = str(state.message)
            loaded = [Outcome(week, "failed", the_feed.of(saturday(week)).key(week), reason=reason) for week in weeks]
        outcomes += loaded
    outcomes.sort(key=lambda outcome: outcome.week)
    create_table_artifact(  # type: ignore[unused-coroutine] # done at once in a flow that is not async
        key="mta-weeks",
        table=[asdict(each) for each in [*outcomes, total(outcomes, time.monotonic() - began)]],
        description=f"Lake: {where}",
    )
    ended = _ended(outcomes)
    log.info(counted(outcomes))
    return ended


def _weeks(asked: Asked, feed: Feed | Succession, today: date) -> tuple[Plan, list[str]]:
    """The plan, and its weeks as the run's graph shows how they were found."""
    plan = plan_weeks(asked, feed, today)
    if asked.newest and tells_newest(feed) and (complete := get_complete_week(feed.name, today)):
        plan = plan_weeks(asked, feed, today, complete)
    elif asked.newest and asked.catch_up == 1:
        return plan, [get_file_date(today, feed.name)]
    if asked.year and (not asked.day or valid_task(asked.year, asked.month, asked.day, today, feed.name)):
        return plan, get_the_file_dates(asked.year, asked.month, asked.day, asked.limit_one, today, feed.name)
    return plan, [label(week) for week in plan.weeks]


def _landed(
    loads: list[Load], client: Web, settings: Settings, concurrency: int, force: bool, allow_bad_rows: int
) -> Iterator[Outcome]:
    """What became of each week, as it ends, in any order; so many weeks at once are in the making."""
    running: dict[Future[State[Any]], tuple[Load, Any]] = {}
    waiters = ThreadPoolExecutor(concurrency)  # a thread a week that does nothing but wait for its task runs

    def first() -> Iterator[Outcome]:
        ended, _ = wait(running, return_when=FIRST_COMPLETED)
        for each in ended:
            yield _outcome(*running.pop(each), each.result())

    try:
        for load in loads:
            if load.seen and not (force or load.refresh):
                yield _kept(load, load.seen)
                continue
            if len(running) >= concurrency:
                yield from first()
            local: Any = write_local.submit(load.week, load, client, settings, allow_bad_rows)
            written: Any = write_gcs.submit(load.week, load, local)
            running[waiters.submit(written.wait)] = load, local
        while running:
            yield from first()
    finally:
        waiters.shutdown(wait=False, cancel_futures=True)  # an interrupted run does not wait for them


def _kept(load: Load, seen: Found) -> Outcome:
    try:
        return load.keep(seen)
    except EtlError as error:
        return Outcome(load.week, "failed", load.key, reason=str(error))


def _outcome(load: Load, local: Any, state: State[Any]) -> Outcome:
    """What became of a week, by the end of its two task runs."""
    if state.is_completed():
        outcome: Outcome = state.result()
        return outcome
    failed = state if state.is_final() else local.wait()  # a task whose upstream failed is never run
    return Outcome(load.week, "failed", load.key, reason=failed.message or "no reason given")


def _say(outcome: Outcome) -> Outcome:
    log.log(logging.ERROR if outcome.missed else logging.INFO, str(outcome))
    return outcome


def _ended(outcomes: list[Outcome]) -> State[Any]:
    if missed := missing(outcomes):
        return Failed(message=f"{counted(outcomes)}. {missed}", data=outcomes)
    return Completed(message=counted(outcomes), data=outcomes)


if __name__ == "__main__":
    sys.exit(run_command(main_flow, rehearse, prepare_prefect, ARGUMENTS))
