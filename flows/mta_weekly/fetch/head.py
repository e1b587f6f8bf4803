"""Whether the head of an answer is that of the body asked for, or of the rest of it; and how the body is packed."""

import json
import re
from collections.abc import Iterator
from typing import Protocol

import httpx
from isal import isal_zlib
from isal.igzip_lib import IsalError

from mta_weekly.errors import Busy, NotPublished, SourceFailed, TryAgain, Unchanged
from mta_weekly.fetch.body import Body
from mta_weekly.fetch.client import Web
from mta_weekly.retry import seconds_to_wait
from mta_weekly.secrets import clean

BUSY = {408, 429, 502, 503, 504}  # the host has no time now
PASSING = {202, 425}  # and every other 5xx: RFC 9110 and RFC 6585 say these may pass
PROXY_WANTS_LOGIN = 407
LONGEST_REASON = 100  # characters of a status, which may say anything
LONGEST = 400  # bytes of an ETag or a Last-Modified: they ride on the object
CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")  # RFC 9110, 14.4
PIECE = 1 << 18  # bytes unpacked at once
GZIP = 31  # zlib's window bits for a gzip file
MAGIC = b"\x1f"  # what a gzip member begins with
MOST_TRAILING = 4096  # bytes


def check_answer(response: httpx.Response, body: Body, url: httpx.URL, client: Web) -> None:
    """Make sure that it is the body, or the rest of it, before a byte of it is taken.

    Raises:
        EtlError: as `http.receive_answer`.
    """
    if response.status_code == 304 and body.unless:
        raise Unchanged(body.unless.say())
    if response.status_code != 416 or not body.received:  # 416: past the end of what is there now
        _check_status(response, body, url, client)
    if body.received:
        _check_resumed(response, body, body.host)
    else:
        _note_version(response, body, body.host)
        if body.unless and body.unless.is_of(body):
            raise Unchanged(body.unless.say())


def _check_status(response: httpx.Response, body: Body, url: httpx.URL, client: Web) -> None:
    code = response.status_code
    status = f"{clean(f'{code} {response.reason_phrase}', LONGEST_REASON)} from {body.host}"
    if code not in (200, 206) and (said := _message(response)):
        status += f", which says {said!r}"
    if code == PROXY_WANTS_LOGIN:
        raise SourceFailed(f"the proxy does not lead to {body.host}: {status}; look at HTTP_PROXY")
    if code in (404, 410):
        missing = NotPublished(f"not published ({status}); if it should be there by now, run it again later")
        missing.status, missing.answer = code, status
        raise missing
    if code in BUSY | PASSING or code >= 500:
        asked = seconds_to_wait(response.headers.get("Retry-After", ""))
        if asked:
            client.leave_alone(url, asked)  # not where it may have sent us: that is where we ask
        raise (Busy if code in BUSY else TryAgain)(status, asked)
    if code not in (200, 206):
        failed = SourceFailed(f"{status}, expected 200; check the address {clean(body.source_url, LONGEST)}")
        failed.status, failed.answer = code, status
        raise failed


def _message(response: httpx.Response) -> str:
    """The sentence in an error of a site that answers in JSON; of its body no more than comes first, and plain."""
    try:
        packed = next(response.iter_raw(), b"")
        if _find_packing(response) == "gzip":
            packed = isal_zlib.decompressobj(GZIP).decompress(packed, PIECE)
        said = str(json.loads(packed)["message"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError, RecursionError):
        return ""
    except IsalError:  # type: ignore[misc] # its stub forgets the base class
        return ""
    return clean(said, 200)


def _find_packing(response: httpx.Response) -> str:
    """Its content coding: case says nothing, and gzip has an older name (RFC 9110, 8.4.1)."""
    said = str(response.headers.get("Content-Encoding", "")).strip().lower()
    return {"": "identity", "x-gzip": "gzip"}.get(said, said)


def _check_packing(response: httpx.Response, host: str, known: tuple[str, ...]) -> None:
    packing = _find_packing(response)
    if packing not in known:
        raise SourceFailed(f"{host} sent the body as {clean(packing, 40)!r}, which it was not asked for")


def _note_version(response: httpx.Response, body: Body, host: str) -> None:
    """Keep what the first answer says of the body.

    Raises:
        SourceFailed: the end of the body could not be told from a broken connection, or it is packed otherwise.
    """
    said = response.headers
    if response.status_code == 206:
        raise SourceFailed(f"{host} sent a part of the body (206) where all of it was asked for")
    _check_packing(response, host, ("identity", "gzip"))
    packed = _find_packing(response) == "gzip"  # its own end and checksum show whether it is whole
    if not (body.counted or packed or "Content-Length" in said or "chunked" in said.get("Transfer-Encoding", "")):
        raise SourceFailed(f"{host} did not say how long the body is, so a cut one would look whole; not loaded")
    body.etag, body.last_modified = (_take_version(said.get(name, "")) for name in ("ETag", "Last-Modified"))
    body.headers = said
    body.size = int(said["Content-Length"]) if "Content-Length" in said else None
    body.resumable = "bytes" in said.get("Accept-Ranges", "") and bool(body.validator) and not packed


def _take_version(said: str) -> str:
    """What a source says of its version, to be kept and compared; what is none is as if nothing had been said."""
    return said if len(said.encode()) <= LONGEST and clean(said, LONGEST) == said else ""


def _check_resumed(response: httpx.Response, body: Body, host: str) -> None:
    """Make sure that what comes now is the rest of the same body; a server that sends all of it again starts anew."""
    body.resumable = False  # until the answer has shown that it is
    if response.status_code != 206 or "Range" not in response.request.headers:
        raise TryAgain(f"{host} could not go on at byte {body.received:,}, starting again")
    _check_packing(response, host, ("identity",))
    found = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    first, last, total = found.groups() if found else ("", "", "")
    size = body.size if body.size is not None else int(total) if total.isdecimal() else 0
    whole = total in (str(size), "*") and last == str(size - 1)  # else its end could not be told
    if first != str(body.received) or not whole:
        raise TryAgain(
            f"{host} was asked to go on at byte {body.received:,} of {body.size or 'unknown'} and answered "
            f"Content-Range {clean(response.headers.get('Content-Range'), 100)!r}, starting again"
        )
    said = response.headers
    # A 206 must repeat the ETag of the 200, and may leave out its Last-Modified (RFC 9110, 15.3.7).
    version = (said.get("ETag", ""), said.get("Last-Modified", body.last_modified))
    if version != (body.etag, body.last_modified):
        raise TryAgain(f"the file on {host} changed while it was read, starting again")
    body.size, body.resumable = size, True


class Unpacking(Protocol):
    """How the bytes on the wire become those of the body."""

    def unpack(self, packed: bytes) -> Iterator[bytes]:
        """Some more of the body."""

    def check_end(self, host: str) -> None:
        """Make sure that nothing is lacking."""


class Plain:
    """They are those of the body."""

    def unpack(self, packed: bytes) -> Iterator[bytes]:
        """See Unpacking."""
        yield packed

    def check_end(self, host: str) -> None:
        """See Unpacking."""


class Gzip:
    """They are gzip, in one member or several (RFC 1952, 2.2)."""

    def __init__(self, host: str) -> None:
        self.host, self.member, self.trailing = host, isal_zlib.decompressobj(GZIP), 0

    def unpack(self, packed: bytes) -> Iterator[bytes]:
        """See Unpacking; a few bytes may unpack to many, which come in pieces."""
        try:
            while packed:
                if self.member.eof:
                    if not packed.startswith(MAGIC):
                        self._note_trailing(packed)
                        return
                    self.member = isal_zlib.decompressobj(GZIP)
                yield self.member.decompress(packed, PIECE)
                packed = self.member.unused_data if self.member.eof else self.member.unconsumed_tail
        except IsalError as error:  # type: ignore[misc] # its stub forgets the base class
            raise TryAgain(f"the body from {self.host} is no gzip: {error}") from error

    def _note_trailing(self, more: bytes) -> None:
        """Some padding is nothing; a body that goes on and on is not waited for."""
        self.trailing += len(more)
        if self.trailing > MOST_TRAILING:
            raise TryAgain(f"the body from {self.host} goes on after the end of its gzip")

    def check_end(self, host: str) -> None:
        """See Unpacking."""
        if not self.member.eof:
            raise TryAgain(f"the body from {host} ended in the middle of its gzip")


def choose_unpacking(response: httpx.Response, host: str) -> Unpacking:
    """How an answer is packed, by its head."""
    return Gzip(host) if _find_packing(response) == "gzip" else Plain()
