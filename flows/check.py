"""Is this a week of this feed? Blocks of whole lines in; checked tables out, or a refusal that names line and reason.

The fast look at a block is pyarrow's; only a block that fails it is looked at line by line, to say which line is wrong.
pyarrow, for it counts the fields of every row, where pandas fills short rows in silence, and takes a third of the time.
Knows neither HTTP, nor files, nor the lake.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from errors import Refused
from feeds import Feed, OldForm
from file_dates import days, saturday

BLOCK = 1 << 19  # bytes parsed at once: enough to be fast, little enough to hold several for each of several weeks
SHOWN = 5  # bad rows shown in an error
BLANK = " \t\r\n\v\f"  # what pyarrow's ascii trim strips


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used: its line in the published file (from 1), why, and its text."""

    line: int
    reason: str
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}: {self.text.strip()[:200]!r}"


@dataclass(frozen=True)
class Content:
    """What is known of a converted week.

    Attributes:
        rows: rows written, without the header.
        bad_rows: rows left out.
        first_day, last_day: of the rows, as ISO dates.
        days: how many of the week's seven days have rows.
        size, crc32c: of the gzip, in bytes and in base64 as GCS writes it.
        sha256: of the unpacked content, in hex.
    """

    rows: int
    bad_rows: int
    first_day: str
    last_day: str
    days: int
    size: int
    crc32c: str
    sha256: str


@dataclass
class Reading:
    """The state of reading a file block by block: as `published`, or again from the lake."""

    feed: Feed
    week: str
    published: bool
    keep: int = SHOWN  # bad rows remembered; more than are allowed need only be counted
    rows: int = 0
    bad_rows: int = 0
    line: int = 0  # lines seen
    last_line: bytes = b""
    days: set[str] = field(default_factory=set)
    bad: list[BadRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        old, (name, form) = self.feed.old, self.feed.day
        self.old = old if old and self.published and saturday(self.week) <= old.last else None
        self.names = list(self.feed.columns) if self.published else ["", *self.feed.columns]
        self.expected = str(len(self.names))
        if self.old:
            self.names, form = [*self.old.keys, *self.old.group], self.old.day
            self.expected = f"{len(self.old.keys)} and {len(self.old.group)} for each of 1 to {self.old.most} rows"
        self.allowed = {f"{day:{form}}": day for day in days(saturday(self.week))}  # as the file writes them
        self.day_at, self.counters_at = self.names.index(name), [self.names.index(c) for c in self.feed.counters]

    @property
    def header(self) -> bytes:
        """The header line of the object."""
        return ("," + ",".join(self.feed.columns) + "\n").encode()

    def take(self, block: bytes) -> pa.Table | None:
        """Check a block of whole lines; the first one starts with the header, where the form has one.

        Returns:
            Its rows in the columns of the feed, whatever the form of the file; None where no row is left. An object
            read again has its row numbers before them.
        """
        if self.line == 0:
            _refuse_page(block)
            if self.old:
                block = block.removeprefix(b"\xef\xbb\xbf")
            else:
                line, _, block = block.partition(b"\n")
                self.line = 1
                _check_header(line, self.feed if self.published else None, self.names)
        lines_before = self.line
        self.line += block.count(b"\n") + (block[-1:] not in (b"", b"\n"))
        self._check_end(block)
        try:
            rows = block
            if self.old:
                rows = b"\n".join(row for line in block.splitlines() for row in _unrolled(line, self.old))
            table = _parse(rows, self.names)
            self._check(table)
        except (pa.ArrowInvalid, _Suspicious) as error:
            block = self._without_bad_rows(block, lines_before, error)
            try:
                table = _parse(block, self.names)
            except pa.ArrowInvalid as fault:
                raise Refused(f"cannot be read as CSV after line {lines_before}: {fault}; nothing loaded") from fault
        self.rows += table.num_rows
        if not table.num_rows:
            return None
        return self._in_columns(table) if self.old else table

    def _in_columns(self, table: pa.Table) -> pa.Table:
        """Rows of the old form as later weeks have them: days written anew, and columns that it lacks empty."""
        name, form = self.feed.day
        written = pa.array([f"{day:{form}}" for day in self.allowed.values()])
        found = {column: table[column] for column in self.names}
        found[name] = written.take(pc.index_in(table[name], pa.array(list(self.allowed))).combine_chunks())
        empty = pa.repeat("", table.num_rows)
        return pa.Table.from_arrays([found.get(column, empty) for column in self.feed.columns], self.feed.columns)

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
        """Raise _Suspicious unless every counter is a number and every day one of the week's."""
        if not self.published:
            numbers = pc.cast(pa.arange(self.rows, self.rows + table.num_rows), pa.string())
            if not pc.all(pc.equal(table[0], numbers), min_count=0).as_py():
                raise Refused("the row numbers have a gap: not a whole object")
        for at in self.counters_at:
            if not pc.all(pc.ascii_is_decimal(table[at]), min_count=0).as_py():
                raise _Suspicious
        found = set(pc.unique(table[self.day_at]).to_pylist())
        if not found.issubset(self.allowed):
            raise _Suspicious
        self.days |= found

    def _without_bad_rows(self, block: bytes, lines_before: int, error: Exception) -> bytes:
        """Look at a suspicious block line by line: note its bad rows and return the others.

        Raises:
            Refused: a fault of another kind.
        """
        kept = []
        lines = enumerate(block.split(b"\n"), start=lines_before + 1)  # numbered as sed and editors do
        parts = ((number, part) for number, line in lines for part in line.split(b"\r") if part)
        for number, row in ((number, row) for number, part in parts for row in _unrolled(part, self.old)):
            try:
                text = row.decode()
            except UnicodeDecodeError:
                raise Refused(f"line {number} is not UTF-8: {row[:200]!r}") from error
            fields = [value.strip(BLANK) for value in text.split(",")]
            reason = self._fault(fields)
            if reason:
                self.bad_rows += 1
                if len(self.bad) < self.keep:
                    self.bad.append(BadRow(number, reason, text))
            elif fields[self.day_at] not in self.allowed:
                first, *_, last = self.allowed
                raise Refused(
                    f"line {number}: {self.feed.day[0]} {fields[self.day_at]!r} is not in the week, "
                    f"{first} to {last}; nothing loaded"
                )
            else:
                kept.append(row)
                self.days.add(fields[self.day_at])
        return b"\n".join(kept) + b"\n"

    def _fault(self, fields: list[str]) -> str | None:
        if len(fields) != len(self.names):
            return f"{len(fields)} fields, expected {self.expected}"
        for at in self.counters_at:
            if not (fields[at].isascii() and fields[at].isdecimal()):
                return f"{self.names[at]} {fields[at]!r} is no whole number"
        return None

    def content(self, sums: dict[str, Any]) -> Content:
        """What is known at the end."""
        if not self.line:
            raise Refused("an empty body; nothing loaded, try again later" if self.published else "an empty file")
        if not self.rows:
            raise Refused("no rows; nothing loaded")
        found = [day for text, day in self.allowed.items() if text in self.days]
        first, last = str(found[0]), str(found[-1])
        return Content(self.rows, self.bad_rows, first, last, days=len(found), **sums)


class _Suspicious(Exception):
    """Some row of a block is not right; which one is for the slow look to say."""


def blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut a stream into blocks of whole lines; where it is cut depends on the content alone."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= BLOCK:
            end = held.rfind(b"\n", 0, BLOCK) + 1
            if not end:
                _refuse_page(held)
                raise Refused(f"a line of more than {BLOCK:,} bytes: not a CSV file")
            yield bytes(memoryview(held)[:end])
            del held[:end]
    if held:
        yield bytes(held)


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


def _parse(block: bytes, names: list[str]) -> pa.Table:
    """Parse whole lines as text, every comma a border; values stripped.

    Raises:
        ArrowInvalid, _Suspicious: some row is not right.
    """
    if not block.strip(b"\r\n"):
        return pa.schema([(name, pa.string()) for name in names]).empty_table()
    if block.startswith(b"\xef\xbb\xbf"):
        block = b"\n" + block  # pyarrow would take a byte order mark here for the file's own

    def stop(_: Any) -> str:
        return "error"

    table = pa.csv.read_csv(
        pa.py_buffer(block),
        read_options=pa.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(block) + 1),
        parse_options=pa.csv.ParseOptions(quote_char=False, double_quote=False, invalid_row_handler=stop),
        convert_options=pa.csv.ConvertOptions(
            column_types={name: pa.string() for name in names}, null_values=[], strings_can_be_null=False
        ),
    )
    # Not pa.table(...), which loads pandas, where there is one, to ask whether it was given a frame.
    return pa.Table.from_arrays([pc.ascii_trim_whitespace(column) for column in table.columns], names)


def _check_header(line: bytes, feed: Feed | None, names: list[str]) -> None:
    """Compare the first line, cleaned where a feed says how, with the names expected."""
    found = line.decode(errors="replace").removeprefix("\ufeff").rstrip("\r").split(",")
    if feed:
        found = [clean_name(name, feed) for name in found]
    if found == names:
        return
    missing = [name for name in names if name not in found]
    unexpected = [name for name in found if name not in names]
    twice = sorted({name for name in found if found.count(name) > 1})
    parts = [f"missing {', '.join(missing)}"] * bool(missing) + [f"unexpected {_listed(unexpected)}"] * bool(unexpected)
    parts += [f"twice {_listed(twice)}"] * bool(twice)
    moved = [name for name, expected in zip(found, names, strict=False) if name != expected]
    raise Refused(
        f"the header has changed: {'; '.join(parts) or f'another order, {_listed(moved)}'}; "
        f"expected {len(names)} columns, found {len(found)}; nothing loaded, look at the file before you load it"
    )


def clean_name(name: str, feed: Feed) -> str:
    """A published column name as the lake has it: stripped, without spaces, renamed where the feed says so.

    >>> from feeds import TURNSTILE
    >>> clean_name("EXITS      ", TURNSTILE), clean_name("C/A", TURNSTILE)
    ('EXITS', 'CA')
    """
    bare = "".join(name.split())
    return feed.renamed.get(bare, bare)


def _listed(names: list[str]) -> str:
    return ", ".join(_shown(name) for name in names[:8]) + (" ..." if len(names) > 8 else "")


def _shown(name: str) -> str:
    return (name if name.isprintable() else repr(name))[:40] or "(no name)"


def _refuse_page(start: bytes | bytearray) -> None:
    """Refuse an error page that came with status 200."""
    text = bytes(start[:4096]).decode(errors="replace").removeprefix("\ufeff").strip()
    if text.startswith("<"):
        shown = re.sub(r"\s+", " ", text)[:80]
        raise Refused(f"an HTML page instead of a CSV file, it starts with {shown!r}; try again later")


def too_many_bad_rows(reading: Reading, allowed: int) -> str:
    """The sentence for more bad rows than are allowed."""
    rows = "1 bad row" if reading.bad_rows == 1 else f"{reading.bad_rows:,} bad rows"
    shown = "; ".join(map(str, reading.bad[:SHOWN]))
    hint = f"--allow-bad-rows {reading.bad_rows} would leave them out" if reading.published else "the object is damaged"
    return f"{rows}, {allowed} allowed; {shown}; {hint}"
