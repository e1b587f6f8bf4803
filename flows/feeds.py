"""The feeds as data: what is published, where, since when and in which form. A new feed is one more entry.

Knows no transport, no lake and no clock.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta

from errors import BadArgument
from settings import Settings


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
class Source:
    """An address from which a week can be had: a base address from the settings, and a path with `{week}`."""

    base: str  # the name of the Settings field
    path: str

    def url(self, week: str, settings: Settings) -> str:
        """The address of a week (`yyMMdd`)."""
        return f"{getattr(settings, self.base)}/{self.path.format(week=week)}"


@dataclass(frozen=True)
class OldForm:
    """A form a feed was published in before its present one: no header, and several rows on a line.

    A line is the key columns and then 1 to `most` groups, each of which makes a row with them. Columns of the feed that
    are in neither are empty.

    Attributes:
        last: the last week in this form.
        keys: the columns that open a line.
        group: the columns of each group, among them the feed's counters and its day.
        most: groups on a line.
        day: the strptime format of the day.
    """

    last: date
    keys: tuple[str, ...]
    group: tuple[str, ...]
    most: int
    day: str


@dataclass(frozen=True)
class Feed:
    """One weekly public data set.

    Attributes:
        columns: the cleaned names, in the published order.
        renamed: published names that cleaning alone does not turn into ours.
        counters: columns that hold whole numbers without a sign.
        day: the column with the day of a row, and its strptime format.
        sources: where a week can be had, in order of preference; the first one is asked.
        replaced_by: for a retired feed, where the data goes on.
        old: the form of its early weeks, where that was another one.
    """

    name: str
    columns: tuple[str, ...]
    counters: tuple[str, ...]
    day: tuple[str, str]
    coverage: Coverage
    sources: tuple[Source, ...]
    renamed: dict[str, str] = field(default_factory=dict)
    replaced_by: str | None = None
    old: OldForm | None = None

    def key(self, week: str) -> str:
        """The name of a week's object in the lake."""
        return f"{self.name}/{week}.csv.gz"


TURNSTILE = Feed(
    name="turnstile",
    columns=("CA", "UNIT", "SCP", "STATION", "LINENAME", "DIVISION", "DATE", "TIME", "DESC", "ENTRIES", "EXITS"),
    renamed={"C/A": "CA"},
    counters=("ENTRIES", "EXITS"),
    day=("DATE", "%m/%d/%Y"),
    # One file came before, 100505, a Wednesday: two weeks, from 04-17-10 on, that no Saturday names. It is outside.
    coverage=Coverage(first=date(2010, 5, 8), last=date(2024, 2, 17)),
    sources=(Source("turnstile_url", "turnstile_{week}.txt"),),
    replaced_by="ridership (hourly, on data.ny.gov)",
    old=OldForm(
        last=date(2014, 10, 11),
        keys=("CA", "UNIT", "SCP"),
        group=("DATE", "TIME", "DESC", "ENTRIES", "EXITS"),
        most=8,
        day="%m-%d-%y",
    ),
)

FEEDS = {feed.name: feed for feed in (TURNSTILE,)}
AUTO = "auto"  # the week decides which feed


def feed_named(name: str) -> Feed:
    """The feed of that name; `auto` is the turnstile feed while it is the only one.

    Raises:
        BadArgument: there is no such feed.
    """
    feed = FEEDS.get(TURNSTILE.name if name == AUTO else name)
    if feed is None:
        raise BadArgument(f"feed {name!r}: there is no such feed; choose one of {', '.join([AUTO, *FEEDS])}.")
    return feed
