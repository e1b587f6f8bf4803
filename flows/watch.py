"""What looks after a lake, without loading anything. As a command: `status`, `verify`, `tidy`; as a flow: freshness.

How a lake stands, what litter is and how it is removed, is for mta_weekly/ to know; here is which lake is meant, and
what Prefect is told.
"""

import logging
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from mta_weekly.command.command import begin_command, print_report
from mta_weekly.command.flags import watch_parser
from mta_weekly.command.folder_reports import REPORTS, find_folder, report_folder

ARGUMENTS = begin_command(watch_parser(), sys.argv[1:]) if __name__ == "__main__" else {}  # before Prefect loads
if folder := find_folder(ARGUMENTS):
    sys.exit(print_report(partial(report_folder, folder), ARGUMENTS))

from prefect import flow, runtime
from prefect.artifacts import create_markdown_artifact
from prefect.states import Completed, Failed, State

from mta_weekly.errors import BadArgument, EtlError, LakeFailed
from mta_weekly.feeds.catalog import FEEDS
from mta_weekly.options import Options
from mta_weekly.orchestration.lake_blocks import open_lake, which_lake
from mta_weekly.orchestration.prefect_api import log_to_api, prepare_prefect
from mta_weekly.orchestration.run_ends import end_by_fault
from mta_weekly.orchestration.told_runs import find_told_weeks
from mta_weekly.outcomes import count_noun
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import VERSION, new_york_today, read_settings
from mta_weekly.upkeep.report import count_faults, describe_faults, describe_feed, write_markdown
from mta_weekly.upkeep.status import LakeStatus, look_at_lake
from mta_weekly.upkeep.tidy import list_litter, remove_litter

log = logging.getLogger("mta.watch")


def tidy(lake: str | None = None, feed: str = "", yes: bool = False, **_: object) -> Iterator[str]:
    """List the litter of a lake and of the work folder, line by line; with `yes`, remove it.

    Raises:
        EtlError: the lake cannot be read or written.
    """
    settings = read_settings()
    where = which_lake(lake, settings)
    yield f"lake: {where}"
    target, budget = open_lake(where, settings), RetryBudget.of(settings, where)
    feeds, spool = ([FEEDS[feed]], None) if feed else ([*FEEDS.values()], settings.spool)
    listed = kept = 0
    for litter in list_litter(target, feeds, spool, datetime.now(UTC), budget):
        removed = yes and remove_litter(target, litter, budget)
        listed, kept = listed + 1, kept + (yes and not removed)
        yield f"{'removed' if removed else 'stays, a run has it' if yes else 'litter'}  {litter}"
    things = count_noun(listed, "thing")
    if kept:
        raise LakeFailed(f"{kept} of {things} not removed: a run has it; try again later")
    yield f"{things}: {'removed' if yes else '--yes removes what is listed'}" if listed else "nothing to remove"


def report(command: str, lake: str | None = None, **asked: Any) -> Iterator[str]:
    """The report of a command on a lake, line by line.

    Raises:
        EtlError: the lake cannot be read; or, when all is said, something is not as it should be.
    """
    settings = read_settings()
    where = which_lake(lake, settings)
    yield from REPORTS[command](open_lake(where, settings), Options(settings, new_york_today(), where), **asked)


def _name_run() -> str:
    feed = runtime.flow_run.parameters.get("feed")
    return f"freshness of {feed}" if feed in FEEDS else "freshness"


@flow(name="MTA Freshness flow", flow_run_name=_name_run, version=VERSION)
def freshness_flow(lake: str | None = None, feed: str = "", since: date | None = None) -> State[Any]:
    """Say how the lake stands. Ends Failed, naming weeks and what to do, unless all that is due is there and right.

    Weeks that the last run of the weekly deployment into the same lake has named as it failed are not told again: where
    there are no others, this ends Completed, and says so.

    Args:
        lake: a folder, or gcs-bucket/NAME; default MTA_LAKE, else gcs-bucket/blk-gcs-name.
        feed: the feed that must be there; default those that the lake has weeks of.
        since: what is due from here on; default from the first week that the lake has of a feed.
    """
    log_to_api()
    try:
        found = _look(lake, feed, since)
        faults = found.list_faults()
        told = find_told_weeks(partial(_is_lake, found), datetime.now(UTC)) if faults else {}
    except EtlError as error:
        return end_by_fault(error)
    log.info("lake: %s", found.options.lake)
    for each in found.feeds:
        log.info(describe_feed(each))
    for fault in faults:
        log.error(str(fault))
    create_markdown_artifact(  # type: ignore[unused-coroutine] # done at once in a flow that is not async
        key="mta-freshness", markdown=write_markdown(found), description=f"Lake: {found.options.lake}"
    )
    return _end(found, told)


def _look(lake: str | None, feed: str, since: date | None) -> LakeStatus:
    settings = read_settings()
    where = which_lake(lake, settings)
    return look_at_lake(open_lake(where, settings), Options(settings, new_york_today(), where), feed, since)


def _is_lake(found: LakeStatus, named: str | None) -> bool:
    """Whether a run that was given this name of a lake, or none, means the one that was found, as here it would."""
    try:
        return which_lake(named, found.options.settings) == found.options.lake
    except BadArgument:
        return False


def _end(found: LakeStatus, told: dict[tuple[str, str], str]) -> State[Any]:
    """Failed where there are faults that no run has told."""
    if untold := found.list_faults(told):
        return Failed(message=f"{count_faults(untold)}. {describe_faults(untold)}")
    said = "; ".join(map(describe_feed, found.feeds))
    if faults := found.list_faults():
        names = sorted({told[fault.feed, week] for fault in faults for week in fault.weeks})
        runs = " and ".join(map(repr, names))
        said += f". {describe_faults(faults)}, as {runs} {'has' if len(names) == 1 else 'have'} said"
    return Completed(message=said)


if __name__ == "__main__":
    sys.exit(print_report(report if ARGUMENTS["command"] in REPORTS else tidy, ARGUMENTS, prepare_prefect))
