"""The head of an answer may say anything: what comes of it is the body that was sent, or a fault that can be read."""

import gzip
import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mta_weekly.errors import EtlError
from mta_weekly.fetch.body import Body, Version
from mta_weekly.fetch.client import Token, Web, open_client
from mta_weekly.fetch.http import fetch_body
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import Settings
from tries import tries

SETTINGS = Settings(_env_file=None, retry_attempts=2, retry_base=0.001, retry_wait=0.05, head_timeout=9, read_timeout=9)
BODY = b"".join(b"%d,a line of a file\n" % n for n in range(2_000))
HALF, WHOLE = 20_000, len(BODY)
PACKED = gzip.compress(BODY, mtime=0)
TOKEN = "Zaunkoenig7281-mVq"
LOCATION = "Pq5-fly-Xk2-away"  # a password or a key that only a redirect has
SLOW = 20.0  # seconds
BREAK = "\r\n"


@dataclass
class Script:
    """A server that sends what it is told to, connection by connection, the last for ever, and hangs up."""

    answers: Sequence[bytes] = ()
    asked: list[bytes] = field(default_factory=list)
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def serve(self) -> None:
        """Answer until the socket is closed."""
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection, suppress(OSError):
                    request = b""
                    while b"\r\n\r\n" not in request and (piece := connection.recv(65536)):
                        request += piece
                    self.asked.append(request)
                    if request and self.answers:
                        connection.sendall(self.answers[min(len(self.asked), len(self.answers)) - 1])
                    connection.shutdown(socket.SHUT_WR)
                    connection.settimeout(5)
                    while connection.recv(65536):
                        pass

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"


@pytest.fixture(scope="module")
def script() -> Iterator[Script]:
    script = Script()
    threading.Thread(target=script.serve, daemon=True).start()
    yield script
    with suppress(OSError):
        script.listener.shutdown(socket.SHUT_RDWR)
    script.listener.close()


@pytest.fixture(scope="module")
def client(script: Script) -> Iterator[Web]:
    with open_client(SETTINGS, {script.url: Token(TOKEN, "MTA_SOCRATA_APP_TOKEN")}) as client:
        yield client


ODD = [
    "", " ", "0", "-1", "+5", "5_0", "1e9", "9" * 18, "9" * 5_000, "\u0665", "NaN", "bytes", "none", "bytes, bytes",
    "gzip", "x-gzip", "GZIP ", "br", "identity", "gzip, gzip", "chunked", "gzip, chunked", "chunked, gzip", '""',
    '"v1"',
    'W/"v1"', '"' + "v" * 9_000 + '"', "*", "\x1b[31mred\x07", "\x00", "\x7f", "\x85", "\ufffd\ud7ff", "a\r\n b",
    "a\r\nX-Odd: b", "a\rb", "a\nb", "\u202etxt", f"bytes {HALF}-{WHOLE - 1}/{WHOLE}", f"bytes {HALF}-{WHOLE - 1}/*",
    f"bytes {HALF}-{WHOLE - 2}/{WHOLE}", f"bytes 0-{WHOLE - 1}/{WHOLE}", f"bytes */{WHOLE}", f"bytes {'9' * 4_999}-1/2",
    f"bytes {HALF}-{WHOLE - 1}/{WHOLE} ", str(WHOLE), str(HALF), str(WHOLE - HALF), str(len(PACKED)),
    "Mon, 08 Jan 2024 05:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 99 Jan 0 0:0:0", "Mon, 1 Jan 1 0:0:0 +9999",
    "/", "//", "?", "#", "/x", "../..", "http:", "http://", "http://[", "http://[::1", "http://127.0.0.1:99999/",
    "http://127.0.0.1:9/", "https://127.0.0.1:9/", "ftp://127.0.0.1/", "file:///etc/passwd", "javascript:alert(1)",
    "http://xn--/", "http://\u00e9" + "x" * 70 + "/", "http://a..b/", "http://%00/", "/%zz", "/\ud7ff", "/a b",
    "\\\\h\\x",
    TOKEN, TOKEN.upper(), f"xx{TOKEN[:12]}", f'{{"message": "{TOKEN}"}}', "keep-alive", "close", "upgrade",
]  # fmt: skip
odd = st.sampled_from(ODD) | st.text(st.characters(max_codepoint=0x2FF), max_size=12)
names = st.sampled_from(
    [
        "Content-Length", "Content-Range", "Content-Encoding", "Transfer-Encoding", "Content-Type", "ETag", "Location",
        "Last-Modified", "Accept-Ranges", "Retry-After", "Connection", "Upgrade", "Set-Cookie", "Date", "Age", "X-Odd",
        "X-App-Token", "Trailer", "Vary",
    ]
) | st.sampled_from(["", " ", "X Odd", "\x1b", "content-length", "ETAG", "\u00e9", "A" * 9_000])  # fmt: skip
places = st.sampled_from([
    f"http://me:{LOCATION}@127.0.0.1:9/", f"/x?key={LOCATION}", f"ftp://me:{LOCATION}@h/", f"http://{LOCATION}@[/",
    f"//me:{LOCATION}@[::1]:9/?{LOCATION}", f"http://me:{LOCATION}@h\\@x:y/", f"/y#{LOCATION}", f"ftp://h/?{LOCATION}",
    f"http://127.0.0.1:9/?key={LOCATION}", f"http://h:{LOCATION}/", f"{LOCATION[:3]}:x?{LOCATION}",
])  # fmt: skip
headers = st.lists(st.tuples(names, odd) | st.tuples(st.just("Location"), places | odd), max_size=4)
statuses = st.one_of(
    st.sampled_from([200, 200, 200, 200, 206, 302, 301, 307, 308, 304, 404, 416, 429, 503]), st.integers(0, 1200)
)
framings = st.sampled_from(["length", "length", "chunked", "close", "gzip", "gzip chunked", "cut"])
answers = st.tuples(statuses, odd, headers, framings)
Drawn = tuple[int, str, list[tuple[str, str]], str]


def write(status: int, reason: str, more: list[tuple[str, str]], framing: str) -> bytes:
    """An answer with all of the body, or what is left of it, framed as it should be, and what else its head says."""
    resumes = status == 206  # else the source would lie, which nobody can tell
    body = BODY[HALF:] if resumes else PACKED if "gzip" in framing else BODY
    said = [("ETag", '"v1"'), ("Accept-Ranges", "bytes")]
    if resumes:
        said.append(("Content-Range", f"bytes {HALF}-{WHOLE - 1}/{WHOLE}"))
    elif "gzip" in framing:
        said.append(("Content-Encoding", "gzip"))
    if "chunked" in framing:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        said.append(("Transfer-Encoding", "chunked"))
    elif framing != "close":
        said.append(("Content-Length", str(len(body))))
    told = {name.lower() for name, _ in more}
    lines = [f"{name}: {text}" for name, text in [*(one for one in said if one[0].lower() not in told), *more]]
    head = BREAK.join([f"HTTP/1.1 {status} {reason}", *lines, "", ""]).encode(errors="surrogatepass")
    return head + (body[:HALF] if framing == "cut" else body)


@settings(max_examples=tries(3000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(answers, min_size=1, max_size=3), st.booleans())
def test_a_body_comes_as_it_was_sent_or_a_fault_says_why_not(
    script: Script, client: Web, drawn: list[Drawn], begun: bool
) -> None:
    first = write(200, "OK", [], "cut")
    script.answers = [*([first] if begun else []), *(write(*each) for each in drawn)]
    script.asked.clear()
    for known in (client.hosts.patience, client.hosts.refused_tokens, client.hosts.said, client.hosts.unreachable):
        known.clear()
    unless = None if begun else Version(f"{script.url}/x", '"v0"', "Sat, 06 Jan 2024 05:00:00 GMT", 7)
    budget = RetryBudget.of(SETTINGS, "240106")
    began = time.monotonic()
    try:
        found, body = fetch_body(client, f"{script.url}/x", lambda chunks, _: b"".join(chunks), budget, unless=unless)
    except EtlError as error:
        said = str(error)
        assert 10 < len(said) < 1_000
        assert said.isprintable(), repr(said)
        refuse_secrets(said)
    else:
        told = {name.lower() for *_, more, _ in drawn for name, _ in more}
        if told & {"content-length", "transfer-encoding", "content-encoding", "x-odd"} or "\n" in str(drawn):
            assert BODY.startswith(found) or PACKED.startswith(found) or found in b"".join(script.answers)
        else:
            assert found == BODY
        check_facts(body)
    assert time.monotonic() - began < SLOW


def check_facts(body: Body) -> None:
    """What rides on an object is short, and holds nothing that does not print, and no secret."""
    for said in (body.etag, body.last_modified, body.source_url):
        assert len(said.encode()) < 10_000
        assert said.isprintable(), repr(said)
        refuse_secrets(said)
    assert len(body.etag.encode()) <= 400 >= len(body.last_modified.encode())


def refuse_secrets(said: str) -> None:
    for secret in (TOKEN, LOCATION):
        parts = {secret[at : at + 8].lower() for at in range(len(secret) - 7)}
        assert not [part for part in parts if part in said.lower()], said
    assert not re.search("//[^/ ]*@", said), said
