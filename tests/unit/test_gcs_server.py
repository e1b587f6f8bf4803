"""The bucket of the tests, seen by the real client: it keeps Google's promises, and breaks them exactly as ordered."""

import base64
import io
import json
import threading
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

from gcs import Fault, Gcs

BODY = bytes(range(256)) * 1024  # 256 KiB: more than one piece
SOON = storage.retry.DEFAULT_RETRY.with_delay(initial=0.01)


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
    blob.upload_from_filename(file, content_type="text/plain", if_generation_match=0, retry=SOON)
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
        bucket.blob("b").upload_from_string(b"data", if_generation_match=0, retry=SOON)
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
        list(bucket.list_blobs(versions=True))


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
