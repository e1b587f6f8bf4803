"""A web server that can lie, for the tests of the downloader.

It listens on the loopback, serves bytes and misbehaves on order, the way servers and networks do: errors before a
success, bodies cut short, wrong lengths and ranges, long silences, connections dropped. The client under test opens
real sockets and nothing of it is replaced.

`Loopback` and `Handler`, the plain server underneath, also carry the storage server in `gcs`.
"""

from __future__ import annotations

import io
import re
import socket
import socketserver
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self

PIECE = 64 * 1024
RANGE = re.compile(r"bytes=(\d+)-")


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
        super().setup()
        with self.owner.lock:
            self.owner.connections.add(self.connection)

    def finish(self) -> None:
        with self.owner.lock:
            self.owner.connections.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
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

    def log_message(self, *_: object) -> None:
        pass


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


@dataclass(frozen=True)
class Answer:
    """What to send for a request, and how to get it wrong.

    Attributes:
        body: Bytes, or a file that is streamed piece by piece.
        etag: Sent verbatim, quotes and all.
        ranges: Whether ``Range: bytes=N-`` is honoured: 206 unless ``If-Range`` names another version than `etag` or
            `last_modified`, 416 past the end. Otherwise ranges are ignored.
        cut_at: Close the connection after so many body bytes, with the headers of the whole.
        length: Announce this Content-Length instead of the true one, then close after the body.
        framing: How the end of the body is told; "chunked" with `cut_at` lacks its final chunk.
        drop: Close the connection without any answer.
        wait: Seconds before the answer.
        pause_at: After so many body bytes, sleep so many seconds.
        content_range: Announce this Content-Range in a 206 instead of the true one.
    """

    body: bytes | Path = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None
    last_modified: str | None = None
    ranges: bool = False
    cut_at: int | None = None
    length: int | None = None
    framing: Literal["length", "chunked", "close"] = "length"
    drop: bool = False
    wait: float = 0.0
    pause_at: tuple[int, float] | None = None
    content_range: str | None = None

    def size(self) -> int:
        """Length of the whole body."""
        return self.body.stat().st_size if isinstance(self.body, Path) else len(self.body)

    def open(self) -> BinaryIO:
        """The whole body as a stream."""
        return self.body.open("rb") if isinstance(self.body, Path) else io.BytesIO(self.body)


class Web(Loopback):
    """The server: paths that were ordered get their answers, all others get 404."""

    def __init__(self) -> None:
        super().__init__()
        self._answers: dict[str, deque[Answer]] = {}

    def serve(self, path: str, *answers: Answer) -> None:
        """Orders the answers for a path: one after another, the last for ever."""
        with self.lock:
            self._answers[path] = deque(answers)

    def answer(self, request: Handler) -> None:
        with self.lock:
            queue = self._answers.get(request.path) or deque([Answer(status=404)])
            answer = queue.popleft() if len(queue) > 1 else queue[0]
        request.pause(answer.wait)
        if answer.drop:
            request.hang_up()
        else:
            self._send(request, answer)

    def _send(self, request: Handler, answer: Answer) -> None:
        size = answer.size()
        status, start, content_range = answer.status, 0, None
        asked = RANGE.fullmatch(request.headers.get("Range", ""))
        same = request.headers.get("If-Range") in (None, answer.etag, answer.last_modified)
        if answer.ranges and status == 200 and asked and same:
            start = int(asked[1])
            if start < size:
                status, content_range = 206, f"bytes {start}-{size - 1}/{size}"
            else:
                status, start, content_range = 416, size, f"bytes */{size}"
        if status == 206:
            content_range = answer.content_range or content_range
        count = size - start

        request.send_response(status)
        headers = {
            "ETag": answer.etag,
            "Last-Modified": answer.last_modified,
            "Accept-Ranges": "bytes" if answer.ranges else None,
            "Content-Range": content_range,
            "Content-Length": str(count if answer.length is None else answer.length),
            **answer.headers,
        }
        if answer.framing != "length":
            del headers["Content-Length"]
            headers |= {"Transfer-Encoding": "chunked"} if answer.framing == "chunked" else {"Connection": "close"}
        if answer.length is not None or (answer.cut_at is not None and answer.cut_at >= count):
            headers["Connection"] = "close"  # or a client that finds the answer whole would ask again here, in vain
        for name, value in headers.items():
            if value is not None:
                request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            self._send_body(request, answer, start, count)

    def _send_body(self, request: Handler, answer: Answer, start: int, count: int) -> None:
        chunked = answer.framing == "chunked"
        total = count if answer.cut_at is None else min(count, answer.cut_at)
        pause_at, seconds = answer.pause_at or (total, 0.0)
        with answer.open() as source:
            source.seek(start)
            for end in sorted({pause_at, total}):
                left = min(end, total) - (source.tell() - start)
                while left > 0 and (piece := source.read(min(left, PIECE))):
                    request.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                    left -= len(piece)
                if end == pause_at:
                    request.pause(seconds)
        if chunked and answer.cut_at is None:
            request.wfile.write(b"0\r\n\r\n")
        if answer.cut_at is not None or answer.length is not None or answer.framing == "close":
            request.hang_up()
