"""A source's bytes as a stream: status first, then the body, resumed where it broke and complete at its end.

Knows HTTP and nothing of CSV, the lake or Prefect.
"""

import json
import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import httpx

from mta_weekly.errors import EtlError, NoAnswer, NotPublished, SourceFailed, TryAgain, Unchanged
from mta_weekly.fetch.client import Web, hide_tokens
from mta_weekly.retry import RetryBudget, seconds_to_wait

SLOWEST = 1000  # bytes a second; a week would take half a day
PASSING = {
    202,
    408,
    425,
    429,
}  # and every 5xx: RFC 9110 and RFC 6585 say these may pass; with 202 a site of tables says "not yet"
Result = TypeVar("Result")


@dataclass(frozen=True)
class Version:
    """What a source said of a week that was loaded: what, besides the content, tells one version from another."""

    etag: str
    last_modified: str
    rows: int

    def same(self, body: "Body") -> bool:
        """Whether a source that counts its rows says so of this body too."""
        return (self.last_modified, self.rows) == (body.last_modified, body.rows)


@dataclass
class Body:
    """What a source said of the body it sent: where from, which version, how long.

    Attributes:
        unless: the version that need not be sent again.
        size: bytes promised; None where the answer came in chunks.
        rows: promised; None where the source has not counted them.
        received: bytes.
    """

    url: str
    unless: Version | None = None
    etag: str = ""
    last_modified: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    size: int | None = None
    rows: int | None = None
    resumable: bool = False
    received: int = 0

    @property
    def validator(self) -> str:
        """What If-Range can compare; a weak ETag cannot be used there (RFC 9110, 13.1.5)."""
        return self.last_modified if self.etag.startswith("W/") else self.etag or self.last_modified


Stream = Callable[[Web, Body, RetryBudget], Generator[bytes, None, None]]


def fetch_body(
    client: Web,
    url: str,
    consume: Callable[[Iterator[bytes], Body], Result],
    budget: RetryBudget,
    stream: Stream | None = None,
    unless: Version | None = None,
) -> tuple[Result, Body]:
    """Give a whole body to `consume` and return what it made of it, with what the source said.

    `consume` is called with an iterator of byte chunks, and with what is known of the body so far. The iterator ends
    only when the body is complete. A body that breaks goes on by Range where the server can; else `consume` is called
    again from the first byte, so what it made of the broken one must not outlive it. Either may raise TryAgain.

    Args:
        stream: makes the chunks, where a body is more than the one answer of an address.
        unless: see Body.

    Raises:
        NotPublished: 404 or 410.
        Unchanged: the source has nothing but what `unless` names.
        SourceFailed: an answer that no retry mends.
        GaveUp: a passing fault did not pass in time.
    """
    while True:
        body = Body(url, unless)
        try:
            with closing((stream or stream_answers)(client, body, budget)) as chunks:
                return consume(chunks, body), body
        except TryAgain as error:
            hide_tokens(client, error)
            budget.pause(error)
        except EtlError as error:
            hide_tokens(client, error)
            raise


def stream_answers(client: Web, body: Body, budget: RetryBudget) -> Generator[bytes, None, None]:
    """The body's chunks; resumes by itself while the server can, and raises TryAgain where only a new start helps."""
    while True:
        try:
            yield from receive_answer(client, body, budget)
            return
        except TryAgain as error:
            if not (body.received and body.resumable):
                raise
            hide_tokens(client, error)
            budget.pause(error)


def receive_answer(
    client: Web, body: Body, budget: RetryBudget, more: Mapping[str, str] | None = None
) -> Generator[bytes, None, None]:
    """One answer: all of the body, or what is left of it.

    Raises:
        EtlError: as `fetch`, but that a passing fault is TryAgain.
    """
    try:
        url = httpx.URL(body.url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise SourceFailed(f"{error}; check the address {body.url!r}") from error
    client.wait_for(url, budget)
    with _translate_faults(body, url.host), client.stream("GET", body.url, headers=_headers(body, more)) as response:
        _check_answer(response, body, url, client)
        # As they come: chunks of a size of ours would be held back, and lost when the body breaks.
        for chunk in refuse_slow_chunks(response.iter_raw(), url.host, client.timeout.read or 0.0):
            body.received += len(chunk)
            yield chunk
    if body.size is not None and body.received != body.size:
        raise TryAgain(f"the body from {url.host} ended at {body.received:,} of {body.size:,} bytes")


def _headers(body: Body, more: Mapping[str, str] | None) -> dict[str, str]:
    headers = dict(more or {})
    if body.received:
        headers |= {"Range": f"bytes={body.received}-", "If-Range": body.validator}
    elif body.unless:
        said = {"If-None-Match": body.unless.etag, "If-Modified-Since": body.unless.last_modified}
        headers |= {name: value for name, value in said.items() if value and value.isascii()}
    return headers


def _check_answer(response: httpx.Response, body: Body, url: httpx.URL, client: Web) -> None:
    """Make sure that it is the body, or the rest of it, before a byte of it is taken."""
    if response.status_code == 304 and body.unless:
        raise Unchanged(f"the source has not changed since {body.unless.last_modified or 'it was loaded'}")
    if response.status_code != 416 or not body.received:  # 416: past the end of what is there now
        _check_status(response, url, client)
    if body.received:
        _check_resumed(response, body, url.host)
    else:
        _note_version(response, body, url.host, client)


@contextmanager
def _translate_faults(body: Body, host: str) -> Iterator[None]:
    """What the HTTP library raises, in the faults of `receive_answer`."""
    try:
        yield
    except httpx.LocalProtocolError as error:
        raise SourceFailed(f"{host} cannot be asked in this way ({type(error).__name__}); check the address") from None
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise NoAnswer(_broken(error, body, host)) from error
    except httpx.TransportError as error:
        raise TryAgain(_broken(error, body, host)) from error
    except (httpx.TooManyRedirects, httpx.InvalidURL, httpx.DecodingError, UnicodeError) as error:
        raise SourceFailed(f"{host}: {error}; check the address {body.url}") from error


def refuse_slow_chunks(chunks: Iterator[bytes], host: str, window: float) -> Iterator[bytes]:
    """The same chunks, unless so few bytes come in a window (seconds of waiting) that the week would take for ever."""
    waited, received, asked = 0.0, 0, time.monotonic()
    for chunk in chunks:
        waited, received = waited + time.monotonic() - asked, received + len(chunk)
        if waited > window:
            if received < SLOWEST * waited:
                raise TryAgain(f"{host} sent {received:,} bytes in {waited:.0f} s, too slow to go on")
            waited, received = 0.0, 0
        yield chunk
        asked = time.monotonic()  # what the others do with a chunk is not the host's time


def _check_status(response: httpx.Response, url: httpx.URL, client: Web) -> None:
    status = f"{response.status_code} {response.reason_phrase} from {url.host}"
    if response.status_code not in (200, 206) and (said := _message(response, client)):
        status += f", which says {said!r}"
    if response.status_code in (404, 410):
        raise NotPublished(f"not published ({status}); if it should be there by now, run it again later")
    if response.status_code in PASSING or response.status_code >= 500:
        asked = seconds_to_wait(response.headers.get("Retry-After", ""))
        if asked:
            client.leave_alone(url, asked)  # not where it may have sent us: that is where we ask
        raise TryAgain(status, asked)
    if response.status_code not in (200, 206):
        raise SourceFailed(f"{status}, expected 200; check the address {response.request.url}")


def _message(response: httpx.Response, client: Web) -> str:
    """The sentence in an error of a site that answers in JSON; of its body no more than comes first, and plain."""
    try:
        said = str(json.loads(next(response.iter_raw(), b""))["message"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError, RecursionError):
        return ""
    return client.hide(" ".join(said.split()))[:200]


def _check_plain(response: httpx.Response, host: str) -> None:
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise SourceFailed(f"{host} sent the body as {encoding!r} where it was asked for it plain")


def _note_version(response: httpx.Response, body: Body, host: str, client: Web) -> None:
    """Keep what the first answer says of the body.

    Raises:
        SourceFailed: the end of the body could not be told from a broken connection, or it is not the plain body.
    """
    said = response.headers
    if response.status_code == 206:
        raise SourceFailed(f"{host} sent a part of the body (206) where all of it was asked for")
    _check_plain(response, host)
    if "Content-Length" not in said and "chunked" not in said.get("Transfer-Encoding", ""):
        raise SourceFailed(f"{host} did not say how long the body is, so a cut one would look whole; not loaded")
    body.etag, body.last_modified = (client.hide(said.get(name, "")) for name in ("ETag", "Last-Modified"))
    body.headers = said
    body.size = int(said["Content-Length"]) if "Content-Length" in said else None
    body.resumable = "bytes" in said.get("Accept-Ranges", "") and bool(body.validator)


def _check_resumed(response: httpx.Response, body: Body, host: str) -> None:
    """Make sure that what comes now is the rest of the same body; a server that sends all of it again starts anew."""
    body.resumable = False  # until the answer has shown that it is
    if response.status_code != 206:
        raise TryAgain(f"{host} could not go on at byte {body.received:,}, starting again")
    _check_plain(response, host)
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", ""))
    first, last, total = found.groups() if found else ("", "", "")
    size = body.size if body.size is not None else int(total) if total.isdecimal() else 0
    whole = total in (str(size), "*") and last == str(size - 1)  # else its end could not be told
    if first != str(body.received) or not whole:
        raise TryAgain(
            f"{host} was asked to go on at byte {body.received:,} of {body.size or 'unknown'} and answered "
            f"Content-Range {response.headers.get('Content-Range')!r}, starting again"
        )
    said = response.headers
    # A 206 must repeat the ETag of the 200, and may leave out its Last-Modified (RFC 9110, 15.3.7).
    version = (said.get("ETag", ""), said.get("Last-Modified", body.last_modified))
    if version != (body.etag, body.last_modified):
        raise TryAgain(f"the file on {host} changed while it was read, starting again")
    body.size, body.resumable = size, True


def _broken(error: httpx.TransportError, body: Body, host: str) -> str:
    if body.received or body.size is not None:
        promised = f" of {body.size:,}" if body.size is not None else ""
        return f"the body from {host} broke off at {body.received:,}{promised} bytes"
    reason = str(error) or type(error).__name__
    return f"no answer from {host}: {reason}"
