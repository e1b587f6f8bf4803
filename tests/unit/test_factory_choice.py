"""Data Factory's pipelines choose the weeks that the code chooses, and refuse what it refuses."""

import calendar
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from factory_expressions import Values, evaluate, evaluate_all
from factory_resources import NEW_YORK, activities, defaults, expression, trigger_time
from mta_weekly.errors import BadArgument
from mta_weekly.feeds.catalog import RIDERSHIP, TURNSTILE, feed_named
from mta_weekly.feeds.plans import PeriodRequest, newest_due, plan_weeks
from mta_weekly.feeds.weeks import DAY, HOUR, WEEK, Week, list_weeks

TODAY = date(2026, 11, 28)
FILE: Any = TURNSTILE.sources[0]  # a weekly file
TABLE: Any = RIDERSHIP.sources[0]


def ask_week(now: datetime | date, feed: str = "auto", year: int = 0, month: int = 0, day: int = 0) -> dict[str, str]:
    """The variables of pl_week after its first activities, and what it refuses."""
    parameters = defaults("pl_week") | {"feed": feed, "year": year, "month": month, "day": day}
    variables: dict[str, str] = {}
    values = Values(parameters, {"TriggerTime": trigger_time(now)}, variables)
    assert evaluate(expression("pl_week", "check_parameters"), values) is True
    until = "until_newest" if evaluate(expression("pl_week", "choose_day"), values) else "until_asked"
    for activity, name in [
        (until, "until"),
        ("choose_saturday", "saturday"),
        ("choose_feed", "feed"),
        ("choose_refusal", "refusal"),
    ]:
        variables[name] = evaluate(expression("pl_week", activity), values)
    assert evaluate(expression("pl_week", "check_week"), values) is (variables["refusal"] == "")
    return variables


def newest(now: datetime | date) -> str:
    """The Saturday that pl_week chooses by itself."""
    until = evaluate(expression("pl_week", "until_newest"), Values(system={"TriggerTime": trigger_time(now)}))
    return str(evaluate(expression("pl_week", "choose_saturday"), Values(variables={"until": until})))


def test_the_newest_week_is_that_of_new_york_s_day_on_every_day() -> None:
    days = [date(2010, 1, 1) + n * DAY for n in range(11_323)]
    assert days[-1] == date(2040, 12, 31)
    chosen = [newest(day) for day in days]
    assert chosen == [str(Week.on_or_before(day - RIDERSHIP.coverage.lag).saturday) for day in days]
    assert chosen == [str(newest_due(RIDERSHIP, day).saturday) for day in days]


def test_the_newest_week_turns_at_midnight_in_new_york_around_every_clock_change() -> None:
    """From Friday noon, UTC, over the Saturday's midnight and the Sunday's change to Monday, each hour."""
    noons = [datetime(2010, 1, 1, 12, tzinfo=UTC) + n * WEEK for n in range(31 * 53)]  # Fridays
    fridays = [noon for noon in noons if utc_offset(noon) != utc_offset(noon + 3 * DAY) and noon.year <= 2040]
    assert len(fridays) == 2 * 31
    hours = [friday + n * HOUR for friday in fridays for n in range(72)]
    moments = [each for hour in hours for each in (hour - timedelta(microseconds=1), hour)]
    wanted = [Week.on_or_before(moment.astimezone(NEW_YORK).date() - RIDERSHIP.coverage.lag) for moment in moments]
    assert [newest(moment) for moment in moments] == [str(week.saturday) for week in wanted]


def utc_offset(moment: datetime) -> timedelta | None:
    return moment.astimezone(NEW_YORK).utcoffset()


@pytest.mark.parametrize("feed", ["auto", "turnstile", "ridership"])
def test_a_named_week_is_the_one_that_the_code_chooses_or_refuses(feed: str) -> None:
    """Weeks that only the code can load are refused by a sentence of their own."""
    for n in range(2010, 2028):
        for day in [date(n, 1, 1) + each * DAY for each in range(365)][n % 3 :: 3]:
            found = ask_week(TODAY, feed, day.year, day.month, day.day)
            try:
                plan = plan_weeks(PeriodRequest(day.year, day.month, day.day), feed_named(feed), TODAY)
            except BadArgument:
                plan = None
            said = refusal_of(feed, day)
            assert said in found["refusal"]
            assert bool(said) is bool(found["refusal"])
            if plan:
                (week,) = plan.weeks
                assert (found["saturday"], found["feed"]) == (str(week.saturday), feed_named(feed).feed_of(week).name)
                assert said in ("", "two data sets") or "older form" in said
            else:
                assert said


def refusal_of(name: str, day: date) -> str:
    """What the entries say of the first week on or after a day, in a few of the words of pl_week."""
    week = Week.on_or_after(day)
    feed = feed_named(name).feed_of(week)
    coverage = feed.coverage
    if week.saturday.month != day.month:
        return f"no Saturday is left in that month; the next one is {week.saturday}"
    if coverage.last and week > coverage.last:
        return f"the feed ended with the week {coverage.last}; ridership goes on"
    if week < coverage.first:
        return f"the feed begins with the week {coverage.first}"
    if feed is TURNSTILE and week <= FILE.legacy.last:
        return f"weeks up to {FILE.legacy.last} have an older form"
    if feed is RIDERSHIP and len(TABLE.parts(week)) > 1:
        return "two data sets"
    if coverage.due_on(week) > TODAY:
        return f"due on {coverage.due_on(week)}, and today is {TODAY}"
    return ""


def test_a_day_that_no_month_has_is_refused() -> None:
    months = [(year, month) for year in range(2010, 2100) for month in range(1, 13)]
    lacking = [(*each, day) for each in months for day in range(calendar.monthrange(*each)[1] + 1, 32)]
    assert {ask_week(TODAY, "auto", *each)["refusal"].partition(": ")[2] for each in lacking} == {
        "that month has no such day"
    }


@pytest.mark.parametrize(
    "wrong",
    [{"feed": "daily"}, {"judge": "on"}, {"year": 2009}, {"year": 2100}, {"month": 13}, {"month": 0}, {"day": 32},
     {"day": 0}, {"day": -1}, {"year": 0}, {"year": 0, "day": 0}, {"year": 0, "month": 0}],
)  # fmt: skip
def test_wrong_parameters_are_refused(wrong: dict[str, Any]) -> None:
    right = {"feed": "auto", "judge": "hold", "year": 2023, "month": 3, "day": 4}
    check = expression("pl_week", "check_parameters")
    assert evaluate(check, Values(right)) is True
    assert evaluate(check, Values(right | wrong)) is False
    message = evaluate(expression("pl_week", "refuse_parameters"), Values(right | wrong))
    assert all(f"{name} {value}" in message for name, value in wrong.items())


def ask_range(now: date, **asked: Any) -> tuple[list[Week], str]:
    """The weeks that pl_backfill loads, or why none."""
    parameters = defaults("pl_backfill") | asked
    variables: dict[str, str] = {}
    values = Values(parameters, {"TriggerTime": trigger_time(now)}, variables)
    if not evaluate(expression("pl_backfill", "check_parameters"), values):
        return [], evaluate(expression("pl_backfill", "refuse_parameters"), values)
    steps = ["choose_first", "choose_last", "count_weeks"]
    by_days = evaluate(expression("pl_backfill", "choose_days"), values)
    for activity in (["since_newest", "until_newest"] if by_days else ["since_start", "until_end"]) + steps:
        variables[activities("pl_backfill")[activity]["typeProperties"]["variableName"]] = evaluate(
            expression("pl_backfill", activity), values
        )
    if not evaluate(expression("pl_backfill", "check_range"), values):
        return [], evaluate(expression("pl_backfill", "refuse_range"), values)
    given = activities("pl_backfill")["load_week"]["typeProperties"]["parameters"]
    items = evaluate(expression("pl_backfill", "load_weeks", "items"), values)
    weeks = [evaluate_all(given, replace(values, item=item)) for item in items]
    return [Week(date(each["year"], each["month"], each["day"])) for each in weeks], ""


@pytest.mark.parametrize("catch_up", [1, 8, 520])
def test_the_newest_weeks_are_those_of_the_code(catch_up: int) -> None:
    for n in range(15):
        today = TODAY + n * DAY
        plan = plan_weeks(PeriodRequest(catch_up=catch_up), feed_named("ridership"), today)
        weeks, _ = ask_range(today, catch_up=catch_up)
        assert weeks[-len(plan.weeks) :] == list(plan.weeks)
        assert len(weeks) == catch_up


def test_a_range_is_every_saturday_in_it() -> None:
    for n in range(200):
        start, end = date(2023, 1, 1) + n * DAY, date(2023, 1, 1) + (n + n * 7 % 30) * DAY
        weeks, said = ask_range(TODAY, start=str(start), end=str(end))
        assert weeks == list_weeks(start, end)
        assert said == ("" if weeks else f"from {start} to {end}: there is no Saturday in it")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "give start and end"),
        ({"start": "2023-01-01"}, "give start and end"),
        ({"start": "2023-01-01", "end": "2023-02-01", "catch_up": 8}, "give start and end"),
        ({"catch_up": -1}, "give start and end"),
        ({"catch_up": 521}, "from 1 to 520"),
        ({"start": "2023-02-01", "end": "2023-01-01"}, "there is no Saturday in it"),
        ({"start": "2026-11-01", "end": "2026-11-21"}, "the newest week that is due is 2026-11-14; end there"),
    ],
)
def test_a_range_that_names_no_week_that_is_due_is_refused(asked: dict[str, Any], said: str) -> None:
    weeks, found = ask_range(TODAY, **asked)
    assert weeks == []
    assert said in found
