"""A pretend data.ny.gov: what a Socrata site answers to the queries of this project, on the loopback.

It knows five queries: the rows of a window of time, the figures of each of its days, how many rows of each series a day
has, when the last row of all is, and what the set is. Any other is refused, so that a wrong query of ours fails loudly.
SQLite finds the answers, so they are right also after a set was revised. It misbehaves as the real service and the
networks on the way do: at one request, where a fault is ordered, or at all of them, as its hour is. Knows no flow.

    python benchmarks/soda.py [--hour NAME] ROWS [ROWS ...]    serves weeks of hourly ridership, the first one that of
                                                 2026-09-05, prints the address and lives until its standard input ends
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, timedelta
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit

import queries
from behaviour import Course, Hour, Turn
from hourly import RIDERSHIP, ridership_week
from loopback import Handler, Loopback
from replies import Fault, Reply, accepts_gzip, choose_rows, describe, encode, head_of, pack, refuse, tag
from tables import COMPUTED, DataSet, Row, Tables

RIDERSHIP_SET = "5wq4-mkjj"
FIRST_SATURDAY = date(2026, 9, 5)

PIECE = 64 * 1024  # bytes, of a chunk on the wire
KNOWN = re.compile(r"/(resource|api/views(?=.*json$))/([^/]+)\.(csv|json)")
FORMS = {
    "csv": (queries.read_rows_query, queries.write_csv),
    "json": (queries.read_figures_query, queries.write_json),
}


class _Asked:
    """A request, taken apart; `name` is that of a set, or nothing where no set has such an address."""

    def __init__(self, path: str, given: list[tuple[str, str]], request: Handler) -> None:
        self.path, self.parameters, self.request = path, dict(given), request
        self.twice = len(given) > len(self.parameters)
        room, self.name, self.kind = found.groups() if (found := KNOWN.fullmatch(path)) else ("", "", "")
        self.is_query = room == "resource"

    def header(self, name: str) -> str:
        """What a header says; nothing where there is none."""
        return str(self.request.headers.get(name, ""))


class Soda(Loopback):
    """The service.

    Attributes:
        queries: Path and parameters of every request so far, decoded, in order of arrival.
        faults: Those still to come.
        tables: The sets.
        most_at_once: The greatest number of queries for rows or figures that were in the making at one moment; one
            that was refused as too many counts at the moment when it came.
        bytes_sent: Of all bodies, as they were on the wire, without the marks of chunks.
    """

    def __init__(self, hour: Hour | None = None) -> None:
        super().__init__()
        self.queries: list[tuple[str, dict[str, str]]] = []
        self.faults: list[Fault] = []
        self.tables = Tables()
        self.most_at_once = self.bytes_sent = 0
        self._running: list[_Asked] = []  # queries in the making
        self._course = Course(hour or Hour(), {})

    @property
    def hour(self) -> Hour:
        """How it behaves; another one begins with the next request, and replicas that are behind stay as it is now."""
        return self._course.hour

    @hour.setter
    def hour(self, hour: Hour) -> None:
        with self.lock:
            self._course = Course(hour, self.tables.versions())

    def put(self, dataset_id: str, columns: Sequence[tuple[str, str]], rows: Iterable[Row]) -> None:
        """Creates a set, or adds rows to it, in an order of its own; either is a new version.

        A column has a name and a type: "text", "number", "floating_timestamp" or another, taken for text. A row is what
        its cells show, with None for null.

        Raises:
            ValueError: the set has other columns.
            sqlite3.IntegrityError: a timestamp is not written as the service does, 2026-09-05T00:00:00.000.
        """
        self.tables.put(dataset_id, columns, rows)

    def revise(self, dataset_id: str, sql: str, *parameters: object) -> int:
        """Runs an UPDATE or DELETE, which writes `{set}` for the table; returns how many rows it touched.

        The columns hold text.
        """
        return self.tables.revise(dataset_id, sql, *parameters)

    def rows(self, dataset_id: str, version: int | None = None) -> list[tuple[str | None, ...]]:
        """All rows of a set, in no order; without a version, counted from 1, of the newest."""
        return self.tables.rows(dataset_id, version)

    def fail(self, *faults: Fault) -> None:
        """Orders faults; a request takes the first one that fits it."""
        with self.lock:
            self.faults += faults

    def answer(self, request: Handler) -> None:
        """Answers one request, or does not, as ordered and as the hour is."""
        parts = urlsplit(request.path)
        asked = _Asked(unquote(parts.path), parse_qsl(parts.query, keep_blank_values=True), request)
        with ExitStack() as making:
            with self.lock:  # which nobody holds while an answer is made: the count is that of this very moment
                self.queries.append((asked.path, asked.parameters))
                course = self._course
                turn = course.take_turn(self.tables)
                if self._begin(asked, course.hour, making):
                    fault = self._take_fault(f"{asked.path}?{unquote_plus(parts.query)}")
                else:
                    fault, turn = Fault(), replace(turn, status=429)
            course.make_changes(self.tables)
            request.pause(fault.wait + course.hour.first_byte)
            if fault.before:
                fault.before()
            if fault.drop:
                request.hang_up()
                return
            reply = (
                _reply_by_order(fault)
                or _refuse_by_hour(asked, course.hour, turn)
                or self._find_reply(asked, fault, course, turn)
            )
            self._send(request, reply, fault, course.hour, turn, making.close)

    def _begin(self, asked: _Asked, hour: Hour, making: ExitStack) -> bool:
        """Counts a query until its answer is about to end or its client is gone; False where there are too many."""
        if asked.is_query:
            running = [each for each in self._running if not each.request.client_has_left()]
            self.most_at_once = max(self.most_at_once, 1 + len(running))
            if sum(each.name == asked.name for each in running) >= hour.at_once:
                return False
            self._running.append(asked)
            making.callback(self._end, asked)
        return True

    def _end(self, asked: _Asked) -> None:
        with self.lock:
            self._running.remove(asked)

    def _take_fault(self, asked: str) -> Fault:
        """The first fault that fits, with one time less of it to come."""
        for at, fault in enumerate(self.faults):
            if fault.on in asked:
                self.faults[at : at + 1] = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                return fault
        return Fault()

    def _find_reply(self, asked: _Asked, fault: Fault, course: Course, turn: Turn) -> Reply:
        hour, parameters = course.hour, asked.parameters
        if asked.name not in self.tables.sets:
            return refuse(404, "dataset.missing", "Not found")
        with self.tables.hold(asked.name) as known:
            columns = known.columns | (COMPUTED if hour.computed else {})
            try:
                if not asked.is_query:
                    queries.check_parameters(parameters, set())
                    return describe(known.id, columns, known.changed(known.version))
                if asked.kind == "csv" and hour.computed:
                    parameters = {"$select": ",".join(sorted(columns)), **parameters}
                query = FORMS[asked.kind][0](parameters, columns)
            except queries.BadQuery as bad:
                return refuse(400, bad.code, str(bad))
            if asked.kind == "csv" and hour.longest_days is not None and query.span.days > hour.longest_days:
                return refuse(408, "query.timeout", "The query took too long")
            return self._make_reply(query, known, asked, fault, course, turn)

    def _make_reply(
        self, query: queries.Query, known: DataSet, asked: _Asked, fault: Fault, course: Course, turn: Turn
    ) -> Reply:
        hour, version = course.hour, course.version_of(known, turn.replica)
        packed = hour.gzip == "always" or (hour.gzip == "asked" and accepts_gzip(asked.header("Accept-Encoding")))
        most, short = (hour.most_rows, turn.short) if asked.kind == "csv" else (None, False)

        def render() -> bytes:
            rows = self.tables.find(query, known, version, hour.computed, not fault.no_order)
            lines = FORMS[asked.kind][1]([*query.columns], choose_rows(rows, fault, most, short))
            return encode(lines, fault.cut_rows)

        if fault.tampers or short:
            body = render()
            body = pack(body, fault.cut_rows is None) if packed else body
        else:
            key = (version, asked.kind, query.sql, query.order, query.values, known.id, hour.computed, most)
            body = self.tables.remember(key, render)
            if packed:
                whole = body
                body = self.tables.remember((*key, "gzip"), lambda: pack(whole))
        changed = known.changed(version) + timedelta(seconds=turn.clock)
        headers = head_of(query.columns, asked.kind, "true" if fault.stale else turn.replica.flag, changed)
        state = f"{turn.name}.{known.id}_1_{version}"
        headers["ETag"] = tag(state, asked.request.path, asked.header("Accept"), packed)
        if packed:
            headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        return Reply(200, headers, body)

    def _send(
        self, request: Handler, reply: Reply, fault: Fault, hour: Hour, turn: Turn, ending: Callable[[], None]
    ) -> None:
        """Sends a reply; when its end is on the way, the query is no more in the making."""
        framing = {"Transfer-Encoding": "chunked"} if hour.chunked else {"Connection": "close"}
        general = {"Server": "nginx", "Date": request.date_time_string(), **framing}
        request.send_response_only(reply.status)
        for name, value in {**general, **reply.headers, **fault.headers}.items():
            if value is not None:
                request.send_header(name, value)
        request.end_headers()
        broken = reply.status == 200 and turn.broken is not None
        body = reply.body[: int(len(reply.body) * (turn.broken or 0))] if broken else reply.body
        for start in range(0, len(body), PIECE):
            piece = body[start : start + PIECE]
            request.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if hour.chunked else piece)
            with self.lock:
                self.bytes_sent += len(piece)
        if fault.after:
            fault.after()
        ending()
        if broken or fault.cut_rows is not None:
            request.hang_up()
        elif hour.chunked:
            request.wfile.write(b"0\r\n\r\n")


def _reply_by_order(fault: Fault) -> Reply | None:
    if fault.body is not None:
        return Reply(fault.status, {"Content-Type": fault.content_type}, fault.body)
    return refuse(fault.status, "pretend.fault", f"Status {fault.status}, as ordered") if fault.status != 200 else None


def _refuse_by_hour(asked: _Asked, hour: Hour, turn: Turn) -> Reply | None:
    if hour.token is not None and asked.request.headers.get("X-App-Token", hour.token) != hour.token:
        return refuse(403, "permission_denied", "Invalid app_token specified")
    if turn.status == 429 and asked.is_query:
        more = {} if hour.retry_after is None else {"Retry_After": hour.retry_after}
        return refuse(429, "too-many-requests", "Too many requests", **more)
    if turn.status not in (200, 429):
        return refuse(turn.status, "internal-error", "Something went wrong")
    if asked.twice:
        return refuse(400, "query.parameter.twice", "A parameter is given twice")
    return None


if __name__ == "__main__":
    from hours import NAMED

    parser = argparse.ArgumentParser(description="A pretend data.ny.gov with weeks of ridership, from 260905 on.")
    parser.add_argument("rows", nargs="+", type=int, metavar="ROWS", help="of a week each")
    parser.add_argument("--hour", choices=[*NAMED], default="plain", metavar="NAME", help=f"one of {', '.join(NAMED)}")
    given = parser.parse_args()
    with Soda(NAMED[given.hour]) as site:
        for number, rows in enumerate(given.rows):
            saturday = FIRST_SATURDAY + timedelta(weeks=number)
            site.put(RIDERSHIP_SET, RIDERSHIP, ridership_week(saturday, rows))
        print(site.url, flush=True)
        sys.stdin.read()  # its end is the end of who started this site, however that ends
