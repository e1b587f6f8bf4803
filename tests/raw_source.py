"""A source of raw bytes on the loopback: what it sends, when, and how it ends stand in scripts; HTTP or none of it.

A script is a row of parts: bytes to send, seconds of silence, something again and again, a reset. After the last one
the connection is closed.
"""

from __future__ import annotations

import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

RANGE = re.compile(rb"(?i)\r\nRange: bytes=(\d+)-")


@dataclass(frozen=True)
class Again:
    """A piece again and again, with a pause after each; for ever, or so many times."""

    piece: bytes
    pause: float = 0.0
    times: int = 10**12


@dataclass(frozen=True)
class Drip:
    """Bytes one by one, with a pause after each."""

    text: bytes
    pause: float


@dataclass(frozen=True)
class Reset:
    """The end of a connection as a machine that was switched off and on ends it (RST)."""


@dataclass(frozen=True)
class Request:
    """The head of a request, where it asks to go on, and which one of this source it is, from 0."""

    head: bytes
    number: int

    @property
    def path(self) -> str:
        """With its query."""
        return self.head.split(b" ", 2)[1].decode()

    @property
    def host(self) -> bytes:
        """Who is asked, with the port."""
        return self.head.partition(b"\r\nHost: ")[2].partition(b"\r\n")[0]

    @property
    def start(self) -> int:
        """The first byte that is asked for."""
        found = RANGE.search(self.head)
        return int(found[1]) if found else 0


Part = bytes | float | Again | Drip | Reset
Script = tuple[Part, ...]
Answer = Callable[[Request], Script]
FOR_EVER = 3600.0  # seconds of silence


class RawSource:
    """A source that lives as long as its ``with`` block; each connection takes one request, in a thread of its own.

    Attributes:
        url: where it listens.
        requests: that came, in their order.
        greeting: what it does before it has read a request, or shaken hands.
        tls: its certificate, where it has one.
    """

    def __init__(self, answer: Answer, greeting: Script = (), tls: ssl.SSLContext | None = None) -> None:
        self.answer, self.greeting, self.tls = answer, greeting, tls
        self.requests: list[Request] = []
        self._stopping, self._lock = threading.Event(), threading.Lock()
        self._connections = set[socket.socket]()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._listening.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        with self._lock, suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in [*self._connections]:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self._connections.add(connection)
        with connection, suppress(ConnectionError, TimeoutError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._play(connection, self.greeting)
            if self.tls is None:
                self._answer(connection)
            else:
                with suppress(ssl.SSLError), self.tls.wrap_socket(connection, server_side=True) as secure:
                    self._answer(secure)
        self._connections.discard(connection)

    def _answer(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(1 << 16)
            if not more:
                return
            head += more
        with self._lock:
            request = Request(head, len(self.requests))
            self.requests.append(request)
        self._play(connection, self.answer(request))

    def _play(self, connection: socket.socket, script: Iterable[Part]) -> None:
        for part in script:
            match part:
                case bytes():
                    connection.sendall(part)
                case Again(piece, pause, times):
                    for _ in range(times):
                        connection.sendall(piece)
                        self._pause(pause)
                case Drip(text, pause):
                    for at in range(len(text)):
                        connection.sendall(text[at : at + 1])
                        self._pause(pause)
                case Reset():
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.close()
                    raise ConnectionAbortedError
                case _:
                    self._pause(part)

    def _pause(self, seconds: float) -> None:
        if seconds and self._stopping.wait(seconds):
            raise ConnectionAbortedError


def say(*scripts: Script) -> Answer:
    """These scripts, one after another, the last for ever."""
    return lambda request: scripts[min(request.number, len(scripts) - 1)]


def relay(url: str) -> Answer:
    """What another server answers, whole."""
    host, port = url.removeprefix("http://").split(":")

    def ask(request: Request) -> Script:
        with socket.create_connection((host, int(port))) as there:
            there.sendall(request.head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            return (b"".join(iter(lambda: there.recv(1 << 16), b"")),)

    return ask
