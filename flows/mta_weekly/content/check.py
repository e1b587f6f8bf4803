"""Is this a week of this feed? Blocks of whole rows in; checked tables out, or a refusal that names line and reason.

The fast look at a block is pyarrow's; only a block that fails it is looked at row by row, to say which one is wrong.
pyarrow, for it counts the fields of every row, where pandas fills short rows in silence, and takes a third of the time.
Knows neither HTTP, nor files, nor the lake.
"""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from math import isfinite
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mta_weekly import csv_rows
from mta_weekly.content.csv_tables import WHOLE, mapped, parse, plain
from mta_weekly.content.header import check_header, refuse_page
from mta_weekly.content.summary import SHOWN, BadRow, Content
from mta_weekly.errors import Refused
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.sources import Form, OldForm
from mta_weekly.feeds.weeks import days, saturday

BLOCK = 3 << 17  # bytes parsed at once: enough to be fast, little enough to hold several for each of several weeks
BLANK = " \t\r\n\v\f"  # what pyarrow's ascii trim strips
NUMBER = r"(-?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?)?"  # or nothing


@dataclass
class Reading:
    """The state of reading a file block by block: as `published` in a form, or again from the lake."""

    feed: Feed
    week: str
    published: Form | None
    keep: int = SHOWN  # bad rows remembered; more than are allowed need only be counted
    rows: int = 0
    bad_rows: int = 0
    line: int = 0  # lines seen
    last_line: bytes = b""
    last_time: str = ""
    bad: list[BadRow] = field(default_factory=list)
    empty: Counter[str] = field(default_factory=Counter)
    sums: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def __post_init__(self) -> None:
        self.form = self.published or self.feed.form
        self.old = self.form if isinstance(self.form, OldForm) else None
        self.numbered = self.feed.tidied and not self.published
        self.names = [""] * self.numbered + list(self.feed.columns)
        self.expected = str(len(self.names))
        if self.old:
            self.names = [*self.old.keys, *self.old.group]
            self.expected = f"{len(self.old.keys)} and {len(self.old.group)} for each of 1 to {self.old.most} rows"
        self.week_days = days(saturday(self.week))
        self.days: dict[str, date] = {}  # of the rows, as the file writes them
        self.day_at, self.counters_at, self.numbers_at = self.names.index(self.feed.day[0]), *(
            [self.names.index(name) for name in names] for names in (self.feed.counters, self.feed.numbers)
        )  # fmt: skip

    @property
    def header(self) -> bytes:
        """The header line of the object."""
        return (",".join([""] * self.feed.tidied + list(self.feed.columns)) + "\n").encode()

    def take(self, block: bytes) -> pa.Table | None:
        """Check a block of whole rows; the first one starts with the header, where the form has one.

        Returns:
            Its rows in the columns of the feed, whatever the form of the file; None where no row is left. An object
            read again has its row numbers before them.
        """
        if self.line == 0:
            refuse_page(block)
            if self.old:
                block = block.removeprefix(b"\xef\xbb\xbf")
            else:
                line, _, block = block.partition(b"\n")
                self.line = 1
                check_header(line, self.form if self.published else None, self.names)
        lines_before = self.line
        self.line += block.count(b"\n") + (block[-1:] not in (b"", b"\n"))
        if not self.form.quoted:
            self._check_end(block)
        try:
            rows = block
            if self.old:
                rows = b"\n".join(row for line in block.splitlines() for row in _unrolled(line, self.old))
            table = self._parsed(rows)
            self._check(table)
        except (pa.ArrowInvalid, _Suspicious) as error:
            block = self._without_bad_rows(block, lines_before, error)
            try:
                table = self._parsed(block)
            except pa.ArrowInvalid as fault:
                raise Refused(f"cannot be read as CSV after line {lines_before}: {fault}; nothing loaded") from fault
        self._check_order(table)
        self.rows += table.num_rows
        if not table.num_rows:
            return None
        table = self._in_columns(table)
        self._count(table)
        return table

    def _parsed(self, block: bytes) -> pa.Table:
        """The rows of a block as text; numbers without a fraction that says nothing."""
        table = parse(block, self.names, self.form.quoted, self.feed.tidied)
        for at in self.numbers_at if not self.form.quoted else [*self.numbers_at, *self.counters_at]:
            table = table.set_column(at, self.names[at], mapped(table[at], plain))
        return table

    def _in_columns(self, table: pa.Table) -> pa.Table:
        """Rows as later weeks have them: days written as in the lake, and columns that an old form lacks empty."""
        name, form = self.feed.day
        found = {column: table[column] for column in self.names}
        if form != self.form.day:
            found[name] = mapped(table[name], lambda texts: pa.array([f"{self._day(t.as_py()):{form}}" for t in texts]))
        if self.old:
            empty = pa.repeat("", table.num_rows)
            found = {column: found.get(column, empty) for column in self.feed.columns}
        return pa.Table.from_arrays(list(found.values()), list(found))

    def _count(self, table: pa.Table) -> None:
        """Note what the facts say of the values."""
        for name in self.feed.columns:
            lengths = pc.binary_length(table[name])
            if pc.min(lengths).as_py() == 0:
                self.empty[name] += pc.sum(pc.equal(lengths, 0)).as_py()
        for name in self.feed.summed:
            numbers = table[name]
            if self.empty[name]:
                numbers = numbers.filter(pc.not_equal(numbers, ""))
            self.sums[name] += pc.sum(pc.cast(numbers, pa.float64()), min_count=0).as_py()
            if not isfinite(self.sums[name]):
                raise Refused(f"{name} has a number beyond all measure; nothing loaded, look at the file")

    def _check_end(self, block: bytes) -> None:
        """Refuse a last line that was cut: it has no line end, and its counter lacks digits of the padding above it."""
        if not block:
            return
        end = block[block.rfind(b"\n", 0, block.rfind(b"\n", 0, -1)) + 1 :]  # a line or two: most blocks are long
        lines = [self.last_line, *end.splitlines()]
        self.last_line = lines[-1]
        if block.endswith((b"\n", b"\r")):
            return
        above, last = (line.rpartition(b",")[2].strip() for line in lines[-2:])
        if above.startswith(b"0") and len(last) < len(above):
            shown = last[:40].decode(errors="replace")
            raise Refused(f"line {self.line}, the last one, is cut in its value {shown!r}; nothing loaded")

    def _check(self, table: pa.Table) -> None:
        """Raise _Suspicious unless every number is one and every day one of the week's."""
        if self.numbered:
            numbers = pc.cast(pa.arange(self.rows, self.rows + table.num_rows), pa.string())
            if not pc.all(pc.equal(table[0], numbers), min_count=0).as_py():
                raise Refused("the row numbers have a gap: not a whole object")
        for at in self.counters_at:
            if not pc.all(pc.ascii_is_decimal(table[at]), min_count=0).as_py():
                raise _Suspicious
        for at in self.numbers_at:
            if not pc.all(pc.match_substring_regex(pc.unique(table[at]), f"^{NUMBER}$"), min_count=0).as_py():
                raise _Suspicious
        if not all(map(self._day, pc.unique(table[self.day_at]).to_pylist())):
            raise _Suspicious

    def _day(self, text: str) -> date | None:
        """The day of a row, where it is one of the week's and written as the form has it."""
        if text not in self.days:
            try:
                moment = datetime.strptime(text, self.form.day)  # noqa: DTZ007 - the wall clock of New York
            except ValueError:
                return None
            if moment.date() not in self.week_days or f"{moment:{self.form.day}}" != text:
                return None
            self.days[text] = moment.date()
        return self.days[text]

    def _check_order(self, table: pa.Table) -> None:
        """Refuse rows that go back in time, where they were asked for in its order: some were sent twice, or lack."""
        if not (self.form.ordered and table.num_rows):
            return
        times = table[self.day_at].combine_chunks()
        ends = times[0].as_py(), times[-1].as_py()
        if ends[0] < self.last_time or not pc.all(pc.less_equal(times[:-1], times[1:]), min_count=0).as_py():
            raise Refused(f"the rows are not in the order of {self.feed.day[0]}; nothing loaded, try again later")
        self.last_time = ends[1]

    def _without_bad_rows(self, block: bytes, lines_before: int, error: Exception) -> bytes:
        """Look at a suspicious block row by row: note its bad rows and return the others.

        Raises:
            Refused: a fault of another kind.
        """
        kept, quoted = [], self.form.quoted
        # Lines are numbered as editors count them.
        records = ((lines_before + 1 + at, record) for at, record in csv_rows.records(block, quoted))
        parts = ((at, part) for at, record in records for part in ([record] if quoted else record.split(b"\r")) if part)
        for number, row in ((number, row) for number, part in parts for row in _unrolled(part, self.old)):
            try:
                text = row.decode()
            except UnicodeDecodeError:
                raise Refused(f"line {number} is not UTF-8: {row[:200]!r}") from error
            fields = self._fields(text)
            reason = self._fault(fields)
            if reason:
                self.bad_rows += 1
                if len(self.bad) < self.keep:
                    self.bad.append(BadRow(number, reason, text))
            elif self._day(fields[self.day_at]) is None:
                first, *_, last = (f"{day:{self.form.day}}" for day in self.week_days)
                raise Refused(
                    f"line {number}: {self.feed.day[0]} {fields[self.day_at]!r} is not in the week, "
                    f"{first} to {last}; nothing loaded"
                )
            else:
                kept.append(row)
        return b"\n".join(kept) + b"\n"

    def _fields(self, text: str) -> list[str]:
        """The values of a row; as many as its form has them, or not."""
        if not self.form.quoted:
            return [value.strip(BLANK) for value in text.split(",")]
        try:
            fields = next(csv.reader([text.rstrip("\r")], strict=True), [])
        except csv.Error:  # a quote that is not closed, or text after one that is
            return []
        return [value.strip(BLANK) for value in fields] if self.feed.tidied else fields

    def _fault(self, fields: list[str]) -> str | None:
        if not fields:
            return "quotes that do not match"
        if len(fields) != len(self.names):
            return f"{len(fields)} fields, expected {self.expected}"
        for at in self.counters_at:
            value = re.sub(WHOLE.replace("$", r"\Z"), r"\1", fields[at]) if self.form.quoted else fields[at]
            if not (value.isascii() and value.isdecimal()):
                return f"{self.names[at]} {fields[at]!r} is no whole number"
        for at in self.numbers_at:
            if not re.fullmatch(NUMBER, fields[at], re.ASCII):
                return f"{self.names[at]} {fields[at]!r} is no number"
        return None

    def content(self, sums: dict[str, Any]) -> Content:
        """What is known at the end."""
        if not self.line:
            raise Refused("an empty body; nothing loaded, try again later" if self.published else "an empty file")
        if not self.rows:
            raise Refused("no rows; nothing loaded")
        found = sorted(set(self.days.values()))
        return Content(
            self.rows, self.bad_rows, str(found[0]), str(found[-1]), len(found), **sums,
            empty={name: count for name, count in self.empty.items() if count},
            sums={name: int(total) if float(total).is_integer() else total for name, total in self.sums.items()},
        )  # fmt: skip


class _Suspicious(Exception):
    """Some row of a block is not right; which one is for the slow look to say."""


def blocks(chunks: Iterable[bytes], form: Form) -> Iterator[bytes]:
    """Cut a stream into blocks of whole rows.

    Raises:
        Refused: it is no CSV file.
    """
    try:
        yield from csv_rows.blocks(chunks, form.quoted, BLOCK)
    except csv_rows.TooLong as error:
        refuse_page(error.args[0])
        raise Refused(f"a line of more than {BLOCK:,} bytes: not a CSV file") from error


def _unrolled(line: bytes, form: OldForm | None) -> list[bytes]:
    """The rows on a line, in a row's number of fields; one that does not hold whole groups as it is, in another number.

    So what is no row is found by its number of fields, in every form.
    """
    if form is None:
        return [line]
    fields, keys, width = line.split(b","), len(form.keys), len(form.group)
    groups, rest = divmod(len(fields) - keys, width)
    if rest or not 1 <= groups <= form.most:
        return [line]
    return [b",".join(fields[:keys] + fields[at : at + width]) for at in range(keys, len(fields), width)]
