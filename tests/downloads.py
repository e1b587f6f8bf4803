"""One download from a web server that lies, with all that was asked and made of it."""

from collections.abc import Iterator
from random import Random

import httpx
import pytest

from mta_weekly.fetch.body import Body
from mta_weekly.fetch.client import open_client
from mta_weekly.fetch.http import fetch_body
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import Settings
from web import Answer, Web

BODY = Random(240106).randbytes(1_000_000)
OTHER = BODY[::-1]
CUT = 600_000
PATH = "/turnstile_240106.txt"
MONDAY, SUNDAY = "Mon, 08 Jan 2024 05:00:00 GMT", "Sun, 14 Jan 2024 05:00:00 GMT"
V1, V2 = '"v1"', '"v2"'
SETTINGS = Settings(_env_file=None, retry_base=0.001, retry_wait=3.0, read_timeout=5.0)


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with open_client(SETTINGS) as client:
        yield client


class Download:
    """One download of PATH, with all that was made of it."""

    def __init__(self, web: Web, client: httpx.Client) -> None:
        self.web, self.client = web, client
        client.hosts.patience.clear()  # what another test was asked
        self.budget = RetryBudget(SETTINGS.retry_attempts, SETTINGS.retry_wait, SETTINGS.retry_base)
        self.starts = 0
        self.body: Body | None = None

    def __call__(self, *answers: Answer, url: str | None = None) -> bytes:
        if answers:
            self.web.serve(PATH, *answers)
        whole, self.body = fetch_body(self.client, url or self.web.url + PATH, self.consume, self.budget)
        return whole

    def consume(self, chunks: Iterator[bytes], body: Body) -> bytes:
        self.starts += 1
        return b"".join(chunks)

    @property
    def asked(self) -> list[tuple[str | None, str | None]]:
        """Range and If-Range of each request."""
        return [(seen.headers.get("range"), seen.headers.get("if-range")) for seen in self.web.requests]


@pytest.fixture
def download(web: Web, client: httpx.Client) -> Download:
    return Download(web, client)


PLAIN = (None, None)


def rest(validator: str, start: int = CUT) -> tuple[str, str]:
    return f"bytes={start}-", validator


# A body that breaks


def good(**said: str) -> Answer:
    return Answer(BODY, ranges=True, **said)


def cut(at: int = CUT, **said: str) -> Answer:
    return Answer(BODY, ranges=True, cut_at=at, **said)


def part(content_range: str | None, body: bytes = BODY[CUT:], etag: str | None = V1, **said: str) -> Answer:
    return Answer(body, status=206, etag=etag, content_range=content_range, **said)
