"""The way of one run to its sources: time-outs, who asks, what a host wants of all weeks, and what nobody must read.

Knows no address, no answer and no week.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar
from threading import BoundedSemaphore, Lock
from typing import Any

import httpx

from mta_weekly.errors import SourceFailed, TryAgain
from mta_weekly.fetch.connection import MOST_HEAD, Awaited, bound_connections
from mta_weekly.fetch.redirects import keep_location
from mta_weekly.retry import Patience, RetryBudget
from mta_weekly.secrets import guard_log, keep_secret, mask
from mta_weekly.settings import VERSION, Settings

log = logging.getLogger("mta.fetch")

WHO_ASKS = "X-App-Token"  # who asks, for a rate limit of one's own
QUERIES = 2  # of ours at once on one host: data.ny.gov refuses everybody's while fifteen are under way


@dataclass(frozen=True)
class Token:
    """What says who asks, and where it came from: a variable or a block."""

    value: str
    name: str


class Hosts:
    """What a run knows of the hosts that it asks, by host and port; all its weeks share it.

    Attributes:
        patience: how long each may go on bringing nothing.
        unreachable: those at which nobody answered, however often they were asked.
        refused_tokens: those that answer only without the token they were sent.
        known: what they said of themselves, by address, which need be asked but once.
        said: what a person need be told but once.
    """

    def __init__(self, wait: float) -> None:
        self.wait = wait
        self.patience: dict[bytes, Patience] = {}
        self.unreachable: set[bytes] = set()
        self.refused_tokens: set[bytes] = set()
        self.known: dict[str, Any] = {}
        self.said: set[str] = set()
        self.slots: dict[bytes, BoundedSemaphore] = {}
        self.asking = Lock()


class _NoCookies(CookieJar):
    """No source needs any; and what they hold is sent back, or breaks what reads them."""

    def extract_cookies(self, *_: object) -> None:
        """Take none."""


class Web(httpx.Client):
    """The way of one run to its sources. What a host asks of one week, by Retry-After, holds for all weeks of the run.

    Attributes:
        tokens: for each origin (scheme, host and port) the token that it, and nobody else, is sent.
        read_timeout: seconds between the pieces of a body.
        connect_timeout: seconds that a connection may take.
        head_timeout: seconds that the head of an answer may take.
        awaited: what the thread that reads is waiting for, and how long it may.
        max_bytes: of a week, unpacked.
    """

    def __init__(self, settings: Settings, tokens: Mapping[str, Token], hosts: Hosts | None, **options: Any) -> None:
        guard_log()
        super().__init__(**options, event_hooks={"request": [self._sign], "response": [keep_location]})
        self.awaited = Awaited()
        bound_connections([self._transport, *filter(None, self._mounts.values())], self.awaited)
        self.hosts = hosts or Hosts(settings.retry_wait)
        self.connect_timeout, self.head_timeout = settings.connect_timeout, settings.head_timeout
        self.read_timeout = settings.read_timeout
        self.max_bytes = settings.max_bytes
        self.tokens = {_origin(httpx.URL(url)): token for url, token in tokens.items()}
        for token in tokens.values():
            keep_secret(token.value)  # who is sent it may repeat it

    def await_head(self, host: str, budget: RetryBudget) -> None:
        """From now on the head of an answer is awaited, with all that may come before it."""
        budget.check_time(f"{host} was not asked any more")
        self.awaited.begin(budget.subject, f"waiting for the answer of {host}", MOST_HEAD)
        self.awaited.until = min(time.monotonic() + self.head_timeout, budget.ends)

    def await_pieces(self, pieces: Iterator[bytes], host: str, budget: RetryBudget) -> Iterator[bytes]:
        """The pieces of a body, none of which lets itself be waited for too long; what else comes is none."""
        self.awaited.begin(budget.subject, f"receiving from {host}")
        while True:
            self.awaited.until = min(time.monotonic() + self.read_timeout, budget.ends)
            try:
                piece = next(pieces)
            except StopIteration:
                return
            yield piece

    def _sign(self, request: httpx.Request) -> None:
        """Called for every request, those that follow a redirect too, which bring the headers of the one before."""
        request.headers.pop(WHO_ASKS, None)
        token = self.tokens.get(_origin(request.url))
        if token and request.url.netloc not in self.hosts.refused_tokens:
            request.headers[WHO_ASKS] = token.value

    def refuse_token(self, request: httpx.Request) -> bool:
        """Do without the token that a request bore and that was refused; whether there was one."""
        if WHO_ASKS not in request.headers:
            return False
        self.hosts.refused_tokens.add(request.url.netloc)
        name = self.tokens[_origin(request.url)].name
        self.warn_once(f"{request.url.host} refuses the token of {name}; going on without it, mend it")
        return True

    def patience_with(self, url: str | httpx.URL) -> Patience:
        """What is left for the host of an address; the first one, where rows have several."""
        # At once: two weeks that ask first must not have one each.
        return self.hosts.patience.setdefault(_find_host(url), Patience(self.hosts.wait))

    def leave_alone(self, url: httpx.URL, seconds: float) -> None:
        """Send no request to the host of an address for so many seconds."""
        patience = self.patience_with(url)
        patience.asked_not_before = max(patience.asked_not_before, time.monotonic() + seconds)

    def wait_for(self, url: httpx.URL, budget: RetryBudget) -> None:
        """Wait until the host may be asked again, where it said when.

        Raises:
            GaveUp: that is later than the week may wait, or the patience of the run with this host is over.
        """
        patience = self.patience_with(url)
        if patience.over:
            raise type(patience.over)(str(patience.over))
        while (left := patience.asked_not_before - time.monotonic()) > 0:
            budget.sit_out(left, url.host)
        budget.began = time.monotonic()

    def pause(self, url: str, budget: RetryBudget, error: TryAgain) -> None:
        """Wait before the address is asked again; see RetryBudget."""
        budget.pause(error, self.patience_with(url))

    def note_progress(self, url: str, budget: RetryBudget) -> None:
        """The host brought more than there was: what is counted against it begins anew."""
        budget.note_progress()
        self.patience_with(url).note_progress()

    @contextmanager
    def take_turn(self, url: str) -> Iterator[None]:
        """One of the few queries that may be under way at this host."""
        with self.hosts.slots.setdefault(_find_host(url), BoundedSemaphore(QUERIES)):
            yield

    def learn_once(self, address: str, ask: Callable[[], Any]) -> Any:
        """What is known under an address, asked for where it is not."""
        with self.hosts.asking:
            lock = self.hosts.known.setdefault(f"lock {address}", Lock())
        with lock:
            if address not in self.hosts.known:
                self.hosts.known[address] = ask()
            return self.hosts.known[address]

    def warn_once(self, text: str) -> bool:
        """Say it, where it has not been said in this run; whether it is news."""
        with self.hosts.asking:
            is_news = text not in self.hosts.said
            self.hosts.said.add(text)
        if is_news:
            log.warning("%s", mask(text))
        return is_news


def open_client(settings: Settings, tokens: Mapping[str, Token] | None = None, hosts: Hosts | None = None) -> Web:
    """A client with the project's time-outs and an honest User-Agent; `tokens` are for the sites of their addresses.

    It asks for the plain body: a resumed download counts in the bytes of the body as it is sent. `hosts` is what the
    run knows already.

    Raises:
        SourceFailed: HTTP_PROXY and the like name no proxy that can be used.
    """
    try:
        return Web(
            settings,
            tokens or {},
            hosts,
            timeout=httpx.Timeout(settings.head_timeout, connect=settings.connect_timeout),
            headers={"User-Agent": f"mta-weekly-etl/{VERSION}", "Accept-Encoding": "identity"},
            cookies=_NoCookies(),
            follow_redirects=False,  # the library would read their bodies, and go wherever they say
        )
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise SourceFailed(  # the library's words are not shown: they may quote a part of the password
            "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is no address of a proxy that can be used, as "
            "http://USER:PASSWORD@HOST:PORT (in a password, / ? # @ are %2F %3F %23 %40); mend it, or unset it"
        ) from error


def _find_host(url: str | httpx.URL) -> bytes:
    """The host and port of an address; nothing where it is none, which is said when it is asked."""
    try:
        return httpx.URL(str(url).partition(" ")[0]).netloc
    except (httpx.InvalidURL, UnicodeError):
        return b""


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode()}"
