"""What the flags of the deployments come to: a schedule, and the parameters of every run."""

import argparse
from typing import Any

from croniter import CroniterBadDateError, croniter
from prefect.client.schemas.schedules import CronSchedule

from deployed_flows import MOST_WEEKS
from mta_weekly.errors import BadArgument
from mta_weekly.lake.objects import BLOCK, check_name

SATURDAY_AT_NINE, SATURDAY_AT_NOON, NEW_YORK = "0 9 * * 6", "0 12 * * 6", "America/New_York"
NO = "no"  # in place of a cron line
CATCH_UP = 8  # weeks a Saturday's run looks back, so that a missed one, or a source that was late, heals


def read_schedule(flag: str, cron: str, timezone: str) -> CronSchedule | None:
    """When a deployment runs; None where it does when asked only.

    Raises:
        BadArgument: the cron line or the time zone cannot be used.
    """
    if cron == NO:
        return None
    said = f"{flag} {cron!r} --timezone {timezone!r}"
    if len(cron.split()) != 5 or not cron.isprintable() or not timezone:
        raise BadArgument(
            f"{said}: must be five fields, as {SATURDAY_AT_NINE!r}, or {NO!r}; and a zone, as {NEW_YORK!r}."
        )
    try:
        when = CronSchedule(cron=cron, timezone=timezone)
        croniter(cron).get_next()
    except CroniterBadDateError:  # it would stop the server's scheduler, for everybody
        raise BadArgument(f"{said}: there is no such day, ever.") from None
    except ValueError as error:
        fault = " ".join(str(error).splitlines()[2:]).partition(" (type=")[0].strip()
        raise BadArgument(f"{said}: {fault}.") from None
    return when


def parameters(options: argparse.Namespace) -> dict[str, Any]:
    """What every run is given unless it is asked otherwise.

    Raises:
        BadArgument: the lake is none that outlives a run, or there is no such number of weeks.
    """
    check_name(options.lake)
    if not options.lake.startswith((BLOCK, "/")):
        raise BadArgument(f"--lake {options.lake}: give {BLOCK}NAME, or a folder from the root where the runs happen.")
    if not 1 <= options.catch_up <= MOST_WEEKS:
        raise BadArgument(f"--catch-up {options.catch_up}: must be 1 (the newest week alone) to {MOST_WEEKS}.")
    refresh = {"refresh": True} if options.refresh else {}
    return {"feed": options.feed, "catch_up": options.catch_up, "lake": options.lake} | refresh
