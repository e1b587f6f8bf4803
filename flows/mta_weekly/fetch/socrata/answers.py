"""One answer of a Socrata site: of newest data, in the form it was asked for; rows, or a figure in JSON."""

import json
from collections.abc import Generator, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from mta_weekly.errors import SourceFailed, TryAgain
from mta_weekly.fetch.client import Web
from mta_weekly.fetch.http import Body, fetch_body, receive_answer
from mta_weekly.retry import RetryBudget

LONGEST = 1 << 16  # bytes of a row, or of an answer in JSON
STALE = "X-SODA2-Data-Out-Of-Date"
FRESH = {"Cache-Control": "no-cache"}  # else a cache on the way could repeat what it said before


class DataChanged(TryAgain):
    """What has come so far is worth nothing: the data changed meanwhile, or rows are missing and nobody knows which."""


def receive_rows(client: Web, body: Body, budget: RetryBudget) -> Generator[bytes, None, None]:
    """One answer, from a server that has the newest data and answers in the form it was asked for."""
    host, checked = urlsplit(body.url).hostname, False
    for chunk in receive_answer(client, body, budget, FRESH):
        if not checked:
            if body.headers.get(STALE, "").lower() == "true":
                raise TryAgain(f"{host} answered from a copy that is out of date")
            if chunk.lstrip()[:1] in (b"{", b"<"):
                raise TryAgain(f"{host} answered {_quote(chunk)} where data was asked for")
            checked = True
        yield chunk


def ask_figures(client: Web, url: str, budget: RetryBudget) -> tuple[dict[str, Any], Body]:
    """The one object that the site answers in JSON, and what it says of it."""

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
            raise TryAgain(f"{urlsplit(url).hostname} was asked for one figure and answered {_quote(text)}")
        return said[0]

    return fetch_body(client, url, consume, budget, receive_rows)


def read_time(said: Any, url: str) -> datetime | None:
    """A time as the site writes it, for New York's wall clock; None where it has none.

    Raises:
        SourceFailed: it is no time.
    """
    try:
        return datetime.fromisoformat(said).replace(tzinfo=None) if said else None
    except (TypeError, ValueError):
        raise SourceFailed(f"{urlsplit(url).hostname} was asked for a time and said {str(said)[:40]!r}") from None


def _quote(text: bytes) -> str:
    return repr(" ".join(text[:200].decode(errors="replace").split()))
