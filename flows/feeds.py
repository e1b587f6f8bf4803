"""The feeds as data: what is published, where, since when and in which form. A new feed is one more entry.

docs/add-a-feed.md says how. Knows no transport, no lake and no clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from errors import BadArgument
from settings import Settings

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
MOMENT = "%Y-%m-%dT%H:%M:%S.000"  # how data.ny.gov writes a day or an hour: New York's wall clock, without a zone


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
class Form:
    """How rows are written, by a source or in the lake.

    Attributes:
        day: the strptime format of the feed's day column.
        names: written names of columns that cleaning alone does not turn into the feed's.
        upper: whether names are written in lower case where the feed has upper case.
        quoted: whether values may stand in quotes (RFC 4180); else every comma is a border, and a quote is text.
        ordered: whether rows come in the order of the day column.
    """

    day: str
    names: Mapping[str, str] = field(default_factory=dict)
    upper: bool = False
    quoted: bool = False
    ordered: bool = False

    def clean(self, name: str) -> str:
        """A written column name as the feed has it: without spaces, renamed where the form says so.

        >>> TURNSTILE.sources[0].form.clean("EXITS      "), TURNSTILE.sources[0].form.clean("C/A")
        ('EXITS', 'CA')
        """
        bare = "".join(name.split())
        return self.names.get(bare, bare.upper() if self.upper else bare)


@dataclass(frozen=True, kw_only=True)
class OldForm(Form):
    """A form without header, with several rows on a line.

    A line is the key columns and then 1 to `most` groups, each of which makes a row with them. Columns of the feed that
    are in neither are empty.

    Attributes:
        last: the last week in this form.
        keys: the columns that open a line.
        group: the columns of each group, among them the feed's counters and its day.
        most: groups on a line.
    """

    last: date
    keys: tuple[str, ...]
    group: tuple[str, ...]
    most: int


@dataclass(frozen=True)
class WeeklyFile:
    """A source with a file a week: a base address from the settings, and a path with `{week}` (yyMMdd).

    Attributes:
        base: the name of the Settings field.
        old: the form of its early weeks, where that was another one.
        name: of the source, in the facts of an object.
    """

    base: str
    path: str
    form: Form
    old: OldForm | None = None
    name: str = "weekly file"

    def form_of(self, week: date) -> Form:
        """The form that week was published in."""
        return self.old if self.old and week <= self.old.last else self.form

    def holds(self, week: date) -> bool:
        """Whether the week may be there."""
        return True

    def url(self, week: date, settings: Settings) -> str:
        """The address of a week."""
        return f"{getattr(settings, self.base)}/{self.path.format(week=f'{week:%y%m%d}')}"


@dataclass(frozen=True)
class DataSet:
    """A data set of a Socrata site, by its id, and the days it holds; without a last one it still grows."""

    id: str
    first: date
    last: date | None = None


@dataclass(frozen=True)
class Table:
    """A source with a table, cut into data sets by time, at a Socrata site.

    Attributes:
        sets: in the order of their days, which they do not share.
        time: the field a week is cut by, of type floating timestamp.
        key: the fields that name a row; the site orders by them.
        step: from one time to the next; a week whose last one is there is complete.
        names: fields whose upper-cased name is not that of the feed's column.
        base: the name of the Settings field with the site's address.
        name: of the source, in the facts of an object.
    """

    sets: tuple[DataSet, ...]
    time: str
    key: tuple[str, ...]
    step: timedelta
    names: Mapping[str, str] = field(default_factory=dict)
    base: str = "socrata_url"
    name: str = "data.ny.gov"

    @property
    def ordered(self) -> bool:
        """Whether time comes first in the order of the rows."""
        return self.key[0] == self.time

    def form_of(self, week: date) -> Form:
        """The form of Socrata's CSV."""
        return Form(MOMENT, self.names, upper=True, quoted=True, ordered=self.ordered)

    def parts(self, week: date) -> list[tuple[DataSet, date, date]]:
        """The data sets that hold the week, each with its first day of it and the day after its last one."""
        cut = [
            (each, max(each.first, week - WEEK), min(each.last + DAY, week) if each.last else week)
            for each in self.sets
        ]
        return [(each, first, end) for each, first, end in cut if first < end]

    def grows(self, week: date) -> bool:
        """Whether the week is in a data set that still grows."""
        return self.parts(week)[-1][0].last is None

    def holds(self, week: date) -> bool:
        """Whether all days of the week may be there."""
        return sum((end - first for _, first, end in self.parts(week)), timedelta()) == WEEK


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
    sources: tuple[WeeklyFile | Table, ...]
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
    # About a day behind; a week later every mode is there.
    coverage=Coverage(first=date(2020, 3, 14), lag=WEEK),
    sources=(Table((DataSet("sayj-mze2", date(2020, 3, 1)),), time="date", key=("date", "mode"), step=DAY),),
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
