"""A source's bytes as a stream: status first, then the body, resumed where it broke and complete at its end.

Knows HTTP and nothing of CSV, the lake or Prefect.
"""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TypeVar

import httpx

from mta_weekly.ceilings import check_bytes
from mta_weekly.errors import EtlError, GaveUp, SourceFailed, TryAgain
from mta_weekly.fetch import redirects
from mta_weekly.fetch.body import Body, Version
from mta_weekly.fetch.client import Web
from mta_weekly.fetch.faults import translate_faults
from mta_weekly.fetch.head import check_answer, choose_unpacking
from mta_weekly.retry import RetryBudget
from mta_weekly.secrets import clean

SLOWEST = 1000  # bytes a second; a week would take half a day
REFUSED = {401, 403}  # who asks may not
Result = TypeVar("Result")
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
                result = consume(chunks, body)
            client.patience_with(url).note_kept()
            return result, body
        except TryAgain as error:
            client.pause(url, budget, error)
        except EtlError as error:
            if not isinstance(error, GaveUp):
                client.patience_with(url).note_progress()  # it has answered
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
            if body.received > budget.most:
                budget.most = body.received
                client.note_progress(body.url, budget)
            client.pause(body.url, budget, error)


def receive_answer(
    client: Web, body: Body, budget: RetryBudget, more: Mapping[str, str] | None = None
) -> Generator[bytes, None, None]:
    """One answer: all of the body, or what is left of it; asked for without its token where that is refused.

    Raises:
        EtlError: as `fetch_body`, but that a passing fault is TryAgain.
    """
    try:
        url = httpx.URL(body.url)
        body.host = url.host  # which may be no name that anybody can have
    except (httpx.InvalidURL, UnicodeError) as error:
        raise SourceFailed(f"{clean(error, 100)}; check the address {clean(body.url, 200)!r}") from error
    while True:
        client.wait_for(url, budget)
        body.answered, body.host = False, url.host
        with translate_faults(body, client, budget), _ask(client, url, body, budget, more) as response:
            if response.status_code in REFUSED and client.refuse_token(response.request):
                continue
            if response.status_code == 304 and body.unless and not _is_proof(response, body.unless):
                body.unless = None
                continue
            check_answer(response, body, url, client)
            yield from _receive_body(response, body, url, client, budget)
            return


@contextmanager
def _ask(
    client: Web, asked: httpx.URL, body: Body, budget: RetryBudget, more: Mapping[str, str] | None
) -> Iterator[httpx.Response]:
    """The answer of an address, or of the one it sends us on to; what comes with a redirect is never read."""
    url = asked
    for _ in range(redirects.MOST + 1):
        body.host = url.host
        client.await_head(url.host, budget)
        sender = redirects.name_sender(url, body.url)
        with client.stream("GET", url, headers=_headers(body, more, sender)) as response:
            onward = redirects.find_next(response, url)
            if onward is None:
                body.answered, body.came_from = True, body.came_from if body.received else sender
                yield response
                return
        url = onward
    raise redirects.refuse_more(url, body.url)


def _headers(body: Body, more: Mapping[str, str] | None, sender: str) -> dict[str, str]:
    headers = dict(more or {})
    if body.received and body.came_from == sender:  # an ETag says nothing of what another address has
        headers |= {"Range": f"bytes={body.received}-", "If-Range": body.validator}
    elif body.unless and not body.received:
        # Not If-Modified-Since: a file that was set back to an older one would be "not modified" too.
        etag = body.unless.etag if body.unless.url == sender else ""
        headers |= {"If-None-Match": etag} if etag.isascii() and etag else {}
    return headers


def _is_proof(response: httpx.Response, version: Version) -> bool:
    """Whether an answer that nothing has changed was asked for, and does not contradict itself."""
    time = response.headers.get("Last-Modified", version.last_modified)
    return "If-None-Match" in response.request.headers and time == version.last_modified


def _receive_body(
    response: httpx.Response, body: Body, url: httpx.URL, client: Web, budget: RetryBudget
) -> Iterator[bytes]:
    packing, patience = choose_unpacking(response, body.host), client.patience_with(url)
    # As they come: chunks of a size of ours would be held back, and lost when the body breaks.
    pieces = client.await_pieces(response.iter_raw(), body.host, budget)
    for packed in refuse_slow_chunks(pieces, body.host, client.read_timeout):
        body.wire += len(packed)
        check_bytes(body.wire, client.max_bytes)  # of all answers, where it was resumed
        if not body.counted and body.received >= budget.most:
            patience.note_progress()
        for chunk in packing.unpack(packed):
            body.received += len(chunk)
            check_bytes(body.received, client.max_bytes)
            yield chunk
            client.awaited.note()  # little on the wire may be much when it is unpacked, and take its time
            budget.check_time(f"{body.host} has not sent all of it")
    if body.size is not None and body.wire != body.size:
        raise TryAgain(f"the body from {body.host} ended at {body.wire:,} of {body.size:,} bytes")
    packing.check_end(body.host)


def refuse_slow_chunks(chunks: Iterator[bytes], host: str, window: float) -> Iterator[bytes]:
    """The same chunks, unless so few bytes come in a window (seconds of waiting) that the week would take for ever."""
    waited, received, asked = 0.0, 0, time.monotonic()
    for chunk in chunks:
        waited, received = waited + time.monotonic() - asked, received + len(chunk)
        if waited > window:
            if received < SLOWEST * waited:
                raise TryAgain(
                    f"{host} sent {received:,} bytes in {waited:.0f} s (MTA_READ_TIMEOUT), too slow to go on"
                )
            waited, received = 0.0, 0
        yield chunk
        asked = time.monotonic()  # what the others do with a chunk is not the host's time
