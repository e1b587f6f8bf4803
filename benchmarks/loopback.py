"""A plain HTTP/1.1 server on the loopback, for the pretend services of the tests, the demo and the benchmarks.

It takes connections, records what is asked and leaves every answer to a subclass. Knows no service, and nothing of the
flows.
"""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, Self


@dataclass(frozen=True)
class Seen:
    """A request as it arrived; `path` includes the query, header names are in lower case, `at` is monotonic time."""

    method: str
    path: str
    headers: dict[str, str]
    at: float


class Loopback(ABC):
    """An HTTP/1.1 server on 127.0.0.1 that lives as long as its ``with`` block.

    Attributes:
        url: Where it listens, without a final slash.
        requests: Every request so far, in order of arrival.
        lock: Guards the state of a subclass; each request is answered in its own thread.
    """

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self.connections: set[socket.socket] = set()
        self._server = _Server(("127.0.0.1", 0), lambda *args: Handler(self, *args))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()  # wakes the handlers that sleep
        self._server.shutdown()
        self._server.server_close()
        with self.lock:
            for connection in self.connections:  # idle ones too: a stopped server answers nobody
                _shut(connection)

    @abstractmethod
    def answer(self, request: Handler) -> None:
        """Answers one request, whose body has been read, through the handler that received it."""


class Handler(BaseHTTPRequestHandler):
    """One connection: records each request, reads its body and leaves the answer to the owner."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are separate writes; do not wait between them

    def __init__(self, owner: Loopback, *args: Any) -> None:
        self.owner = owner
        self.body = b""
        super().__init__(*args)

    def setup(self) -> None:
        """Remembers the connection, for the server's end."""
        super().setup()
        with self.owner.lock:
            self.owner.connections.add(self.connection)

    def finish(self) -> None:
        """Forgets it."""
        with self.owner.lock:
            self.owner.connections.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        """Takes a request of whatever method."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.owner.requests.append(Seen(self.command, self.path, headers, time.monotonic()))
        expected = int(headers.get("content-length", 0))
        self.body = self.rfile.read(expected)
        if len(self.body) < expected:
            raise ConnectionResetError("the client left in the middle of its request")
        self.owner.answer(self)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def pause(self, seconds: float) -> None:
        """Sleeps, but gives the connection up as soon as the server stops."""
        if self.owner.stopping.wait(seconds):
            raise ConnectionAbortedError("the server stops")

    def hang_up(self) -> None:
        """Ends the connection so that the client sees it at once, whatever it was promised."""
        self.close_connection = True
        _shut(self.connection)

    def client_has_left(self) -> bool:
        """Whether the connection is closed at the other end, or was hung up at this one; known as soon as it is."""
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class _Server(socketserver.ThreadingTCPServer):
    # Not http.server's: that one looks its own host name up when it binds, which may be slow.
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # clients that leave are part of the game
            super().handle_error(request, client_address)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
