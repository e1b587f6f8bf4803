"""What a run would do, week by week; touches nothing."""

from collections.abc import Iterator, Mapping
from typing import Any

from mta_weekly.errors import BadArgument, EtlError
from mta_weekly.feeds.catalog import feed_named
from mta_weekly.feeds.plans import PeriodRequest, plan_weeks
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.from_source import find_address, tells_newest
from mta_weekly.options import Options
from mta_weekly.orchestration.lake_blocks import open_lake, which_lake
from mta_weekly.outcomes import Judging, list_not_loaded
from mta_weekly.settings import new_york_today, read_settings
from mta_weekly.week_status import WeekStatus, look_at_weeks


def rehearse_run(
    feed: str,
    lake: str | None,
    force: bool,
    refresh: bool,
    accept: str = "",
    judge: Judging = "hold",
    **parameters: Any,
) -> Iterator[str]:
    """What a run would do, line by line; touches nothing. A lake that cannot be read leaves the states unknown.

    Raises:
        BadArgument: as a run would, before it asks anything of a source.
    """
    settings, the_feed, request = read_settings(), feed_named(feed), PeriodRequest.among(parameters)
    today = new_york_today()
    plan = plan_weeks(request, the_feed, today)
    feeds = {week: the_feed.feed_of(week) for week in plan.weeks}
    known: Mapping[Week, WeekStatus] = {}
    try:
        where = which_lake(lake, settings)
        yield f"lake: {where}"
        options = Options(settings, today, where, force=force, refresh=refresh, accept=accept, judge=judge)
        known = look_at_weeks(feeds, open_lake(where, settings), options)
    except BadArgument:
        raise
    except EtlError as error:
        yield f"states are not known: {error}"
    if request.newest and tells_newest(the_feed):
        yield "the newest week that is due; a run asks the source for its newest complete one"
    for week, each in feeds.items():
        status = known.get(week)
        line = f"{week}  {status.state if status else 'unknown':15}  {each.key(week)}"
        line += f"  {find_address(each, each.sources[0], week, settings)}"
        yield f"{line}  {status.reason}" if status and status.reason else line
    yield from (
        f"{each.week}  {each.state:15}  {each.object}  {each.reason}" for each in list_not_loaded(plan, the_feed)
    )
