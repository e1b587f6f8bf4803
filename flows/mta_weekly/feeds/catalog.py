"""The feeds as data: what is published, where, since when and in which form. A new feed is one more entry.

docs/add-a-feed.md says how. Knows no transport, no lake and no clock.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from mta_weekly.errors import BadArgument
from mta_weekly.feeds.sources import DAY, HOUR, MOMENT, WEEK, DataSet, Form, OldForm, Source, Table, WeeklyFile


@dataclass(frozen=True)
class Coverage:
    """Which weeks a feed has ever published, each named by its Saturday.

    Attributes:
        first: the first week.
        last: the last week of a retired feed; None while it is still published.
        lag: how long after its Saturday a week is published; then it is due.
    """

    first: date
    last: date | None = None
    lag: timedelta = timedelta(0)

    def holds(self, saturday: date) -> bool:
        """Whether the week lies between the first and the last one."""
        return self.first <= saturday and (self.last is None or saturday <= self.last)

    def due_on(self, saturday: date) -> date:
        """The first day on which the week should be there."""
        return saturday + self.lag


@dataclass(frozen=True)
class Feed:
    """One weekly public data set.

    Attributes:
        columns: the cleaned names, in the published order.
        counters: columns that hold whole numbers without a sign.
        day: the column with the day of a row, and its strptime format in the lake.
        sources: where a week can be had, in order of preference.
        numbers: columns that hold other numbers, or nothing.
        summed: those of both whose sums are among the facts of an object.
        tidied: whether the object has a row number first, and values without blanks around them; else it has every
            value as it was published.
        replaced_by: for a retired feed, where the data goes on.
    """

    name: str
    columns: tuple[str, ...]
    counters: tuple[str, ...]
    day: tuple[str, str]
    coverage: Coverage
    sources: tuple[Source, ...]
    numbers: tuple[str, ...] = ()
    summed: tuple[str, ...] = ()
    tidied: bool = False
    replaced_by: str | None = None

    def key(self, week: str) -> str:
        """The name of a week's object in the lake."""
        return f"{self.name}/{week}.csv.gz"

    def of(self, week: date) -> "Feed":
        """The feed itself: see Succession."""
        return self

    @property
    def feeds(self) -> "tuple[Feed, ...]":
        """The feed alone: see Succession."""
        return (self,)

    @property
    def form(self) -> Form:
        """How its objects are written."""
        return Form(self.day[1], quoted=True)


@dataclass(frozen=True)
class Succession:
    """Feeds that follow each other, in that order: the week decides which is meant."""

    name: str
    feeds: tuple[Feed, ...]
    replaced_by: None = None

    def of(self, week: date) -> Feed:
        """The feed of a week: the first that has not ended before it."""
        return next(feed for feed in self.feeds if feed.coverage.last is None or week <= feed.coverage.last)

    @property
    def coverage(self) -> Coverage:
        """From the first week of the first to the last of the last; due as those of the last are."""
        last = self.feeds[-1].coverage
        return Coverage(self.feeds[0].coverage.first, last.last, last.lag)


TURNSTILE = Feed(
    name="turnstile",
    columns=("CA", "UNIT", "SCP", "STATION", "LINENAME", "DIVISION", "DATE", "TIME", "DESC", "ENTRIES", "EXITS"),
    counters=("ENTRIES", "EXITS"),
    day=("DATE", "%m/%d/%Y"),
    # One file came before, 100505, a Wednesday: two weeks, from 04-17-10 on, that no Saturday names. It is outside.
    coverage=Coverage(first=date(2010, 5, 8), last=date(2024, 2, 17)),
    sources=(
        WeeklyFile(
            "turnstile_url",
            "turnstile_{week}.txt",
            Form("%m/%d/%Y", {"C/A": "CA"}),
            OldForm(
                day="%m-%d-%y",
                last=date(2014, 10, 11),
                keys=("CA", "UNIT", "SCP"),
                group=("DATE", "TIME", "DESC", "ENTRIES", "EXITS"),
                most=8,
            ),
        ),
        Table(
            sets=tuple(
                DataSet(name, date(year, 1, 1), date(year, 12, 31))
                for year, name in enumerate(
                    ("i55r-43gk", "ug6q-shqc", "ekwu-khcy", "v5y5-mwpb", "bjcb-yee3", "xfn5-qji9", "py8k-a8wg",
                     "uu7b-3kff", "k7j9-jnct"),
                    start=2014,
                )
            ),
            time="date",
            key=("c_a", "unit", "scp", "date", "time"),
            step=DAY,
            names={"c_a": "CA", "line_name": "LINENAME", "description": "DESC"},  # linename and desc in older sets
        ),
    ),
    summed=("ENTRIES", "EXITS"),
    tidied=True,
    replaced_by="ridership (hourly, on data.ny.gov)",
)  # fmt: skip

RIDERSHIP = Feed(
    name="ridership",
    columns=(
        "TRANSIT_TIMESTAMP", "TRANSIT_MODE", "STATION_COMPLEX_ID", "STATION_COMPLEX", "BOROUGH", "PAYMENT_METHOD",
        "FARE_CLASS_CATEGORY", "RIDERSHIP", "TRANSFERS", "LATITUDE", "LONGITUDE", "GEOREFERENCE",
    ),
    counters=(),
    numbers=("RIDERSHIP", "TRANSFERS", "LATITUDE", "LONGITUDE"),
    summed=("RIDERSHIP", "TRANSFERS"),
    day=("TRANSIT_TIMESTAMP", MOMENT),
    # Loaded on Wednesdays, with days that are about a week old: on a Saturday the week before the last is complete.
    coverage=Coverage(first=date(2017, 1, 14), lag=2 * WEEK),
    sources=(
        Table(
            sets=(
                DataSet("t69i-h2me", date(2017, 1, 1), date(2019, 12, 31)),
                DataSet("wujg-7c2s", date(2020, 1, 1), date(2024, 12, 31)),
                DataSet("5wq4-mkjj", date(2025, 1, 1)),
            ),
            time="transit_timestamp",
            key=("transit_timestamp", "station_complex_id", "payment_method", "fare_class_category"),
            step=HOUR,
        ),
    ),
)  # fmt: skip

DAILY = Feed(
    name="daily",
    columns=("DATE", "MODE", "COUNT"),
    counters=(),
    numbers=("COUNT",),
    summed=("COUNT",),
    day=("DATE", MOMENT),
    # About a day behind, some modes more; a week later all are there.
    coverage=Coverage(first=date(2020, 3, 14), lag=WEEK),
    sources=(
        Table((DataSet("sayj-mze2", date(2020, 3, 1)),), time="date", key=("date", "mode"), step=DAY, at_once=False),
    ),
)

FEEDS = {feed.name: feed for feed in (TURNSTILE, RIDERSHIP, DAILY)}
AUTO = "auto"  # the week decides which feed
CHOICES = {AUTO: Succession(AUTO, (TURNSTILE, RIDERSHIP))} | FEEDS


def feed_named(name: str) -> Feed | Succession:
    """The feed of that name, or with `auto` those that follow each other.

    Raises:
        BadArgument: there is no such feed.
    """
    feed = CHOICES.get(name)
    if feed is None:
        raise BadArgument(f"feed {name!r}: there is no such feed; choose one of {', '.join(CHOICES)}.")
    return feed


def tells_newest(feed: Feed | Succession) -> bool:
    """Whether the source says which week is its newest."""
    return isinstance(feed.feeds[-1].sources[0], Table)
