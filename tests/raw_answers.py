"""Answers of sources, right and wrong, as scripts of `raw_source`: what the tables of hostile sources are made of."""

from __future__ import annotations

import gzip
import ssl
import zlib
from dataclasses import dataclass
from datetime import date

from raw_source import Again, Answer, Drip, Request, Reset, Script, say
from weeks import make_week

SATURDAY = date(2019, 6, 8)
WEEK = f"{SATURDAY:%y%m%d}"
ROWS = make_week(SATURDAY, rows=500)
HALF = len(ROWS) // 2
LANDS = "lands"
SLOW = 0.2  # seconds; a drip that is never silent for too long
PASSWORD = "hunter2-of-the-source"
DIGITS = b"7" * 5000
OK, PART = b"HTTP/1.1 200 OK", b"HTTP/1.1 206 Partial Content"


@dataclass(frozen=True)
class Behaviour:
    """What a source does, and what must come of it.

    Attributes:
        ends: LANDS, or what the one line says, as a regular expression.
        second: whether the second source is asked; None where either is right.
        answers: whether anything came that is an answer, which then may not be called none.
        named: whether the line must name the host; what rows say is not the host's.
        greeting: what is sent before a request has come.
        tls: the certificate, where it has one.
    """

    kind: str
    name: str
    answer: Answer
    ends: str
    second: bool | None = False
    answers: bool = True
    named: bool = True
    greeting: Script = ()
    tls: ssl.SSLContext | None = None


def head(*lines: bytes, status: bytes = OK) -> bytes:
    return b"\r\n".join([status, *lines, b"", b""])


def length(size: int) -> bytes:
    return b"Content-Length: %d" % size


def whole(body: bytes = ROWS, *lines: bytes, status: bytes = OK) -> bytes:
    return head(length(len(body)), *lines, status=status) + body


def status(said: bytes, *lines: bytes) -> Answer:
    return say((whole(b"", *lines, status=b"HTTP/1.1 " + said),))


GZIP = b"Content-Encoding: gzip"
PROMISED = head(length(len(ROWS)))
FORBIDDEN: Script = (whole(b"", status=b"HTTP/1.1 403 No"),)
CHUNKED, CHUNKED_GZIP = head(b"Transfer-Encoding: chunked"), head(b"Transfer-Encoding: chunked", GZIP)
END = b"0\r\n\r\n"


def chunk(body: bytes = ROWS, extension: bytes = b"") -> bytes:
    return b"%x%b\r\n%b\r\n" % (len(body), extension, body)


def once(*script: bytes | float | Again | Drip | Reset) -> Answer:
    return say(script)


def redirect(to: bytes, body: Script = (), line: bytes = length(0), code: bytes = b"302 Found") -> Script:
    return (head(b"Location: " + to, line, status=b"HTTP/1.1 " + code), *body)


def sets_cookie(cookie: bytes) -> Answer:
    """First a cookie and an error, and then the week."""
    return say((whole(b"", b"Set-Cookie: " + cookie, status=b"HTTP/1.1 500 Odd"),), (whole(),))


def away(to: bytes) -> Answer:
    """Always to somewhere else."""
    return say(redirect(to))


def on(to: bytes) -> Answer:
    """Once to another address of the same host, which is `HOST` in it, and has the week."""
    return lambda request: (whole(),) if request.path == "/x" else redirect(to.replace(b"HOST", request.host))


def hops(most: int) -> Answer:
    """The week is so many hops away, each time that it is asked for."""

    def hop(request: Request) -> Script:
        _, _, so_far = request.path.partition("hop=")
        return (whole(),) if so_far == str(most) else redirect(b"/x?hop=%d" % (int(so_far or 0) + 1))

    return hop


RESUMABLE = b'Accept-Ranges: bytes\r\nETag: "1"'
FIRST = head(length(len(ROWS)), RESUMABLE) + ROWS[:HALF]  # half of the week, to be gone on with


def resumed(*later: Script, first: bytes = FIRST) -> Answer:
    """Half of the week, and then these answers to who asks for the rest, or for all of it."""
    return say((first,), *later)


def always(rest: Script) -> Answer:
    """Half of the week to who asks for all of it, and this to who asks for the rest."""
    return lambda request: rest if request.start else (FIRST,)


def part(said: bytes, body: bytes = ROWS[HALF:], etag: bytes = b'"1"') -> Script:
    lines = (length(len(body)), b"Content-Range: " + said, b"ETag: " + etag)
    return (head(*lines, status=PART) + body,)


def on_and_on(request: Request) -> Script:
    """Some thousand bytes more each time, and a break."""
    rest = ROWS[request.start :]
    said = b"Content-Range: bytes %d-%d/%d" % (request.start, len(ROWS) - 1, len(ROWS))
    status = PART if request.start else OK
    return (head(length(len(rest)), RESUMABLE, said, status=status) + rest[:9000],)


def pack(body: bytes) -> bytes:
    return gzip.compress(body, 6)


def bomb(piece: bytes, times: int) -> Script:
    """A gzip file of one member that unpacks to much; nobody reads so far that its end were missed."""
    packing = zlib.compressobj(9, wbits=-15)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\x03", Again(
        packing.compress(piece) + packing.flush(zlib.Z_FULL_FLUSH), times=times
    )


REST = b"bytes %d-%d/%d" % (HALF, len(ROWS) - 1, len(ROWS))
LINE = ROWS.splitlines(keepends=True)[1]
BAD = b"x," * 50 + b"\n"
WIDE = LINE.rstrip() + b" " * 10_000 + b"\n"
PROTOCOL = "no whole head of HTTP"
TOO_MUCH = "more than [0-9,]+ bytes came"
HEAD, READ, ALL = "MTA_HEAD_TIMEOUT", "MTA_READ_TIMEOUT", "MTA_WEEK_TIMEOUT"
BYTES, MOST_ROWS = "MTA_MAX_BYTES", "MTA_MAX_ROWS"
HOPS = "sends us on"
