"""What a run would do, week by week; touches nothing."""

from collections.abc import Iterator
from typing import Any

from mta_weekly.errors import EtlError
from mta_weekly.feeds.catalog import feed_named
from mta_weekly.feeds.plans import PeriodRequest, plan_weeks
from mta_weekly.fetch.from_source import find_address, tells_newest
from mta_weekly.lake.objects import StoredObject
from mta_weekly.orchestration.lake_blocks import open_lake, which_lake
from mta_weekly.outcomes import list_not_loaded
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import new_york_today, read_settings


def rehearse_run(feed: str, lake: str | None, force: bool, refresh: bool, **parameters: Any) -> Iterator[str]:
    """What a run would do, line by line; touches nothing. A lake that cannot be read leaves the states unknown."""
    settings, the_feed, request = read_settings(), feed_named(feed), PeriodRequest.among(parameters)
    plan = plan_weeks(request, the_feed, new_york_today())
    feeds = {week: the_feed.feed_of(week) for week in plan.weeks}
    present: dict[str, StoredObject] | None = None
    try:
        where = which_lake(lake, settings)
        yield f"lake: {where}"
        keys = [each.key(week) for week, each in feeds.items()]
        present = open_lake(where).find(keys, RetryBudget.of(settings, where))
    except EtlError as error:
        yield f"states are not known: {error}"
    if request.newest and tells_newest(the_feed):
        yield "the newest week that is due; a run asks the source for its newest complete one"
    for week, each in feeds.items():
        key = each.key(week)
        state = "unknown" if present is None else _foresee(present.get(key), force, refresh)
        yield f"{week}  {state:15}  {key}  {find_address(each, each.sources[0], week, settings)}"
    yield from (
        f"{each.week}  {each.state:15}  {each.object}  {each.reason}" for each in list_not_loaded(plan, the_feed)
    )


def _foresee(existing: StoredObject | None, force: bool, refresh: bool) -> str:
    if existing is None:
        return "would load"
    if existing.fault:
        return "unreadable"
    if force or refresh:
        return "would replace" if force else "would compare"
    return "there" if existing.facts else "there, unproved"
