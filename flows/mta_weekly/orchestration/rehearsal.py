"""What a run would do, week by week; touches nothing."""

from collections.abc import Iterator
from typing import Any

from mta_weekly.errors import EtlError
from mta_weekly.feeds.catalog import feed_named, tells_newest
from mta_weekly.feeds.weeks import Asked, label, plan_weeks
from mta_weekly.lake.objects import Found
from mta_weekly.load import address
from mta_weekly.orchestration.lake_blocks import open_lake, which_lake
from mta_weekly.outcomes import not_loaded
from mta_weekly.retry import Patience
from mta_weekly.settings import new_york_today, read_settings


def rehearse(feed: str, lake: str | None, force: bool, refresh: bool, **parameters: Any) -> Iterator[str]:
    """What a run would do, line by line; touches nothing. A lake that cannot be read leaves the states unknown."""
    settings, the_feed, asked = read_settings(), feed_named(feed), Asked.among(parameters)
    plan = plan_weeks(asked, the_feed, new_york_today())
    feeds = {label(week): the_feed.of(week) for week in plan.weeks}
    present: dict[str, Found] | None = None
    try:
        where = which_lake(lake, settings)
        yield f"lake: {where}"
        keys = [of.key(week) for week, of in feeds.items()]
        present = open_lake(where).find(keys, Patience.of(settings, where))
    except EtlError as error:
        yield f"states are not known: {error}"
    if asked.newest and tells_newest(the_feed):
        yield "the newest week that is due; a run asks the source for its newest complete one"
    for week, of in feeds.items():
        state = "unknown" if present is None else _would(present.get(of.key(week)), force, refresh)
        yield f"{week}  {state:15}  {of.key(week)}  {address(of, week, settings)}"
    yield from (f"{each.week}  {each.state:15}  {each.object}  {each.reason}" for each in not_loaded(plan, the_feed))


def _would(seen: Found | None, force: bool, refresh: bool) -> str:
    if seen is None:
        return "would load"
    if force or refresh:
        return "would replace" if force else "would compare"
    return "there" if seen.facts else "there, unproved"
