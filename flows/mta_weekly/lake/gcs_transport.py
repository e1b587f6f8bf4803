"""How long a bucket's answer may take and how large it may be: adapters under the sessions of Google's client.

The client knows one limit alone, the silence between two reads, and follows redirects with its token, their bodies
read. Here each request has an end: its head, its silence, all of it; what is no object's content is read up to a
ceiling, and a redirect is a fault. Knows requests and urllib3; no object and no Prefect.
"""

import http.client
import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from mta_weekly.errors import LakeFailed, TryAgain
from mta_weekly.secrets import clean, keep_secret
from mta_weekly.settings import Settings

MOST_HEAD = 256 * 1024  # bytes of a head, with those of interim answers before it
MOST_JSON = 16 * 2**20  # bytes; a page of a listing has 1,000 objects of up to 10 KB
PIECE = 64 * 1024  # bytes that are sent or read at once
LONGEST = 100  # characters of an address that is shown
FORM = "application/x-www-form-urlencoded"  # what a token is asked for with
SECRETS = ("token", "assertion", "refresh_token", "client_secret", "subject_token")
SWITCHING = 101  # the one interim status that ends a head


class Limits(NamedTuple):
    """Seconds: to connect, for a head, without a byte, for a request with its answer."""

    connect: float
    head: float
    silence: float
    whole: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As they are set."""
        return cls(settings.connect_timeout, settings.head_timeout, settings.read_timeout, settings.week_timeout)


def limit_client(client: Any, limits: Limits) -> Any:
    """Let a google.cloud.storage.Client, and those it asks for tokens, keep to limits and to what it is asked.

    A session with a certificate of its own (mTLS) stays as Google made it.
    """
    client._bucket_metadata_cache = None  # else it asks, in a thread, for the bucket: no role here permits that
    session, asks_for_tokens = client._http, getattr(client._http._auth_request, "session", None)
    plain = not client._connection.API_BASE_URL.startswith("https://")
    for each, may_be_plain in ((session, plain), (asks_for_tokens, True)):
        if each is not None and not session.is_mtls:
            each.mount("https://", LimitedAdapter(limits, may_be_plain))
            each.mount("http://", LimitedAdapter(limits, may_be_plain))
    return client


class LimitedAdapter(HTTPAdapter):
    """What sends the requests of a session, within limits.

    Args:
        plain: whether an address without encryption may be asked: the bucket itself names where an upload goes on.
    """

    __attrs__ = [*HTTPAdapter.__attrs__, "limits", "plain"]  # noqa: RUF012 - as it has them; google.auth copies its session

    def __init__(self, limits: Limits, plain: bool = True) -> None:
        self.limits, self.plain = limits, plain
        super().__init__()

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        """Let its connections be limited ones."""
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = _limit_pools(self.limits)

    def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
        """Those by way of a proxy too."""
        manager = super().proxy_manager_for(proxy, **more)
        manager.pool_classes_by_scheme = _limit_pools(self.limits)
        return manager

    def send(  # type: ignore[override]
        self, request: Any, stream: bool = False, timeout: Any = None, **more: Any
    ) -> requests.Response:
        """Send a request; the answer is whole, but for the content of an object, which `stream` asks for.

        Raises:
            LakeFailed: it leads elsewhere.
            TryAgain: it took too long, or has no end.
        """
        if not (self.plain or request.url.startswith("https://")):
            raise LakeFailed(
                f"it wants the upload without encryption, at {_name_host(request.url)}; nothing was sent there"
            )
        timeouts = (self.limits.connect, self.limits.silence)
        reply = super().send(request, stream=True, timeout=timeouts, **more)
        if reply.is_redirect:
            reply.close()
            raise LakeFailed(
                f"{_name_host(request.url)} answered with a redirect ({reply.status_code}) to "
                f"{_name_host(reply.headers['Location'])}, as Google's never do; it was not followed. Look what stands "
                "between, such as a proxy or a page to sign in"
            )
        if not reply.ok:  # its text will be shown, and may repeat what it was sent
            _keep_secret(request)
        if not (stream and reply.ok):
            _read_all(reply)
        return reply


def _name_host(address: str) -> str:
    """Scheme and host of an address; no more, for the rest may hold what is secret."""
    try:
        found = urlsplit(address)
        return clean(f"{found.scheme}://{found.netloc.rpartition('@')[2]}", LONGEST)
    except ValueError:
        return "an address that is none"


def _keep_secret(request: requests.PreparedRequest) -> None:
    """Let nobody read the token of a request, or what it shows to get one."""
    sent = [("token", str(request.headers.get("Authorization", "")).removeprefix("Bearer "))]
    if request.headers.get("Content-Type") == FORM and isinstance(request.body, bytes):
        sent += parse_qsl(request.body.decode())
    for name, value in sent:
        if name in SECRETS and value:
            keep_secret(value)


def _read_all(reply: requests.Response) -> None:
    """Read an answer's body, unpacked, up to a ceiling."""
    body = bytearray()
    for piece in reply.iter_content(PIECE):
        body += piece
        if len(body) > MOST_JSON:
            reply.close()
            raise TryAgain(f"{_name_host(reply.url)} answered without end: more than {MOST_JSON:,} bytes")
    reply._content = bytes(body)


def _limit_pools(limits: Limits) -> dict[str, Any]:
    """Urllib3's pools, of connections that keep to limits."""
    kinds: dict[str, Any] = {"http": urllib3.HTTPConnectionPool, "https": urllib3.HTTPSConnectionPool}
    return {
        scheme: type(
            kind.__name__,
            (kind,),
            {"ConnectionCls": type("Limited", (_Limited, kind.ConnectionCls), {"limits": limits})},
        )
        for scheme, kind in kinds.items()
    }


class _Limited(urllib3.connection.HTTPConnection):
    """A connection whose requests end."""

    limits: Limits
    ends = 0.0  # when the request under way must be over

    def connect(self) -> None:
        self.ends = time.monotonic() + self.limits.whole  # a proxy is asked meanwhile
        super().connect()

    def putrequest(self, *args: Any, **more: Any) -> None:
        self.ends = time.monotonic() + self.limits.whole
        super().putrequest(*args, **more)

    def send(self, data: Any) -> None:
        """By pieces: the time that a socket may take is for all that it is given."""
        if self.sock is None:
            self.connect()
        for at in range(0, len(data), PIECE):
            wait = _Wait(self.limits, self.ends)
            self.sock.settimeout(wait.seconds)
            with wait.explained("took", "what was sent"):
                super().send(data[at : at + PIECE])

    def response_class(self, sock: socket.socket, **more: Any) -> "_Answer":  # type: ignore[override]
        """What http.client reads an answer with, that of a proxy too."""
        return _Answer(sock, self.limits, self.ends, **more)


class _Wait:
    """The next wait for the other side: how long, and which limit that is."""

    def __init__(self, limits: Limits, ends: float, silent_since: float | None = None, head_ends: float = inf) -> None:
        now = time.monotonic()
        silence = (silent_since or now) + limits.silence
        self.until, self.limit = min(
            (silence, f"nothing of {{}} for {limits.silence:g} s (MTA_READ_TIMEOUT)"),
            (head_ends, f"not the head of {{}} within {limits.head:g} s (MTA_HEAD_TIMEOUT)"),
            (ends, f"not all of {{}} within {limits.whole:g} s (MTA_WEEK_TIMEOUT)"),
        )
        self.seconds = max(0.001, self.until - now)

    @contextmanager
    def explained(self, did: str, what: str) -> Iterator[None]:
        """Say what did not happen."""
        try:
            yield
        except TimeoutError:
            raise TryAgain(f"it {did} {self.limit.format(what)}") from None


class _Answer(http.client.HTTPResponse):
    """An answer whose head ends in time and in bytes, and whose body comes in time."""

    def __init__(self, sock: socket.socket, limits: Limits, ends: float, **more: Any) -> None:
        super().__init__(sock, **more)
        self._pieces = _Pieces(self.fp.detach(), sock, limits, ends)
        self.fp = _Lines(self._pieces)

    def begin(self) -> None:
        super().begin()
        self._pieces.head_ends = inf

    def _read_status(self) -> tuple[str, int, str]:
        """The status that counts: http.client would take an interim one for the answer, and this for the next."""
        while True:
            found: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if not 100 <= found[1] < 200 or found[1] == SWITCHING:
                return found
            http.client.parse_headers(self.fp)


class _Pieces(io.RawIOBase):
    """What comes from a socket, as long as it comes in time.

    Attributes:
        head_ends: until when the head must be there; inf when it is.
        in_body: whether what is read is content; else, once the head is there, it is no sign of life.
        silent_since: when such reading began.
    """

    def __init__(self, file: io.RawIOBase, sock: socket.socket, limits: Limits, ends: float) -> None:
        self._file, self._sock, self._limits, self._ends = file, sock, limits, ends
        self.head_ends, self._head = time.monotonic() + limits.head, 0
        self.in_body = False
        self.silent_since: float | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        in_head = self.head_ends < inf
        if in_head or self.in_body or self.silent_since is None:
            self.silent_since = time.monotonic()
        wait = _Wait(self._limits, self._ends, self.silent_since, self.head_ends)
        self._sock.settimeout(wait.seconds)
        with wait.explained("sent", "its answer"):
            if wait.until <= time.monotonic():
                raise TimeoutError
            size = self._file.readinto(buffer)
        self._head += (size or 0) if in_head else 0
        if self._head > MOST_HEAD:
            raise TryAgain(f"its answer begins with more than {MOST_HEAD:,} bytes of head")
        return size

    def close(self) -> None:
        self._file.close()
        super().close()


class _Lines(io.BufferedReader):
    """Tells content, which is read by size, from what stands around it, which is read by line."""

    raw: _Pieces

    def read(self, size: int | None = -1) -> bytes:
        with self._content():
            return super().read(size)

    def read1(self, size: int = -1) -> bytes:
        with self._content():
            return super().read1(size)

    def readinto(self, buffer: Any) -> int:
        with self._content():
            return super().readinto(buffer)

    @contextmanager
    def _content(self) -> Iterator[None]:
        self.raw.in_body = True
        try:
            yield
        finally:
            self.raw.in_body, self.raw.silent_since = False, None
