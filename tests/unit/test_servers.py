"""The two test servers, seen by the real clients: they must misbehave exactly as ordered, and otherwise not at all."""

import base64
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import google_crc32c
import httpx
import pytest
import requests
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import rsa
from google.api_core import exceptions
from google.auth.exceptions import RefreshError
from google.cloud import storage
from google.oauth2.service_account import Credentials

from conftest import wait_until
from gcs import Fault, Gcs
from web import Answer, Web

BODY = bytes(range(256)) * 1024  # 256 KiB: more than one piece


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client() as http:
        yield http


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as web:
        yield web


@pytest.fixture(params=["anonymous", "service account"])
def gcs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gcs]:
    with Gcs() as gcs:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
        gcs.require_token = request.param == "service account"
        yield gcs


@pytest.fixture
def bucket(gcs: Gcs) -> storage.Bucket:
    return client(gcs).bucket("lake")


def client(gcs: Gcs) -> storage.Client:
    if not gcs.require_token:
        return storage.Client()
    return storage.Client(credentials=Credentials.from_service_account_info(gcs.service_account()), project="tests")


def crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


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
        wait_until(lambda: any(seen.path == "/b" for seen in web.requests), "/b was never asked for", 2)
        http.get(f"{web.url}/c")  # stays connected, idle
        begun = time.monotonic()
        web.__exit__()
        assert isinstance(waiting.exception(timeout=1), httpx.RemoteProtocolError)
        assert time.monotonic() - begun < 1
    wait_until(lambda: threading.active_count() <= threads, "threads stay behind", 2)
    with pytest.raises(httpx.TransportError):
        http.get(f"{web.url}/c")
    assert capfd.readouterr() == ("", "")


def test_gcs_upload_and_read(gcs: Gcs, bucket: storage.Bucket) -> None:
    blob = bucket.blob("turnstile/240106.csv.gz")
    blob.metadata, blob.cache_control = {"rows": "3"}, "no-store"
    blob.upload_from_string(BODY, content_type="application/gzip", if_generation_match=0)

    stored = gcs.objects["lake"]["turnstile/240106.csv.gz"]
    assert (stored.data, stored.content_type, stored.metadata) == (BODY, "application/gzip", {"rows": "3"})
    assert stored.crc32c == crc32c(BODY) == blob.crc32c
    found = bucket.get_blob("turnstile/240106.csv.gz")
    assert (found.generation, found.metageneration, found.size) == (stored.generation, 1, len(BODY))
    assert (found.metadata, found.cache_control, found.md5_hash) == ({"rows": "3"}, "no-store", stored.md5)
    assert (found.updated, found.time_created) == (stored.updated, stored.created)
    assert found.download_as_bytes() == BODY
    assert found.download_as_bytes(start=5, end=9) == BODY[5:10]
    assert found.download_as_bytes(start=5) == BODY[5:]
    assert bucket.get_blob("turnstile/none") is None
    assert any("turnstile%2F240106.csv.gz" in seen.path for seen in gcs.requests)
    found.delete(if_generation_match=found.generation)
    assert not gcs.objects["lake"]


def test_gcs_rot_is_noticed(gcs: Gcs, bucket: storage.Bucket) -> None:
    gcs.put("lake", "a", b"sound").data = b"rotten"
    with pytest.raises(storage.exceptions.DataCorruption):
        bucket.blob("a").download_as_bytes(retry=None)


def test_gcs_preconditions(gcs: Gcs, bucket: storage.Bucket) -> None:
    old = gcs.put("lake", "a", b"first")
    blob = bucket.blob("a")
    for refused in (
        {"if_generation_match": 0},
        {"if_generation_match": old.generation - 1},
        {"if_generation_not_match": old.generation},
        {"if_metageneration_match": 2},
        {"if_metageneration_not_match": 1},
    ):
        with pytest.raises(exceptions.PreconditionFailed) as caught:
            blob.upload_from_string(b"second", **refused)
        assert caught.value.code == 412
        assert "conditionNotMet" in caught.value.response.text
    with pytest.raises(exceptions.PreconditionFailed):
        blob.download_as_bytes(if_generation_match=1)
    with pytest.raises(exceptions.NotModified):
        blob.reload(if_generation_not_match=old.generation)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.delete(if_generation_match=1)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("new").upload_from_string(b"", if_generation_match=old.generation)
    assert gcs.objects["lake"] == {"a": old}
    blob.upload_from_string(b"second", if_generation_match=old.generation)
    assert gcs.objects["lake"]["a"].generation > old.generation


def test_gcs_one_of_two_creators_wins(gcs: Gcs) -> None:
    abreast, clients = threading.Barrier(2), [client(gcs), client(gcs)]
    bodies = [b"0" * (1 << 20), b"1" * (1 << 20)]  # large, so that there is time to collide

    def create(index: int, name: str) -> bool:
        try:
            clients[index].bucket("lake").blob(name).upload_from_string(bodies[index], if_generation_match=0)
        except exceptions.PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        for name in map(str, range(10)):
            gcs.faults = [Fault(before=lambda _: abreast.wait(), times=2, on="upload")]
            won = list(pool.map(create, (0, 1), (name, name)))
            assert sorted(won) == [False, True]
            assert gcs.objects["lake"][name].data == bodies[won.index(True)]


def test_gcs_patch(gcs: Gcs, bucket: storage.Bucket) -> None:
    gcs.put("lake", "a", b"", contentType="text/csv", metadata={"kept": "1", "gone": "1"})
    blob = bucket.get_blob("a")
    blob.metadata = {"gone": None, "new": "2"}
    blob.patch(if_metageneration_match=1)
    assert (blob.metadata, blob.metageneration, blob.content_type) == ({"kept": "1", "new": "2"}, 2, "text/csv")
    with pytest.raises(exceptions.PreconditionFailed):
        blob.patch(if_metageneration_match=1)


def test_gcs_wrong_checksums_store_nothing(gcs: Gcs, bucket: storage.Bucket) -> None:
    for name, wrong in (("crc32c", crc32c(b"other")), ("md5_hash", "kAFQmDzST7DWlj99KOF/cg==")):
        blob = bucket.blob("a")
        setattr(blob, name, wrong)
        with pytest.raises(exceptions.BadRequest, match="doesn't match calculated"):
            blob.upload_from_string(b"data", checksum=None)
    with pytest.raises(exceptions.BadRequest, match="doesn't match calculated"):  # of unknown size, so resumable
        bucket.blob("a").upload_from_file(io.BytesIO(b"data"), crc32c_checksum_value=crc32c(b"other"))
    assert gcs.requests[-1].method == "PUT"
    assert not gcs.objects["lake"]


def test_gcs_resumable_upload(gcs: Gcs, bucket: storage.Bucket, tmp_path: Path) -> None:
    file = tmp_path / "big"
    file.write_bytes(BODY * 36)
    seen_early: list[bool] = []
    gcs.faults = [
        Fault(status=503, on="upload"),
        Fault(before=lambda gcs: seen_early.append("big" in gcs.objects["lake"]), on="finish"),
        Fault(lost=True, on="finish"),
    ]
    blob = bucket.blob("big", chunk_size=4 << 20)
    blob.upload_from_filename(file, content_type="text/plain", if_generation_match=0, retry=storage.retry.DEFAULT_RETRY)
    assert seen_early == [False]
    stored = gcs.objects["lake"]["big"]
    assert (stored.data, stored.content_type, blob.generation) == (BODY * 36, "text/plain", stored.generation)
    ranges = [seen.headers["content-range"] for seen in gcs.requests if seen.method == "PUT"]
    assert ranges[0] == "bytes 0-4194303/9437184"
    assert len(ranges) == 3
    last = next(seen for seen in gcs.requests if seen.headers.get("content-range") == ranges[-1])
    assert last.headers["x-goog-hash"] == f"crc32c={stored.crc32c}"


def test_gcs_resumable_upload_beaten_at_the_end(gcs: Gcs, bucket: storage.Bucket, tmp_path: Path) -> None:
    file = tmp_path / "big"
    file.write_bytes(BODY * 36)
    gcs.faults = [Fault(before=lambda gcs: gcs.put("lake", "big", b"theirs"), on="finish")]
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("big").upload_from_filename(file, if_generation_match=0)
    assert gcs.objects["lake"]["big"].data == b"theirs"
    gcs.requests.clear()
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("big").upload_from_filename(file, if_generation_match=0)
    assert [seen.method for seen in gcs.requests] == ["POST"]  # refused before the first byte


def test_gcs_resumable_status_and_header_checksum(gcs: Gcs, http: httpx.Client) -> None:
    gcs.require_token = False

    def put(location: str, data: bytes, content_range: str, **headers: str) -> httpx.Response:
        return http.put(location, content=data, headers={"Content-Range": content_range, **headers})

    start = f"{gcs.url}/upload/storage/v1/b/lake/o?uploadType=resumable&name=a"
    location = http.post(start).headers["location"]
    assert "range" not in put(location, b"", "bytes */*").headers
    for _ in range(2):  # a chunk sent twice
        assert put(location, b"0123", "bytes 0-3/*").status_code == 308
    status = put(location, b"", "bytes */*")
    assert (status.status_code, status.headers["range"]) == (308, "bytes=0-3")
    assert put(location, b"89", "bytes 8-9/10").status_code == 400
    assert not gcs.objects["lake"]
    done = put(location, b"4567", "bytes 4-7/8", **{"X-Goog-Hash": f"crc32c={crc32c(b'01234567')}"})
    assert done.json()["size"] == "8"
    assert put(location, b"", "bytes */*").json() == done.json()
    assert gcs.objects["lake"]["a"].data == b"01234567"

    location = http.post(start + "b").headers["location"]
    refused = put(location, b"0123", "bytes 0-3/4", **{"X-Goog-Hash": f"crc32c={crc32c(b'3210')}"})
    assert (refused.status_code, refused.json()["error"]["errors"][0]["reason"]) == (400, "invalid")
    assert put(location, b"0123", "bytes 0-3/4").status_code == 404
    assert "ab" not in gcs.objects["lake"]


def test_gcs_lost_answer(gcs: Gcs, bucket: storage.Bucket) -> None:
    gcs.faults = [Fault(lost=True, on="upload")] * 2
    with pytest.raises(requests.ConnectionError):
        bucket.blob("a").upload_from_string(b"data", if_generation_match=0, retry=None)
    assert gcs.objects["lake"]["a"].data == b"data"
    with pytest.raises(exceptions.PreconditionFailed):  # the client tries again and meets itself
        bucket.blob("b").upload_from_string(b"data", if_generation_match=0)
    assert gcs.faults == []


def test_gcs_faults(gcs: Gcs, bucket: storage.Bucket) -> None:
    gcs.put("lake", "a", b"data")
    gcs.faults = [Fault(status=503, times=2, on="list", headers={"Retry-After": "0"}), Fault(status=429, on="patch")]
    for _ in range(2):
        with pytest.raises(exceptions.ServiceUnavailable) as caught:
            list(bucket.list_blobs(retry=None))
        assert caught.value.response.headers["Retry-After"] == "0"
    assert len(list(bucket.list_blobs(retry=None))) == 1
    assert gcs.faults == [Fault(status=429, on="patch")]
    gcs.faults = [Fault(before=lambda gcs: gcs.put("lake", "b", b"theirs"), on="upload")]
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("b").upload_from_string(b"ours", if_generation_match=0)
    gcs.faults = [Fault(status=500, on="media")]
    assert bucket.get_blob("a").exists()
    with pytest.raises(exceptions.InternalServerError):
        bucket.blob("a").download_as_bytes(retry=None)


def test_gcs_list(gcs: Gcs, bucket: storage.Bucket) -> None:
    for name in ("x/3", "y/1", "x/1", "x/2"):
        gcs.put("lake", name, name.encode())
    pages = [[blob.name for blob in page] for page in bucket.list_blobs(prefix="x/", page_size=2).pages]
    assert pages == [["x/1", "x/2"], ["x/3"]]
    assert list(bucket.list_blobs(prefix="z")) == []
    with pytest.raises(exceptions.MethodNotImplemented):
        list(bucket.list_blobs(delimiter="/"))


def test_gcs_buckets_and_permissions(gcs: Gcs) -> None:
    found = client(gcs).get_bucket("lake")
    with pytest.raises(exceptions.NotFound, match="bucket does not exist"):
        client(gcs).get_bucket("sea")
    with pytest.raises(exceptions.NotFound, match="bucket does not exist"):
        client(gcs).bucket("sea").blob("a").upload_from_string(b"")
    asked = ["storage.objects.create", "storage.objects.get"]
    assert found.test_iam_permissions(asked) == asked
    gcs.forbid = {"storage.objects.create"}
    assert found.test_iam_permissions(asked) == asked[1:]
    with pytest.raises(exceptions.Forbidden, match=r"storage\.objects\.create"):
        found.blob("a").upload_from_string(b"")
    gcs.put("lake", "a", b"")
    gcs.forbid = {"storage.objects.delete"}
    with pytest.raises(exceptions.Forbidden, match=r"storage\.objects\.delete"):
        found.blob("a").upload_from_string(b"to overwrite is to delete")


def test_gcs_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, http: httpx.Client) -> None:
    with Gcs() as gcs:
        gcs.require_token = True
        key_file = tmp_path / "key.json"
        key_file.write_text(json.dumps(gcs.service_account()))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_file))
        real = storage.Client(client_options={"api_endpoint": gcs.url})
        assert list(real.list_blobs("lake")) == []
        gcs.tokens.clear()
        assert list(real.list_blobs("lake")) == []  # the client fetched another
        assert [seen.path for seen in gcs.requests].count("/token") == 2
        gcs.tokens.clear()
        gcs.refuse_credentials = True
        with pytest.raises(RefreshError, match="invalid_grant"):
            list(real.list_blobs("lake"))
        gcs.refuse_credentials = False
        other_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        other = other_key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption()).decode()
        key_file.write_text(json.dumps(gcs.service_account() | {"private_key": other}))
        with pytest.raises(RefreshError, match="invalid_grant"):
            list(storage.Client(client_options={"api_endpoint": gcs.url}).list_blobs("lake"))
        assert http.get(f"{gcs.url}/storage/v1/b/lake").status_code == 401
        assert http.post(f"{gcs.url}/token", data={"assertion": "a.b.c"}).json()["error"] == "invalid_grant"
