"""Buckets and token endpoints that answer without end, too much, or elsewhere: each ends, in a sentence."""

import json
import random
import re
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import google.cloud.storage
import google.oauth2.credentials
import pytest
from google.oauth2.service_account import Credentials

from conftest import KEY
from gcs import Gcs
from lake_objects import budget, made
from liars import CHUNKED, OK, RESET, Liar, Said, bomb, chunk, drip, pour, redirect, slow
from mta_weekly.checksums import crc32c_of
from mta_weekly.errors import EtlError, LakeFailed
from mta_weekly.lake.gcs import BucketLake
from mta_weekly.lake.gcs_transport import Limits, limit_client
from mta_weekly.lake.objects import StoredObject
from mta_weekly.retry import RetryBudget

pytest_plugins = ["liars"]

LIMITS = Limits(connect=5.0, head=0.8, silence=0.5, whole=1.2)
PATIENT = Limits(connect=5.0, head=60.0, silence=1.0, whole=60.0)
WIDE = Limits(60.0, 60.0, 60.0, 60.0)
ENDS = 5.0  # seconds within which all of it is over, on a machine that is busy
MOST = 80 * 2**20  # bytes of memory
EMPTY = b'{"kind": "storage#objects"}'
SOUND = OK + b"Content-Length: %d\r\n\r\n%s" % (len(EMPTY), EMPTY)
NEXT = b'{"kind": "storage#objects", "nextPageToken": "x"}'


MUCH = b"[]," * 2**15
SILENT = r"sent nothing of its answer for 0\.5 s \(MTA_READ_TIMEOUT\)"
HEAD = r"sent not the head of its answer within 0\.8 s \(MTA_HEAD_TIMEOUT\)"
LARGE = r"http://127\.0\.0\.1:\d+ answered without end: more than 16,777,216 bytes"
ELSEWHERE = r"http://127\.0\.0\.1:\d+ answered with a redirect \(\d+\) to {}, .*; it was not followed"
LIES: dict[str, tuple[Callable[[], Said], str]] = {
    "silence": (lambda: drip(b"", b"", 9), r"sent nothing of its answer for 0\.5 s \(MTA_READ_TIMEOUT\)"),
    "a drip in the status": (lambda: drip(b"HTTP/1.1 200 "), HEAD),
    "a drip in a header": (lambda: drip(OK + b"X-A: "), HEAD),
    "a drip of headers": (lambda: drip(OK, b"A: b\r\n"), HEAD),
    "hints for ever": (lambda: drip(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"), HEAD),
    "100 for ever": (lambda: drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), HEAD),
    "a flood of hints": (lambda: pour(b"", b"HTTP/1.1 103 x\r\nA: " + b"b" * 60_000 + b"\r\n\r\n"), "bytes of head"),
    "a flood of 100": (lambda: pour(b"", b"HTTP/1.1 100 x\r\nA: " + b"b" * 60_000 + b"\r\n\r\n"), "bytes of head"),
    "a header of 1 MB": (lambda: iter([OK + b"X: " + b"x" * 2**20 + b"\r\n\r\n"]), "its answer is no HTTP"),
    "headers without end": (lambda: pour(OK, b"A: b\r\n" * 99), "its answer is no HTTP"),
    "a status without end": (lambda: pour(b"HTTP/1.1 200 ", b"x" * 2**16), "its answer is no HTTP"),
    "no HTTP": (lambda: iter([b"220 mail ready\r\n"]), "its answer is no HTTP"),
    "a drip of JSON": (
        lambda: drip(OK + b"Content-Length: 9999\r\n\r\n"),
        r"sent not all of its answer within 1\.2 s \(MTA_WEEK_TIMEOUT\)",
    ),
    "a drip of chunks": (
        lambda: drip(CHUNKED, chunk(b" ")),
        r"sent not all of its answer within 1\.2 s \(MTA_WEEK_TIMEOUT\)",
    ),
    "a body that stops": (lambda: drip(OK + b"Content-Length: 9999\r\n\r\n{", b"", 9), SILENT),
    "a drip in a chunk extension": (lambda: drip(CHUNKED + b"1;x="), SILENT),
    "a drip of trailers": (lambda: drip(CHUNKED + chunk(EMPTY) + b"0\r\n", b"A: b\r\n"), SILENT),
    "a flood of trailers": (lambda: pour(CHUNKED + chunk(EMPTY) + b"0\r\n", b"A: b\r\n" * 99), SILENT),
    "a chunk extension without end": (lambda: pour(CHUNKED + b"1;", b"x" * 2**16), "its answer is no HTTP .*chunk"),
    "JSON without end": (lambda: pour(CHUNKED, chunk(MUCH)), LARGE),
    "JSON until the end, without one": (lambda: pour(OK + b"\r\n", MUCH), LARGE),
    "an error without end": (lambda: pour(CHUNKED.replace(b"200 OK", b"403 No"), chunk(MUCH)), LARGE),
    "a gzip bomb": (
        lambda: iter([OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(b := bomb()), b]),
        LARGE,
    ),
    "a length that is too long": (lambda: iter([OK + b"Content-Length: 99\r\n\r\n{}"]), "its answer broke off"),
    "a reset": (lambda: slow(OK + b"Content-Length: 99\r\n\r\n{", RESET), "its answer broke off"),
    "a length of 5,000 digits": (lambda: iter([OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{"]), "no JSON"),
    "a redirect with a body": (
        lambda: pour(redirect("https://user:secret@elsewhere.test/x?token=secret"), chunk(MUCH)),
        ELSEWHERE.format("https://elsewhere.test"),
    ),
    "a redirect without encryption": (
        lambda: iter([redirect("http://a.test", 307)]),
        ELSEWHERE.format("http://a.test"),
    ),
    "a redirect to nowhere": (lambda: iter([redirect("http://[x", 308)]), ELSEWHERE.format("an address that is none")),
    "a reason that writes on the terminal": (
        lambda: iter([b"HTTP/1.1 400 \x1b[2Jgone\x07\r\nContent-Length: 0\r\n\r\n"]),
        r"400 \[2Jgone",
    ),
    "a reason of 60 KB": (
        lambda: iter([b"HTTP/1.1 400 " + b"y" * 60_000 + b"\r\nContent-Length: 0\r\n\r\n"]),
        "400 y+",
    ),
    "an error of 60 KB": (
        lambda: iter([OK.replace(b"200", b"400") + b"\r\n" + b'{"error": {"message": "%s"}}' % (b"z\\u001b" * 60_000)]),
        "400 z z",
    ),
    "a wait of 5,000 digits": (
        lambda: iter([b"HTTP/1.1 503 x\r\nRetry-After: " + b"9" * 5000 + b"\r\nContent-Length: 0\r\n\r\n"]),
        "503 ",
    ),
}


def open_bucket(limits: Limits = LIMITS, **more: Any) -> BucketLake:
    return BucketLake(limit_client(google.cloud.storage.Client(project="test", **more), limits), "lake")


def once() -> RetryBudget:
    return RetryBudget(attempts=1, wait=1, base=0.001)


@contextmanager
def said(what: str) -> Iterator[None]:
    """What is done ends in one sentence of a bearable length, in time, with little memory."""
    began = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(EtlError) as given:
            yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    line = str(given.value)
    assert re.search(what, line)
    assert line.startswith("gs://lake/ (lake): ")
    assert line.isprintable()
    assert len(line) < 500
    assert not re.search("secret|no answer", line)
    assert time.monotonic() - began < ENDS
    assert peak < MOST


@pytest.mark.parametrize("name", LIES)
def test_each_ends_in_a_sentence(liar: Callable[..., Liar], name: str) -> None:
    lie, what = LIES[name]
    liar(lie)
    lake = open_bucket()
    with said(what):
        lake.find([KEY], once())


def test_an_interim_answer_is_not_taken_for_the_answer(liar: Callable[..., Liar]) -> None:
    liar(lambda: iter([b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 3, SOUND]))
    assert open_bucket().find([KEY], once()) == {}


def test_what_comes_slowly_and_comes_is_taken(liar: Callable[..., Liar]) -> None:
    liar(lambda: slow(OK, b"Content-Length: %d\r\n\r\n" % len(EMPTY), EMPTY[:9], EMPTY[9:]))
    assert open_bucket(PATIENT).find([KEY], once()) == {}


def test_a_listing_that_names_a_next_page_for_ever(liar: Callable[..., Liar]) -> None:
    liar(lambda: iter([OK + b"Connection: close\r\n\r\n" + NEXT]))
    lake = open_bucket()
    with said(r"its listing of turnstile/240106\.csv\.gz\* has no end, of 50 pages"):
        lake.find([KEY], budget())


CONTENTS: dict[str, tuple[Callable[[], Said], str]] = {
    "without end": (lambda: pour(CHUNKED, chunk(MUCH)), "more came than the object has"),
    "a drip": (lambda: drip(CHUNKED, chunk(b"x")), r"sent not all of its answer within 1\.2 s \(MTA_WEEK_TIMEOUT\)"),
    "a drip between pieces": (lambda: drip(CHUNKED + chunk(b"x") + b"1;"), SILENT),
    "packed by HTTP": (
        lambda: iter([OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb()), bomb()]),
        "more came than the object has",
    ),
    "a redirect": (lambda: pour(redirect("https://a.test"), chunk(MUCH)), ELSEWHERE.format("https://a.test")),
    "an error without end": (lambda: pour(CHUNKED.replace(b"200 OK", b"500 x"), chunk(MUCH)), LARGE),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_the_content_of_an_object_ends(liar: Callable[..., Liar], tmp_path: Path, name: str) -> None:
    lie, what = CONTENTS[name]
    liar(lie)
    lake = open_bucket()
    with said(what):
        lake.read(KEY, StoredObject("1", 99, "AAAAAA==", None), tmp_path / "read", once())
    assert not (tmp_path / "read").exists() or (tmp_path / "read").stat().st_size <= 99


def test_content_that_flows_for_longer_than_a_silence_is_read(liar: Callable[..., Liar], tmp_path: Path) -> None:
    whole = b"0123456789" * 10_000
    pieces = [whole[at : at + 20_000] for at in range(0, len(whole), 20_000)]
    liar(lambda: slow(OK + b"Content-Length: 100000\r\n\r\n", *pieces))
    (tmp_path / "same").write_bytes(whole)
    found = StoredObject("1", len(whole), crc32c_of(tmp_path / "same"), None)
    open_bucket(PATIENT).read(KEY, found, tmp_path / "read", once())
    assert (tmp_path / "read").read_bytes() == whole


def test_an_upload_that_nobody_takes_ends(liar: Callable[..., Liar], tmp_path: Path) -> None:
    liar(lambda: drip(b"", b"", 9))
    path, facts = made(tmp_path, random.Random(1).randbytes(7 * 2**20))
    lake = open_bucket()
    with said(r"took nothing of what was sent for 0\.5 s \(MTA_READ_TIMEOUT\)"):
        lake.publish(path, KEY, facts, None, once())


def test_an_upload_goes_nowhere_without_encryption(gcs: Gcs, tmp_path: Path) -> None:
    """The bucket says where an upload that comes in pieces goes on; the token would go there too."""
    path, facts = made(tmp_path, random.Random(1).randbytes(9 * 2**20))
    lake = open_bucket()
    for adapter in lake.client._http.adapters.values():
        adapter.plain = False
    with said(r"it wants the upload without encryption, at http://127\.0\.0\.1:\d+; nothing was sent"):
        lake.publish(path, KEY, facts, None, once())
    assert gcs.requests == []


@pytest.mark.parametrize("size", [2**20, 9 * 2**20])
def test_sound_requests_pass(gcs: Gcs, tmp_path: Path, size: int) -> None:
    path, facts = made(tmp_path, random.Random(1).randbytes(size))
    lake = open_bucket(WIDE)
    lake.publish(path, KEY, facts, None, once())
    found = lake.find([KEY], once())[KEY]
    lake.read(KEY, found, tmp_path / "read", once())
    assert (tmp_path / "read").read_bytes() == path.read_bytes()
    assert lake.remove(KEY, found, once())
    assert gcs.objects["lake"] == {}


TOKENS: dict[str, tuple[Callable[[], Said], str]] = {
    "an answer without end": (lambda: pour(CHUNKED, chunk(MUCH)), LARGE),
    "a drip": (lambda: drip(CHUNKED, chunk(b" ")), r"sent not all of its answer within 1\.2 s \(MTA_WEEK_TIMEOUT\)"),
    "a drip in the head": (lambda: drip(OK, b"A: b\r\n"), HEAD),
    "a redirect": (lambda: pour(redirect("http://a.test", 307), chunk(MUCH)), ELSEWHERE.format("http://a.test")),
    "a bomb": (LIES["a gzip bomb"][0], LARGE),
}


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_endpoint_ends(liar: Callable[..., Liar], gcs: Gcs, name: str) -> None:
    lie, what = TOKENS[name]
    key = Credentials.from_service_account_info({**gcs.service_account(), "token_uri": f"{liar(lie).url}/token"})
    lake = open_bucket(credentials=key)
    with said(what):
        lake.find([KEY], once())


def test_what_was_sent_is_not_shown(liar: Callable[..., Liar], gcs: Gcs) -> None:
    """A bucket repeats the token in what it says, a token endpoint what it was shown."""
    heard = list[bytes]()

    def say(error: Callable[[str], object]) -> Callable[[], Said]:
        head = b"HTTP/1.1 400 No\r\nConnection: close\r\n\r\n"
        return lambda: iter([head + json.dumps(error(heard[-1].decode()[-900:])).encode()] if heard else [])

    token = "ya29.SesameOpensTheDoor0123"
    liar(say(lambda asked: {"error": {"message": f"bad {asked}"}}), heard)
    lake = open_bucket(credentials=google.oauth2.credentials.Credentials(token))
    with pytest.raises(LakeFailed, match="400 bad") as given:
        lake.find([KEY], once())
    assert token.encode() in heard[-1]
    assert [part for at in range(len(token) - 7) if (part := token[at : at + 8]) in str(given.value)] == []

    url = liar(say(lambda asked: {"error": "bad", "error_description": asked}), heard).url
    key = Credentials.from_service_account_info({**gcs.service_account(), "token_uri": f"{url}/token"})
    lake = open_bucket(credentials=key)
    with pytest.raises(LakeFailed, match="access refused") as given:
        lake.find([KEY], once())
    assert b"assertion=" in heard[-1]
    assert not re.search(r"[\w-]{30}", str(given.value))
