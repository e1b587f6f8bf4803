"""Is this a week of this feed? Blocks of whole rows in; checked tables out, or a refusal that names line and reason.

Here is what takes more than a row: the header, the end, the order, the row numbers; `rows` judges each row by itself.
Knows neither HTTP, nor files, nor the lake.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from datetime import date
from math import inf
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mta_weekly import csv_rows
from mta_weekly.ceilings import refuse_more_rows
from mta_weekly.content.csv_tables import NOTHING, change_texts, decode, make_texts
from mta_weekly.content.header import check_header, refuse_page
from mta_weekly.content.profile import SHOWN, BadRow, Tally, WeekProfile
from mta_weekly.content.rows import JudgedRows, RowJudge
from mta_weekly.errors import BrokenBody, EtlError, Foreign, PartialWeek, Refused
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.sources import CsvDialect
from mta_weekly.feeds.weeks import DAY, Week
from mta_weekly.secrets import mask

BLOCK = 3 << 18  # bytes parsed at once: enough to be fast, little enough to hold several for each of several weeks
DENSE = 1 << 15  # line ends, more than a block of any feed has: one of more is judged in pieces of as many bytes
MOST_KEPT = 48 << 20  # bytes of bad rows, as they are held until the week is whole
BESIDE = 200  # bytes that one is besides its text
MORE = 1000  # bad rows beyond those that are allowed: of more, nothing is told but that there are more
TAIL = 4096  # bytes at a block's end where the line above its last one is
PAGE = re.compile(r"<!doctype html|<\?xml\s|<(html|head|title|body|h1)(\s+[\w-]+=[^<>]*)?>", re.IGNORECASE)


class WeekValidator:
    """The state of reading a file block by block: as `published` in a dialect, or again from the lake.

    Attributes:
        allowed: how many bad rows are.
        most_rows: as many, or lines, may be read.
        bad: the first bad rows, those that are allowed at most, their texts cut; more need only be counted.
    """

    def __init__(
        self, feed: Feed, week: Week, published: CsvDialect | None, allowed: int = 0, most_rows: float = inf
    ) -> None:
        self.feed, self.published, self.allowed, self.most_rows = feed, published, allowed, most_rows
        self.dialect = published or feed.dialect
        self.numbered = feed.tidied and not published
        self.judge = RowJudge(feed, week, self.dialect, self.numbered)
        self.tally, self.bad = Tally(feed, week, self.dialect.ordered), list[BadRow]()
        self.kept = 0  # bytes of them
        self.line = 0  # lines seen
        self._head, self._last_count, self._last_time = "", b"", ""

    @property
    def _advice(self) -> str:
        """What follows a fault of a file that was to be loaded."""
        return "; nothing loaded" if self.published else ""

    @property
    def header(self) -> bytes:
        """The header line of the object."""
        first = [""] if self.feed.tidied else []
        return (",".join([*first, *self.feed.columns]) + "\n").encode()

    def take(self, block: bytes) -> pa.RecordBatch | None:
        """Check a block of whole rows; the first one starts with the header, where the dialect has one.

        Returns:
            Its rows in the columns of the feed, whatever the form of the file; None where no row is left. An object
            read again has its row numbers before them.
        """
        if self.line == 0:
            block = self._open(block)
        before, ends = self.line, block.count(b"\n")
        self.line += ends + (block[-1:] not in (b"", b"\n"))
        refuse_more_rows(max(self.line - bool(self._head), self.tally.rows + self.tally.bad_rows), self.most_rows)
        if ends + (b"\r" in block and block.count(b"\r")) <= DENSE:
            return self._take(block, before)
        found = list[pa.RecordBatch]()
        for piece in csv_rows.cut_rows(block, self.dialect.quoted, DENSE):  # what is made of each bad row takes memory
            rows = self._take(piece, before)
            found += [] if rows is None else [rows]
            before += piece.count(b"\n")
        return pa.concat_batches(found) if found else None

    def _take(self, block: bytes, before: int) -> pa.RecordBatch | None:
        self._check_text(block, before)
        if not self.dialect.quoted:
            self._check_end(block)
        rows = self.judge.judge(block, before)
        if rows.bad:
            self._note(rows, block)
        if rows.foreign:
            first, *_, last = (f"{day:{self.dialect.day}}" for day in self.judge.week_days)
            line, text = rows.foreign
            raise Foreign(
                f"line {line}: {self.feed.day[0]} {text!r} is not in the week, {first} to {last}{self._advice}"
            )
        self._check_order(rows.good)
        if self.numbered and not self.bad:
            self._check_numbers(rows.good)
        if not rows.good.num_rows:
            return None
        good = self._rename_columns(rows)
        self.tally.figures.add(good, rows.codes)
        for day, part in self._cut_days(good, rows):
            self.tally.add(part, day)
        return good

    def _open(self, block: bytes) -> bytes:
        """The first block without its header."""
        refuse_page(block, "; try again later" if self.published else "")
        if self.judge.legacy:
            return block.removeprefix(b"\xef\xbb\xbf")
        line, _, block = block.partition(b"\n")
        self.line = 1
        check_header(line, self.published, self.judge.names)
        self._head = line.decode().removeprefix("\ufeff").rstrip()
        return block

    def _note(self, rows: JudgedRows, block: bytes) -> None:
        """Count bad rows and remember the first ones.

        Raises:
            EtlError: they are no rows of a file, but what is left of one that broke.
            Refused: they are so many that the others need not be read.
        """
        for row in rows.bad:
            if PAGE.search(row.text):
                raise self._broken(row, "an HTML page begins in the middle of the file")
            if self._head and self._head in row.text:
                raise self._broken(row, "the header comes again, the file begins anew")
        last = rows.bad[-1]
        is_open = self.dialect.quoted and last.text.count('"') % 2 == 1  # only the last row of a file can be
        if is_open or (rows.ends_bad and "," in last.text and block[-1:] not in (b"\n", b"\r")):
            raise self._broken(last, "the last row is cut")
        self.tally.bad_rows += len(rows.bad)
        new = [row.cut() for row in rows.bad[: max(SHOWN, self.allowed) - len(self.bad)]]
        self.bad += new
        self.kept += sum(sys.getsizeof(row.text) + BESIDE for row in new)
        if self.kept > MOST_KEPT:
            raise Refused(f"bad rows of more than {MOST_KEPT:,} bytes, too many to be left out; nothing loaded")
        if self.tally.bad_rows > self.allowed + MORE:
            raise Refused(self.describe_bad_rows())

    def describe_bad_rows(self) -> str:
        """The sentence for more bad rows than are allowed."""
        count, most = self.tally.bad_rows, self.allowed + MORE
        shown = "; ".join(map(str, self.bad[:SHOWN]))
        if count > most:
            hint = "nothing loaded, look at the file" if self.published else "the object is damaged"
            return f"more than {most:,} bad rows, {self.allowed:,} allowed, reading stopped; {shown}; {hint}"
        rows = "1 bad row" if count == 1 else f"{count:,} bad rows"
        hint = f"--allow-bad-rows {count} would leave them out" if self.published else "the object is damaged"
        return f"{rows}, {self.allowed:,} allowed; {shown}; {hint}"

    def _broken(self, row: BadRow, fault: str) -> EtlError:
        return self._break(f"line {row.line}: {fault}: {mask(row.text.strip())[:200]!r}{self._advice}")

    def _break(self, message: str) -> EtlError:
        """What to raise for a body that broke: a source is asked again, an object stays what it is."""
        return BrokenBody(message) if self.published else Refused(message)

    def _rename_columns(self, rows: JudgedRows) -> pa.RecordBatch:
        """Good rows as later weeks have them: days written as in the lake, and columns that an old form lacks empty."""
        name, written = self.feed.day
        found = dict(zip(self.judge.names, rows.good.columns, strict=True))
        if written != self.dialect.day:
            found[name] = decode(change_texts(rows.codes[name], self._rewrite_days))
            rows.codes[name] = found[name].dictionary_encode()
        if self.judge.legacy:
            empty = pa.repeat(NOTHING, rows.good.num_rows)
            found = {column: found.get(column, empty) for column in self.feed.columns}
        return pa.RecordBatch.from_arrays(list(found.values()), list(found))

    def _cut_days(self, good: pa.RecordBatch, rows: JudgedRows) -> Iterator[tuple[date | None, pa.RecordBatch]]:
        """The rows of each day, where they come in the order of their time; else all of them, of no day."""
        if not self.dialect.ordered:
            yield None, good
            return
        start, times = 0, rows.good[self.feed.day[0]]
        for day in sorted(rows.days):
            (next_day,) = make_texts([f"{day + DAY:{self.dialect.day}}"])
            end = pc.less(times, next_day).true_count
            yield day, good.slice(start, end - start)
            start = end

    def _rewrite_days(self, texts: pa.Array) -> pa.Array:
        written = self.feed.day[1]
        return make_texts(f"{self.judge.read_day(text):{written}}" for text in texts.to_pylist())

    def _check_text(self, block: bytes, before: int) -> None:
        """Refuse what is not UTF-8, with its line."""
        if block.isascii():
            return
        try:
            block.decode()
        except UnicodeDecodeError as error:
            start = block.rfind(b"\n", 0, error.start) + 1
            line, end, _ = block[start:].partition(b"\n")
            row = BadRow(before + 1 + block.count(b"\n", 0, start), "", line.decode(errors="replace"))
            if not end and error.reason == "unexpected end of data":
                raise self._broken(row, "the last row is cut") from error
            if PAGE.search(row.text):
                raise self._broken(row, "an HTML page begins in the middle of the file") from error
            raise Refused(f"line {row.line} is not UTF-8: {line[:200]!r}") from error

    def _check_end(self, block: bytes) -> None:
        """Refuse a last line that was cut: it has no line end, and its counter lacks digits of the padding above it."""
        lines = block[-TAIL:].splitlines()[len(block) > TAIL :]
        ends = [line.rpartition(b",")[2].strip() for line in lines if b"," in line]
        if lines and b"," in lines[-1] and not block.endswith((b"\n", b"\r")):
            last = ends.pop()
            above = next((count for count in reversed([self._last_count, *ends]) if count.isdigit()), b"")
            if above.startswith(b"0") and len(last) < len(above):
                shown = last[:40].decode(errors="replace")
                raise self._break(f"line {self.line}, the last one, is cut in its value {shown!r}{self._advice}")
        self._last_count = next((count for count in reversed(ends) if count.isdigit()), self._last_count)

    def _check_numbers(self, rows: pa.RecordBatch) -> None:
        first = self.tally.rows
        numbers = pc.cast(pa.arange(first, first + rows.num_rows), pa.string())
        if not pc.all(pc.equal(rows[0], numbers), min_count=0).as_py():
            raise Refused("the row numbers have a gap: not a whole object")

    def _check_order(self, rows: pa.RecordBatch) -> None:
        """Refuse rows that go back in time, where they were asked for in its order: some were sent twice, or lack."""
        if not (self.dialect.ordered and rows.num_rows):
            return
        times = rows[self.feed.day[0]]
        ends = times[0].as_py(), times[-1].as_py()
        if ends[0] < self._last_time or not pc.all(pc.less_equal(times[:-1], times[1:]), min_count=0).as_py():
            raise Refused(f"the rows are not in the order of {self.feed.day[0]}; nothing loaded, try again later")
        self._last_time = ends[1]

    def summarize(self, file_sums: dict[str, Any]) -> WeekProfile:
        """What is known at the end.

        Raises:
            Refused: there was not one row.
        """
        if not self.line:
            raise PartialWeek(f"an empty body{self._advice}, try again later" if self.published else "an empty file")
        if not self.tally.rows:
            raise PartialWeek(f"no rows{self._advice}")
        return self.tally.summarize(file_sums)


def cut_blocks(chunks: Iterable[bytes], dialect: CsvDialect) -> Iterator[bytes]:
    """Cut a stream into blocks of whole rows.

    Raises:
        Refused: it is no CSV file.
        BrokenBody: it is one that a page cuts off.
    """
    begun = False
    try:
        for block in csv_rows.cut_blocks(chunks, dialect.quoted, BLOCK):
            begun = True
            yield block
    except csv_rows.TooLong as error:
        start: bytes = error.args[0]
        if begun and PAGE.search(start.decode(errors="replace")):
            raise BrokenBody("an HTML page begins in the middle of the file; nothing loaded") from error
        refuse_page(start)
        fault = f"a row of more than {BLOCK:,} bytes, it starts with {start[:80]!r}"
        raise Refused(f"{fault}: not a CSV file, or a quote in it is never closed") from error
