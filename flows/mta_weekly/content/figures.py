"""The figures of a week that can be compared with those of its neighbours, counted as its rows go by.

Exact, in little memory: where rows come in the order of their key, equal keys would stand side by side; where they do
not, each different key is kept as a number of eight bytes.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, time
from functools import reduce
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from mta_weekly.content.csv_tables import decode, make_mask, make_texts
from mta_weekly.errors import Refused
from mta_weekly.feeds.catalog import Feed, Norms
from mta_weekly.feeds.weeks import Week

NEW_YORK = ZoneInfo("America/New_York")  # the feeds' wall clock
HOURS = 24
# Bits of a key's number, from the lowest: its name, which is all of it but the time; the time of the day (86,400
# seconds); and the day, or the moment of the week (604,800).
NAME, CLOCK = 16, 17
MOST_NAMES = 1 << NAME  # a week has some thousand
MANY = 1 << 18  # numbers that are sorted at once: a week of turnstile has fewer
FEW = 3  # blocks of rows of one moment that are kept as they are
(NUL,) = make_texts(["\0"])  # stands in no value
TRUE = make_mask([True])
RUNS = pa.run_end_encoded(pa.int64(), pa.int64())


class FigureTally:
    """The figures of the rows so far, in the columns of the feed and written as in the lake.

    Args:
        ordered: whether rows come in the order of their time.
    """

    def __init__(self, feed: Feed, week: Week, ordered: bool) -> None:
        self.feed, self.norms, self.week = feed, feed.norms, week
        followed = [feed.day[0]]
        self._keys: _Keys | None = None
        if norms := feed.norms:
            followed += [norms.hour[0] if norms.hour else "", norms.series]
            self._keys = _OrderedKeys(feed, norms) if ordered else _Keys(feed, norms)
        self._rows = {column: Counter[str]() for column in followed if column}  # by the value in that column
        self._counted = make_texts([])  # the values of the column whose values are the week's keys
        self._repeated = find_repeated_hour(week)  # two rows of it may well have one key

    def add(self, rows: pa.RecordBatch, codes: Mapping[str, pa.DictionaryArray]) -> None:
        """Count some rows; their days and times of the day are there as `codes` too, each different text once.

        Raises:
            Refused: they have more different names than a week has.
        """
        for column, known in self._rows.items():
            values, counts = codes.get(column, rows[column]).value_counts().flatten()
            known.update(dict(zip(decode(values).to_pylist(), counts.to_pylist(), strict=True)))
        if self.norms is None or self._keys is None:
            return
        if self.norms.counted:
            runs = pc.run_end_encode(rows[self.norms.counted])  # most often few
            self._counted = pa.concat_arrays([self._counted, runs.values]).unique()
        key = self.norms.key
        coded = pa.RecordBatch.from_arrays([codes.get(column, rows[column]) for column in key], key)
        if self.norms.hour and self._repeated:
            is_repeated = self._find_hour(rows, self._repeated, *self.norms.hour)
            if is_repeated.true_count:
                self._keys.number(coded.filter(is_repeated))  # so that their names are known all the same
                coded = coded.filter(pc.invert(is_repeated))
        if coded.num_rows:
            self._keys.add(coded)
        self._check_names(self.norms, self._keys)

    def summarize(self) -> dict[str, Any]:
        """The figures of the whole week, by their names in a profile."""
        name, written = self.feed.day
        days, hours, norms, keys = Counter[str](), Counter[int](), self.norms, self._keys
        for text, rows in self._rows[name].items():
            days[f"{datetime.strptime(text, written):%Y-%m-%d}"] += rows  # noqa: DTZ007 - New York's wall clock
        if norms and norms.hour:
            column, at = norms.hour
            for text, rows in self._rows[column].items():
                hours[int(text[at : at + 2])] += rows
        return {
            "day_rows": tuple(days[str(day)] for day in self.week.days),
            "hour_rows": tuple(hours[hour] for hour in range(HOURS)) if hours else (),
            "keys": len(self._counted if norms.counted else keys.names) if norms and keys else 0,
            "doubled_keys": keys.count_doubled() if keys else 0,
            "series_rows": dict(sorted(self._rows[norms.series].items())) if norms and norms.series else {},
        }

    def _find_hour(self, rows: pa.RecordBatch, hour: datetime, column: str, at: int) -> pa.BooleanArray:
        """The mask of the rows of an hour."""
        name, written = self.feed.day
        on_day = pc.starts_with(rows[name], pattern=f"{hour:{written}}"[: at if column == name else None])
        hours = pc.utf8_slice_codeunits(rows[column], start=at, stop=at + 2)
        return pc.and_(on_day, pc.equal(hours, make_texts([f"{hour:%H}"])[0]))

    def _check_names(self, norms: Norms, keys: "_Keys") -> None:
        """Refuse what would take memory without a bound."""
        names = {
            ", ".join(keys.name): keys.names,
            norms.counted: self._counted,
            norms.series: self._rows.get(norms.series, ()),
        }
        for columns, known in names.items():
            if len(known) > MOST_NAMES:
                raise Refused(
                    f"more than {MOST_NAMES:,} different values of {columns}; nothing loaded, look at the file"
                )


class _Keys:
    """The keys of rows in any order, each as a number. Their columns of time are coded, each different text once.

    Attributes:
        name: its columns that do not say when.
        names: the number of each name, from 0 in the order in which they came.
    """

    def __init__(self, feed: Feed, norms: Norms) -> None:
        when = {feed.day[0], norms.hour[0] if norms.hour else ""}
        self.name = [column for column in norms.key if column not in when]
        self.names: dict[str, int] = {}
        self._times: dict[str, dict[str, int]] = {column: {} for column in norms.key if column in when}
        self._numbers = _Numbers()

    def add(self, rows: pa.RecordBatch) -> None:
        """See what keys they have."""
        self._numbers.add(self.number(rows))

    def count_doubled(self) -> int:
        """How many rows have a key that another row has had."""
        self._numbers.forget()
        return self._numbers.doubled

    def number(self, rows: pa.RecordBatch) -> pa.Int64Array:
        """The number of each row's key."""
        numbers = self._number_names(rows.select(self.name))
        for n, (column, known) in enumerate(self._times.items()):
            shift = NAME + CLOCK * (len(self._times) - 1 - n)
            numbers = pc.add(numbers, _number(rows[column], known, shift))
        return numbers

    def _number_names(self, rows: pa.RecordBatch) -> pa.Int64Array:
        """The number of each name; of rows in sequence that have the same, it is looked up once."""
        changes = reduce(pc.or_, (pc.not_equal(column[1:], column[:-1]) for column in rows.columns))
        is_last = pa.concat_arrays([changes, TRUE])
        names = pc.binary_join_element_wise(*rows.filter(is_last).columns, NUL)
        ends = pc.add(pc.indices_nonzero(is_last).cast(pa.int64()), make_numbers([1])[0])
        numbers = _number(names.dictionary_encode(), self.names)
        # RunEndEncodedArray.from_arrays would load pandas, as pa.array does.
        return pc.run_end_decode(pa.Array.from_buffers(RUNS, len(rows), [None], children=[ends, numbers]))


class _OrderedKeys(_Keys):
    """The keys of rows in the order of their time, so that only those of the last moment may come again.

    Most often each row comes after the one above it in the order of the key, and no key can be there twice. Only the
    keys of moments of which that is not so are numbered.
    """

    def __init__(self, feed: Feed, norms: Norms) -> None:
        super().__init__(feed, norms)
        self.key = [feed.day[0], *(column for column in norms.key if column != feed.day[0])]
        self._last = [""]  # the key of the last row
        self._kept: list[pa.RecordBatch] = []  # rows of the last moment that have no number yet
        self._ascends = True  # whether each of them, and of those that have one, comes after the one above it

    def add(self, rows: pa.RecordBatch) -> None:
        """See what keys they have."""
        columns = [rows[column] for column in self.key]
        first, last = ([column[n].as_py() for column in columns] for n in (0, -1))
        if first[0] != self._last[0]:
            self._end_moment()
        times = columns[0].indices
        changes = pc.not_equal(times[1:], times[:-1])  # to a later time
        ascends = pc.or_(changes, _compare_rows(columns[1:])).false_count == 0
        self._ascends = self._ascends and ascends and self._last < first
        starts, start = pc.indices_nonzero(changes), 0
        if len(starts):
            start = starts[-1].as_py() + 1
            self._keep(rows.slice(0, start))
            self._end_moment()
            self._ascends = ascends
        self._keep(rows.slice(start))
        self._last = last

    def count_doubled(self) -> int:
        """How many rows have a key that another row has had."""
        self._end_moment()
        return super().count_doubled()

    def _keep(self, rows: pa.RecordBatch) -> None:
        """Number them and those kept before, where they do not ascend or are many; else wait for what comes."""
        self._kept.append(rows)
        if not self._ascends or len(self._kept) > FEW:
            for each in self._kept:
                self._numbers.add(self.number(each))
            self._kept.clear()

    def _end_moment(self) -> None:
        self._kept.clear()
        self._numbers.forget()
        self._ascends = True


class _Numbers:
    """Numbers, each kept once.

    Attributes:
        doubled: how many were there before.
    """

    def __init__(self) -> None:
        self.doubled = 0
        self._parts: list[pa.Int64Array] = []
        self._size, self._limit = 0, MANY

    def add(self, numbers: pa.Int64Array) -> None:
        """Take some more."""
        self._parts.append(numbers)
        self._size += len(numbers)
        if self._size >= self._limit:
            ordered, differs = self._sort()
            self._parts = [ordered.filter(pa.concat_arrays([differs, TRUE]))]
            self._size = len(self._parts[0])
            self._limit = max(MANY, 2 * self._size)

    def forget(self) -> None:
        """Forget those that are there: what comes is compared with none of them."""
        if self._parts:
            self._sort()
        self._parts, self._size, self._limit = [], 0, MANY

    def _sort(self) -> tuple[pa.Int64Array, pa.BooleanArray]:
        """All of them in order, and which of those but the last are another one than the next; counts the others."""
        numbers = pa.concat_arrays(self._parts)
        self._parts.clear()  # their memory is needed
        numbers = numbers.take(pc.array_sort_indices(numbers))
        differs = pc.not_equal(numbers[1:], numbers[:-1])
        self.doubled += differs.false_count
        return numbers, differs


def find_repeated_hour(week: Week) -> datetime | None:
    """When an hour begins that New York's clock repeats, in the week in which summer time ends."""
    hours = (datetime.combine(day, time(hour), NEW_YORK) for day in week.days for hour in range(HOURS))
    return next((hour for hour in hours if hour.replace(fold=1).utcoffset() < hour.utcoffset()), None)  # type: ignore[operator]


def make_numbers(numbers: Iterable[int]) -> pa.Int64Array:
    """An array of whole numbers."""
    kept = array("q", numbers)
    return pa.Int64Array.from_buffers(pa.int64(), len(kept), [None, pa.py_buffer(kept)])


def _number(codes: pa.DictionaryArray, known: dict[str, int], shift: int = 0) -> pa.Int64Array:
    """The number of each text, from 0 in the order in which they come, so many bits higher."""
    numbers = make_numbers(known.setdefault(each, len(known) << shift) for each in codes.dictionary.to_pylist())
    return numbers.take(codes.indices)


def _compare_rows(columns: list[pa.StringArray]) -> pa.BooleanArray:
    """Whether each row but the first comes after the one above it, column by column."""
    *columns, last = columns
    after = pc.less(last[:-1], last[1:])
    for column in reversed(columns):
        above, below = column[:-1], column[1:]
        after = pc.or_(pc.less(above, below), pc.and_(pc.equal(above, below), after))
    return after
