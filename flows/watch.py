"""What looks after a lake, without loading anything. Run as a command: `tidy`.

What litter is, and how it is removed, is for mta_weekly/ to know; here is which lake is meant.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime

from mta_weekly.command.command import begin_command, print_report
from mta_weekly.command.flags import watch_parser

ARGUMENTS = begin_command(watch_parser(), sys.argv[1:]) if __name__ == "__main__" else {}  # before Prefect loads

from mta_weekly.errors import LakeFailed
from mta_weekly.feeds.catalog import FEEDS
from mta_weekly.orchestration.lake_blocks import open_lake, which_lake
from mta_weekly.orchestration.prefect_api import prepare_prefect
from mta_weekly.outcomes import count_noun
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import read_settings
from mta_weekly.tidy import list_litter, remove_litter


def tidy(lake: str | None = None, feed: str = "", yes: bool = False, **_: object) -> Iterator[str]:
    """List the litter of a lake and of the work folder, line by line; with `yes`, remove it.

    Raises:
        EtlError: the lake cannot be read or written.
    """
    settings = read_settings()
    where = which_lake(lake, settings)
    yield f"lake: {where}"
    target, budget = open_lake(where), RetryBudget.of(settings, where)
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


if __name__ == "__main__":
    sys.exit(print_report(tidy, prepare_prefect, ARGUMENTS))
