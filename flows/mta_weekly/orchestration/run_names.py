"""What runs are called: by their feeds and their period, as a person would. Pure: knows no Prefect and no clock.

No name fails a run: of arguments that are wrong it repeats what was given, and the flow says what is wrong with them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from mta_weekly.errors import BadArgument
from mta_weekly.feeds.catalog import AUTO, FEEDS, Feed, FeedSequence, feed_named, list_distinct
from mta_weekly.feeds.plans import PeriodRequest, plan_weeks
from mta_weekly.feeds.weeks import Week
from mta_weekly.secrets import clean

LONGEST = 100  # characters of what is repeated
GREEK = (
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|omicron|pi|rho|sigma|tau|upsilon|phi|chi|"
    "psi|omega"
)
# Two words from the server, as in bold-lynx; a star from the form of its pages, as in gamma5-canis-majoris-cluster.
MADE_UP = re.compile(rf"[a-z]+-[a-z]+|({GREEK})\d*(-[a-z]+)*")


def is_made_up(name: str) -> bool:
    """Whether Prefect may have made up a run's name; a person's is told from it unless it is two plain words, too."""
    return MADE_UP.fullmatch(name) is not None


def list_feeds(feed: Feed | FeedSequence, weeks: Iterable[Week]) -> list[str]:
    """The names of the feeds of some weeks, in the order of the weeks."""
    return [each.name for each in list_distinct(map(feed.feed_of, sorted(weeks)))]


def name_weeks(feed: str, weeks: Iterable[str]) -> str:
    """The name of a run that lands weeks, yyMMdd.

    >>> name_weeks("auto", ["240210", "240217", "240224"])
    'turnstile, ridership 240210 to 240224'
    """
    try:
        named = sorted(map(Week.named, weeks))
        return f"{', '.join(list_feeds(feed_named(feed), named))} {_span(named)}"
    except (BadArgument, IndexError, ValueError):
        return clean(feed, LONGEST)


def name_run(parameters: Mapping[str, Any], today: date) -> tuple[str, list[str]]:
    """The name of a run of the weekly flow, or of a backfill, by its parameters; and its feeds, which are its tags.

    >>> name_run({"year": 2024, "month": 2, "day": 1, "feed": "turnstile"}, date(2026, 11, 26))
    ('turnstile 240203', ['turnstile'])
    """
    asked = str(parameters.get("feed", AUTO))
    try:
        request = PeriodRequest.among({name: _read(name, value) for name, value in parameters.items()})
        feed = feed_named(asked)
        plan = plan_weeks(request if request.newest else replace(request, catch_up=1), feed, today)
        weeks = sorted([*plan.weeks, *plan.not_due, *plan.outside])
        feeds = list_feeds(feed, weeks)
        name = f"{', '.join(feeds)} {_describe_period(request, weeks)}"
    except (BadArgument, TypeError, ValueError):
        given = [f"{name} {parameters[name]}" for name in _PERIOD if parameters.get(name)]
        name = clean(f"{asked} {', '.join(given) or 'newest'}", LONGEST)
        feeds = [asked] if asked in FEEDS else []
    cut = f" by {parameters['by']}" if "by" in parameters else ""
    return f"{name}{cut}{', dry run' if parameters.get('dry_run') else ''}", feeds


_PERIOD = ("year", "month", "day", "start", "end")


def _read(name: str, value: Any) -> Any:
    """A parameter as the flow would have it: the API gives days as text, some with a time."""
    return date.fromisoformat(value[:10]) if name in ("start", "end") and isinstance(value, str) else value


def _describe_period(request: PeriodRequest, weeks: list[Week]) -> str:
    if request.newest:
        return "newest" if request.catch_up == 1 else f"newest, {request.catch_up} back"
    if request.by_date and not request.day:
        return f"{request.year}-{request.month:02}" if request.month else str(request.year)
    return _span(weeks)


def _span(weeks: list[Week]) -> str:
    """From the first week to the last, which may be one."""
    return " to ".join(dict.fromkeys(str(week) for week in (weeks[0], weeks[-1])))
