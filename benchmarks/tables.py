"""The data sets of the pretend data.ny.gov in `soda`, in SQLite, with every state that they were in.

A change of a set is a new version of it. What it took away is kept beside the set, so that a replica which is behind
still has the rows of before. Answers are remembered: the same is asked many times. Knows no HTTP.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

import queries

KEPT_BYTES = 400_000_000  # of the answers that are remembered
STARTED = datetime(2026, 9, 16, 14, 30, tzinfo=UTC)  # when every set is taken to have been empty
VERSION_TIME = timedelta(minutes=1)  # from a version of a set to the next
COMPUTED = {f":@computed_region_{name}": queries.NUMBER for name in ("yamh_8v7k", "wbg7_3whc", "kjdx_g34t")}
Row = Sequence[str | None]


@dataclass
class DataSet:
    """A data set, but for its rows."""

    id: str
    columns: dict[str, str]
    version: int = 0

    def changed(self, version: int) -> datetime:
        """When a version came to be."""
        return STARTED + version * VERSION_TIME

    def stamp(self, version: int) -> str:
        """The same, as `:updated_at` of its new rows; later ones compare as greater."""
        return f"{self.changed(version):%Y-%m-%dT%H:%M:%S}.000Z"

    @property
    def table(self) -> str:
        """The rows of the newest version, in SQL."""
        return f'"{self.id}"'

    @property
    def past(self) -> str:
        """The rows that a version took away or changed, as they were before it."""
        return f'"{self.id} past"'


class Tables:
    """The sets by their ids; every method may be called from any thread."""

    def __init__(self) -> None:
        self.sets: dict[str, DataSet] = {}
        self._lock = threading.RLock()
        self._kept: dict[object, bytes] = {}
        self._database = sqlite3.connect(":memory:", check_same_thread=False)

    def put(self, dataset_id: str, columns: Sequence[tuple[str, str]], rows: Iterable[Row]) -> None:
        """Creates a set, or adds rows to it, as `Soda.put` says."""
        shuffled = list(rows)
        with self._lock, self._database:
            known = self.sets.get(dataset_id) or DataSet(dataset_id, dict(columns))
            if known.columns != dict(columns):
                raise ValueError(f"{dataset_id} has the columns {', '.join(known.columns)}; rows of others were put.")
            self._database.execute("BEGIN")  # which takes a new table back too, if a row is refused
            if not known.version:
                self._create_table(known)
            Random(f"{dataset_id} {known.version}").shuffle(shuffled)
            new = f"'{known.stamp(known.version + 1)}'{', ?' * len(columns)}"
            self._database.executemany(f"INSERT INTO {known.table} VALUES ({new})", shuffled)
            if not known.version:  # all at once, in half the time
                self._create_indexes(known)
            self.sets[dataset_id] = known
            self._begin_version(known)

    def revise(self, dataset_id: str, sql: str, *parameters: object) -> int:
        """Runs an UPDATE or DELETE, as `Soda.revise` says."""
        with self._lock, self._database:
            known = self.sets[dataset_id]
            touched = self._database.execute(sql.replace("{set}", known.table), parameters).rowcount
            self._begin_version(known)
            return touched

    def rows(self, dataset_id: str, version: int | None = None) -> list[tuple[str | None, ...]]:
        """All rows of a set, in no order; without a version, of the newest."""
        with self._lock:
            known = self.sets[dataset_id]
            source = _source(known, known.version if version is None else version, computed=False)
            return self._database.execute(f"SELECT {queries.quote(known.columns)} FROM {source}").fetchall()

    def versions(self) -> dict[str, int]:
        """The newest version of each set; waits for nobody."""
        return {known.id: known.version for known in [*self.sets.values()]}

    @contextmanager
    def hold(self, dataset_id: str) -> Iterator[DataSet]:
        """The set as it is, which nobody changes meanwhile: head and body of an answer are of one version."""
        with self._lock:
            yield self.sets[dataset_id]

    def find(self, query: queries.Query, known: DataSet, version: int, computed: bool, ordered: bool) -> Iterator[Row]:
        """What a query finds in a version, while the set is held."""
        order = query.order if ordered else "rowid"
        sql = query.sql.format(set=_source(known, version, computed), order=order)
        return self._database.execute(sql, query.values)

    def remember(self, key: object, make: Callable[[], bytes]) -> bytes:
        """What was made for a key before, or is made now; what is oldest is forgotten where there is too much."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
                kept = sum(map(len, self._kept.values()))
                while kept > KEPT_BYTES and len(self._kept) > 1:
                    kept -= len(self._kept.pop(next(iter(self._kept))))
            return self._kept[key]

    def _create_table(self, known: DataSet) -> None:
        """Makes the tables; a row that was changed by an UPDATE loses the time of its last one."""
        names = queries.quote(known.columns)
        moments = [name for name, kind in known.columns.items() if kind == queries.MOMENT]
        columns = ['":updated_at" TEXT']
        for name in known.columns:
            # Times of one spelling compare as text.
            spelled = f" CHECK (\"{name}\" GLOB '{'[0-9]' * 4}-??-??T??:??:??.???')" if name in moments else ""
            columns.append(f'"{name}" TEXT{spelled}')
        self._database.execute(f"CREATE TABLE {known.table} ({', '.join(columns)})")
        self._database.execute(f'CREATE TABLE {known.past} (":id", ":until", ":updated_at", {names})')
        old = ", ".join(f'old."{name}"' for name in ("rowid", ":updated_at", *known.columns))
        keep = f'INSERT INTO {known.past} (":id", ":updated_at", {names}) VALUES ({old});'
        forget = f'UPDATE {known.table} SET ":updated_at" = NULL WHERE rowid = new.rowid;'
        for name, when, then in (
            ("deletes", "BEFORE DELETE", keep),
            ("keeps", f"BEFORE UPDATE OF {names}", keep),
            ("changes", f"AFTER UPDATE OF {names}", forget),
        ):
            self._database.execute(f'CREATE TRIGGER "{known.id} {name}" {when} ON {known.table} BEGIN {then} END')

    def _create_indexes(self, known: DataSet) -> None:
        for name, kind in known.columns.items():
            if kind == queries.MOMENT:
                self._database.execute(f'CREATE INDEX "{known.id} {name}" ON {known.table} ("{name}")')

    def _begin_version(self, known: DataSet) -> None:
        """Counts on, and dates the rows that are new, changed or gone."""
        known.version += 1
        for table, column in (known.table, ":updated_at"), (known.past, ":until"):
            sql = f'UPDATE {table} SET "{column}" = ? WHERE "{column}" IS NULL'
            self._database.execute(sql, [known.stamp(known.version)])


def _source(known: DataSet, version: int, computed: bool) -> str:
    """The rows of a version, in SQL: those that are there still, and those that went later."""
    names, source = queries.quote([":updated_at", *known.columns]), known.table
    if version < known.version:
        then = f"'{known.stamp(version)}'"
        source = (
            f'(SELECT rowid AS rowid, {names} FROM {known.table} WHERE ":updated_at" <= {then} UNION ALL '
            f'SELECT ":id", {names} FROM {known.past} WHERE ":updated_at" <= {then} AND ":until" > {then})'
        )
    if computed:
        more = ", ".join(f'CAST(rowid % {60 + at} AS TEXT) AS "{name}"' for at, name in enumerate(COMPUTED))
        source = f"(SELECT rowid AS rowid, {names}, {more} FROM {source})"
    return source
