"""Dates and weeks: which are valid, how they are named, and the rules that hold for any of them."""

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from made_feeds import LATER, LIVE, SLOW, TUESDAY, WEEK, feed
from mta_weekly.errors import BadArgument
from mta_weekly.feeds.catalog import TURNSTILE, Feed
from mta_weekly.feeds.plans import PeriodRequest, Plan, is_valid, plan_weeks
from mta_weekly.feeds.weeks import Week, list_weeks
from tries import tries


@pytest.mark.parametrize(
    ("day", "valid"),
    [
        ((2023, 3, 25), True),
        ((2023, 3, 22), True),
        ((2020, 2, 29), True),
        ((2023, 3, 28), True),
        ((2023, 3, 29), False),  # tomorrow
        ((2010, 5, 1), False),  # the week before the first
        ((2010, 5, 2), True),
        ((2023, 2, 29), False),
        ((2023, 13, 1), False),
        ((2023, 3, 0), False),
        ((0, 0, 0), False),
        ((-1, 1, 1), False),
        ((9999, 12, 31), False),
        ((10**400, 1, 1), False),
        ((2023, -(10**30), 10**30), False),
        ((None, None, None), False),
        ((2023, None, 1), False),
        (("2023", "3", "25"), False),
        ((2023.0, 3.5, float("nan")), False),
        (([], {}, object()), False),
    ],
)
def test_is_valid_answers_for_one_date_and_never_raises(day: tuple, valid: bool) -> None:
    assert is_valid(*day, TURNSTILE.coverage, TUESDAY) is valid


def test_is_valid_ends_with_the_last_week_of_a_retired_feed() -> None:
    assert is_valid(2024, 2, 17, TURNSTILE.coverage, LATER) is True
    assert is_valid(2024, 2, 18, TURNSTILE.coverage, LATER) is False


@pytest.mark.parametrize(
    ("week", "name"),
    [(date(2014, 10, 18), "141018"), (date(2000, 1, 1), "000101"), (date(2068, 12, 29), "681229")],
)
def test_a_week_is_named_by_its_saturday_and_found_by_its_name(week: date, name: str) -> None:
    assert (Week(week).label, Week.named(name).saturday) == (name, week)


def test_a_week_holds_the_seven_days_before_its_saturday() -> None:
    assert Week(date(2024, 1, 6)).days == [date(2023, 12, 30) + timedelta(days=n) for n in range(7)]


few = settings(max_examples=tries(1000), deadline=None)
any_day = st.dates(date(2010, 1, 1), date(2040, 12, 31))


def on_or_after(day: date) -> date:
    return Week.on_or_after(day).saturday


any_feed = st.builds(
    lambda first, weeks, lag: feed(lag, on_or_after(first), weeks and on_or_after(first) + weeks * WEEK),
    any_day,
    st.none() | st.integers(1, 800),
    st.sampled_from([0, 3, 14]),
) | st.sampled_from([TURNSTILE, LIVE, SLOW])
periods = st.one_of(
    any_day.map(lambda day: PeriodRequest(day.year)),
    any_day.map(lambda day: PeriodRequest(day.year, day.month)),
    st.builds(lambda day, one: PeriodRequest(day.year, day.month, day.day, one), any_day, st.booleans()),
    st.tuples(any_day, any_day).map(lambda pair: PeriodRequest(start=min(pair), end=max(pair))),
)


def saturdays_of(asked: PeriodRequest) -> list[date]:
    """The Saturdays of a period, day by day."""
    day, last = (asked.start, asked.end) if asked.start else (date(asked.year, asked.month or 1, asked.day or 1), None)
    found = []
    while day <= last if last else (day.year == asked.year and asked.month in (0, day.month)):
        if day.weekday() == 5:
            found.append(day)
        day += timedelta(days=1)
    return found


@few
@given(periods, any_feed, any_day)
def test_a_plan_is_every_saturday_of_its_period_and_nothing_else(asked: PeriodRequest, feed: Feed, today: date) -> None:
    in_period = saturdays_of(asked)
    first_only = asked.day and asked.limit_one
    wanted = in_period[:1] if first_only else in_period
    inside = [week for week in wanted if feed.coverage.holds(Week(week))]
    due = [week for week in inside if week + feed.coverage.lag <= today]
    begins = asked.start or date(asked.year, asked.month or 1, asked.day or 1)
    try:
        found = plan_weeks(asked, feed, today)
    except BadArgument:
        assert begins > today or not inside or (first_only and not due)
        return

    assert not (begins > today or not inside or (first_only and not due))
    assert [week.saturday for week in found.weeks] == due
    every = sorted(found.weeks + found.not_due + found.outside)
    assert [week.saturday for week in every] == wanted
    assert all(feed.coverage.holds(week) for week in found.not_due)
    assert not any(feed.coverage.holds(week) for week in found.outside)
    assert all(week.saturday.weekday() == 5 for week in found.weeks)
    assert all(after.saturday - before.saturday == WEEK for before, after in pairwise(found.weeks))


@few
@given(any_day, any_feed, any_day)
def test_limit_one_gives_the_first_week_of_the_list_without_it(day: date, feed: Feed, today: date) -> None:
    try:
        one = plan_weeks(PeriodRequest(day.year, day.month, day.day), feed, today)
    except BadArgument:
        return
    every = plan_weeks(PeriodRequest(day.year, day.month, day.day, limit_one=False), feed, today)

    assert one == Plan(every.weeks[:1])


@few
@given(any_feed, any_day, st.integers(1, 60))
def test_catch_up_is_the_newest_due_week_and_those_before_it(feed: Feed, today: date, catch_up: int) -> None:
    coverage = feed.coverage
    due = [week for week in list_weeks(coverage.first.saturday, today) if week.saturday + coverage.lag <= today]
    retired = coverage.last is not None and due and due[-1] > coverage.last
    try:
        found = plan_weeks(PeriodRequest(catch_up=catch_up), feed, today)
    except BadArgument:
        assert retired or not due
        return

    assert not retired
    assert list(found.weeks) == due[-catch_up:]
    assert (found.not_due, found.outside) == ((), ())


@few
@given(any_day)
def test_the_saturdays_next_to_a_day(day: date) -> None:
    before, after = Week.on_or_before(day).saturday, Week.on_or_after(day).saturday

    assert before.weekday() == after.weekday() == 5
    assert before <= day < before + WEEK
    assert after - WEEK < day <= after


@few
@given(any_day.map(on_or_after))
def test_the_days_of_a_week_end_on_the_friday_before_it(week: date) -> None:
    found = Week(week).days

    assert Week.named(Week(week).label).saturday == week
    assert len(found) == 7
    assert found[-1] == week - timedelta(days=1)
    assert all(after - before == timedelta(days=1) for before, after in pairwise(found))


@few
@given(any_feed, any_day, any_day)
def test_a_date_is_valid_from_the_first_week_to_the_last_one_and_until_today(
    feed: Feed, day: date, today: date
) -> None:
    coverage = feed.coverage
    covered = coverage.first.saturday - WEEK < day and (coverage.last is None or day <= coverage.last.saturday)

    assert is_valid(day.year, day.month, day.day, coverage, today) is (covered and day <= today)


anything = st.one_of(st.integers(), st.none(), st.text(), st.floats(), st.booleans(), st.dates(), st.binary())


@settings(few, max_examples=tries(500))
@given(anything, anything, anything)
def test_is_valid_never_raises(year: Any, month: Any, day: Any) -> None:
    assert is_valid(year, month, day, TURNSTILE.coverage, LATER) in (True, False)


numbers = st.integers(-3, 40) | st.integers(2010, 2040) | st.integers()


@few
@given(numbers, numbers, numbers, st.booleans(), any_feed, any_day)
def test_any_three_numbers_are_a_plan_or_a_bad_argument(
    year: int, month: int, day: int, limit_one: bool, feed: Feed, today: date
) -> None:
    try:
        found = plan_weeks(PeriodRequest(year, month, day, limit_one), feed, today)
    except BadArgument as error:
        assert str(error)
    else:
        assert found.weeks or found.not_due
