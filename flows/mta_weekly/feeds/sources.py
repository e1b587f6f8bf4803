"""What a source is, as data: a file a week, or a table at a Socrata site; and how it writes rows.

Knows no transport, no lake and no clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import ClassVar

from mta_weekly.feeds.weeks import DAY, WEEK, Week

MOMENT = "%Y-%m-%dT%H:%M:%S.000"  # how data.ny.gov writes a day or an hour: New York's wall clock, without a zone


@dataclass(frozen=True)
class CsvDialect:
    """How rows are written, by a source or in the lake.

    Attributes:
        day: the strptime format of the feed's day column.
        names: written names of columns that cleaning alone does not turn into the feed's.
        upper: whether names are written in lower case where the feed has upper case.
        quoted: whether values may stand in quotes (RFC 4180); else every comma is a border, and a quote is text.
        ordered: whether rows come in the order of the day column.
        required: columns whose values are never empty.
    """

    day: str
    names: Mapping[str, str] = field(default_factory=dict)
    upper: bool = False
    quoted: bool = False
    ordered: bool = False
    required: tuple[str, ...] = ()

    def clean(self, name: str) -> str:
        """A written column name as the feed has it: without spaces, renamed where the dialect says so.

        >>> dialect = CsvDialect("%m/%d/%Y", {"C/A": "CA"})
        >>> dialect.clean("EXITS      "), dialect.clean("C/A")
        ('EXITS', 'CA')
        """
        bare = "".join(name.split())
        return self.names.get(bare, bare.upper() if self.upper else bare)


@dataclass(frozen=True, kw_only=True)
class LegacyDialect(CsvDialect):
    """Without header, and with several rows on a line.

    A line is the key columns and then 1 to `most` groups, each of which makes a row with them. Columns of the feed that
    are in neither are empty.

    Attributes:
        last: the last week so written.
        keys: the columns that open a line.
        group: the columns of each group, among them the feed's counters and its day.
        most: groups on a line.
    """

    last: Week
    keys: tuple[str, ...]
    group: tuple[str, ...]
    most: int


@dataclass(frozen=True)
class WeeklyFile:
    """A source with a file a week: a CSV file, or one packed as .gz, or the one in a .zip, as its name ends.

    Attributes:
        base: the address of its folder.
        file: its name, with the Saturday as in `turnstile_{week:%y%m%d}.txt`; a format of date.strftime.
        dialect: how its rows are written.
        legacy: how they were in its early weeks, where that was another way.
        override: the variable that names another folder, where there is one.
        name: of the source, in the facts of an object.
    """

    base: str
    file: str
    dialect: CsvDialect
    legacy: LegacyDialect | None = None
    override: str = ""
    name: str = "weekly file"
    token: ClassVar[str] = ""

    def dialect_of(self, week: Week) -> CsvDialect:
        """How that week was written."""
        return self.legacy if self.legacy and week <= self.legacy.last else self.dialect

    def holds(self, week: Week) -> bool:
        """Whether the week may be there."""
        return True

    def name_data(self, week: Week) -> str:
        """What the week is a part of, besides its source: of nothing else."""
        return ""


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
        series: the field whose values come each at its own pace, where there is one; a week is complete when all that
            the two weeks before had are there, or have ended.
        names: fields whose upper-cased name is not that of the feed's column.
        base: the site's address.
        override: the variable that names another site, where there is one.
        token: the variable that says who asks it, where there is one; its block is named alike.
        name: of the source, in the facts of an object.
    """

    sets: tuple[DataSet, ...]
    time: str
    key: tuple[str, ...]
    step: timedelta
    series: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    base: str = "https://data.ny.gov"
    override: str = "MTA_SOCRATA_URL"
    token: str = "MTA_SOCRATA_APP_TOKEN"  # noqa: S105 - the name of a variable
    name: str = "data.ny.gov"

    @property
    def ordered(self) -> bool:
        """Whether time comes first in the order of the rows."""
        return self.key[0] == self.time

    @property
    def dialect(self) -> CsvDialect:
        """How Socrata writes CSV."""
        return CsvDialect(MOMENT, self.names, upper=True, quoted=True, ordered=self.ordered)

    def dialect_of(self, week: Week) -> CsvDialect:
        """How that week is written: as any."""
        return self.dialect

    def parts(self, week: Week) -> list[tuple[DataSet, date, date]]:
        """The data sets that hold the week, each with its first day of it and the day after its last one."""
        cut = [
            (each, max(each.first, week.start), min(each.last + DAY, week.end) if each.last else week.end)
            for each in self.sets
        ]
        return [(each, first, end) for each, first, end in cut if first < end]

    def complete_week(self, last: datetime) -> Week:
        """The newest week that is whole where the newest row is of that time."""
        return Week.on_or_before((last + self.step).date())

    def name_data(self, week: Week) -> str:
        """What the week is a part of: the data set that has its last day."""
        return self.parts(week)[-1][0].id if self.holds(week) else ""

    def grows(self, week: Week) -> bool:
        """Whether the week is in a data set that still grows."""
        return self.parts(week)[-1][0].last is None

    def holds(self, week: Week) -> bool:
        """Whether all days of the week may be there."""
        return sum((end - first for _, first, end in self.parts(week)), timedelta()) == WEEK


Source = WeeklyFile | Table
