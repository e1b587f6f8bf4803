"""Which Saturdays: the table of what can be asked, and the refusals with their reasons."""

import re
from datetime import date
from typing import Any

import pytest

from made_feeds import LATER, LIVE, SLOW, TUESDAY, feed, labels
from mta_weekly.errors import BadArgument
from mta_weekly.feeds.catalog import TURNSTILE, Feed
from mta_weekly.feeds.plans import PeriodRequest, Plan, newest_due, plan_weeks
from mta_weekly.feeds.weeks import Week, list_weeks


@pytest.mark.parametrize(
    ("asked", "weeks"),
    [
        (PeriodRequest(), ["230325"]),
        (PeriodRequest(limit_one=False), ["230325"]),
        (PeriodRequest(2016), labels(list_weeks(date(2016, 1, 1), date(2016, 12, 31)))),
        (PeriodRequest(2022), labels(list_weeks(date(2022, 1, 1), date(2022, 12, 31)))),
        (PeriodRequest(2022, limit_one=False), labels(list_weeks(date(2022, 1, 1), date(2022, 12, 31)))),
        (PeriodRequest(2023, 3), ["230304", "230311", "230318", "230325"]),
        (PeriodRequest(2023, 3, limit_one=False), ["230304", "230311", "230318", "230325"]),
        (PeriodRequest(2022, 12), ["221203", "221210", "221217", "221224", "221231"]),
        (PeriodRequest(2023, 3, 1), ["230304"]),
        (PeriodRequest(2023, 3, 4), ["230304"]),
        (PeriodRequest(2023, 3, 5), ["230311"]),
        (PeriodRequest(2023, 3, 25), ["230325"]),
        (PeriodRequest(2020, 2, 29), ["200229"]),
        (PeriodRequest(2010, 5, 2), ["100508"]),
        (PeriodRequest(2023, 3, 1, limit_one=False), ["230304", "230311", "230318", "230325"]),
        (PeriodRequest(2023, 3, 12, limit_one=False), ["230318", "230325"]),
        (PeriodRequest(2023, 3, 25, limit_one=False), ["230325"]),
        (PeriodRequest(start=date(2023, 3, 4), end=date(2023, 3, 18)), ["230304", "230311", "230318"]),
        (PeriodRequest(start=date(2023, 3, 5), end=date(2023, 3, 17)), ["230311"]),
        (PeriodRequest(start=date(2023, 3, 4), end=date(2023, 3, 4)), ["230304"]),
        (PeriodRequest(start=date(2022, 12, 25), end=date(2023, 1, 7)), ["221231", "230107"]),
    ],
)
def test_the_table_of_what_can_be_asked(asked: PeriodRequest, weeks: list[str]) -> None:
    assert plan_weeks(asked, TURNSTILE, TUESDAY) == Plan(tuple(map(Week.named, weeks)))


@pytest.mark.parametrize(
    ("asked", "feed", "today", "weeks", "not_due"),
    [
        (PeriodRequest(2023), TURNSTILE, TUESDAY, ("230107", "230325", 12), ("230401", "231230", 40)),
        (PeriodRequest(2023, 4), TURNSTILE, date(2023, 4, 8), ("230401", "230408", 2), ("230415", "230429", 3)),
        (PeriodRequest(2023, 3, 20, limit_one=False), TURNSTILE, date(2023, 3, 22), None, ("230325", "230325", 1)),
        (PeriodRequest(2023, 4), TURNSTILE, date(2023, 4, 1), ("230401", "230401", 1), ("230408", "230429", 4)),
        (PeriodRequest(start=date(2023, 3, 20), end=date(2023, 4, 20)), TURNSTILE, TUESDAY, ("230325", "230325", 1),
            ("230401", "230415", 3)),
        (PeriodRequest(2026, 11), LIVE, LATER, ("261107", "261121", 3), ("261128", "261128", 1)),
        (PeriodRequest(2026, 11), SLOW, LATER, ("261107", "261107", 1), ("261114", "261128", 3)),
        (PeriodRequest(2026, 11), SLOW, date(2026, 11, 20), None, ("261107", "261128", 4)),
    ],
)  # fmt: skip
def test_weeks_of_a_period_that_are_not_due_yet_are_named(
    asked: PeriodRequest, feed: Feed, today: date, weeks: tuple | None, not_due: tuple
) -> None:
    found = plan_weeks(asked, feed, today)

    assert shown(found.weeks) == weeks
    assert shown(found.not_due) == not_due
    assert found.outside == ()


@pytest.mark.parametrize(
    ("asked", "feed", "weeks", "outside"),
    [
        (PeriodRequest(2010), TURNSTILE, ("100508", "101225", 34), ("100102", "100501", 18)),
        (PeriodRequest(2024), TURNSTILE, ("240106", "240217", 7), ("240224", "241228", 45)),
        (PeriodRequest(2024, 2), TURNSTILE, ("240203", "240217", 3), ("240224", "240224", 1)),
        (PeriodRequest(2024, 2, 10, limit_one=False), TURNSTILE, ("240210", "240217", 2), ("240224", "240224", 1)),
        (PeriodRequest(start=date(2010, 5, 1), end=date(2024, 2, 24)), TURNSTILE, ("100508", "240217", 720), 2),
        (PeriodRequest(start=date(2024, 12, 20), end=date(2025, 1, 11)), LIVE, ("250104", "250111", 2),
            ("241221", "241228", 2)),
    ],
)  # fmt: skip
def test_of_a_period_partly_outside_the_coverage_both_parts_are_named(
    asked: PeriodRequest, feed: Feed, weeks: tuple, outside: tuple | int
) -> None:
    found = plan_weeks(asked, feed, LATER)

    assert shown(found.weeks) == weeks
    assert (shown(found.outside) if isinstance(outside, tuple) else len(found.outside)) == outside
    assert found.not_due == ()


def shown(weeks: tuple[Week, ...]) -> tuple[str, str, int] | None:
    return (weeks[0].label, weeks[-1].label, len(weeks)) if weeks else None


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
    assert labels(plan_weeks(PeriodRequest(), feed(lag), today).weeks) == [week]
    assert newest_due(feed(lag), today).label == week


@pytest.mark.parametrize("today", [date(2024, 2, 24), LATER])
@pytest.mark.parametrize("catch_up", [1, 8])
def test_year_0_of_a_retired_feed_names_its_last_week_and_its_replacement(today: date, catch_up: int) -> None:
    with pytest.raises(BadArgument, match=r"turnstile.*240217.*ridership"):
        plan_weeks(PeriodRequest(catch_up=catch_up), TURNSTILE, today)


def test_year_0_of_a_retired_feed_still_works_until_the_week_after_its_last() -> None:
    assert labels(plan_weeks(PeriodRequest(), TURNSTILE, date(2024, 2, 23)).weeks) == ["240217"]


@pytest.mark.parametrize(("lag", "today"), [(0, date(2025, 1, 3)), (14, date(2025, 1, 17))])
def test_year_0_before_the_first_week_is_due_does_not_call_the_feed_retired(lag: int, today: date) -> None:
    with pytest.raises(BadArgument, match="250104") as fault:
        plan_weeks(PeriodRequest(), feed(lag), today)

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
    assert plan_weeks(PeriodRequest(catch_up=catch_up), feed, today) == Plan(tuple(map(Week.named, weeks)))


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
        plan_weeks(PeriodRequest(**asked), feed, today)

    message = str(fault.value)
    assert value in message
    assert rule in message
    named = [Week.named(week) for week in re.findall(r"\b\d{6}\b", message)]
    work = [week for week in named if plan_of(week, feed, today) == [week]]
    assert work, f"names no week that would work: {message}"
    assert nearest is None or Week.named(nearest) in work


def plan_of(week: Week, feed: Feed, today: date) -> list[Week]:
    day = week.saturday
    try:
        return list(plan_weeks(PeriodRequest(day.year, day.month, day.day), feed, today).weeks)
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
        plan_weeks(PeriodRequest(**asked), TURNSTILE, TUESDAY)

    assert value in str(fault.value)
    assert rule in str(fault.value)


def test_a_range_without_an_end_in_sight_is_what_there_is_of_it() -> None:
    found = plan_weeks(PeriodRequest(start=date(2026, 11, 1), end=date(9999, 12, 31)), LIVE, LATER)

    assert labels(found.weeks) == ["261107", "261114", "261121"]
    assert found.not_due[:1] == (Week.named("261128"),)


def test_a_run_says_what_it_is_asked_for_by_its_parameters() -> None:
    asked = PeriodRequest.among({"year": 2023, "month": 3, "lake": "data/lake", "force": True, "catch_up": 2})

    assert asked == PeriodRequest(2023, 3, catch_up=2)
    assert not asked.newest
    assert PeriodRequest.among({"limit_one": False, "catch_up": 8}).newest
