"""The feeds as data: what is published, where, since when and in which form. A new feed is one more entry.

docs/add-a-feed.md says how. Knows no transport, no lake and no clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from mta_weekly.errors import BadArgument
from mta_weekly.feeds.columns import CLOCK, COUNTER, NUMBER, TEXT, TIME, WHOLE, Column, Kind
from mta_weekly.feeds.sources import MOMENT, CsvDialect, DataSet, LegacyDialect, Source, Table, WeeklyFile
from mta_weekly.feeds.weeks import DAY, HOUR, WEEK, Week


@dataclass(frozen=True)
class Coverage:
    """Which weeks a feed has ever published, each named by its Saturday.

    Attributes:
        first: the first week.
        last: the last week of a retired feed; None while it is still published.
        lag: how long after its Saturday a week is published; then it is due.
    """

    first: Week
    last: Week | None = None
    lag: timedelta = timedelta(0)

    def holds(self, week: Week) -> bool:
        """Whether the week lies between the first and the last one."""
        return self.first <= week and (self.last is None or week <= self.last)

    def due_on(self, week: Week) -> date:
        """The first day on which the week should be there."""
        return week.saturday + self.lag


@dataclass(frozen=True)
class Norms:
    """What the weeks of a feed have in common, and by how much one may fall short of its neighbours, in shares of 1.

    Attributes:
        key: the columns that name a row: its day, its time where there is one, and at least one that says of what.
        noun: what its names are, in words: the key without its time.
        counted: the column whose different values are the week's keys; without one, the names are.
        hour: where the hour of a row is: the column of its day or a clock, and where in its text the two digits begin.
            None where a row is of a whole day.
        rows: of the week; `keys` likewise.
        day: the rows of a day of the week.
        series: the column whose values are followed each by itself, where there is one: each goes on, or has ended.
        each: the rows of one of these.
    """

    key: tuple[str, ...]
    noun: str
    counted: str = ""
    hour: tuple[str, int] | None = None
    rows: float = 0.05
    keys: float = 0.05
    day: float = 0.4
    series: str = ""
    each: float = 0.5


@dataclass(frozen=True)
class Feed:
    """One weekly public data set.

    Attributes:
        schema: the columns, in the published order.
        day: the column of kind TIME, and its strptime format in the lake.
        sources: where a week can be had, in order of preference.
        summed: those of the counters and numbers whose sums are among the facts of an object.
        tidied: whether the object has a row number first, and values without blanks around them; else it has every
            value as it was published.
        every_day: whether each of a week's seven days has rows; a week of fewer is then a part of one.
        norms: what its weeks are judged by; without them, by their form alone.
        replaced_by: for a retired feed, where the data goes on.
    """

    name: str
    schema: tuple[Column, ...]
    day: tuple[str, str]
    coverage: Coverage
    sources: tuple[Source, ...]
    summed: tuple[str, ...] = ()
    tidied: bool = False
    every_day: bool = True
    norms: Norms | None = None
    replaced_by: str | None = None

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns."""
        return self._names_of(*Kind)

    @cached_property
    def counters(self) -> tuple[str, ...]:
        """Columns of whole numbers without a sign."""
        return self._names_of(COUNTER)

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """Columns of other numbers, or nothing."""
        return self._names_of(WHOLE, NUMBER)

    @cached_property
    def clocks(self) -> tuple[str, ...]:
        """Columns with a time of day, HH:MM:SS."""
        return self._names_of(CLOCK)

    def _names_of(self, *kinds: Kind) -> tuple[str, ...]:
        return tuple(column.name for column in self.schema if column.kind in kinds)

    def key(self, week: Week) -> str:
        """The name of a week's object in the lake."""
        return f"{self.name}/{week}.csv.gz"

    def feed_of(self, week: Week) -> "Feed":
        """The feed itself: see Succession."""
        return self

    @property
    def feeds(self) -> "tuple[Feed, ...]":
        """The feed alone: see Succession."""
        return (self,)

    @property
    def dialect(self) -> CsvDialect:
        """How its objects are written."""
        return CsvDialect(self.day[1], quoted=True)


@dataclass(frozen=True)
class FeedSequence:
    """Feeds that follow each other, in that order: the week decides which is meant."""

    name: str
    feeds: tuple[Feed, ...]
    replaced_by: None = None

    def feed_of(self, week: Week) -> Feed:
        """The feed of a week: the first that has not ended before it."""
        return next(feed for feed in self.feeds if feed.coverage.last is None or week <= feed.coverage.last)

    @property
    def coverage(self) -> Coverage:
        """From the first week of the first to the last of the last; due as those of the last are."""
        last = self.feeds[-1].coverage
        return Coverage(self.feeds[0].coverage.first, last.last, last.lag)


TURNSTILE = Feed(
    name="turnstile",
    schema=(
        Column("CA", TEXT, "control area: the booth that its turnstiles report to"),
        Column("UNIT", TEXT, "remote unit: a station, or a part of one"),
        Column("SCP", TEXT, "subunit, channel and position: which turnstile of the control area"),
        Column("STATION", TEXT, "name of the station; empty up to 141011"),
        Column("LINENAME", TEXT, "lines that stop there, a character each; empty up to 141011"),
        Column("DIVISION", TEXT, "the railway it was built for: BMT, IND, IRT, PTH, SRT, RIT; empty up to 141011"),
        Column("DATE", TIME, "day of the audit"),
        Column("TIME", CLOCK, "its time of day: every four hours for most turnstiles"),
        Column("DESC", TEXT, "kind of audit: REGULAR, RECOVR AUD where it came in late; others up to 141011"),
        Column("ENTRIES", COUNTER, "its counter of entries; riders are the difference between two audits"),
        Column("EXITS", COUNTER, "its counter of exits, likewise"),
    ),
    day=("DATE", "%m/%d/%Y"),
    # One file came before, 100505, a Wednesday: two weeks, from 04-17-10 on, that no Saturday names. It is outside.
    coverage=Coverage(first=Week.named("100508"), last=Week.named("240217")),
    sources=(
        WeeklyFile(
            base="http://web.mta.info/developers/data/nyct/turnstile",
            file="turnstile_{week:%y%m%d}.txt",
            override="MTA_TURNSTILE_URL",
            dialect=CsvDialect("%m/%d/%Y", {"C/A": "CA"}, required=("CA", "UNIT", "SCP")),
            legacy=LegacyDialect(
                day="%m-%d-%y",
                last=Week.named("141011"),
                keys=("CA", "UNIT", "SCP"),
                group=("DATE", "TIME", "DESC", "ENTRIES", "EXITS"),
                most=8,
                required=("CA", "UNIT", "SCP"),
            ),
        ),
        Table(
            sets=tuple(
                # The first one begins in February.
                DataSet(name, max(date(year, 1, 1), date(2014, 2, 1)), date(year, 12, 31))
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
    # In 2023 and 2024 its weeks had 250,806 to 253,587 rows, and every day and hour its share of them.
    norms=Norms(("CA", "UNIT", "SCP", "DATE", "TIME"), "turnstiles", hour=("TIME", 0), day=0.2),
    replaced_by="ridership (hourly, on data.ny.gov)",
)  # fmt: skip

RIDERSHIP = Feed(
    name="ridership",
    schema=(
        Column("TRANSIT_TIMESTAMP", TIME, "hour in which the fares were paid, by its beginning"),
        Column("TRANSIT_MODE", TEXT, "subway, tram or staten_island_railway"),
        Column("STATION_COMPLEX_ID", TEXT, "id of the station complex"),
        Column("STATION_COMPLEX", TEXT, "its name, with the lines that stop there"),
        Column("BOROUGH", TEXT, "its borough"),
        Column("PAYMENT_METHOD", TEXT, "omny or metrocard"),
        Column("FARE_CLASS_CATEGORY", TEXT, "fare, with its payment method"),
        Column("RIDERSHIP", WHOLE, "riders who entered the station complex in that hour, with that fare"),
        Column("TRANSFERS", WHOLE, "those of them who came by a free transfer from a bus or another station"),
        Column("LATITUDE", NUMBER, "of the station complex, in degrees"),
        Column("LONGITUDE", NUMBER, "likewise; west is negative"),
        Column("GEOREFERENCE", TEXT, "both as a point: POINT (longitude latitude)"),
    ),
    summed=("RIDERSHIP", "TRANSFERS"),
    day=("TRANSIT_TIMESTAMP", MOMENT),
    # Loaded on Wednesdays, with days that are about a week old: on a Saturday the week before the last is complete.
    coverage=Coverage(first=Week.named("170114"), lag=2 * WEEK),
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
    # Hours without riders have no rows: holidays and seasons show, and a year has weeks of 350,000 and 620,000. A week
    # that lacks its last tenth lacks two thirds of a day; a storm takes less than half of one.
    norms=Norms(
        ("TRANSIT_TIMESTAMP", "STATION_COMPLEX_ID", "PAYMENT_METHOD", "FARE_CLASS_CATEGORY"),
        "station complexes", counted="STATION_COMPLEX_ID", hour=("TRANSIT_TIMESTAMP", 11), rows=0.4,
        day=0.5, series="TRANSIT_MODE",
    ),
)  # fmt: skip

DAILY = Feed(
    name="daily",
    schema=(
        Column("DATE", TIME, "day"),
        Column("MODE", TEXT, "what is counted: Subway, Bus, LIRR, MNR, AAR, SIR, BT, CRZ Entries, CBD Entries"),
        Column("COUNT", WHOLE, "riders; for AAR scheduled trips; for BT, CRZ Entries and CBD Entries vehicles"),
    ),
    summed=("COUNT",),
    day=("DATE", MOMENT),
    # Most modes are a day behind; CRZ and CBD Entries come weekly, six to ten days behind.
    coverage=Coverage(first=Week.named("200314"), lag=2 * WEEK),
    sources=(
        Table((DataSet("sayj-mze2", date(2020, 3, 1)),), time="date", key=("date", "mode"), step=DAY, series="mode"),
    ),
    # A row a day of each mode: a day that lacks is a seventh of a mode. Of nine modes some may end, which is no fault.
    norms=Norms(("DATE", "MODE"), "modes", counted="MODE", rows=0.4, keys=0.4, series="MODE", each=0.1),
)

FEEDS = {feed.name: feed for feed in (TURNSTILE, RIDERSHIP, DAILY)}
AUTO = "auto"  # the week decides which feed
CHOICES = {AUTO: FeedSequence(AUTO, (TURNSTILE, RIDERSHIP))} | FEEDS


def list_distinct(feeds: Iterable[Feed]) -> list[Feed]:
    """Each of the feeds once, in their order."""
    return list({feed.name: feed for feed in feeds}.values())


def feed_named(name: str) -> Feed | FeedSequence:
    """The feed of that name, or with `auto` those that follow each other.

    Raises:
        BadArgument: there is no such feed.
    """
    feed = CHOICES.get(name)
    if feed is None:
        raise BadArgument(f"feed {name[:40]!r}: there is no such feed; choose one of {', '.join(CHOICES)}.")
    return feed
