"""The forms of what the pretend data.ny.gov in `soda` replies: heads, errors, tags, packed bodies, faults on order.

Knows no data, and no time.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from hashlib import sha256
from itertools import chain, islice

from isal import isal_zlib

CSV, JSON = "text/csv; charset=UTF-8", "application/json; charset=UTF-8"
BLOCK = 2000  # lines encoded at a time
GZIP = 31  # zlib's name of one gzip member with the largest window
UNPACKED = re.compile(r"gzip\s*;\s*q=0(\.0*)?\s*(,|$)")


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

    @property
    def tampers(self) -> bool:
        """Whether the rows of the answer are not those that were asked for."""
        return self.no_order or (self.cut_rows, self.short_rows, self.skip_rows) != (None, None, None)


@dataclass(frozen=True)
class Reply:
    """What is to be sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def refuse(status: int, code: str, message: str, **headers: str) -> Reply:
    """An error: those about access have one form, those about queries another; `headers` have _ for -."""
    access = {"code": code, "error": True, "message": message}
    said = access if status in (401, 403, 404) else {"message": message, "errorCode": code, "data": {}}
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"Content-Type": JSON, **more}, json.dumps(said).encode())


def describe(dataset_id: str, columns: Mapping[str, str], changed: datetime) -> Reply:
    """What a set is and when it changed."""
    listed = [{"fieldName": name, "dataTypeName": kind} for name, kind in columns.items()]
    said = {"id": dataset_id, "rowsUpdatedAt": int(changed.timestamp()), "columns": listed}
    return Reply(200, {"Content-Type": JSON}, json.dumps(said).encode())


def head_of(columns: Mapping[str, str], kind: str, flag: str | None, changed: datetime) -> dict[str, str]:
    """The headers of rows or figures, but for what depends on their packing."""
    when = format_datetime(changed, usegmt=True)
    behind = {} if flag is None else {"X-SODA2-Data-Out-Of-Date": flag}
    return {
        "Content-Type": CSV if kind == "csv" else JSON,
        "X-SODA2-Fields": json.dumps([*columns], separators=(",", ":")),
        "X-SODA2-Types": json.dumps([*columns.values()], separators=(",", ":")),
        **behind,
        **{f"{name}Last-Modified": when for name in ("X-SODA2-Truth-", "X-SODA2-Secondary-", "")},
    }


def tag(state: str, asked: str, accept: str, packed: bool) -> str:
    """A weak ETag: of a state of a copy and a query, and of the form of the answer."""
    first = urlsafe_b64encode(f"{state}-{_digest(asked)}".encode()).decode().rstrip("=")
    return f'W/"{first}---{_digest(f"{accept} {packed}")}{"--gzip--gzip" if packed else ""}"'


def accepts_gzip(accepted: str) -> bool:
    """What an Accept-Encoding says."""
    return "gzip" in accepted and not UNPACKED.search(accepted)


def pack(body: bytes, whole: bool = True) -> bytes:
    """One gzip member; one that is not whole ends where a connection was cut."""
    packer = isal_zlib.compressobj(1, isal_zlib.DEFLATED, GZIP)
    packed: bytes = packer.compress(body)
    return packed + (packer.flush() if whole else packer.flush(isal_zlib.Z_SYNC_FLUSH))


def encode(lines: Iterable[str], cut_rows: int | None = None) -> bytes:
    """The bytes of an answer; a cut one ends in the middle of the row after so many."""
    lines = iter(lines)
    if cut_rows is not None:
        lines = _cut_line(lines, cut_rows)
    return b"".join(iter(lambda: "".join(islice(lines, BLOCK)).encode(), b""))


def choose_rows(
    rows: Iterable[Sequence[str | None]], fault: Fault, most: int | None, short: bool
) -> Iterable[Sequence[str | None]]:
    """Those of the rows of an answer that are sent, in the order in which they are lost."""
    if fault.skip_rows:
        start, end = fault.skip_rows
        rows = (row for number, row in enumerate(rows) if not start <= number < end)
    rows = islice(rows, min((n for n in (most, fault.short_rows) if n is not None), default=None))
    if short:
        whole = list(rows)
        rows = whole[: max(2, len(whole) * 2 // 3)]
    return rows


def _cut_line(lines: Iterator[str], rows: int) -> Iterator[str]:
    whole, cut = list(islice(lines, 1 + rows)), next(lines, "")
    return chain(whole, [cut[: len(cut) // 2]])


def _digest(text: str) -> str:
    return urlsafe_b64encode(sha256(text.encode()).digest()[:18]).decode()
