"""Is this a week of this feed? Blocks of whole rows in; checked tables out, or a refusal that names line and reason.

Here is what takes more than a row: the header, the end, the order, the row numbers; `rows` judges each row by itself.
Knows neither HTTP, nor files, nor the lake.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mta_weekly import csv_rows
from mta_weekly.content.csv_tables import NOTHING, change_texts, decode, make_texts
from mta_weekly.content.header import check_header, refuse_page
from mta_weekly.content.profile import SHOWN, BadRow, Tally, WeekProfile
from mta_weekly.content.rows import RowJudge
from mta_weekly.errors import BrokenBody, EtlError, Refused
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.sources import CsvDialect
from mta_weekly.feeds.weeks import Week

BLOCK = 3 << 18  # bytes parsed at once: enough to be fast, little enough to hold several for each of several weeks
PAGE = re.compile(r"<(!doctype|html|head|body)\b", re.IGNORECASE)


class WeekValidator:
    """The state of reading a file block by block: as `published` in a dialect, or again from the lake.

    Attributes:
        bad: the first bad rows, `keep` at most; more than are allowed need only be counted.
    """

    def __init__(self, feed: Feed, week: Week, published: CsvDialect | None, keep: int = SHOWN) -> None:
        self.feed, self.published, self.keep = feed, published, keep
        self.dialect = published or feed.dialect
        self.numbered = feed.tidied and not published
        self.judge = RowJudge(feed, week, self.dialect, self.numbered)
        self.tally, self.bad = Tally(feed), list[BadRow]()
        self.line = 0  # lines seen
        self._last_line, self._last_time = b"", ""

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
        before = self.line
        self.line += block.count(b"\n") + (block[-1:] not in (b"", b"\n"))
        _check_text(block, before)
        if not self.dialect.quoted:
            self._check_end(block)
        rows = self.judge.judge(block, before)
        if rows.bad:
            self._note(rows.bad, block)
        if rows.foreign:
            first, *_, last = (f"{day:{self.dialect.day}}" for day in self.judge.week_days)
            line, text = rows.foreign
            raise Refused(
                f"line {line}: {self.feed.day[0]} {text!r} is not in the week, {first} to {last}; nothing loaded"
            )
        self._check_order(rows.good)
        if self.numbered and not self.bad:
            self._check_numbers(rows.good)
        if not rows.good.num_rows:
            return None
        self.tally.days |= rows.days
        good = self._rename_columns(rows.good)
        self.tally.add(good)
        return good

    def _open(self, block: bytes) -> bytes:
        """The first block without its header."""
        refuse_page(block)
        if self.judge.legacy:
            return block.removeprefix(b"\xef\xbb\xbf")
        line, _, block = block.partition(b"\n")
        self.line = 1
        check_header(line, self.published, self.judge.names)
        return block

    def _note(self, bad: list[BadRow], block: bytes) -> None:
        """Count bad rows and remember the first ones.

        Raises:
            EtlError: they are no rows of a file, but what is left of one that broke.
        """
        for row in bad:
            if PAGE.search(row.text):
                raise self._broken(row, "an HTML page begins in the middle of the file")
            values = [self.dialect.clean(value) for value in self.judge.split_values(row.text)]
            if not self.judge.legacy and values == self.judge.names:
                raise self._broken(row, "the header comes again, the file begins anew")
        last = bad[-1]
        ends_it = last.line == self.line or block.endswith(last.text.encode())
        if ends_it and "," in last.text and block[-1:] not in (b"\n", b"\r"):
            raise self._broken(last, "the last row is cut")
        self.tally.bad_rows += len(bad)
        self.bad += bad[: self.keep - len(self.bad)]

    def _broken(self, row: BadRow, fault: str) -> EtlError:
        return self._break(f"line {row.line}: {fault}: {row.text.strip()[:200]!r}; nothing loaded")

    def _break(self, message: str) -> EtlError:
        """What to raise for a body that broke: a source is asked again, an object stays what it is."""
        return BrokenBody(message) if self.published else Refused(message)

    def _rename_columns(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Rows as later weeks have them: days written as in the lake, and columns that an old form lacks empty."""
        name, written = self.feed.day
        found = dict(zip(self.judge.names, rows.columns, strict=True))
        if written != self.dialect.day:
            found[name] = decode(change_texts(rows[name].dictionary_encode(), self._rewrite_days))
        if self.judge.legacy:
            empty = pa.repeat(NOTHING, rows.num_rows)
            found = {column: found.get(column, empty) for column in self.feed.columns}
        return pa.RecordBatch.from_arrays(list(found.values()), list(found))

    def _rewrite_days(self, texts: pa.Array) -> pa.Array:
        written = self.feed.day[1]
        return make_texts(f"{self.judge.read_day(text):{written}}" for text in texts.to_pylist())

    def _check_end(self, block: bytes) -> None:
        """Refuse a last line that was cut: it has no line end, and its counter lacks digits of the padding above it."""
        if not block:
            return
        end = block[block.rfind(b"\n", 0, block.rfind(b"\n", 0, -1)) + 1 :]  # a line or two: most blocks are long
        lines = [self._last_line, *end.splitlines()]
        self._last_line = lines[-1]
        if block.endswith((b"\n", b"\r")):
            return
        above, last = (line.rpartition(b",")[2].strip() for line in lines[-2:])
        if b"," in lines[-1] and above.startswith(b"0") and len(last) < len(above):
            shown = last[:40].decode(errors="replace")
            raise self._break(f"line {self.line}, the last one, is cut in its value {shown!r}; nothing loaded")

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
            raise Refused("an empty body; nothing loaded, try again later" if self.published else "an empty file")
        if not self.tally.rows:
            raise Refused("no rows; nothing loaded")
        return self.tally.summarize(file_sums)


def _check_text(block: bytes, before: int) -> None:
    """Refuse what is not UTF-8, with its line."""
    if block.isascii():
        return
    try:
        block.decode()
    except UnicodeDecodeError as error:
        start = block.rfind(b"\n", 0, error.start) + 1
        line, _, _ = block[start:].partition(b"\n")
        number = before + 1 + block.count(b"\n", 0, start)
        raise Refused(f"line {number} is not UTF-8: {line[:200]!r}") from error


def cut_blocks(chunks: Iterable[bytes], dialect: CsvDialect) -> Iterator[bytes]:
    """Cut a stream into blocks of whole rows.

    Raises:
        Refused: it is no CSV file.
    """
    try:
        yield from csv_rows.cut_blocks(chunks, dialect.quoted, BLOCK)
    except csv_rows.TooLong as error:
        refuse_page(error.args[0])
        raise Refused(f"a line of more than {BLOCK:,} bytes: not a CSV file") from error
