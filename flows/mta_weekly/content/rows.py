"""Which rows of a block are right? What becomes of a row depends on that row alone, whatever stands beside it.

pyarrow says which rows have a wrong number of fields, and the rules which values are none of their kind.
"""

import csv
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from mta_weekly import csv_rows
from mta_weekly.content.csv_tables import map_texts, parse_rows, trim_fractions
from mta_weekly.content.profile import BadRow
from mta_weekly.content.rules import Rule, list_rules, may_hold_marks
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.sources import CsvDialect, LegacyDialect
from mta_weekly.feeds.weeks import Week

Row = tuple[int, bytes]  # its line, as editors count them, and its bytes
BLANK = " \t\r\n\v\f"  # what pyarrow's ascii trim strips


@dataclass(frozen=True)
class JudgedRows:
    """The rows of a block.

    Attributes:
        good: as text, numbers without a fraction that says nothing.
        bad: in the order of their lines.
        foreign: the line and the day of the first row that is right, but of another week.
    """

    good: pa.Table
    bad: list[BadRow]
    foreign: tuple[int, str] | None = None


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
        numbers = (*feed.numbers, *feed.counters) if dialect.quoted else feed.numbers
        self.numbers_at = [self.names.index(name) for name in numbers]
        self.day_at = self.names.index(feed.day[0])
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
        return [value.strip(BLANK) for value in values] if self.feed.tidied else values

    def judge(self, block: bytes, before: int) -> JudgedRows:
        """Tell the good rows of a block, whole rows of UTF-8, from the bad ones; so many lines came `before` it."""
        rows: list[Row] = []
        bad: list[BadRow] = []
        parsed = block
        if self.legacy or (self.dialect.quoted and not csv_rows.quotes_match(block)):
            rows, bad = self._split(block, before)
            parsed = b"".join(row + b"\n" for _, row in rows)
        table, misfits = parse_rows(parsed, self.names, self.dialect.quoted, self.feed.tidied)
        for at in self.numbers_at:
            table = table.set_column(at, self.names[at], map_texts(table[at], trim_fractions))
        faults = self._find_faults(table, may_hold_marks(block))
        foreign = self._find_foreign(table, faults)
        if not (misfits or faults or foreign is not None):
            return JudgedRows(table, bad)
        rows = rows or self._split(block, before)[0]
        kept = [n for n in range(len(rows)) if n not in misfits]  # which of them each row of the table is
        wrong = {n: self._describe_misfit(*rows[n], fields) for n, fields in misfits.items()}
        wrong |= {kept[n]: self._describe_fault(*rows[kept[n]], rule) for n, rule in faults.items()}
        bad += [wrong[n] for n in sorted(wrong)]
        first = None if foreign is None else (rows[kept[foreign]][0], table[self.day_at][foreign].as_py())
        good = table.filter(pa.array([n not in faults for n in range(table.num_rows)], pa.bool_()))
        return JudgedRows(good, sorted(bad, key=lambda row: row.line), first)

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

    def _find_faults(self, table: pa.Table, marks: bool) -> dict[int, Rule]:
        """The rows of a table that break a rule, each with the first one it breaks."""
        faults: dict[int, Rule] = {}
        for rule in self.rules:
            if marks or not rule.marked:
                found = rule.find(table[rule.column])
                if pc.any(found).as_py():
                    for row in pc.indices_nonzero(found).to_pylist():
                        faults.setdefault(row, rule)
        return faults

    def _find_foreign(self, table: pa.Table, faults: dict[int, Rule]) -> int | None:
        """The first row without a fault that is of no day of the week; None where there is none."""
        texts = pc.unique(table[self.day_at]).to_pylist()
        foreign = [text for text in texts if (day := self.read_day(text)) and day not in self.week_days]
        if not foreign:
            return None
        found = pc.indices_nonzero(pc.is_in(table[self.day_at], pa.array(foreign))).to_pylist()
        return next((row for row in found if row not in faults), None)

    def _describe_misfit(self, line: int, row: bytes, fields: int) -> BadRow:
        return BadRow(line, f"{fields} fields, expected {self.expected}", row.decode())

    def _describe_fault(self, line: int, row: bytes, rule: Rule) -> BadRow:
        text = row.decode()
        value = self.split_values(text)[self.names.index(rule.column)]
        return BadRow(line, f"{rule.column} {value[:100]!r} {rule.reason}", text)
