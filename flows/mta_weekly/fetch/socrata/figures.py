"""What a Socrata site says of rows before and after it sends them: of each day, of each series, of the whole set.

No answer of the site says that it was cut, and nothing holds the data still: so the rows that come are compared with
what the site counts and sums under the same condition.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from math import isclose
from typing import Any

from mta_weekly.errors import EtlError, NotPublished, Refused, Unreachable
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.sources import Table
from mta_weekly.feeds.weeks import WEEK
from mta_weekly.fetch.client import Web
from mta_weekly.fetch.socrata.answers import ask, read_objects, read_time
from mta_weekly.fetch.socrata.queries import SUM, Slice, address_of_view, build_query, list_fields
from mta_weekly.retry import RetryBudget
from mta_weekly.secrets import clean
from mta_weekly.settings import seconds_since

COUNTABLE = 12  # digits
LONGEST_NAME = 60  # characters of a column or a series, as people and facts are told of it
EXACT = 2**53  # whole numbers below it are themselves as floating ones
BEYOND = 1000  # digits of no sum
NEAR, NEARLY_NOTHING = 1e-9, 1e-6  # how far the sum of floating numbers may be from the site's: a share; or in all
SETTLED = 2 * WEEK  # after so long nothing more comes
SETTLING = 3600.0  # seconds: a release of data.ny.gov may not be one transaction


@dataclass(frozen=True)
class DayFigures:
    """What the site says of a day: how many rows, the time of the last one, sums, and when one of them last changed."""

    rows: int
    last: datetime | None
    sums: dict[str, Decimal]
    updated: str


@dataclass(frozen=True)
class SliceFigures:
    """What one answer says of the days of a slice, with the set's last change, the copy it is from, and its address."""

    days: dict[date, DayFigures]
    last_modified: str
    etag: str
    behind: bool
    came_from: str = ""

    @property
    def rows(self) -> int:
        """Of all days."""
        return sum(day.rows for day in self.days.values())

    def of(self, piece: Slice) -> list[DayFigures]:
        """Those of the days of a part of the slice, where it has rows."""
        return [self.days[day] for day in piece.days if day in self.days]

    def count_rows(self, piece: Slice) -> int:
        """The rows of a part of the slice."""
        return sum(day.rows for day in self.of(piece))

    def agrees(self, other: "SliceFigures", piece: Slice) -> bool:
        """Whether another answer says the same of a part of the slice, from such a copy of the data."""
        return self.behind == other.behind and self.of(piece) == other.of(piece)


@dataclass(frozen=True)
class SeriesState:
    """Which series of a slice have ended, in its days or before; and what a person should hear of them."""

    ended: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SetDescription:
    """What a data set says of itself: its fields, none where it does not say, and when it changed, in epoch seconds."""

    fields: tuple[str, ...]
    changed: float = 0.0

    @property
    def settles_in(self) -> float:
        """Seconds until its last release is an hour old; 0 where it is. A clock may be wrong by as much."""
        age = seconds_since(self.changed)
        return SETTLING - age if abs(age) < SETTLING else 0.0


def ask_figures(
    client: Web, part: Slice, summed: Mapping[str, str], budget: RetryBudget, behind: bool | None = None
) -> SliceFigures:
    """The figures of each day of a slice, with the sums of these columns, which are the fields named.

    Raises:
        EtlError: as `http.receive_answer`.
    """

    def read(said: Any) -> dict[date, DayFigures]:
        days = {}
        for each in read_objects(said):
            day, count = read_time(each["day"]), str(each["n"])
            if day is None or not (count.isascii() and count.isdecimal() and len(count) < COUNTABLE):
                raise ValueError("no count")
            sums = {column: _read_number(each.get(f"{SUM}{field}")) for column, field in summed.items()}
            days[day.date()] = DayFigures(int(count), read_time(each.get("last")), sums, str(each.get("updated", "")))
        if not days.keys() <= set(part.days):
            raise ValueError("days that were not asked for")
        return days

    days, body = ask(client, part.figures([*summed.values()]), budget, read, behind)
    return SliceFigures(days, body.last_modified, body.etag, body.out_of_date, body.came_from)


def sum_figures(days: Iterable[DayFigures]) -> dict[str, Decimal]:
    """The sums of several days, by column."""
    total: dict[str, Decimal] = {}
    for day in days:
        total = {column: total.get(column, Decimal()) + number for column, number in day.sums.items()}
    return total


def are_near(said: Mapping[str, Decimal], found: Mapping[str, float]) -> bool:
    """Whether sums of floating numbers are those that the site made of decimal ones."""

    def is_near(number: Decimal, other: float) -> bool:
        whole = abs(number) < EXACT and number == number.to_integral_value() and other.is_integer()
        return int(number) == int(other) if whole else isclose(number, other, rel_tol=NEAR, abs_tol=NEARLY_NOTHING)

    return all(is_near(number, float(found.get(column, 0.0))) for column, number in said.items())


def find_last_time(client: Web, set_address: str, table: Table, budget: RetryBudget) -> datetime | None:
    """The time of the newest row of a set; None where it has none."""
    url = build_query(f"{set_address}.json", {"$select": f"max({table.time}) as last"})
    last, _ = ask(client, url, budget, lambda said: read_time(read_objects(said)[0].get("last")))
    return last


def describe_set(client: Web, set_address: str, budget: RetryBudget) -> SetDescription:
    """What a data set says of itself, asked for once a run."""
    address = address_of_view(set_address)
    said: SetDescription = client.learn_once(address, lambda: _ask_description(client, address, budget))
    return said


def is_changing(client: Web, set_address: str, budget: RetryBudget) -> bool:
    """Whether a data set may be in the middle of a release: it has just changed, or since the run first asked."""
    known = describe_set(client, set_address, budget)
    now = _ask_description(client, address_of_view(set_address), budget)
    return now.changed != known.changed or now.settles_in > 0


def _ask_description(client: Web, address: str, budget: RetryBudget) -> SetDescription:
    """What the set says now; nothing where the site is there and does not say."""

    def read(said: Any) -> SetDescription:
        fields = tuple(str(column["fieldName"]) for column in said["columns"])
        return SetDescription(fields, float(said.get("rowsUpdatedAt") or 0.0))

    try:
        return ask(client, address, budget, read)[0]
    except Unreachable:
        raise
    except EtlError as error:
        why = getattr(error, "answer", "") or error
        client.warn_once(f"{address} cannot be had ({why}); going on with the columns that the feed's entry names")
        budget.note_progress()
        return SetDescription(())


def choose_fields(table: Table, feed: Feed, said: SetDescription) -> tuple[list[str], list[str]]:
    """The fields that are the feed's columns, in their order, as the set spells them; and those the feed does not know.

    Raises:
        Refused: some are missing.
    """
    if not said.fields:
        return list_fields(table, feed.columns), []
    dialect = table.dialect
    known = [name for name in list_fields(table, feed.columns) if name in said.fields]  # before one that is like it
    spelled = {dialect.clean(name): name for name in (*said.fields[::-1], *known) if not name.startswith(":")}
    if missing := [column for column in feed.columns if column not in spelled]:
        raise Refused(
            f"the header has changed: missing {', '.join(missing)}; the set has {clean(', '.join(said.fields), 400)}; "
            "nothing loaded, look at it before you load it"
        )
    unknown = [clean(name, LONGEST_NAME) for name in spelled if name not in feed.columns]
    return [spelled[column] for column in feed.columns], unknown


def check_complete(client: Web, part: Slice, figures: SliceFigures, late: str, budget: RetryBudget) -> SeriesState:
    """Make sure that every day of a slice is there, to its last time, and of every series.

    Raises:
        NotPublished: some is not there, or not yet; where the set still grows, `late` says when to ask.
    """
    if (lack := find_lack(part, figures)) is None:
        return check_series(client, part, late, budget) if part.table.series else SeriesState()
    newest = find_last_time(client, part.address, part.table, budget)
    if newest and newest >= datetime.combine(part.end, time()):
        raise NotPublished(f"not published: {part.host} says that {lack}, and has later ones")
    raise NotPublished("; ".join(filter(None, [f"not published yet: {part.host} says that {lack}", late])))


def find_lack(part: Slice, figures: SliceFigures) -> str | None:
    """What a slice lacks; None where every day is there, and the last one to its last time."""
    if not figures.rows:
        return "it has no rows of the week"
    last = max((day.last for day in figures.days.values() if day.last), default=None)
    if last is None or last < datetime.combine(part.end, time()) - part.table.step:
        return f"its rows of the week end at {last:%Y-%m-%d %H:%M}" if last else "its rows have no time"
    missing = [str(day) for day in part.days if day not in figures.days]
    return f"it has no rows of {', '.join(missing)}" if missing else None


def check_series(client: Web, part: Slice, late: str, budget: RetryBudget) -> SeriesState:
    """Make sure that every series has all days of a slice, or has ended.

    Raises:
        NotPublished: one has not, and may still come.
    """
    table = part.table
    around = Slice(table, part.address, part.first - SETTLED, part.end + SETTLED)

    def read(said: Any) -> dict[str, set[date]]:
        days: dict[str, set[date]] = {}
        for each in read_objects(said):
            if (day := read_time(each["day"])) and each.get(table.series):
                days.setdefault(str(each[table.series]), set()).add(day.date())
        return days

    series, _ = ask(client, around.series, budget, read)
    newest = max((max(days) for days in series.values()), default=part.first)
    ended, notes, late_ones = list[str](), list[str](), list[str]()
    for named, days in sorted(series.items()):
        name = clean(named, LONGEST_NAME)
        missing = [day for day in part.days if day not in days]
        if min(days) >= part.first or not missing:  # it has begun in this week, or all is there
            continue
        gone = max(days) < missing[0]
        said = f"{name} ends on {max(days)}" if gone else f"{name} has no rows of {', '.join(map(str, missing))}"
        if newest - missing[0] < SETTLED:
            late_ones.append(said)
            continue
        if gone:
            ended.append(name)
        if max(days) >= part.first - WEEK:  # later weeks need not say it again
            notes.append(said)
    if late_ones:
        raise NotPublished("; ".join(filter(None, [f"not published yet: {', '.join(late_ones)}", late])))
    return SeriesState(tuple(ended), tuple(notes))


def _read_number(said: Any) -> Decimal:
    """A sum, 0 of nothing.

    Raises:
        ValueError: it is no number.
    """
    try:
        number = Decimal(str(said or 0))
    except ArithmeticError as error:
        raise ValueError("no number") from error
    if number.is_nan() or (number.is_finite() and number.adjusted() > BEYOND):
        raise ValueError("no number")
    return number
