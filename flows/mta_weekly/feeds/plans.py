"""From what a person asks to the weeks to load. Pure dates; today is handed in.

Knows no clock, no network and no lake.
"""

import calendar
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Self

from mta_weekly.errors import BadArgument
from mta_weekly.feeds.catalog import FEEDS, Coverage, Feed, FeedSequence
from mta_weekly.feeds.weeks import LAST_DAY, WEEK, Week, list_weeks

LONGEST_WHY = 200  # bytes of a reason, which the facts keep


@dataclass(frozen=True)
class PeriodRequest:
    """What a run is request for, as its parameters say it: see `plan_weeks` for the rules."""

    year: int = 0
    month: int = 0
    day: int = 0
    limit_one: bool = True
    start: date | None = None
    end: date | None = None
    catch_up: int = 1

    @classmethod
    def among(cls, parameters: Mapping[str, Any]) -> Self:
        """The parameters of a run that name its weeks."""
        return cls(**{field.name: parameters[field.name] for field in fields(cls) if field.name in parameters})

    @property
    def newest(self) -> bool:
        """Whether no period is named, so that the newest due week is meant."""
        return not (self.by_date or self.start or self.end)

    @property
    def by_date(self) -> bool:
        """Whether a year, a month or a day is named."""
        return bool(self.year or self.month or self.day)


@dataclass(frozen=True)
class Plan:
    """The weeks of a request, in order: to load, due later, and never published by the feed."""

    weeks: tuple[Week, ...]
    not_due: tuple[Week, ...] = ()
    outside: tuple[Week, ...] = ()


def newest_due(feed: Feed | FeedSequence, today: date) -> Week:
    """The newest week that should be there by now, whether or not the feed still publishes.

    Of feeds that follow each other it is a week of one that has begun.
    """
    *before, last = feed.feeds
    newest = Week.on_or_before(today - last.coverage.lag)
    for each in reversed(before):
        if each.coverage.last and newest <= each.coverage.last:
            newest = min(each.coverage.last, Week.on_or_before(today - each.coverage.lag))
    return newest


def expected_on(due: date, today: date) -> date:
    """When a week that is not there should be: a late one with the next release, which come weekly."""
    late = (today - due) // WEEK + 1 if due <= today else 0
    return due + late * WEEK


def is_valid(year: int, month: int, day: int, coverage: Coverage, today: date) -> bool:
    """Whether a date is real, not in the future, and in a week the feed has published. Never raises."""
    try:
        asked = date(year, month, day)
        return asked <= today and coverage.holds(Week.on_or_after(asked))
    except (ValueError, TypeError, OverflowError):
        return False


def plan_weeks(request: PeriodRequest, feed: Feed | FeedSequence, today: date, complete: Week | None = None) -> Plan:
    """Turn a request into weeks.

    Without a period: the newest due week, and with `catch_up` N the N-1 before it; where the source has told its newest
    `complete` week, that one too, or those up to it. A year, a month, or start and end:
    every Saturday in it. A day: the first Saturday on or after it in its month, or without `limit_one` all to the
    month's end.

    Raises:
        BadArgument: the request names no week, names weeks in two ways, or lies wholly in the future or outside the
            feed's coverage. The message gives the value, the rule and the nearest week that would work.
    """
    _check_one_way(request, feed, today)
    if request.newest:
        return _plan_newest(request, feed, today, complete)
    found = _find_weeks(request, feed, today)
    inside = [week for week in found if feed.feed_of(week).coverage.holds(week)]
    if not inside:
        raise BadArgument(
            f"{_repeat(request)}: outside what {feed.name} has published, {_span(feed)}; "
            f"{_nearest(found[0].saturday, feed, today)}."
        )
    due = {week: feed.feed_of(week).coverage.due_on(week) for week in inside}
    if request.day and request.limit_one and due[inside[0]] > today:
        raise BadArgument(
            f"{_repeat(request)}: week {inside[0]} of {feed.feed_of(inside[0]).name} is due on {due[inside[0]]}; "
            f"{_nearest(inside[0].saturday, feed, today)}."
        )
    return Plan(
        weeks=tuple(week for week in inside if due[week] <= today),
        not_due=tuple(week for week in inside if due[week] > today),
        outside=tuple(week for week in found if week not in due),
    )


def check_accept(request: PeriodRequest, accept: str) -> None:
    """Refuse to accept weeks that nobody has named, or without a reason that the facts can keep.

    Raises:
        BadArgument: with the rule.
    """
    if accept and request.newest:
        raise BadArgument("accept: name the week, by year, month and day, or weeks, by start and end.")
    if accept and (not accept.strip() or not accept.isprintable() or len(accept.encode()) > LONGEST_WHY):
        raise BadArgument(f"accept: say why, in one line of up to {LONGEST_WHY} bytes.")


def check_watch(feed: str, since: date | None, today: date) -> None:
    """Refuse to look at what cannot be there.

    Raises:
        BadArgument: with the value and the rule.
    """
    if feed and feed not in FEEDS:
        raise BadArgument(f"feed {feed[:40]!r}: there is no such feed; choose one of {', '.join(FEEDS)}, or none.")
    if since and since > today:
        raise BadArgument(f"since {since}: in the future, today is {today} in New York; name a day up to today.")


def _find_weeks(request: PeriodRequest, feed: Feed | FeedSequence, today: date) -> list[Week]:
    """The weeks of a named period, one at least, published or not."""
    first, last = _period(request, feed, today)
    if first > today:
        raise BadArgument(
            f"{_repeat(request)}: in the future, today is {today} in New York; {_nearest(first, feed, today)}."
        )
    found = list_weeks(first, last)
    if not found:
        where = "left in the month" if request.day else "in it"
        raise BadArgument(
            f"{_repeat(request)}: a week is named by its Saturday and there is none {where}; "
            f"{_nearest(first, feed, today)}."
        )
    return found[:1] if request.day and request.limit_one else found


def _check_one_way(request: PeriodRequest, feed: Feed | FeedSequence, today: date) -> None:
    if request.catch_up < 1:
        raise BadArgument(f"catch-up {request.catch_up}: must be 1 (the newest week alone) or more.")
    if request.newest:
        return
    if request.catch_up > 1:
        raise BadArgument(
            f"catch-up {request.catch_up} with {_repeat(request)}: catch-up goes back from the newest week; "
            f"leave out the one or the other; {_nearest(today, feed, today)}."
        )
    if request.by_date:
        if request.start or request.end:
            raise BadArgument(
                f"{_repeat(request)}: two ways of naming weeks at once; give year, month and day, "
                f"or start and end; {_nearest(today, feed, today)}."
            )
        if not request.year or (request.day and not request.month):
            missing = "a year" if not request.year else "a month"
            raise BadArgument(f"{_repeat(request)}: needs {missing} besides; {_nearest(today, feed, today)}.")
    elif not (request.start and request.end):
        raise BadArgument(f"{_repeat(request)}: a range needs both start and end.")


def _plan_newest(request: PeriodRequest, feed: Feed | FeedSequence, today: date, complete: Week | None) -> Plan:
    newest, coverage = newest_due(feed, today), feed.coverage
    if newest < coverage.first:
        raise BadArgument(
            f"the newest week: {feed.name} begins with {_name(coverage.first)}, "
            f"due on {coverage.due_on(coverage.first)}."
        )
    if not coverage.holds(newest):
        raise BadArgument(
            f"the newest week: {feed.name} publishes no more, its last week is {_name(coverage.last or newest)}, "
            f"replaced by {feed.replaced_by}; name a week up to that one."
        )
    complete = max(coverage.first, complete or newest)
    newest = max(newest, complete)
    before = min(request.catch_up - 1, (newest.saturday - coverage.first.saturday) // WEEK)
    weeks = list_weeks(newest.saturday - before * WEEK, newest.saturday)
    return Plan(weeks=tuple(sorted({complete, *weeks})))


def _period(request: PeriodRequest, feed: Feed | FeedSequence, today: date) -> tuple[date, date]:
    """The first and last day of a named period."""
    if request.start and request.end:
        if request.end < request.start:
            raise BadArgument(
                f"{_repeat(request)}: the end is before the start; {_nearest(request.start, feed, today)}."
            )
        return request.start, request.end
    if not 1 <= request.year <= LAST_DAY.year:
        raise BadArgument(
            f"year {request.year}: there is no such year; "
            f"{_nearest(date.min if request.year < 1 else LAST_DAY, feed, today)}."
        )
    if not 0 <= request.month <= 12:
        raise BadArgument(
            f"month {request.month}: must be 1 to 12, or 0 for the whole year; "
            f"{_nearest(date(request.year, 12, 1), feed, today)}."
        )
    if not request.month:
        return date(request.year, 1, 1), date(request.year, 12, 31)
    length = calendar.monthrange(request.year, request.month)[1]
    if not 0 <= request.day <= length:
        raise BadArgument(
            f"{_repeat(request)}: there is no such day, the month has {length}, and 0 is the whole month; "
            f"{_nearest(date(request.year, request.month, length), feed, today)}."
        )
    return date(request.year, request.month, request.day or 1), date(request.year, request.month, length)


def _repeat(request: PeriodRequest) -> str:
    """The period in the words of the one who asked."""
    parts = [
        f"{name} {value}" for name, value in vars(request).items() if value and name not in ("limit_one", "catch_up")
    ]
    return ", ".join(parts)


def _name(week: Week) -> str:
    return f"{week} ({week.saturday})"


def _span(feed: Feed | FeedSequence) -> str:
    last = f"to {_name(feed.coverage.last)}" if feed.coverage.last else "on"
    return f"week {_name(feed.coverage.first)} {last}"


def _nearest(day: date, feed: Feed | FeedSequence, today: date) -> str:
    """The week nearest to a day that could be asked for."""
    newest = newest_due(feed, today)
    last = min(newest, feed.coverage.last or newest)
    nearest = min(max(Week.on_or_after(min(day, LAST_DAY)), feed.coverage.first), last)
    return f"the nearest week that would work is {_name(nearest)}"
