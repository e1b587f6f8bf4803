"""Which Saturdays: from what a person asks to the weeks to load. Pure dates; today is handed in.

Knows no clock, no network and no lake.
"""

import calendar
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any, Self

from dateutil.relativedelta import SA, relativedelta

from mta_weekly.errors import BadArgument
from mta_weekly.feeds.catalog import Coverage, Feed, Succession
from mta_weekly.feeds.sources import WEEK

SATURDAY = 5  # of date.weekday
LAST_DAY = date(9998, 12, 31)  # the last Saturday of 9999 has no week after it


@dataclass(frozen=True)
class Asked:
    """What a run is asked for, as its parameters say it: see `plan_weeks` for the rules."""

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
        return not (self.year or self.month or self.day or self.start or self.end)


@dataclass(frozen=True)
class Plan:
    """The Saturdays of what was asked, in order: to load, due later, and never published by the feed."""

    weeks: tuple[date, ...]
    not_due: tuple[date, ...] = ()
    outside: tuple[date, ...] = ()


def label(saturday: date) -> str:
    """The name of a week: its Saturday as yyMMdd."""
    return f"{saturday:%y%m%d}"


def saturday(week: str) -> date:
    """The Saturday a week is named by; the other way round of `label`."""
    return datetime.strptime(week, "%y%m%d").date()  # noqa: DTZ007 - a day has no zone


def days(week: date) -> list[date]:
    """The seven days a week holds: those before its Saturday."""
    return [week - timedelta(days=n) for n in range(7, 0, -1)]


def latest_saturday(day: date) -> date:
    """The last Saturday on or before a day."""
    return day + relativedelta(weekday=SA(-1))


def next_saturday(day: date) -> date:
    """The first Saturday on or after a day."""
    return day + relativedelta(weekday=SA(+1))


def saturdays(start: date, end: date) -> list[date]:
    """Every Saturday from start to end, both included."""
    first = start.toordinal() + (SATURDAY - start.weekday()) % 7
    return [date.fromordinal(day) for day in range(first, min(end, LAST_DAY).toordinal() + 1, 7)]


def newest_due(feed: Feed | Succession, today: date) -> date:
    """The newest week that should be there by now, whether or not the feed still publishes.

    Of feeds that follow each other it is a week of one that has begun.
    """
    *before, last = feed.feeds
    newest = latest_saturday(today - last.coverage.lag)
    for each in reversed(before):
        if each.coverage.last and newest <= each.coverage.last:
            newest = min(each.coverage.last, latest_saturday(today - each.coverage.lag))
    return newest


def newest_complete(last: datetime, step: timedelta) -> date:
    """The newest week that is whole where the newest row is of that time, and the next one would be a step later."""
    return latest_saturday((last + step).date())


def expected_on(due: date, today: date) -> date:
    """When a week that is not there should be: a late one with the next release, which come weekly."""
    late = (today - due) // WEEK + 1 if due <= today else 0
    return due + late * WEEK


def is_valid(year: int, month: int, day: int, coverage: Coverage, today: date) -> bool:
    """Whether a date is real, not in the future, and in a week the feed has published. Never raises."""
    try:
        asked = date(year, month, day)
        return asked <= today and coverage.holds(next_saturday(asked))
    except (ValueError, TypeError, OverflowError):
        return False


def plan_weeks(asked: Asked, feed: Feed | Succession, today: date, complete: date | None = None) -> Plan:
    """Turn what is asked into Saturdays.

    Without a period: the newest due week, and with `catch_up` N the N-1 before it; where the source has told its newest
    `complete` week, that one too, or those up to it. A year, a month, or start and end:
    every Saturday in it. A day: the first Saturday on or after it in its month, or without `limit_one` all to the
    month's end.

    Raises:
        BadArgument: what is asked names no week, names weeks in two ways, or lies wholly in the future or outside the
            feed's coverage. The message gives the value, the rule and the nearest week that would work.
    """
    _check_one_way(asked, feed, today)
    if asked.newest:
        return _newest(asked, feed, today, complete)
    first, last = _period(asked, feed, today)
    if first > today:
        raise BadArgument(
            f"{_said(asked)}: in the future, today is {today} in New York; {_nearest(first, feed, today)}."
        )
    found = saturdays(first, last)
    if asked.day and asked.limit_one:
        found = found[:1]
    if not found:
        where = "left in the month" if asked.day else "in it"
        raise BadArgument(
            f"{_said(asked)}: a week is named by its Saturday and there is none {where}; "
            f"{_nearest(first, feed, today)}."
        )
    inside = [week for week in found if feed.of(week).coverage.holds(week)]
    if not inside:
        raise BadArgument(
            f"{_said(asked)}: outside what {feed.name} has published, {_span(feed)}; {_nearest(first, feed, today)}."
        )
    due = {week: feed.of(week).coverage.due_on(week) for week in inside}
    if asked.day and asked.limit_one and due[inside[0]] > today:
        raise BadArgument(
            f"{_said(asked)}: week {label(inside[0])} of {feed.of(inside[0]).name} is due on {due[inside[0]]}; "
            f"{_nearest(first, feed, today)}."
        )
    return Plan(
        weeks=tuple(week for week in inside if due[week] <= today),
        not_due=tuple(week for week in inside if due[week] > today),
        outside=tuple(week for week in found if week not in due),
    )


def _check_one_way(asked: Asked, feed: Feed | Succession, today: date) -> None:
    if asked.catch_up < 1:
        raise BadArgument(f"catch-up {asked.catch_up}: must be 1 (the newest week alone) or more.")
    if asked.newest:
        return
    if asked.catch_up > 1:
        raise BadArgument(
            f"catch-up {asked.catch_up} with {_said(asked)}: catch-up goes back from the newest week; "
            f"leave out the one or the other; {_nearest(today, feed, today)}."
        )
    if asked.year or asked.month or asked.day:
        if asked.start or asked.end:
            raise BadArgument(
                f"{_said(asked)}: two ways of naming weeks at once; give year, month and day, "
                f"or start and end; {_nearest(today, feed, today)}."
            )
        if not asked.year or (asked.day and not asked.month):
            missing = "a year" if not asked.year else "a month"
            raise BadArgument(f"{_said(asked)}: needs {missing} besides; {_nearest(today, feed, today)}.")
    elif not (asked.start and asked.end):
        raise BadArgument(f"{_said(asked)}: a range needs both start and end.")


def _newest(asked: Asked, feed: Feed | Succession, today: date, complete: date | None) -> Plan:
    newest, coverage = newest_due(feed, today), feed.coverage
    if newest < coverage.first:
        raise BadArgument(
            f"the newest week: {feed.name} begins with {_named(coverage.first)}, "
            f"due on {coverage.due_on(coverage.first)}."
        )
    if not coverage.holds(newest):
        raise BadArgument(
            f"the newest week: {feed.name} publishes no more, its last week is {_named(coverage.last or newest)}, "
            f"replaced by {feed.replaced_by}; name a week up to that one."
        )
    complete = max(coverage.first, complete or newest)
    newest = max(newest, complete)
    first = newest - min(asked.catch_up - 1, (newest - coverage.first) // WEEK) * WEEK
    return Plan(weeks=tuple(sorted({complete, *saturdays(first, newest)})))


def _period(asked: Asked, feed: Feed | Succession, today: date) -> tuple[date, date]:
    """The first and last day of a named period."""
    if asked.start and asked.end:
        if asked.end < asked.start:
            raise BadArgument(f"{_said(asked)}: the end is before the start; {_nearest(asked.start, feed, today)}.")
        return asked.start, asked.end
    if not 1 <= asked.year <= LAST_DAY.year:
        raise BadArgument(
            f"year {asked.year}: there is no such year; "
            f"{_nearest(date.min if asked.year < 1 else LAST_DAY, feed, today)}."
        )
    if not 0 <= asked.month <= 12:
        raise BadArgument(
            f"month {asked.month}: must be 1 to 12, or 0 for the whole year; "
            f"{_nearest(date(asked.year, 12, 1), feed, today)}."
        )
    if not asked.month:
        return date(asked.year, 1, 1), date(asked.year, 12, 31)
    length = calendar.monthrange(asked.year, asked.month)[1]
    if not 0 <= asked.day <= length:
        raise BadArgument(
            f"{_said(asked)}: there is no such day, the month has {length}, and 0 is the whole month; "
            f"{_nearest(date(asked.year, asked.month, length), feed, today)}."
        )
    return date(asked.year, asked.month, asked.day or 1), date(asked.year, asked.month, length)


def _said(asked: Asked) -> str:
    """The period in the words of the one who asked."""
    parts = [
        f"{name} {value}" for name, value in vars(asked).items() if value and name not in ("limit_one", "catch_up")
    ]
    return ", ".join(parts)


def _named(week: date) -> str:
    return f"{label(week)} ({week})"


def _span(feed: Feed | Succession) -> str:
    last = f"to {_named(feed.coverage.last)}" if feed.coverage.last else "on"
    return f"week {_named(feed.coverage.first)} {last}"


def _nearest(day: date, feed: Feed | Succession, today: date) -> str:
    """The week nearest to a day that could be asked for."""
    newest = newest_due(feed, today)
    last = min(newest, feed.coverage.last or newest)
    nearest = min(max(next_saturday(min(day, LAST_DAY)), feed.coverage.first), last)
    return f"the nearest week that would work is {_named(nearest)}"
