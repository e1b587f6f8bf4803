"""Which feed a week is of, and when it should be there."""

from datetime import date, datetime

import pytest

from made_feeds import LATER
from mta_weekly.feeds.catalog import RIDERSHIP, TURNSTILE, feed_named
from mta_weekly.feeds.plans import expected_on
from mta_weekly.feeds.weeks import Week, list_weeks


def test_auto_is_turnstile_while_it_was_published_and_ridership_after() -> None:
    auto = feed_named("auto")
    weeks, last = list_weeks(date(2010, 5, 8), LATER), Week.named("240217")
    assert [week for week in weeks if auto.feed_of(week) is TURNSTILE] == [week for week in weeks if week <= last]
    assert {auto.feed_of(week).name for week in weeks} == {"turnstile", "ridership"}


@pytest.mark.parametrize(
    ("last", "week"),
    [
        ("2026-11-06T23:00", "261107"),
        ("2026-11-06T22:00", "261031"),
        ("2026-11-07T00:00", "261107"),
        ("2026-11-13T22:00", "261107"),
    ],
)
def test_a_week_is_complete_with_its_last_hour(last: str, week: str) -> None:
    assert RIDERSHIP.sources[0].complete_week(datetime.fromisoformat(last)).label == week


@pytest.mark.parametrize(
    ("due", "day"),
    [(date(2026, 11, 28), "2026-11-28"), (LATER, "2026-11-28"), (date(2026, 11, 15), "2026-11-22"),
     (date(2026, 11, 1), "2026-11-22")],
)  # fmt: skip
def test_a_late_week_is_expected_within_a_week(due: date, day: str) -> None:
    assert str(expected_on(due, LATER)) == day
