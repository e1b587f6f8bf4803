"""What a source is, as data: a file a week, or a table at a Socrata site; and the form in which it writes rows.

Knows no transport, no lake and no clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from mta_weekly.settings import Settings

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
MOMENT = "%Y-%m-%dT%H:%M:%S.000"  # how data.ny.gov writes a day or an hour: New York's wall clock, without a zone


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

        >>> form = Form("%m/%d/%Y", {"C/A": "CA"})
        >>> form.clean("EXITS      "), form.clean("C/A")
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
        at_once: whether all rows of one time come together; else a week is complete only when it is due.
        names: fields whose upper-cased name is not that of the feed's column.
        base: the name of the Settings field with the site's address.
        name: of the source, in the facts of an object.
    """

    sets: tuple[DataSet, ...]
    time: str
    key: tuple[str, ...]
    step: timedelta
    at_once: bool = True
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


Source = WeeklyFile | Table
