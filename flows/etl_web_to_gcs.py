"""The flows and tasks: they join the wings, and say what happened. Run as a command, this is the command line.

What a week is, how it is fetched, checked and published is for mta_weekly/ to know; here is what Prefect knows of it.
"""

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, replace
from datetime import date
from functools import partial
from typing import Any

from mta_weekly.command.command import begin_command, run_command
from mta_weekly.command.flags import weekly_parser

ARGUMENTS = begin_command(weekly_parser(), sys.argv[1:]) if __name__ == "__main__" else {}  # before Prefect loads

from prefect import flow, runtime, tags, task
from prefect.states import Completed, Failed, State

from mta_weekly.command import progress
from mta_weekly.errors import BadArgument, EtlError
from mta_weekly.feeds.catalog import AUTO, Feed, FeedSequence, feed_named
from mta_weekly.feeds.plans import PeriodRequest, Plan, check_accept, is_valid, newest_due, plan_weeks
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.client import Hosts, Web
from mta_weekly.fetch.from_source import find_complete_week, tells_newest
from mta_weekly.lake.objects import BLOCK
from mta_weekly.load import Load, LocalWeek
from mta_weekly.loads import find_suspects, prepare_loads
from mta_weekly.options import Options, check_options
from mta_weekly.orchestration.lake_blocks import open_lake, which_lake
from mta_weekly.orchestration.prefect_api import log_to_api, prepare_prefect
from mta_weekly.orchestration.rehearsal import rehearse_run
from mta_weekly.orchestration.run_ends import CONSOLE_ONLY, end_by_fault, end_by_outcomes
from mta_weekly.orchestration.run_names import list_feeds
from mta_weekly.orchestration.run_report import label_run, name_subflow, report_weeks, say_unloaded, say_week
from mta_weekly.orchestration.source_blocks import open_sources
from mta_weekly.orchestration.unattended import run_unattended
from mta_weekly.outcomes import Judging, Outcome, list_failed, summarize_outcomes
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import VERSION, new_york_today, read_settings
from mta_weekly.spool import work_folder

log = logging.getLogger("mta")


@task(task_run_name="newest due week")
def get_file_date(today: date | None = None, feed: str = AUTO) -> str:
    """The newest due week, yyMMdd: the last Saturday on or before today, less the feed's lag."""
    return newest_due(feed_named(feed), today or new_york_today()).label


@task(task_run_name="weeks of the period")
def get_the_file_dates(
    year: int, month: int, day: int, limit_one: bool = True,
    today: date | None = None, feed: str = AUTO, plan: Plan | None = None,
) -> list[str]:  # fmt: skip
    """The due weeks, yyMMdd, of a year, of a month (day 0), or from a day on: the first, or all to the month's end.

    A run hands down its `plan`, made of the same.
    """
    if plan is None:
        request = PeriodRequest(year, month, day, limit_one)
        plan = plan_weeks(request, feed_named(feed), today or new_york_today())
    return [week.label for week in plan.weeks]


@task(task_run_name="is {year}-{month}-{day} a date of the feed")
def valid_task(year: int, month: int, day: int, today: date | None = None, feed: str = AUTO) -> bool:
    """Whether a date is real, covered by the feed and not in the future. Never raises; who asks says why."""
    return is_valid(year, month, day, feed_named(feed).coverage, today or new_york_today())


@task(task_run_name="newest complete week of {feed.name}")
def get_complete_week(feed: Feed, options: Options) -> Week | None:
    """The newest week of which the feed's source has all; None where it does not tell."""
    settings = options.settings
    try:
        with open_sources(settings, options.hosts, feed) as client:
            budget = RetryBudget.of(settings, feed.name)
            return find_complete_week(client, feed, settings, budget, options.today)
    except EtlError as error:
        log.warning("%s: %s; taking the newest week that is due", feed.name, error)
        return None


@task(task_run_name="{week} write_local")
def write_local(week: str, load: Load, client: Web) -> LocalWeek | Outcome | State[Any]:
    """Download a week and make its checked object in the work folder."""
    try:
        return load.make(client, progress.watch_download)
    except EtlError as error:
        return Failed(message=str(error))  # returned, not raised: an expected fault shows no traceback


@task(task_run_name="{week} write_gcs")
def write_gcs(week: str, load: Load, local: LocalWeek | Outcome) -> Outcome | State[Any]:
    """Publish a week's object, if there is one to publish, after the rows left out of it."""
    try:
        return load.publish(local)
    except EtlError as error:
        return Failed(message=str(error))


@flow(name="etl-web-to-local", flow_run_name=name_subflow, version=VERSION)
def etl_web_to_local(weeks: list[str], feed: str, lake: str, options: Options) -> State[Any]:
    """Land weeks, so many at once, each as soon as it is ready; the state's data is their outcomes.

    Several weeks share one flow run: a flow run a week would cost more than the work.
    """
    named, outcomes = feed_named(feed), list[Outcome]()
    feeds = {week: named.feed_of(week) for week in map(Week.named, weeks)}
    try:
        target = open_lake(lake, options.settings)
        if lake.startswith(BLOCK):
            log.info("%s", target)  # which bucket the block speaks of
        client = open_sources(options.settings, options.hosts, *feeds.values())
        with work_folder(options.settings.spool) as folder, client, progress.count_weeks(len(weeks)):
            loads = prepare_loads(feeds, target, folder, options)
            for outcome in _land(loads, client, options):
                outcomes.append(say_week(outcome, options.run_id))
                progress.add_done(rows=outcome.rows)
            suspects = {each.week: say_week(each, options.run_id) for each in find_suspects(loads, outcomes)}
            outcomes = [suspects.get(outcome.week, outcome) for outcome in outcomes]
    except EtlError as error:
        if options.accept and isinstance(error, BadArgument):
            return Failed(name="BadArgument", message=str(error))
        done = {outcome.week for outcome in outcomes}
        failed = list_failed([week for week in weeks if week not in done], named, str(error))
        outcomes += [say_week(outcome, options.run_id) for outcome in failed]
    return end_by_outcomes(outcomes)


@flow(name="MTA Batch flow", version=VERSION)
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
    accept: str = "",
    judge: Judging = "hold",
) -> State[Any]:
    """Land the weeks asked for in the lake. Ends Failed, naming weeks and reasons, unless every due one is there.

    Without a period: the newest week.

    Args:
        year: Year of the weeks, as 2026; 0 is no year. Without year, month, day, start and end: the newest week.
        month: Month of that year, 1 to 12; 0 is the whole year.
        day: The first Saturday on or after this day of the month; 0 is every Saturday of the month.
        limit_one: With a day: that Saturday alone. Off: every Saturday from the day to the end of the month.
        start: Every Saturday from this day ...
        end: ... to this day, both included. In place of year, month and day.
        feed: What to load: turnstile, ridership or daily; auto: turnstile or ridership, as the week decides.
        lake: Where to: gcs-bucket/NAME of a block, or a folder from the root. Empty: MTA_LAKE, or the default block.
        concurrency: How many weeks at once, 1 or more.
        catch_up: For the newest week: how many weeks in all, with those before it.
        force: Load weeks that are there again, damaged ones too, and replace them.
        allow_bad_rows: How many bad rows of a week may be left out; with more it fails.
        dry_run: Say in the log what would be done, and touch nothing.
        refresh: Load weeks that are there again where their source has changed, and replace those that differ.
        accept: Why a held week is right after all, in one line: then it lands as it is. Name the week too.
        judge: A week unlike its neighbours is held (hold), lands with a warning (warn), or lands (off).
    """
    log_to_api()
    label_run()
    by_deployment = runtime.deployment.id is not None
    request = PeriodRequest(year, month, day, limit_one, start, end, catch_up)
    if by_deployment and not request.newest:
        request = replace(request, catch_up=1)  # a deployment's default must not forbid a week asked of it by hand
    refresh = refresh and not (by_deployment and (force or accept))  # nor that it is forced, or accepted
    try:
        check_options(concurrency, allow_bad_rows, force, refresh, accept, judge)
        check_accept(request, accept)
        if dry_run:
            for line in rehearse_run(feed, lake, force, refresh, accept, judge, **asdict(request)):
                log.info(line)
            return Completed(message="dry run, nothing touched")
        settings, run_id = read_settings(), str(runtime.flow_run.id or "")
    except EtlError as error:
        return end_by_fault(error)
    options = Options(
        settings, new_york_today(), lake or "", run_id, force, refresh, allow_bad_rows, concurrency,
        Hosts(settings.retry_wait), accept, judge,
    )  # fmt: skip
    work = partial(_run, request, feed, options)
    return run_unattended(work, settings) if request.newest else work()


def _run(request: PeriodRequest, feed: str, options: Options) -> State[Any]:
    began = time.monotonic()
    try:
        where = which_lake(options.lake, options.settings)
        log.info("lake: %s", where)
        options, the_feed = replace(options, lake=where), feed_named(feed)
        plan, weeks = _find_weeks(request, the_feed, options)
        outcomes = say_unloaded(plan, the_feed, options.run_id)
        if weeks:
            outcomes += _load_weeks(weeks, the_feed, options)
    except EtlError as error:
        return end_by_fault(error)
    outcomes.sort(key=lambda outcome: outcome.week)
    report_weeks(outcomes, where, time.monotonic() - began)
    ended = end_by_outcomes(outcomes)
    log.info(summarize_outcomes(outcomes), extra=CONSOLE_ONLY)
    return ended


def _find_weeks(request: PeriodRequest, feed: Feed | FeedSequence, options: Options) -> tuple[Plan, list[str]]:
    """The plan, and its weeks as the run's graph shows how they were found."""
    today = options.today
    plan = plan_weeks(request, feed, today)
    if request.newest and tells_newest(feed) and (complete := get_complete_week(feed.feeds[-1], options)):
        plan = plan_weeks(request, feed, today, complete)
    elif request.newest and request.catch_up == 1:
        return plan, [get_file_date(today, feed.name)]
    year, month, day = request.year, request.month, request.day
    if year and (not day or valid_task(year, month, day, today, feed.name)):
        return plan, get_the_file_dates(year, month, day, request.limit_one, today, feed.name, plan)
    return plan, [week.label for week in plan.weeks]


def _load_weeks(weeks: list[str], feed: Feed | FeedSequence, options: Options) -> list[Outcome]:
    with tags(*list_feeds(feed, map(Week.named, weeks))):
        state = etl_web_to_local(weeks, feed.name, options.lake, options, return_state=True)
    outcomes: Any = state.result(raise_on_failure=False)
    if isinstance(outcomes, list):
        return outcomes
    if state.name == "BadArgument":
        raise BadArgument(str(state.message))
    return list_failed(weeks, feed, str(state.message))  # nobody expected this: its traceback is in the log


def _land(loads: Sequence[Load], client: Web, options: Options) -> Iterator[Outcome]:
    """What became of each week, as it ends, in any order; so many weeks at once are in the making."""
    running: dict[Future[State[Any]], tuple[Load, Any]] = {}
    waiters = ThreadPoolExecutor(options.concurrency)  # a thread a week that does nothing but wait for its task runs

    def take_ended() -> Iterator[Outcome]:
        ended, _ = wait(running, return_when=FIRST_COMPLETED)
        for each in ended:
            yield _outcome(*running.pop(each), each.result())

    yield from map(_keep, (load for load in loads if load.keeps))
    to_make = [load for load in loads if not load.keeps]
    if to_make:
        to_make[0].target.lake.prepare()  # not before: a lake that is only read need not be written
    try:
        for load in to_make:
            week = load.target.week.label
            if len(running) >= options.concurrency:
                yield from take_ended()
            local: Any = write_local.submit(week, load, client)
            written: Any = write_gcs.submit(week, load, local)
            running[waiters.submit(written.wait)] = load, local
        while running:
            yield from take_ended()
    finally:
        waiters.shutdown(wait=False, cancel_futures=True)  # an interrupted run does not wait for them


def _keep(load: Load) -> Outcome:
    try:
        return load.keep()
    except EtlError as error:
        return load.fail(str(error))


def _outcome(load: Load, local: Any, state: State[Any]) -> Outcome:
    """What became of a week, by the end of its two task runs."""
    if state.is_completed():
        outcome: Outcome = state.result()
        return outcome
    failed = state if state.is_final() else local.wait()  # a task whose upstream failed is never run
    return load.fail(failed.message or "no reason given")


if __name__ == "__main__":
    sys.exit(run_command(main_flow, rehearse_run, prepare_prefect, ARGUMENTS))
