"""A server that sends what a test wants, byte by byte, instead of HTTP; and ways to send without end.

What speaks HTTP as it should, and fails on order, are `web` and `gcs`.
"""

import gzip
import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import cache

import pytest

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
Said = Iterator[bytes]
RESET = b"\0reset"  # the connection, instead of more


def drip(before: bytes, piece: bytes = b"x", pause: float = 0.05) -> Said:
    """A beginning, and then a little again and again, each soon enough to be no silence."""
    yield before
    while True:
        time.sleep(pause)
        yield piece


def pour(before: bytes, piece: bytes, times: int = 10**9) -> Said:
    """A beginning, and then much."""
    yield before
    yield from itertools.repeat(piece, times)


def slow(*pieces: bytes) -> Said:
    """All of it, at last."""
    for piece in pieces:
        yield piece
        time.sleep(0.3)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@cache
def bomb() -> bytes:
    """What unpacks to a thousand times as much."""
    return gzip.compress(b" " * 2**27)


def redirect(to: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Found\r\nLocation: {to}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


class Liar:
    """A server of one answer; it takes whatever is sent, and the way it answers is the test's."""

    def __init__(self, lie: Callable[[], Said], heard: list[bytes] | None = None) -> None:
        lie()  # what it is made of is made
        self.heard = [] if heard is None else heard
        self.lie, self.listener = lie, socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._answer, args=(self.listener.accept()[0],), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            asked = connection.recv(2**16)
            while b"\r\n\r\n" not in asked or (asked.startswith(b"POST /token") and b"assertion=" not in asked):
                asked += connection.recv(2**16)
            self.heard.append(asked)
            for piece in self.lie():
                if piece == RESET:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(2**16):
                pass


@pytest.fixture
def liar(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[], Said]], Liar]]:
    """Start a bucket of one answer."""
    with ExitStack() as stack:

        def start(lie: Callable[[], Said], heard: list[bytes] | None = None) -> Liar:
            liar = Liar(lie, heard)
            stack.callback(liar.listener.close)
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", liar.url)
            return liar

        yield start
