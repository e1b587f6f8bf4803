"""A pretend data.ny.gov: what a Socrata site answers to the queries of this project, on the loopback.

It knows five queries: the rows of a window of time, the figures of each of its days, how many rows of each series a day
has, when the last row of all is, and what the set is. Any other is refused, so that a wrong query of ours fails loudly.
SQLite finds the answers, so they are right also after a set was revised. It misbehaves on order, as the real service
and the networks on the way do: copies that are behind, answers that are short or lack rows, connections cut in a row,
errors. Knows no flow.

    python benchmarks/soda.py ROWS [ROWS ...]    serves weeks of hourly ridership, the first one that of 2026-09-05,
                                                 prints the address and lives until its standard input ends
"""

from __future__ import annotations

import argparse
import json
import re
import sqlite3
import sys
from binascii import crc32
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from itertools import chain, islice
from random import Random
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit

import queries
from hourly import RIDERSHIP, ridership_week
from loopback import Handler, Loopback

RIDERSHIP_SET = "5wq4-mkjj"
FIRST_SATURDAY = date(2026, 9, 5)

BLOCK = 2000  # lines encoded at a time
PIECE = 64 * 1024  # bytes, of a chunk on the wire
KEPT_BYTES = 4_000_000  # an answer of more is remembered
STARTED = datetime(2026, 9, 16, 14, 30, tzinfo=UTC)  # when every set is taken to have been empty
VERSION_TIME = timedelta(minutes=1)  # from a version of a set to the next
CSV, JSON = "text/csv; charset=UTF-8", "application/json; charset=UTF-8"


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the first requests that it fits.

    Attributes:
        on: The request's path and query, unquoted, contain this: ".csv", "count(", "max(". "" fits any.
        status: Anything but 200 is answered instead, with `body` or an error in the service's form.
        headers: Sent besides the others or in their place; None leaves one out.
        body: Sent instead of the right one, with `content_type`.
        stale: The answer, right otherwise, says that it comes from a replica that is behind.
        cut_rows: Close the connection in the middle of the row after so many, without the final chunk.
        short_rows: End the answer after so many rows as if that were all.
        skip_rows: Leave out the rows [a, b) of the answer.
        no_order: Take no notice of $order.
        drop: Hang up without an answer.
        wait: Seconds before the answer.
        before: Called before the answer is made, say to revise the set.
        after: Called when all of the answer but its end is sent: it has happened when the client goes on.
        times: How many requests it befalls.
    """

    on: str = ""
    status: int = 200
    headers: Mapping[str, str | None] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"
    stale: bool = False
    cut_rows: int | None = None
    short_rows: int | None = None
    skip_rows: tuple[int, int] | None = None
    no_order: bool = False
    drop: bool = False
    wait: float = 0.0
    before: Callable[[], object] | None = None
    after: Callable[[], object] | None = None
    times: int = 1


@dataclass(frozen=True)
class _Answer:
    """What is to be sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class _Set:
    """A data set, but for its rows."""

    id: str
    columns: dict[str, str]
    version: int = 0

    @property
    def changed(self) -> datetime:
        return STARTED + self.version * VERSION_TIME

    @property
    def table(self) -> str:
        return f'"{self.id}"'


class Soda(Loopback):
    """The service.

    Attributes:
        queries: Path and parameters of every request so far, decoded, in order of arrival.
        faults: Those still to come.
    """

    def __init__(self) -> None:
        super().__init__()
        self.queries: list[tuple[str, dict[str, str]]] = []
        self.faults: list[Fault] = []
        self._sets: dict[str, _Set] = {}
        self._kept: dict[str, bytes] = {}  # long answers, by ETag
        self._database = sqlite3.connect(":memory:", check_same_thread=False)

    def put(self, dataset_id: str, columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[str | None]]) -> None:
        """Creates a set, or adds rows to it, in an order of its own; either is a new version.

        A column has a name and a type: "text", "number", "floating_timestamp" or another, taken for text. A row is what
        its cells show, with None for null.

        Raises:
            ValueError: the set has other columns.
            sqlite3.IntegrityError: a timestamp is not written as the service does, 2026-09-05T00:00:00.000.
        """
        shuffled = list(rows)
        with self.lock, self._database:
            known = self._sets.get(dataset_id) or _Set(dataset_id, dict(columns))
            if known.columns != dict(columns):
                raise ValueError(f"{dataset_id} has the columns {', '.join(known.columns)}; rows of others were put.")
            self._database.execute("BEGIN")  # which takes a new table back too, if a row is refused
            if not known.version:
                self._create_table(known)
            Random(f"{dataset_id} {known.version}").shuffle(shuffled)
            self._database.executemany(f"INSERT INTO {known.table} VALUES (NULL{', ?' * len(columns)})", shuffled)
            self._sets[dataset_id] = known
            self._begin_version(known)

    def revise(self, dataset_id: str, sql: str, *parameters: object) -> int:
        """Runs an UPDATE or DELETE, which writes `{set}` for the table; returns how many rows it touched.

        The columns hold text.
        """
        with self.lock, self._database:
            known = self._sets[dataset_id]
            touched = self._database.execute(sql.replace("{set}", known.table), parameters).rowcount
            self._begin_version(known)
            return touched

    def fail(self, *faults: Fault) -> None:
        """Orders faults; a request takes the first one that fits it."""
        with self.lock:
            self.faults += faults

    def answer(self, request: Handler) -> None:
        """Answers one request, or does not, as ordered."""
        parts = urlsplit(request.path)
        given = parse_qsl(parts.query, keep_blank_values=True)
        path, asked = unquote(parts.path), dict(given)
        with self.lock:
            self.queries.append((path, asked))
            fault = self._take_fault(f"{path}?{unquote_plus(parts.query)}")
        request.pause(fault.wait)
        if fault.before:
            fault.before()
        if fault.drop:
            request.hang_up()
            return
        if fault.body is not None:
            answer = _Answer(fault.status, {"Content-Type": fault.content_type}, fault.body)
        elif fault.status != 200:
            answer = _refuse(fault.status, "pretend.fault", f"Status {fault.status}, as ordered")
        elif len(given) > len(asked):
            answer = _refuse(400, "query.parameter.twice", "A parameter is given twice")
        else:
            with self.lock:  # head and body are of one version
                answer = self._find_answer(path, asked, request.path, fault)
        _send(request, answer, fault)

    def _take_fault(self, asked: str) -> Fault:
        """The first fault that fits, with one time less of it to come."""
        for at, fault in enumerate(self.faults):
            if fault.on in asked:
                self.faults[at : at + 1] = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                return fault
        return Fault()

    def _find_answer(self, path: str, asked: dict[str, str], target: str, fault: Fault) -> _Answer:
        found = re.fullmatch(r"/(resource|api/views)/([^/]+)\.(csv|json)", path)
        known = self._sets.get(found[2]) if found else None
        if not found or not known or (found[1] == "api/views" and found[3] == "csv"):
            return _refuse(404, "dataset.missing", "Not found")
        try:
            if found[1] == "api/views":
                queries.check_parameters(asked, set())
                return _describe(known)
            query = (queries.read_rows_query if found[3] == "csv" else queries.read_figures_query)(asked, known.columns)
        except queries.BadQuery as bad:
            return _refuse(400, bad.code, str(bad))
        changed = format_datetime(known.changed, usegmt=True)
        headers = {
            "Content-Type": CSV if found[3] == "csv" else JSON,
            "ETag": f'W/"{known.id}.{known.version}-{crc32(target.encode()):08x}"',
            "X-SODA2-Fields": json.dumps([*query.columns], separators=(",", ":")),
            "X-SODA2-Types": json.dumps([*query.columns.values()], separators=(",", ":")),
            "X-SODA2-Data-Out-Of-Date": "true" if fault.stale else "false",
            **{f"{name}Last-Modified": changed for name in ("X-SODA2-Truth-", "X-SODA2-Secondary-", "")},
        }
        wrong = fault.no_order or (fault.cut_rows, fault.short_rows, fault.skip_rows) != (None, None, None)
        body = b"" if wrong else self._kept.get(headers["ETag"], b"")
        if not body:
            body = self._render(query, known, queries.write_csv if found[3] == "csv" else queries.write_json, fault)
            if not wrong and len(body) > KEPT_BYTES:
                self._kept[headers["ETag"]] = body
        return _Answer(200, headers, body)

    def _render(self, query: queries.Query, known: _Set, write: Callable[..., Iterator[str]], fault: Fault) -> bytes:
        sql = query.sql.format(set=known.table, order="rowid" if fault.no_order else query.order)
        rows: Iterator[Sequence[str | None]] = self._database.execute(sql, query.values)
        if fault.skip_rows:
            start, end = fault.skip_rows
            rows = (row for number, row in enumerate(rows) if not start <= number < end)
        lines = write([*query.columns], islice(rows, fault.short_rows))
        if fault.cut_rows is not None:
            whole, cut = list(islice(lines, 1 + fault.cut_rows)), next(lines, "")
            lines = chain(whole, [cut[: len(cut) // 2]])
        return b"".join(iter(lambda: "".join(islice(lines, BLOCK)).encode(), b""))

    def _create_table(self, known: _Set) -> None:
        """Makes the table; a row that was changed by an UPDATE loses the time of its last one."""
        columns = ['":updated_at" TEXT']
        moments = [name for name, kind in known.columns.items() if kind == queries.MOMENT]
        for name in known.columns:
            # Times of one spelling compare as text.
            spelled = f" CHECK (\"{name}\" GLOB '{'[0-9]' * 4}-??-??T??:??:??.???')" if name in moments else ""
            columns.append(f'"{name}" TEXT{spelled}')
        self._database.execute(f"CREATE TABLE {known.table} ({', '.join(columns)})")
        for name in moments:
            self._database.execute(f'CREATE INDEX "{known.id} {name}" ON {known.table} ("{name}")')
        self._database.execute(
            f'CREATE TRIGGER "{known.id} changes" AFTER UPDATE OF {queries.quote(known.columns)} ON {known.table} '
            f'BEGIN UPDATE {known.table} SET ":updated_at" = NULL WHERE rowid = new.rowid; END'
        )

    def _begin_version(self, known: _Set) -> None:
        """Counts on, dates the rows that are new or changed, forgets the answers."""
        known.version += 1
        moment = f"{known.changed:%Y-%m-%dT%H:%M:%S}.000Z"
        self._database.execute(f'UPDATE {known.table} SET ":updated_at" = ? WHERE ":updated_at" IS NULL', [moment])
        self._kept.clear()


def _refuse(status: int, code: str, message: str) -> _Answer:
    """An error answer: those about access have one form, those about queries another."""
    access = {"code": code, "error": True, "message": message}
    said = access if status in (401, 403, 404) else {"message": message, "errorCode": code, "data": {}}
    return _Answer(status, {"Content-Type": JSON}, json.dumps(said).encode())


def _describe(known: _Set) -> _Answer:
    columns = [{"fieldName": name, "dataTypeName": kind} for name, kind in known.columns.items()]
    said = {"id": known.id, "rowsUpdatedAt": int(known.changed.timestamp()), "columns": columns}
    return _Answer(200, {"Content-Type": JSON}, json.dumps(said).encode())


def _send(request: Handler, answer: _Answer, fault: Fault) -> None:
    request.send_response_only(answer.status)
    framing = {"Server": "nginx", "Date": request.date_time_string(), "Transfer-Encoding": "chunked"}
    for name, value in {**framing, **answer.headers, **fault.headers}.items():
        if value is not None:
            request.send_header(name, value)
    request.end_headers()
    for start in range(0, len(answer.body), PIECE):
        piece = answer.body[start : start + PIECE]
        request.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
    if fault.after:
        fault.after()
    if fault.cut_rows is None:
        request.wfile.write(b"0\r\n\r\n")
    else:
        request.hang_up()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A pretend data.ny.gov with weeks of ridership, from 260905 on.")
    parser.add_argument("rows", nargs="+", type=int, metavar="ROWS", help="of a week each")
    with Soda() as site:
        for number, rows in enumerate(parser.parse_args().rows):
            saturday = FIRST_SATURDAY + timedelta(weeks=number)
            site.put(RIDERSHIP_SET, RIDERSHIP, ridership_week(saturday, rows))
        print(site.url, flush=True)
        sys.stdin.read()  # its end is the end of who started this site, however that ends
