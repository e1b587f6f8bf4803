"""Which Saturdays: the table of what can be asked, the refusals with their reasons, and the rules for any date."""

import re
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta_weekly.errors import BadArgument
from mta_weekly.feeds.catalog import TURNSTILE, Coverage, Feed
from mta_weekly.feeds.weeks import (
    Asked,
    Plan,
    days,
    is_valid,
    label,
    latest_saturday,
    newest_due,
    next_saturday,
    plan,
    saturday,
    saturdays,
)

WEEK = timedelta(weeks=1)
TUESDAY = date(2023, 3, 28)  # while the turnstile feed was published
LATER = date(2026, 11, 21)  # a Saturday, long after its end


def feed(lag: int = 0, first: date = date(2025, 1, 4), last: date | None = None) -> Feed:
    coverage = Coverage(first, last, timedelta(days=lag))
    return Feed("live", ("DAY", "RIDERS"), ("RIDERS",), ("DAY", "%Y-%m-%d"), coverage, ())


LIVE, SLOW = feed(), feed(lag=14)


def labels(weeks: tuple[date, ...] | list[date]) -> list[str]:
    return [label(week) for week in weeks]


@pytest.mark.parametrize(
    ("asked", "weeks"),
    [
        (Asked(), ["230325"]),
        (Asked(limit_one=False), ["230325"]),
        (Asked(2016), labels([date(2016, 1, 2) + n * WEEK for n in range(53)])),
        (Asked(2022), labels([date(2022, 1, 1) + n * WEEK for n in range(53)])),
        (Asked(2022, limit_one=False), labels([date(2022, 1, 1) + n * WEEK for n in range(53)])),
        (Asked(2023, 3), ["230304", "230311", "230318", "230325"]),
        (Asked(2023, 3, limit_one=False), ["230304", "230311", "230318", "230325"]),
        (Asked(2022, 12), ["221203", "221210", "221217", "221224", "221231"]),
        (Asked(2023, 3, 1), ["230304"]),
        (Asked(2023, 3, 4), ["230304"]),
        (Asked(2023, 3, 5), ["230311"]),
        (Asked(2023, 3, 25), ["230325"]),
        (Asked(2020, 2, 29), ["200229"]),
        (Asked(2010, 5, 2), ["100508"]),
        (Asked(2023, 3, 1, limit_one=False), ["230304", "230311", "230318", "230325"]),
        (Asked(2023, 3, 12, limit_one=False), ["230318", "230325"]),
        (Asked(2023, 3, 25, limit_one=False), ["230325"]),
        (Asked(start=date(2023, 3, 4), end=date(2023, 3, 18)), ["230304", "230311", "230318"]),
        (Asked(start=date(2023, 3, 5), end=date(2023, 3, 17)), ["230311"]),
        (Asked(start=date(2023, 3, 4), end=date(2023, 3, 4)), ["230304"]),
        (Asked(start=date(2022, 12, 25), end=date(2023, 1, 7)), ["221231", "230107"]),
    ],
)
def test_the_table_of_what_can_be_asked(asked: Asked, weeks: list[str]) -> None:
    assert plan(asked, TURNSTILE, TUESDAY) == Plan(tuple(map(saturday, weeks)))


@pytest.mark.parametrize(
    ("asked", "feed", "today", "weeks", "not_due"),
    [
        (Asked(2023), TURNSTILE, TUESDAY, ("230107", "230325", 12), ("230401", "231230", 40)),
        (Asked(2023, 4), TURNSTILE, date(2023, 4, 8), ("230401", "230408", 2), ("230415", "230429", 3)),
        (Asked(2023, 3, 20, limit_one=False), TURNSTILE, date(2023, 3, 22), None, ("230325", "230325", 1)),
        (Asked(2023, 4), TURNSTILE, date(2023, 4, 1), ("230401", "230401", 1), ("230408", "230429", 4)),
        (Asked(start=date(2023, 3, 20), end=date(2023, 4, 20)), TURNSTILE, TUESDAY, ("230325", "230325", 1),
            ("230401", "230415", 3)),
        (Asked(2026, 11), LIVE, LATER, ("261107", "261121", 3), ("261128", "261128", 1)),
        (Asked(2026, 11), SLOW, LATER, ("261107", "261107", 1), ("261114", "261128", 3)),
        (Asked(2026, 11), SLOW, date(2026, 11, 20), None, ("261107", "261128", 4)),
    ],
)  # fmt: skip
def test_weeks_of_a_period_that_are_not_due_yet_are_named(
    asked: Asked, feed: Feed, today: date, weeks: tuple | None, not_due: tuple
) -> None:
    found = plan(asked, feed, today)

    assert shown(found.weeks) == weeks
    assert shown(found.not_due) == not_due
    assert found.outside == ()


@pytest.mark.parametrize(
    ("asked", "feed", "weeks", "outside"),
    [
        (Asked(2010), TURNSTILE, ("100508", "101225", 34), ("100102", "100501", 18)),
        (Asked(2024), TURNSTILE, ("240106", "240217", 7), ("240224", "241228", 45)),
        (Asked(2024, 2), TURNSTILE, ("240203", "240217", 3), ("240224", "240224", 1)),
        (Asked(2024, 2, 10, limit_one=False), TURNSTILE, ("240210", "240217", 2), ("240224", "240224", 1)),
        (Asked(start=date(2010, 5, 1), end=date(2024, 2, 24)), TURNSTILE, ("100508", "240217", 720), 2),
        (Asked(start=date(2024, 12, 20), end=date(2025, 1, 11)), LIVE, ("250104", "250111", 2),
            ("241221", "241228", 2)),
    ],
)  # fmt: skip
def test_of_a_period_partly_outside_the_coverage_both_parts_are_named(
    asked: Asked, feed: Feed, weeks: tuple, outside: tuple | int
) -> None:
    found = plan(asked, feed, LATER)

    assert shown(found.weeks) == weeks
    assert (shown(found.outside) if isinstance(outside, tuple) else len(found.outside)) == outside
    assert found.not_due == ()


def shown(weeks: tuple[date, ...]) -> tuple[str, str, int] | None:
    return (label(weeks[0]), label(weeks[-1]), len(weeks)) if weeks else None


@pytest.mark.parametrize(
    ("lag", "today", "week"),
    [
        (0, date(2026, 11, 20), "261114"),
        (0, date(2026, 11, 21), "261121"),
        (0, date(2026, 11, 22), "261121"),
        (14, date(2026, 11, 20), "261031"),
        (14, date(2026, 11, 21), "261107"),
        (14, date(2026, 11, 27), "261107"),
        (0, date(2025, 1, 4), "250104"),
        (14, date(2025, 1, 18), "250104"),
    ],
)
def test_year_0_of_a_live_feed_is_the_newest_due_week(lag: int, today: date, week: str) -> None:
    assert labels(plan(Asked(), feed(lag), today).weeks) == [week]
    assert label(newest_due(feed(lag), today)) == week


@pytest.mark.parametrize("today", [date(2024, 2, 24), LATER])
@pytest.mark.parametrize("catch_up", [1, 8])
def test_year_0_of_a_retired_feed_names_its_last_week_and_its_replacement(today: date, catch_up: int) -> None:
    with pytest.raises(BadArgument, match=r"turnstile.*240217.*ridership"):
        plan(Asked(catch_up=catch_up), TURNSTILE, today)


def test_year_0_of_a_retired_feed_still_works_until_the_week_after_its_last() -> None:
    assert labels(plan(Asked(), TURNSTILE, date(2024, 2, 23)).weeks) == ["240217"]


@pytest.mark.parametrize(("lag", "today"), [(0, date(2025, 1, 3)), (14, date(2025, 1, 17))])
def test_year_0_before_the_first_week_is_due_does_not_call_the_feed_retired(lag: int, today: date) -> None:
    with pytest.raises(BadArgument, match="250104") as fault:
        plan(Asked(), feed(lag), today)

    assert "no more" not in str(fault.value)
    assert "None" not in str(fault.value)


@pytest.mark.parametrize(
    ("catch_up", "feed", "today", "weeks"),
    [
        (1, LIVE, LATER, ["261121"]),
        (3, LIVE, LATER, ["261107", "261114", "261121"]),
        (3, SLOW, LATER, ["261024", "261031", "261107"]),
        (8, LIVE, date(2025, 1, 12), ["250104", "250111"]),
        (10**9, LIVE, date(2025, 1, 12), ["250104", "250111"]),
        (2, TURNSTILE, date(2024, 2, 20), ["240210", "240217"]),
    ],
)
def test_catch_up_goes_back_from_the_newest_due_week(catch_up: int, feed: Feed, today: date, weeks: list[str]) -> None:
    assert plan(Asked(catch_up=catch_up), feed, today) == Plan(tuple(map(saturday, weeks)))


MARCH = {"year": 2023, "month": 3}
DAY = {**MARCH, "day": 25}


@pytest.mark.parametrize(
    ("asked", "feed", "today", "value", "rule", "nearest"),
    [
        # in the future
        ({"year": 2023, "month": 4, "day": 1}, TURNSTILE, TUESDAY, "day 1", "future, today is 2023-03-28", "230325"),
        ({"year": 2023, "month": 4}, TURNSTILE, TUESDAY, "month 4", "future", "230325"),
        ({"year": 2030}, LIVE, LATER, "year 2030", "future", "261121"),
        ({"year": 2030}, SLOW, LATER, "year 2030", "future", "261107"),
        ({"start": date(2030, 1, 1), "end": date(2031, 1, 1)}, LIVE, LATER, "start 2030-01-01", "future", "261121"),
        ({"start": date(9999, 12, 31), "end": date(9999, 12, 31)}, LIVE, LATER, "9999-12-31", "future", "261121"),
        # no such day
        ({"year": 2023, "month": 2, "day": 30}, TURNSTILE, TUESDAY, "day 30", "28", "230304"),
        ({"year": 2023, "month": 2, "day": 29}, TURNSTILE, TUESDAY, "day 29", "28", "230304"),
        ({"year": 2022, "month": 11, "day": 31}, TURNSTILE, TUESDAY, "day 31", "30", "221203"),
        ({"year": 2023, "month": 3, "day": -1}, TURNSTILE, TUESDAY, "day -1", "31", None),
        ({"year": 2022, "month": 13}, TURNSTILE, TUESDAY, "month 13", "1 to 12", "221203"),
        ({"year": 2022, "month": -1}, TURNSTILE, TUESDAY, "month -1", "1 to 12", None),
        ({"year": -1}, TURNSTILE, TUESDAY, "year -1", "no such year", "100508"),
        ({"year": 10_000}, TURNSTILE, LATER, "year 10000", "no such year", "240217"),
        ({"year": 10**30}, LIVE, LATER, f"year {10**30}", "no such year", "261121"),
        # no Saturday
        ({"year": 2022, "month": 8, "day": 31}, TURNSTILE, TUESDAY, "day 31", "Saturday", "220903"),
        ({"year": 2022, "month": 8, "day": 31, "limit_one": False}, TURNSTILE, TUESDAY, "31", "Saturday", "220903"),
        ({"year": 2023, "month": 3, "day": 26}, TURNSTILE, TUESDAY, "day 26", "Saturday", "230325"),
        ({"start": date(2023, 3, 5), "end": date(2023, 3, 10)}, TURNSTILE, TUESDAY, "2023-03-10", "Saturday", "230311"),
        # the wrong way round, half said, said twice
        ({"start": date(2023, 3, 25), "end": date(2023, 3, 4)}, TURNSTILE, TUESDAY, "2023-03-04", "before", "230325"),
        ({"start": date(9999, 12, 31), "end": date(2023, 3, 4)}, TURNSTILE, TUESDAY, "9999", "before", "230325"),
        ({"month": 3}, TURNSTILE, TUESDAY, "month 3", "needs a year", None),
        ({"month": 3}, LIVE, LATER, "month 3", "needs a year", None),
        ({"month": 3, "day": 25}, TURNSTILE, TUESDAY, "day 25", "needs a year", None),
        ({"day": 25}, TURNSTILE, TUESDAY, "day 25", "needs a year", None),
        ({"year": 2023, "day": 25}, TURNSTILE, TUESDAY, "day 25", "needs a month", None),
        ({**DAY, "start": date(2023, 3, 4)}, TURNSTILE, TUESDAY, "start 2023-03-04", "two ways", None),
        ({**MARCH, "end": date(2023, 3, 4)}, TURNSTILE, TUESDAY, "end 2023-03-04", "two ways", None),
        ({"day": 1, "start": date(2023, 3, 4), "end": date(2023, 3, 4)}, TURNSTILE, TUESDAY, "day 1", "two ways", None),
        ({**DAY, "catch_up": 8}, TURNSTILE, TUESDAY, "catch-up 8", "newest", None),
        ({"start": date(2023, 3, 4), "end": date(2023, 3, 4), "catch_up": 2}, TURNSTILE, TUESDAY, "2", "newest", None),
        # outside the coverage
        ({"year": 2009}, TURNSTILE, TUESDAY, "year 2009", "100508", "100508"),
        ({"year": 2010, "month": 5, "day": 1}, TURNSTILE, TUESDAY, "day 1", "outside", "100508"),
        ({"year": 1}, TURNSTILE, TUESDAY, "year 1", "outside", "100508"),
        ({"year": 2024, "month": 3}, TURNSTILE, LATER, "month 3", "outside", "240217"),
        ({"year": 2024, "month": 2, "day": 24}, TURNSTILE, LATER, "day 24", "outside", "240217"),
        ({"start": date(2024, 2, 18), "end": LATER}, TURNSTILE, LATER, "2024-02-18", "outside", "240217"),
        ({"year": 2024}, LIVE, LATER, "year 2024", "outside", "250104"),
        # asked for by day and not due
        (MARCH | {"day": 28}, TURNSTILE, TUESDAY, "day 28", "Saturday", "230325"),
        ({"year": 2023, "month": 3, "day": 20}, TURNSTILE, date(2023, 3, 21), "230325", "due on 2023-03-25", "230318"),
        ({"year": 2026, "month": 11, "day": 14}, SLOW, LATER, "261114", "due on 2026-11-28", "261107"),
    ],
)  # fmt: skip
def test_a_bad_argument_names_its_value_the_rule_and_a_week_that_would_work(
    asked: dict[str, Any], feed: Feed, today: date, value: str, rule: str, nearest: str | None
) -> None:
    with pytest.raises(BadArgument) as fault:
        plan(Asked(**asked), feed, today)

    message = str(fault.value)
    assert value in message
    assert rule in message
    named = [saturday(week) for week in re.findall(r"\b\d{6}\b", message)]
    work = [week for week in named if plan_of(week, feed, today) == [week]]
    assert work, f"names no week that would work: {message}"
    assert nearest is None or saturday(nearest) in work


def plan_of(week: date, feed: Feed, today: date) -> list[date]:
    try:
        return list(plan(Asked(week.year, week.month, week.day), feed, today).weeks)
    except BadArgument:
        return []


@pytest.mark.parametrize(
    ("asked", "value", "rule"),
    [
        ({"catch_up": 0}, "catch-up 0", "1"),
        ({"catch_up": -1}, "catch-up -1", "1"),
        ({"start": date(2023, 3, 4)}, "start 2023-03-04", "both start and end"),
        ({"end": date(2023, 3, 4)}, "end 2023-03-04", "both start and end"),
    ],
)
def test_half_an_order_is_a_bad_argument(asked: dict[str, Any], value: str, rule: str) -> None:
    with pytest.raises(BadArgument) as fault:
        plan(Asked(**asked), TURNSTILE, TUESDAY)

    assert value in str(fault.value)
    assert rule in str(fault.value)


def test_a_range_without_an_end_in_sight_is_what_there_is_of_it() -> None:
    found = plan(Asked(start=date(2026, 11, 1), end=date(9999, 12, 31)), LIVE, LATER)

    assert labels(found.weeks) == ["261107", "261114", "261121"]
    assert found.not_due[:1] == (date(2026, 11, 28),)


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
    assert (label(week), saturday(name)) == (name, week)


def test_a_week_holds_the_seven_days_before_its_saturday() -> None:
    assert days(date(2024, 1, 6)) == [date(2023, 12, 30) + timedelta(days=n) for n in range(7)]


def test_a_run_says_what_it_is_asked_for_by_its_parameters() -> None:
    asked = Asked.among({"year": 2023, "month": 3, "lake": "data/lake", "force": True, "catch_up": 2})

    assert asked == Asked(2023, 3, catch_up=2)
    assert not asked.newest
    assert Asked.among({"limit_one": False, "catch_up": 8}).newest


few = settings(max_examples=200, deadline=None)
any_day = st.dates(date(2010, 1, 1), date(2040, 12, 31))
any_feed = st.builds(
    lambda first, weeks, lag: feed(lag, next_saturday(first), weeks and next_saturday(first) + weeks * WEEK),
    any_day,
    st.none() | st.integers(1, 800),
    st.sampled_from([0, 3, 14]),
) | st.sampled_from([TURNSTILE, LIVE, SLOW])
periods = st.one_of(
    any_day.map(lambda day: Asked(day.year)),
    any_day.map(lambda day: Asked(day.year, day.month)),
    st.builds(lambda day, one: Asked(day.year, day.month, day.day, one), any_day, st.booleans()),
    st.tuples(any_day, any_day).map(lambda pair: Asked(start=min(pair), end=max(pair))),
)


def saturdays_of(asked: Asked) -> list[date]:
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
def test_a_plan_is_every_saturday_of_its_period_and_nothing_else(asked: Asked, feed: Feed, today: date) -> None:
    in_period = saturdays_of(asked)
    first_only = asked.day and asked.limit_one
    wanted = in_period[:1] if first_only else in_period
    inside = [week for week in wanted if feed.coverage.holds(week)]
    due = [week for week in inside if week + feed.coverage.lag <= today]
    begins = asked.start or date(asked.year, asked.month or 1, asked.day or 1)
    try:
        found = plan(asked, feed, today)
    except BadArgument:
        assert begins > today or not inside or (first_only and not due)
        return

    assert not (begins > today or not inside or (first_only and not due))
    assert list(found.weeks) == due
    assert sorted(found.weeks + found.not_due + found.outside) == wanted
    assert all(feed.coverage.holds(week) for week in found.not_due)
    assert not any(feed.coverage.holds(week) for week in found.outside)
    assert all(week.weekday() == 5 for week in found.weeks)
    assert all(after - before == WEEK for before, after in pairwise(found.weeks))


@few
@given(any_day, any_feed, any_day)
def test_limit_one_gives_the_first_week_of_the_list_without_it(day: date, feed: Feed, today: date) -> None:
    try:
        one = plan(Asked(day.year, day.month, day.day), feed, today)
    except BadArgument:
        return
    every = plan(Asked(day.year, day.month, day.day, limit_one=False), feed, today)

    assert one == Plan(every.weeks[:1])


@few
@given(any_feed, any_day, st.integers(1, 60))
def test_catch_up_is_the_newest_due_week_and_those_before_it(feed: Feed, today: date, catch_up: int) -> None:
    coverage = feed.coverage
    due = [week for week in saturdays(coverage.first, today) if week + coverage.lag <= today]
    retired = coverage.last is not None and due and due[-1] > coverage.last
    try:
        found = plan(Asked(catch_up=catch_up), feed, today)
    except BadArgument:
        assert retired or not due
        return

    assert not retired
    assert list(found.weeks) == due[-catch_up:]
    assert (found.not_due, found.outside) == ((), ())


@few
@given(any_day)
def test_the_saturdays_next_to_a_day(day: date) -> None:
    before, after = latest_saturday(day), next_saturday(day)

    assert before.weekday() == after.weekday() == 5
    assert before <= day < before + WEEK
    assert after - WEEK < day <= after


@few
@given(any_day.map(next_saturday))
def test_the_days_of_a_week_end_on_the_friday_before_it(week: date) -> None:
    found = days(week)

    assert saturday(label(week)) == week
    assert len(found) == 7
    assert found[-1] == week - timedelta(days=1)
    assert all(after - before == timedelta(days=1) for before, after in pairwise(found))


@few
@given(any_feed, any_day, any_day)
def test_a_date_is_valid_from_the_first_week_to_the_last_one_and_until_today(
    feed: Feed, day: date, today: date
) -> None:
    coverage = feed.coverage
    covered = coverage.first - WEEK < day and (coverage.last is None or day <= coverage.last)

    assert is_valid(day.year, day.month, day.day, coverage, today) is (covered and day <= today)


anything = st.one_of(st.integers(), st.none(), st.text(), st.floats(), st.booleans(), st.dates(), st.binary())


@settings(few, max_examples=100)
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
        found = plan(Asked(year, month, day, limit_one), feed, today)
    except BadArgument as error:
        assert str(error)
    else:
        assert found.weeks or found.not_due
