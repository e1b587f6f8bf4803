"""Which rows of a block are right? What becomes of a row depends on that row alone, whatever stands beside it.

pyarrow says which rows have a wrong number of fields, and the rules which values are none of their kind.
"""

import csv
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa

from mta_weekly import csv_rows
from mta_weekly.content.csv_tables import (
    BLANKS,
    are_quotes_right,
    change_texts,
    clean_values,
    decode,
    find_texts,
    make_mask,
    parse_rows,
    trim_fractions,
)
from mta_weekly.content.profile import BadRow
from mta_weekly.content.rules import Rule, list_rules
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.sources import CsvDialect, LegacyDialect
from mta_weekly.feeds.weeks import Week

Row = tuple[int, bytes]  # its line, as editors count them, and its bytes


@dataclass(frozen=True)
class JudgedRows:
    """The rows of a block.

    Attributes:
        good: as text, numbers without a fraction that says nothing.
        codes: their days and times of the day, each different text once.
        days: of the good ones.
        bad: in the order of their lines.
        foreign: the line and the day of the first row that is right, but of another week.
        ends_bad: whether the last row is a bad one.
    """

    good: pa.RecordBatch
    codes: dict[str, pa.DictionaryArray]
    days: set[date]
    bad: list[BadRow]
    foreign: tuple[int, str] | None = None
    ends_bad: bool = False


class RowJudge:
    """Judges the rows of a feed as a dialect writes them, or as the lake has them.

    Attributes:
        names: of the columns; an object of the lake may have row numbers first, under no name.
        legacy: the dialect, where a line holds several rows.
    """

    def __init__(self, feed: Feed, week: Week, dialect: CsvDialect, numbered: bool) -> None:
        self.feed, self.dialect, self.week_days = feed, dialect, week.days
        self.legacy = dialect if isinstance(dialect, LegacyDialect) else None
        self.names = [*([""] if numbered else []), *feed.columns]
        self.expected = str(len(self.names))
        if self.legacy:
            self.names = [*self.legacy.keys, *self.legacy.group]
            self.expected = (
                f"{len(self.legacy.keys)} and {len(self.legacy.group)} for each of 1 to {self.legacy.most} rows"
            )
        self.rules = [rule for rule in list_rules(feed, dialect, self.read_day) if rule.column in self.names]
        self.coded = {feed.day[0], *feed.clocks, *feed.numbers}  # columns of few different texts
        self.trimmed = {*feed.numbers, *(feed.counters if dialect.quoted else ())}
        self._days: dict[str, date | None] = {}

    def read_day(self, text: str) -> date | None:
        """The day of a row, where it is one and written as the dialect has it."""
        if text not in self._days:
            try:
                moment = datetime.strptime(text, self.dialect.day)  # noqa: DTZ007 - the wall clock of New York
                self._days[text] = moment.date() if f"{moment:{self.dialect.day}}" == text else None
            except ValueError:
                return None  # not remembered: there may be as many as rows
        return self._days[text]

    def split_values(self, row: str) -> list[str]:
        """The values of a row, as the rules see them; none where its quotes do not match."""
        try:
            values = next(csv.reader([row]), []) if self.dialect.quoted else row.split(",")
        except csv.Error:
            return []
        return [value.strip(BLANKS.decode()) for value in values] if self.feed.tidied else values

    def judge(self, block: bytes, before: int) -> JudgedRows:
        """Tell the good rows of a block, whole rows of UTF-8, from the bad ones; so many lines came `before` it."""
        batch, misfits, rows, bad = self._parse(block, before)
        columns = self._clean_columns(batch)
        faults = self._find_faults(columns)
        foreign = self._find_foreign(columns[self.feed.day[0]], faults)
        batch = pa.RecordBatch.from_arrays([decode(column) for column in columns.values()], self.names)
        times = (self.feed.day[0], *self.feed.clocks)
        if not (misfits or faults or foreign is not None):
            codes = {name: columns[name] for name in times}
            days = self._read_days(codes[self.feed.day[0]].dictionary)
            return JudgedRows(batch, codes, days, bad, ends_bad=_is_after(bad, rows))
        rows = rows or self._split(block, before)[0]
        kept = [n for n in range(len(rows)) if n not in misfits]  # which of them each row of the batch is
        wrong = {n: self._describe_misfit(*rows[n], fields) for n, fields in misfits.items()}
        wrong |= {kept[n]: self._describe_fault(*rows[kept[n]], rule) for n, rule in faults.items()}
        ends_bad = len(rows) - 1 in wrong or _is_after(bad, rows)
        bad = sorted([*bad, *(wrong[n] for n in sorted(wrong))], key=lambda row: row.line)
        first = None if foreign is None else (rows[kept[foreign]][0], batch[self.feed.day[0]][foreign].as_py())
        good = batch.filter(make_mask(n not in faults for n in range(batch.num_rows)))
        codes = {name: good[name].dictionary_encode() for name in times}
        return JudgedRows(good, codes, self._read_days(codes[self.feed.day[0]].dictionary), bad, first, ends_bad)

    def _parse(self, block: bytes, before: int) -> tuple[pa.RecordBatch, dict[int, int], list[Row], list[BadRow]]:
        """The rows with the right number of fields, and those with another; told apart by hand where they must be."""
        if not self.legacy:
            batch, misfits = parse_rows(block, self.names, self.dialect.quoted)
            if not self.dialect.quoted or are_quotes_right(batch, block):
                return batch, misfits, [], []
        rows, bad = self._split(block, before)
        return *parse_rows(b"".join(row + b"\n" for _, row in rows), self.names, self.dialect.quoted), rows, bad

    def _clean_columns(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """The columns as the rules see them; those of few different texts as codes of these."""
        columns = {}
        for name, values in zip(self.names, batch.columns, strict=True):
            column = clean_values(values, self.feed.tidied)
            column = column.dictionary_encode() if name in self.coded else column
            columns[name] = change_texts(column, trim_fractions) if name in self.trimmed else column
        return columns

    def _split(self, block: bytes, before: int) -> tuple[list[Row], list[BadRow]]:
        """The rows of a block; those whose quotes do not match are bad."""
        rows, bad = [], []
        for at, record in csv_rows.split_records(block, self.dialect.quoted):
            line = before + 1 + at
            try:
                parts = csv_rows.split_rows(record, self.dialect.quoted)
            except csv.Error:
                text = record.removesuffix(b"\r").decode()
                bad.append(BadRow(line, "quotes that do not match", text))
                continue
            rows += [(line, row) for part in parts for row in self._unroll(part)]
        return rows, bad

    def _unroll(self, line: bytes) -> list[bytes]:
        """The rows on a line, in a row's number of fields; one without whole groups as it is, in another number.

        So what is no row is found by its number of fields, in every dialect.
        """
        if self.legacy is None:
            return [line]
        fields, keys, width = line.split(b","), len(self.legacy.keys), len(self.legacy.group)
        groups, rest = divmod(len(fields) - keys, width)
        if rest or not 1 <= groups <= self.legacy.most:
            return [line]
        return [b",".join(fields[:keys] + fields[at : at + width]) for at in range(keys, len(fields), width)]

    def _find_faults(self, columns: dict[str, pa.Array]) -> dict[int, Rule]:
        """The rows that break a rule, each with the first one it breaks."""
        faults: dict[int, Rule] = {}
        for rule in self.rules:
            for row in find_texts(columns[rule.column], rule.find):
                faults.setdefault(row, rule)
        return faults

    def _find_foreign(self, days: pa.DictionaryArray, faults: dict[int, Rule]) -> int | None:
        """The first row without a fault that is of no day of the week; None where there is none."""

        def find(texts: pa.Array) -> pa.Array:
            read = [self.read_day(text) for text in texts.to_pylist()]
            return make_mask(day is not None and day not in self.week_days for day in read)

        return next((row for row in find_texts(days, find) if row not in faults), None)

    def _read_days(self, texts: pa.Array) -> set[date]:
        return {day for text in texts.to_pylist() if (day := self.read_day(text))}

    def _describe_misfit(self, line: int, row: bytes, fields: int) -> BadRow:
        return BadRow(line, f"{fields} fields, expected {self.expected}", row.decode())

    def _describe_fault(self, line: int, row: bytes, rule: Rule) -> BadRow:
        text = row.decode()
        value = self.split_values(text)[self.names.index(rule.column)]
        return BadRow(line, f"{rule.column} {value[:100]!r} {rule.reason}", text)


def _is_after(bad: list[BadRow], rows: list[Row]) -> bool:
    """Whether the last bad row comes after all of these."""
    return bool(bad) and (not rows or bad[-1].line > rows[-1][0])
