"""A pretend data.ny.gov: the part of Socrata's SODA 2.1 API that reads a data set, on the loopback.

It is honest by means of SQLite: what is asked for is what is answered, also while a set is revised. It misbehaves on
order, as the real service and the networks on the way do: stale replicas, pages that are short or lack rows,
connections cut in the middle of a row, errors. Nothing here knows the flows.

    python benchmarks/soda.py ROWS [ROWS ...]    serves weeks of hourly ridership, the first one that of 2026-09-05,
                                                 prints the address and lives until its standard input ends
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from itertools import chain, islice
from pathlib import Path
from random import Random
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit

from hourly import RIDERSHIP, ridership_week
from loopback import Handler, Loopback
from soql import MOMENTS, BadQuery, Query, translate

RIDERSHIP_SET = "5wq4-mkjj"
FIRST_SATURDAY = date(2026, 9, 5)

PIECE = 64 * 1024  # bytes, of a chunk on the wire
BLOCK = 2000  # rows rendered at a time
KEPT_BLOCKS = 10  # an answer of more is remembered
STARTED = datetime(2026, 9, 16, 14, 30, tzinfo=UTC)  # when every set is taken to have been empty
VERSION_TIME = timedelta(minutes=1)  # from a version of a set to the next
SCRAMBLE = 0x9E3779B97F4B  # odd: multiplied by it, modulo 2**48, no two numbers become one
TYPES = {".csv": "text/csv; charset=UTF-8", ".json": "application/json; charset=UTF-8"}


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


@dataclass
class _Set:
    """A data set, but for its rows; `put` counts those ever put, since an id is used once."""

    id: str
    name: str
    columns: dict[str, str]
    version: int = 0
    put: int = 0

    @property
    def changed(self) -> datetime:
        return STARTED + self.version * VERSION_TIME

    @property
    def etag(self) -> str:
        return f'W/"{self.id}-{self.version}"'

    @property
    def table(self) -> str:
        return f'"{self.id}"'


@dataclass(frozen=True)
class _Answer:
    """What is to be sent; `whole` is whether it has its final chunk."""

    status: int
    headers: Mapping[str, str | None]
    body: Iterable[bytes] = ()
    whole: bool = True


class _Refusal(Exception):
    """An error answer in the service's form."""

    def __init__(self, status: int, code: str, message: str, **data: object) -> None:
        super().__init__(message)
        body = json.dumps({"code": code, "error": True, "message": message, "data": data}).encode()
        self.answer = _Answer(status, {"Content-Type": TYPES[".json"]}, [body])


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
        self._kept: dict[tuple[str, int, str, Query], list[bytes]] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="soda-", ignore_cleanup_errors=True)
        self._writer = self._connect()
        self._writer.execute("PRAGMA journal_mode = WAL")  # who reads goes on seeing what was there when it began

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        with self.lock:
            self._writer.close()
            self._folder.cleanup()

    def put(
        self, dataset_id: str, columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[str | None]], name: str = ""
    ) -> None:
        """Creates a set, or adds rows to it, in an order of its own; either is a new version.

        Args:
            dataset_id: As in "5wq4-mkjj".
            columns: Name and type of each: "text", "number", "floating_timestamp" or another, taken for text.
            rows: What the cells show, None for null.
            name: The set's title.

        Raises:
            ValueError: the set has other columns.
            sqlite3.IntegrityError: a timestamp is not written as the service does, 2026-09-05T00:00:00.000.
        """
        shuffled = list(rows)
        with self.lock, self._writer:
            known = self._sets.get(dataset_id) or _Set(dataset_id, name or dataset_id, dict(columns))
            if known.columns != dict(columns):
                raise ValueError(f"{dataset_id} has the columns {', '.join(known.columns)}; rows of others were put.")
            self._writer.execute("BEGIN")  # which takes a new table back too, if a row is refused
            if not known.version:
                self._create(known)
            Random(f"{dataset_id} {known.version}").shuffle(shuffled)
            places = ", ".join("?" * (len(columns) + 1))
            numbered = enumerate(shuffled, known.put)
            self._writer.executemany(
                f"INSERT INTO {known.table} VALUES ({places})", ((_row_id(number), *row) for number, row in numbered)
            )
            known.put += len(shuffled)
            self._sets[dataset_id] = known
            self._bump(known)

    def revise(self, dataset_id: str, sql: str, *parameters: object) -> int:
        """Runs an UPDATE, DELETE or INSERT, which writes `{set}` for the table; returns how many rows it touched.

        The columns hold text; a row that is inserted gets an id by itself.
        """
        with self.lock, self._writer:
            known = self._sets[dataset_id]
            touched = self._writer.execute(sql.replace("{set}", known.table), parameters).rowcount
            self._bump(known)
            return touched

    def fail(self, *faults: Fault) -> None:
        """Orders faults; a request takes the first one that fits it."""
        with self.lock:
            self.faults += faults

    def answer(self, request: Handler) -> None:
        """Answers one request, or does not, as ordered."""
        parts = urlsplit(request.path)
        path, parameters = unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True))
        with self.lock:
            self.queries.append((path, parameters))
            fault = self._fault(f"{path}?{unquote_plus(parts.query)}")
        request.pause(fault.wait)
        if fault.before:
            fault.before()
        if fault.drop:
            request.hang_up()
            return
        try:
            if fault.status != 200 and fault.body is None:
                raise _Refusal(fault.status, "pretend.fault", f"Status {fault.status}, as ordered")
            if fault.body is not None:
                answer = _Answer(fault.status, {"Content-Type": fault.content_type}, [fault.body])
            elif request.command not in ("GET", "HEAD"):
                raise _Refusal(405, "method.not-allowed", f"{request.command} is not allowed")
            else:
                answer = self._right(path, parameters, request, fault)
        except _Refusal as refusal:
            answer = refusal.answer
        except BadQuery as bad:
            answer = _Refusal(400, bad.code, str(bad), **bad.data).answer
        _send(request, answer, fault)

    def _fault(self, asked: str) -> Fault:
        """The first fault that fits, with one time less of it to come."""
        for at, fault in enumerate(self.faults):
            if fault.on in asked:
                self.faults[at : at + 1] = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                return fault
        return Fault()

    def _right(self, path: str, parameters: dict[str, str], request: Handler, fault: Fault) -> _Answer:
        folder, _, file = path.rpartition("/")
        dataset_id, dot, ending = file.rpartition(".")
        kind = dot + ending
        with self.lock:
            known = self._sets.get(dataset_id)
            if folder not in ("/resource", "/api/views") or kind not in TYPES or known is None:
                raise _Refusal(404, "dataset.missing", "Not found", id=dataset_id)
            # The reader sees this version from now on, whatever is written meanwhile.
            known, reader = replace(known), self._connect()
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if folder == "/api/views":
            reader.close()
            return _Answer(200, {"Content-Type": TYPES[".json"]}, [_view(known)])
        try:
            query = translate(parameters, known.columns)
        except BadQuery:
            reader.close()
            raise
        headers = {
            "Content-Type": TYPES[kind],
            "ETag": known.etag,
            "Last-Modified": format_datetime(known.changed, usegmt=True),
            "X-SODA2-Data-Out-Of-Date": "true" if fault.stale else "false",
        }
        if _is_same(request, known):
            reader.close()
            return _Answer(304, headers)
        return _Answer(200, headers, self._body(reader, known, kind, query, fault), fault.cut_rows is None)

    def _body(self, reader: sqlite3.Connection, known: _Set, kind: str, query: Query, fault: Fault) -> Iterator[bytes]:
        """The body in pieces, made while it is sent; a long one is made once a version."""
        wrong = fault.no_order or (fault.cut_rows, fault.short_rows, fault.skip_rows) != (None, None, None)
        key = (known.id, known.version, kind, query)
        with closing(reader):
            if not wrong and key in self._kept:
                yield from self._kept[key]
                return
            order = "" if fault.no_order else query.order
            rows: Iterator[tuple[str | None, ...]] = reader.execute(
                query.sql.format(set=known.table, order=order), query.values
            )
            if fault.skip_rows:
                start, end = fault.skip_rows
                rows = (row for number, row in enumerate(rows) if not start <= number < end)
            lines = (_csv if kind == ".csv" else _json)(query.names, islice(rows, fault.short_rows))
            if fault.cut_rows is not None:
                lines = _cut(lines, 1 + fault.cut_rows)
            kept = []
            while block := "".join(islice(lines, BLOCK)).encode():
                kept.append(block)
                yield block
        with self.lock:
            if not wrong and len(kept) > KEPT_BLOCKS and self._sets[known.id].version == known.version:
                self._kept[key] = kept

    def _connect(self) -> sqlite3.Connection:
        path = Path(self._folder.name) / "sets.sqlite"
        connection = sqlite3.connect(path, check_same_thread=False, timeout=60)
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection

    def _create(self, known: _Set) -> None:
        part = "lower(hex(randomblob(2)))"
        columns = [f"\":id\" TEXT NOT NULL DEFAULT ('row-' || {part} || '.' || {part} || '.' || {part})"]
        for name, kind in known.columns.items():
            # Times of one spelling compare as text.
            spelled = f" CHECK (\"{name}\" GLOB '{'[0-9]' * 4}-??-??T??:??:??.???')" if kind == MOMENTS else ""
            columns.append(f'"{name}" TEXT{spelled}')
        self._writer.execute(f"CREATE TABLE {known.table} ({', '.join(columns)})")

    def _bump(self, known: _Set) -> None:
        known.version += 1
        for key in [key for key in self._kept if key[0] == known.id]:
            del self._kept[key]


def _send(request: Handler, answer: _Answer, fault: Fault) -> None:
    bodiless = request.command == "HEAD" or answer.status == 304
    request.send_response(answer.status)
    framing = {} if answer.status == 304 else {"Transfer-Encoding": "chunked"}
    for name, value in {**answer.headers, **framing, **fault.headers}.items():
        if value is not None:
            request.send_header(name, value)
    if fault.after and bodiless:
        fault.after()
    request.end_headers()
    if bodiless:
        return
    for block in answer.body:
        for start in range(0, len(block), PIECE):
            piece = block[start : start + PIECE]
            request.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
    if fault.after:
        fault.after()
    if answer.whole:
        request.wfile.write(b"0\r\n\r\n")
    else:
        request.hang_up()


def _is_same(request: Handler, known: _Set) -> bool:
    """Whether the client has this version, by ETag or, where it names none, by time."""
    if tags := request.headers.get("If-None-Match"):
        return tags.strip() == "*" or known.etag in (tag.strip() for tag in tags.split(","))
    try:
        return parsedate_to_datetime(request.headers.get("If-Modified-Since", "")) >= known.changed
    except (TypeError, ValueError):  # none, or not a time: the header is as good as absent
        return False


def _view(known: _Set) -> bytes:
    columns = [{"fieldName": name, "name": name, "dataTypeName": kind} for name, kind in known.columns.items()]
    changed = int(known.changed.timestamp())
    return json.dumps({"id": known.id, "name": known.name, "rowsUpdatedAt": changed, "columns": columns}).encode()


def _csv(names: Sequence[str], rows: Iterable[Sequence[str | None]]) -> Iterator[str]:
    """A line for the header and one for each row, every cell quoted; null is nothing, which the empty text is not."""
    for row in chain([names], rows):
        yield ",".join(["" if cell is None else '"' + cell.replace('"', '""') + '"' for cell in row]) + "\n"


def _json(names: Sequence[str], rows: Iterable[Sequence[str | None]]) -> Iterator[str]:
    """The opening bracket, an object for each row, the closing bracket."""
    yield "["
    comma = ""
    for row in rows:
        cells = {name: cell for name, cell in zip(names, row, strict=True) if cell is not None}
        yield comma + json.dumps(cells, ensure_ascii=False, separators=(",", ":"))
        comma = "\n,"
    yield "]\n"


def _cut(lines: Iterator[str], whole: int) -> Iterator[str]:
    """So many lines and half of the next."""
    yield from islice(lines, whole)
    line = next(lines, "")
    yield line[: len(line) // 2]


def _row_id(number: int) -> str:
    scrambled = f"{number * SCRAMBLE % 2**48:012x}"
    return f"row-{scrambled[:4]}.{scrambled[4:8]}.{scrambled[8:]}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A pretend data.ny.gov with weeks of ridership, from 260905 on.")
    parser.add_argument("rows", nargs="+", type=int, metavar="ROWS", help="of a week each")
    with Soda() as site:
        for number, rows in enumerate(parser.parse_args().rows):
            saturday = FIRST_SATURDAY + timedelta(weeks=number)
            site.put(RIDERSHIP_SET, RIDERSHIP, ridership_week(saturday, rows), "MTA Subway Hourly Ridership")
        print(site.url, flush=True)
        sys.stdin.read()  # its end is the end of who started this site, however that ends
