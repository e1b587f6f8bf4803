"""A run that nobody looks at, as it names no week: it cares for the runs beside it, and tells of its own end."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from prefect.states import Cancelled, State

from mta_weekly.orchestration.earlier_runs import describe_newer_run, end_dead_runs
from mta_weekly.orchestration.ping import ping_at_end
from mta_weekly.settings import Settings

log = logging.getLogger("mta")


def run_unattended(work: Callable[[], State[Any]], settings: Settings) -> State[Any]:
    """Do the work of a run and return its final state: Cancelled, with nothing done, where a newer run does the same.

    Before it, runs of its deployment that died are ended; after the work, the dead man's switch is told.
    """
    end_dead_runs(timedelta(seconds=settings.week_timeout))  # first: a dead one does nobody's work
    if newer := describe_newer_run():
        log.warning(newer)
        return Cancelled(message=newer)
    return ping_at_end(work, settings)
