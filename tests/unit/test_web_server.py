"""The web server of the tests, seen by a real client: it misbehaves exactly as ordered, and otherwise not at all."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from conftest import wait_until
from web import Answer, Web

BODY = bytes(range(256)) * 1024  # 256 KiB: more than one piece


def test_web_answers_in_order_and_records(web: Web, http: httpx.Client) -> None:
    web.serve("/a", Answer(status=503, headers={"Retry-After": "1"}), Answer(body=BODY, etag='W/"v1"'))
    first, second, third = http.get(f"{web.url}/a"), http.get(f"{web.url}/a"), http.head(f"{web.url}/a")
    missing = http.get(f"{web.url}/b", params={"q": 1})
    assert (first.status_code, first.headers["retry-after"], first.content) == (503, "1", b"")
    assert (second.status_code, second.headers["etag"], second.content) == (200, 'W/"v1"', BODY)
    assert (third.status_code, third.headers["content-length"], third.content) == (200, str(len(BODY)), b"")
    assert missing.status_code == 404
    assert [(seen.method, seen.path) for seen in web.requests] == [
        ("GET", "/a"), ("GET", "/a"), ("HEAD", "/a"), ("GET", "/b?q=1")
    ]  # fmt: skip
    assert web.requests[0].headers["user-agent"].startswith("python-httpx")
    assert web.requests[0].at <= web.requests[1].at <= time.monotonic()


@pytest.mark.parametrize("as_file", [False, True])
def test_web_ranges(web: Web, tmp_path: Path, as_file: bool, http: httpx.Client) -> None:
    file = tmp_path / "body"
    file.write_bytes(BODY)
    date = "Sat, 06 Jan 2024 00:00:00 GMT"
    web.serve("/a", Answer(file if as_file else BODY, etag='"v2"', last_modified=date, ranges=True))

    def get(**headers: str) -> httpx.Response:
        return http.get(f"{web.url}/a", headers={name.replace("_", "-"): value for name, value in headers.items()})

    whole, size = get(), len(BODY)
    assert (whole.status_code, whole.content, whole.headers["last-modified"]) == (200, BODY, date)
    for match in ({}, {"If_Range": '"v2"'}, {"If_Range": date}):
        rest = get(Range="bytes=100000-", **match)
        assert (rest.status_code, rest.content) == (206, BODY[100000:])
        assert rest.headers["content-range"] == f"bytes 100000-{size - 1}/{size}"
    other = get(Range="bytes=100000-", If_Range='"v1"')
    assert (other.status_code, other.content) == (200, BODY)
    past = get(Range=f"bytes={size}-")
    assert (past.status_code, past.headers["content-range"]) == (416, f"bytes */{size}")
    web.serve("/a", Answer(BODY))
    assert get(Range="bytes=5-").status_code == 200
    web.serve("/a", Answer(BODY, ranges=True, content_range="bytes 7-9/10"))
    assert get(Range="bytes=5-").headers["content-range"] == "bytes 7-9/10"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(BODY, cut_at=100_000),
        Answer(BODY, cut_at=0),
        Answer(BODY, length=len(BODY) + 1),
        Answer(BODY, framing="chunked", cut_at=100_000),
        Answer(BODY, framing="chunked", cut_at=len(BODY)),
    ],
)
def test_web_cuts_are_seen_at_once(web: Web, answer: Answer, http: httpx.Client) -> None:
    web.serve("/a", answer)
    received = b""
    begun = time.monotonic()
    ended_early = pytest.raises(httpx.RemoteProtocolError, match=r"incomplete|without sending complete")
    with ended_early, http.stream("GET", f"{web.url}/a") as response:
        for piece in response.iter_bytes():
            received += piece
    assert received == BODY[: answer.cut_at]
    assert time.monotonic() - begun < 1


def test_web_cut_of_a_range(web: Web, http: httpx.Client) -> None:
    web.serve("/a", Answer(BODY, ranges=True, cut_at=10))
    with http.stream("GET", f"{web.url}/a", headers={"Range": "bytes=50-"}) as response:
        assert response.headers["content-length"] == str(len(BODY) - 50)
        with pytest.raises(httpx.RemoteProtocolError):
            response.read()


def test_web_framings_that_hold(web: Web, http: httpx.Client) -> None:
    web.serve("/chunked", Answer(BODY, framing="chunked"))
    web.serve("/close", Answer(BODY, framing="close"))
    web.serve("/close/cut", Answer(BODY, framing="close", cut_at=3))
    web.serve("/short", Answer(b"0123456789", length=4))
    chunked, close = http.get(f"{web.url}/chunked"), http.get(f"{web.url}/close")
    assert http.get(f"{web.url}/close/cut").content == BODY[:3]  # nobody can tell
    assert http.get(f"{web.url}/short").content == b"0123"
    assert http.get(f"{web.url}/chunked").content == BODY
    assert (chunked.content, close.content) == (BODY, BODY)
    assert chunked.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in chunked.headers.keys() | close.headers.keys()


def test_web_silence(web: Web, http: httpx.Client) -> None:
    web.serve("/drop", Answer(drop=True))
    web.serve("/wait", Answer(wait=30))
    web.serve("/pause", Answer(BODY, pause_at=(70_000, 0.2)))
    web.serve("/stall", Answer(BODY, pause_at=(3, 30)))
    with pytest.raises(httpx.RemoteProtocolError, match="disconnected"):
        http.get(f"{web.url}/drop")
    with pytest.raises(httpx.ReadTimeout):
        http.get(f"{web.url}/wait", timeout=0.1)
    begun = time.monotonic()
    assert http.get(f"{web.url}/pause").content == BODY
    assert time.monotonic() - begun >= 0.2
    with http.stream("GET", f"{web.url}/stall", timeout=0.1) as response:
        pieces = response.iter_raw()
        assert next(pieces) == BODY[:3]
        with pytest.raises(httpx.ReadTimeout):
            next(pieces)


def test_web_stops_at_once_and_quietly(capfd: pytest.CaptureFixture[str], http: httpx.Client) -> None:
    threads = threading.active_count()
    with Web() as web, ThreadPoolExecutor(1) as pool:
        web.serve("/a", Answer(BODY * 100))
        web.serve("/b", Answer(wait=30))
        with socket.create_connection(httpx.URL(web.url).netloc.decode().split(":")) as leaver:
            leaver.sendall(b"GET /a HTTP/1.1\r\n\r\n")  # and leaves without reading
        waiting = pool.submit(http.get, f"{web.url}/b", timeout=30)
        wait_until(lambda: any(seen.path == "/b" for seen in web.requests), "/b was never asked for")
        http.get(f"{web.url}/c")  # stays connected, idle
        begun = time.monotonic()
        web.__exit__()
        assert isinstance(waiting.exception(timeout=1), httpx.RemoteProtocolError)
        assert time.monotonic() - begun < 1
    wait_until(lambda: threading.active_count() <= threads, "threads stay behind")
    with pytest.raises(httpx.TransportError):
        http.get(f"{web.url}/c")
    assert capfd.readouterr() == ("", "")
