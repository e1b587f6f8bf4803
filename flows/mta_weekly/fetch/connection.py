"""Connections on which nothing goes on for ever: all that a thread waits for has an end, and so has its size.

An HTTP library bounds each read by itself; a source that sends a byte now and then would be listened to without an end.
Knows sockets and no HTTP.
"""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from math import inf
from typing import Any

import httpcore

from mta_weekly.errors import SourceFailed
from mta_weekly.retry import SAID_EVERY

log = logging.getLogger("mta.fetch")

MOST_HEAD = 96 << 10  # bytes of the head of an answer, with the hints before it (1xx) and the first rows behind it


class Awaited(threading.local):
    """What the thread that reads is waiting for, as who asks has said.

    Attributes:
        who: waits, for a log that hears of it every minute.
        what: in words.
        until: when it must have come, on the monotonic clock.
        most: bytes that it may take.
        came: bytes, since it was first awaited.
        peer: the host and port of the last connection, which may be a proxy's.
    """

    who, what, until, most, came = "", "", inf, inf, 0
    peer = ("", 0)
    said = 0.0

    def begin(self, who: str, what: str, most: float = inf) -> None:
        """Wait for something else."""
        self.who, self.what, self.most, self.came, self.said = who, what, most, 0, time.monotonic()

    def note(self, received: int = 0) -> None:
        """Count what came, and say every minute that more is awaited.

        Raises:
            SourceFailed: it is more than there may be.
        """
        self.came += received
        if self.came > self.most:
            raise SourceFailed(
                f"{self.what}: more than {self.most:,} bytes came, which no head of an answer has; not loaded"
            )
        if time.monotonic() - self.said >= SAID_EVERY:
            self.said = time.monotonic()
            log.info("%s: %s, %s bytes so far", self.who, self.what, f"{self.came:,}")


class SecureSocket(ssl.SSLSocket):
    """A secure connection, as to a proxy, whose time is that of all reads until the next time is set.

    What is secure by itself within it (a site behind such a proxy) is read piece by piece until a record is whole.
    """

    until = inf

    def settimeout(self, value: float | None) -> None:
        """See socket.socket."""
        self.until = inf if value is None else time.monotonic() + value
        super().settimeout(value)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """See socket.socket."""
        if self.until < inf:
            left = self.until - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            super().settimeout(left)
        return super().recv(buflen, flags)


class Stream(httpcore.NetworkStream):
    """A connection whose reads end when what is awaited must have come."""

    def __init__(self, stream: httpcore.NetworkStream, awaited: Awaited) -> None:
        self.stream, self.awaited = stream, awaited

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """See NetworkStream; of `timeout` takes no notice where something is awaited."""
        until = self.awaited.until if self.awaited.until < inf else time.monotonic() + (timeout or inf)
        while (left := until - time.monotonic()) > 0:
            try:
                data = self.stream.read(max_bytes, min(left, SAID_EVERY))
            except httpcore.ReadTimeout:
                self.awaited.note()
            else:
                self.awaited.note(len(data))
                return data
        raise httpcore.ReadTimeout(f"{self.awaited.what}: it did not come in time")

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """See NetworkStream."""
        self.stream.write(buffer, timeout)

    def close(self) -> None:
        """See NetworkStream."""
        self.stream.close()

    def start_tls(self, ssl_context: ssl.SSLContext, *args: Any, **options: Any) -> httpcore.NetworkStream:
        """See NetworkStream; its time is that of a handshake in all."""
        ssl_context.sslsocket_class = SecureSocket
        return Stream(self.stream.start_tls(ssl_context, *args, **options), self.awaited)

    def get_extra_info(self, info: str) -> Any:
        """See NetworkStream."""
        return self.stream.get_extra_info(info)


class Backend(httpcore.SyncBackend):
    """Makes such connections."""

    def __init__(self, awaited: Awaited) -> None:
        self.awaited = awaited

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **options: Any
    ) -> httpcore.NetworkStream:
        """See NetworkBackend; its time is shared by all addresses that the host's name has: they may be a thousand."""
        self.awaited.peer = host, port
        ends = time.monotonic() + (timeout or inf)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(error) from error
        fault: Exception = httpcore.ConnectTimeout("timed out")
        for number, (*_, address) in enumerate(found):
            left = (ends - time.monotonic()) / (len(found) - number)
            if left <= 0:
                break
            try:
                bound = left if left < inf else None
                return Stream(super().connect_tcp(str(address[0]), port, bound, *args, **options), self.awaited)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                fault = error
        raise fault


def bound_connections(transports: Iterable[Any], awaited: Awaited) -> None:
    """Let the connections of httpx's transports end as is awaited. Their pools take a backend; httpx hands none on."""
    for transport in transports:
        transport._pool._network_backend = Backend(awaited)
