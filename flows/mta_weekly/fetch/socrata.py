"""A week's rows from the data sets of a Socrata site, as one CSV stream: put in order and counted by the site itself.

No answer of the site says that it was cut, so its rows are compared with `count(*)` under the same `$where`. Nothing
holds the data still, so that is asked before and after, with the time of the set's last change. SODA 2.1, see
https://dev.socrata.com/docs/queries. Knows the site's CSV; nothing of what it says, of the lake and of Prefect.
"""

import csv
import json
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import partial
from heapq import merge
from typing import Any
from urllib.parse import urlsplit

from mta_weekly import csv_rows
from mta_weekly.errors import NotPublished, Refused, SourceFailed, TryAgain, Unchanged
from mta_weekly.feeds.sources import Form, Table
from mta_weekly.fetch.client import Web, hide
from mta_weekly.fetch.http import Body, Stream, fetch, receive
from mta_weekly.fetch.soda_queries import Part, query, set_address
from mta_weekly.retry import Patience
from mta_weekly.settings import Settings

COUNTABLE = 12  # digits
LONGEST = 1 << 16  # bytes of a row, or of an answer in JSON
QUOTE = '"'
STALE = "X-SODA2-Data-Out-Of-Date"
FRESH = {"Cache-Control": "no-cache"}  # else a cache on the way could repeat what it said before


@dataclass(frozen=True)
class Look:
    """What the site says of a part: how many rows, the time of the last one, and when the whole set last changed."""

    rows: int
    last: datetime | None
    last_modified: str
    etag: str  # of this one answer

    def same(self, other: "Look") -> bool:
        """Whether the data is what it was, as far as the site says."""
        version = "last_modified" if self.last_modified else "etag"
        return all(getattr(self, name) == getattr(other, name) for name in ("rows", "last", version))


class _Anew(TryAgain):
    """What has come so far is worth nothing: the data changed meanwhile, or rows are missing and nobody knows which."""


def newest(client: Web, table: Table, settings: Settings, patience: Patience, today: date) -> datetime | None:
    """The time of the newest row of the table; None where it is empty.

    Raises:
        EtlError: the site does not say, or says a time that no row can have by now.
    """
    last_set = table.sets[-1]
    found = _last(client, set_address(table, last_set.id, settings), table, patience)
    if found and not last_set.first <= found.date() <= today:
        raise SourceFailed(f"{last_set.id} says that its newest row is of {found:%Y-%m-%d}, which cannot be")
    return found


def _last(client: Web, set_address: str, table: Table, patience: Patience) -> datetime | None:
    url = query(f"{set_address}.json", {"$select": f"max({table.time}) as last"})
    said, _ = _asked(client, url, patience)
    return _time(said.get("last"), url)


def stream(week: list[Part], form: Form, expected: str) -> Stream:
    """The rows of the parts under one header, for `fetch.http.fetch`; a week spread over sets still is in order.

    The stream raises, besides what a request does:
        NotPublished: the site has no rows up to the week's end yet; `expected` says when to ask again.
        Unchanged: the site has not changed since the load that the body speaks of.
    """
    return partial(_week, week, form, expected)


def _week(
    week: list[Part], form: Form, expected: str, client: Web, body: Body, patience: Patience
) -> Generator[bytes, None, None]:
    looks = [_look(client, part, patience) for part in week]
    body.rows = sum(look.rows for look in looks)
    for name in ("etag", "last_modified"):
        versions = [getattr(look, name) for look in looks]
        setattr(body, name, "; ".join(versions) if all(versions) else "")  # of all of it, or of nothing
    for part, look in zip(week, looks, strict=True):
        if not look.rows or look.last is None or look.last < datetime.combine(part.end, time()) - part.table.step:
            raise NotPublished(_incomplete(client, part, look, expected, patience))
    if body.last_modified and body.unless and body.unless.same(body):
        raise Unchanged(f"the source has not changed since {body.last_modified}")
    first, *others = [_rows(client, part, look, body, patience) for part, look in zip(week, looks, strict=True)]
    names = _names(next(first), form)
    yield (",".join(f'"{name.replace(QUOTE, QUOTE * 2)}"' for name in names) + "\n").encode()
    if others and not form.ordered:
        for rows in others:
            _check_same(names, _names(next(rows), form))
        yield from merge(*map(_each, [first, *others]), key=_key(names, week[0].table, form))
    else:
        yield from first
        for rows in others:  # asked for when its turn has come: no site waits for ever with an answer
            _check_same(names, _names(next(rows), form))
            yield from rows
    for part, look in zip(week, looks, strict=True):
        after = _look(client, part, patience)
        if not after.same(look):
            raise _Anew(
                f"the data on {part.host} changed while it was read, {look.rows:,} rows before and {after.rows:,} after"
            )


def _rows(client: Web, part: Part, look: Look, body: Body, patience: Patience) -> Generator[bytes, None, None]:
    """The header, and then whole rows, all of them; an answer that breaks off goes on after the last whole one."""
    header, got, host = b"", 0, part.host
    while got < look.rows:
        try:
            held = b""
            answer, begun = Body(part.rows(got)), False
            for chunk in _answer(client, answer, patience):
                body.received += len(chunk)
                if "" not in (modified := {answer.last_modified, look.last_modified}) and len(modified) > 1:
                    raise _Anew(f"the data on {host} changed while it was read")
                held += chunk
                end = csv_rows.whole(held, quoted=True)
                if not end:
                    if len(held) > LONGEST:
                        raise Refused(f"{host} sent a line of more than {LONGEST:,} bytes: not a CSV file")
                    continue
                rows, held = held[:end], held[end:]
                if not begun:
                    begun, first = True, rows[: rows.index(b"\n") + 1]
                    if header and first != header:
                        raise _Anew(f"the columns on {host} changed while they were read")
                    if not header:
                        header = first
                        yield header
                    rows = rows[len(first) :]
                got += csv_rows.count(rows)
                if got > look.rows:
                    raise _Anew(f"{host} sent more rows than the {look.rows:,} it had counted")
                if rows:
                    yield rows
            if got == look.rows - 1 and _is_whole(held, header):
                got += 1  # only the very last line end is missing
                yield held + b"\n"
            if got < look.rows:
                raise _Anew(f"{host} sent {got:,} of {look.rows:,} rows and ended")
        except _Anew:
            raise
        except TryAgain as error:
            hide(client, error)
            patience.pause(error)


def _is_whole(row: bytes, header: bytes) -> bool:
    closed = row.endswith(csv_rows.QUOTE) and row.count(csv_rows.QUOTE) % 2 == 0
    return closed and len(_values(row)) == len(_values(header))


def _each(rows: Iterator[bytes]) -> Iterator[bytes]:
    """Row by row, each with its line end."""
    return (row + b"\n" for some in rows for _, row in csv_rows.records(some, quoted=True) if row)


def _key(names: list[str], table: Table, form: Form) -> Callable[[bytes], list[str]]:
    """What a row is put in order by; a row that has not all of it is for others to refuse."""
    columns = [form.clean(field) for field in table.key]
    if lacking := set(columns) - set(names):
        raise Refused(f"the header has changed: missing {', '.join(sorted(lacking))}; nothing loaded")
    at = [names.index(column) for column in columns]

    def key(row: bytes) -> list[str]:
        values = _values(row)
        return [values[n] if n < len(values) else "" for n in at]

    return key


def _check_same(names: list[str], others: list[str]) -> None:
    if others != names:
        raise Refused(f"the columns of the data sets differ: {', '.join(names)}; {', '.join(others)}; nothing loaded")


def _values(row: bytes) -> list[str]:
    try:
        return next(csv.reader([row.decode(errors="replace")]), [])
    except csv.Error:
        return []


def _names(header: bytes, form: Form) -> list[str]:
    return [form.clean(name) for name in _values(header.removeprefix(b"\xef\xbb\xbf"))]


def _look(client: Web, part: Part, patience: Patience) -> Look:
    said, body = _asked(client, part.count, patience)
    count = str(said.get("n"))
    if not (count.isascii() and count.isdecimal() and len(count) < COUNTABLE):
        raise SourceFailed(f"{part.host} was asked for a count and said {str(said)[:200]!r}")
    return Look(int(count), _time(said.get("last"), part.count), body.last_modified, body.etag)


def _incomplete(client: Web, part: Part, look: Look, expected: str, patience: Patience) -> str:
    """What to say of a part whose last rows are not there: a week is loaded whole."""
    upto = f"its rows of the week end at {look.last:%Y-%m-%d %H:%M}" if look.last else "it has no rows of the week"
    newest = _last(client, part.address, part.table, patience)
    if newest and newest >= datetime.combine(part.end, time()):
        return f"not published: {part.host} says that {upto}, and has later ones"
    return "; ".join(filter(None, [f"not published yet: {part.host} says that {upto}", expected]))


def _answer(client: Web, body: Body, patience: Patience) -> Generator[bytes, None, None]:
    """One answer, from a server that has the newest data and answers in the form it was asked for."""
    host, checked = urlsplit(body.url).hostname, False
    for chunk in receive(client, body, patience, FRESH):
        if not checked:
            if body.headers.get(STALE, "").lower() == "true":
                raise TryAgain(f"{host} answered from a copy that is out of date")
            if chunk.lstrip()[:1] in (b"{", b"<"):
                raise TryAgain(f"{host} answered {_said(chunk)} where data was asked for")
            checked = True
        yield chunk


def _asked(client: Web, url: str, patience: Patience) -> tuple[dict[str, Any], Body]:
    """The one object that the site answers in JSON."""

    def consume(chunks: Iterator[bytes], body: Body) -> dict[str, Any]:
        text = b""
        for chunk in chunks:
            text += chunk
            if len(text) > LONGEST:
                break
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            said = None
        if not (isinstance(said, list) and len(said) == 1 and isinstance(said[0], dict)):
            raise TryAgain(f"{urlsplit(url).hostname} was asked for one figure and answered {_said(text)}")
        return said[0]

    return fetch(client, url, consume, patience, _answer)


def _said(text: bytes) -> str:
    return repr(" ".join(text[:200].decode(errors="replace").split()))


def _time(said: Any, url: str) -> datetime | None:
    try:
        return datetime.fromisoformat(said).replace(tzinfo=None) if said else None
    except (TypeError, ValueError):
        raise SourceFailed(f"{urlsplit(url).hostname} was asked for a time and said {str(said)[:40]!r}") from None
