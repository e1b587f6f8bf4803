"""Feeds of the tests' own, live and retired, and days to stand on."""

from datetime import date, timedelta

from mta_weekly.feeds.catalog import Coverage, Feed
from mta_weekly.feeds.columns import COUNTER, TIME, Column
from mta_weekly.feeds.weeks import Week

WEEK = timedelta(weeks=1)
TUESDAY = date(2023, 3, 28)  # while the turnstile feed was published
LATER = date(2026, 11, 21)  # a Saturday, long after its end


def feed(lag: int = 0, first: date = date(2025, 1, 4), last: date | None = None) -> Feed:
    coverage = Coverage(Week(first), last and Week(last), timedelta(days=lag))
    schema = (Column("DAY", TIME, "day"), Column("RIDERS", COUNTER, "riders"))
    return Feed("live", schema, ("DAY", "%Y-%m-%d"), coverage, ())


LIVE, SLOW = feed(), feed(lag=14)


def labels(weeks: tuple[Week, ...] | list[Week]) -> list[str]:
    return [week.label for week in weeks]
