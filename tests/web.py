"""A web server that can lie, for the tests of the downloader.

It listens on the loopback, serves bytes and misbehaves on order, the way servers and networks do: errors before a
success, bodies cut short, wrong lengths and ranges, long silences, connections dropped. The client under test opens
real sockets and nothing of it is replaced.
"""

from __future__ import annotations

import io
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO, Literal

from loopback import Handler, Loopback

PIECE = 64 * 1024
RANGE = re.compile(r"bytes=(\d+)-")


@dataclass(frozen=True)
class Answer:
    """What to send for a request, and how to get it wrong.

    Attributes:
        body: Bytes, or a file that is streamed piece by piece.
        etag: Sent verbatim, quotes and all.
        conditional: Whether If-None-Match and, without it, If-Modified-Since are honoured as servers do: 304 for a
            file that is not newer.
        ranges: Whether ``Range: bytes=N-`` is honoured: 206 unless ``If-Range`` names another version than `etag` or
            `last_modified`, 416 past the end. Otherwise ranges are ignored.
        cut_at: Close the connection after so many body bytes, with the headers of the whole.
        length: Announce this Content-Length instead of the true one, then close after the body.
        framing: How the end of the body is told; "chunked" with `cut_at` lacks its final chunk.
        drop: Close the connection without any answer.
        until: Hold the answer until this is true.
        wait: Seconds before the answer, after that.
        pause_at: After so many body bytes, sleep so many seconds.
        content_range: Announce this Content-Range in a 206 instead of the true one.
    """

    body: bytes | Path = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None
    last_modified: str | None = None
    conditional: bool = False
    ranges: bool = False
    cut_at: int | None = None
    length: int | None = None
    framing: Literal["length", "chunked", "close"] = "length"
    drop: bool = False
    until: Callable[[], bool] | None = None
    wait: float = 0.0
    pause_at: tuple[int, float] | None = None
    content_range: str | None = None

    def size(self) -> int:
        """Length of the whole body."""
        return self.body.stat().st_size if isinstance(self.body, Path) else len(self.body)

    def is_known(self, headers: Message) -> bool:
        """Whether a request that asks for something else need not be sent it."""
        if named := headers.get("If-None-Match"):
            return bool(named == self.etag)
        since = headers.get("If-Modified-Since")
        both = [parsedate_to_datetime(moment) for moment in (since, self.last_modified) if moment]
        return len(both) == 2 and both[0] >= both[1]

    def open(self) -> BinaryIO:
        """The whole body as a stream."""
        return self.body.open("rb") if isinstance(self.body, Path) else io.BytesIO(self.body)


class Web(Loopback):
    """The server: paths that were ordered get their answers, all others get 404.

    Attributes:
        most_held: The most requests that waited for their answers at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._answers: dict[str, deque[Answer]] = {}
        self._held = self.most_held = 0

    def serve(self, path: str, *answers: Answer) -> None:
        """Orders the answers for a path: one after another, the last for ever."""
        with self.lock:
            self._answers[path] = deque(answers)

    def answer(self, request: Handler) -> None:
        with self.lock:
            queue = self._answers.get(request.path) or deque([Answer(status=404)])
            answer = queue.popleft() if len(queue) > 1 else queue[0]
            self._held += 1
            self.most_held = max(self.most_held, self._held)
        try:
            while answer.until and not answer.until():
                request.pause(0.02)
            request.pause(answer.wait)
        finally:
            with self.lock:
                self._held -= 1
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

        if answer.conditional and answer.is_known(request.headers):
            status, size, count = 304, 0, 0
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
