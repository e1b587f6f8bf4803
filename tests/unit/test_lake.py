"""The lakes keep their promises: created once, whole, verified, with their facts; in a folder and in a bucket alike."""

import gzip
import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import google.cloud.storage
import pytest
from gcp_storage_emulator.server import create_server

from conftest import KEY
from gcs import Fault, Gcs
from mta_weekly.checksums import crc32c_of
from mta_weekly.errors import GaveUp, LakeFailed
from mta_weekly.lake.folder import FolderLake
from mta_weekly.lake.gcs import BucketLake
from mta_weekly.lake.objects import Facts, Lake
from mta_weekly.retry import Patience

PERMISSIONS = ["storage.objects.create", "storage.objects.list"]


def patience() -> Patience:
    return Patience(attempts=3, wait=10, base=0.001)


def made(folder: Path, content: bytes = b",CA\n0,A002\n", run: str = "run-1") -> tuple[Path, Facts]:
    """A file as convert would make it, with its facts."""
    path = folder / f"{hashlib.sha256(content).hexdigest()[:8]}.csv.gz"
    path.write_bytes(gzip.compress(content, mtime=0))
    return path, Facts(
        feed="turnstile",
        week="240106",
        source_url="http://web.mta.info/x",
        source_etag='"v1"',
        source_last_modified="Sat, 06 Jan 2024 12:00:00 GMT",
        source_bytes=99,
        rows=content.count(b"\n") - 1,
        bad_rows=0,
        first_day="2023-12-30",
        last_day="2024-01-05",
        size=path.stat().st_size,
        crc32c=crc32c_of(path),
        sha256=hashlib.sha256(content).hexdigest(),
        loaded_at="2024-01-06T14:00:00+00:00",
        flow_run_id=run,
        version="0.1.0",
    )


@pytest.fixture
def bucket(gcs: Gcs) -> BucketLake:
    return BucketLake(google.cloud.storage.Client(project="test"), "lake")


@pytest.fixture(params=["folder", "bucket", "bucket with a folder", "public emulator"])
def lake(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    if request.param == "folder":
        yield FolderLake(tmp_path / "lake")
    elif request.param == "public emulator":
        server = create_server("127.0.0.1", 0, in_memory=True, default_bucket="lake")
        server.start()
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://{}:{}".format(*server._api._httpd.server_address))
        yield BucketLake(google.cloud.storage.Client(project="test"), "lake")
        server.stop()
    else:
        request.getfixturevalue("gcs")
        folder = "raw/" if "folder" in request.param else ""
        yield BucketLake(google.cloud.storage.Client(project="test"), "lake", folder)


def content(lake: Lake, folder: Path, key: str = KEY) -> bytes:
    lake.read(key, folder / "read.gz", patience())
    return gzip.decompress((folder / "read.gz").read_bytes())


def test_a_published_object_is_there_whole_with_its_facts(lake: Lake, tmp_path: Path) -> None:
    path, facts = made(tmp_path)
    lake.prepare()
    assert lake.find([KEY], patience()) == {}
    published = lake.publish(path, KEY, facts, None, patience())
    found = lake.find([KEY, "turnstile/240113.csv.gz"], patience())
    assert published.state == "landed"
    assert found == {KEY: published.found}
    assert found[KEY].facts == facts
    assert content(lake, tmp_path) == b",CA\n0,A002\n"


def test_forcing_replaces_the_object_that_was_seen(lake: Lake, tmp_path: Path) -> None:
    lake.prepare()
    lake.publish(*with_key(made(tmp_path)), None, patience())
    seen = lake.find([KEY], patience())[KEY]
    path, facts = made(tmp_path, b",CA\n0,B001\n1,B002\n", "run-2")
    assert lake.publish(path, KEY, facts, seen, patience()).state == "replaced"
    assert content(lake, tmp_path) == b",CA\n0,B001\n1,B002\n"
    assert lake.find([KEY], patience())[KEY].facts == facts


def with_key(file: tuple[Path, Facts]) -> tuple[Path, str, Facts]:
    return file[0], KEY, file[1]


HONEST = ["folder", "bucket", "bucket with a folder"]  # the public emulator ignores preconditions


@pytest.mark.parametrize("lake", HONEST, indirect=True)
def test_an_object_is_never_written_over(lake: Lake, tmp_path: Path) -> None:
    lake.prepare()
    first = lake.publish(*with_key(made(tmp_path)), None, patience())
    other = lake.publish(*with_key(made(tmp_path, b",CA\n0,Z\n", "run-2")), None, patience())
    assert other.state == "there"
    assert other.found == first.found
    assert content(lake, tmp_path) == b",CA\n0,A002\n"


@pytest.mark.parametrize("lake", HONEST, indirect=True)
def test_forcing_leaves_an_object_alone_that_was_replaced_meanwhile(lake: Lake, tmp_path: Path) -> None:
    lake.prepare()
    lake.publish(*with_key(made(tmp_path)), None, patience())
    seen = lake.find([KEY], patience())[KEY]
    lake.publish(*with_key(made(tmp_path, b",CA\n0,B\n", "run-2")), seen, patience())
    with pytest.raises(LakeFailed, match=r"another run changed it meanwhile"):
        lake.publish(*with_key(made(tmp_path, b",CA\n0,C\n", "run-3")), seen, patience())
    assert content(lake, tmp_path) == b",CA\n0,B\n"


@pytest.mark.parametrize("lake", HONEST, indirect=True)
def test_of_many_at_once_exactly_one_creates(lake: Lake, tmp_path: Path) -> None:
    lake.prepare()
    files = [made(tmp_path, f",CA\n0,{n}\n".encode(), f"run-{n}") for n in range(8)]
    states: list[str] = []
    together = threading.Barrier(len(files))

    def publish(file: tuple[Path, Facts]) -> None:
        together.wait()
        states.append(lake.publish(*with_key(file), None, patience()).state)

    threads = [threading.Thread(target=publish, args=(file,)) for file in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(states) == ["landed"] + ["there"] * 7
    facts = lake.find([KEY], patience())[KEY].facts
    assert facts is not None
    assert content(lake, tmp_path) == f",CA\n0,{facts.flow_run_id.removeprefix('run-')}\n".encode()


def test_facts_that_do_not_fit_count_as_absent_and_can_be_set(lake: Lake, tmp_path: Path) -> None:
    path, facts = made(tmp_path)
    lake.prepare()
    lake.publish(path, KEY, facts.model_copy(update={"rows": 7}), None, patience())
    seen = lake.find([KEY], patience())[KEY]
    lake.set_facts(KEY, seen, facts.model_copy(update={"size": 1}), patience())
    seen = lake.find([KEY], patience())[KEY]
    assert seen.facts is None
    lake.set_facts(KEY, seen, facts, patience())
    assert lake.find([KEY], patience())[KEY].facts == facts


@pytest.mark.parametrize("key", ["turnstile/240113.csv.gz", "ridership/240106.csv.gz", "240106.csv.gz"])
def test_facts_of_another_object_count_as_absent(tmp_path: Path, key: str) -> None:
    _, facts = made(tmp_path)
    said = facts.model_dump()
    for own in (KEY, f"rejected/{KEY}", f"raw/{KEY}"):
        assert Facts.read(said, own, facts.size, facts.crc32c) == facts
    assert Facts.read(said, key, facts.size, facts.crc32c) is None


@pytest.mark.parametrize("lake", HONEST, indirect=True)
def test_removing_takes_the_object_that_was_seen_only(lake: Lake, tmp_path: Path) -> None:
    lake.prepare()
    lake.publish(*with_key(made(tmp_path)), None, patience())
    seen = lake.find([KEY], patience())[KEY]
    lake.publish(*with_key(made(tmp_path, b",CA\n0,B\n", "run-2")), seen, patience())
    lake.remove(KEY, seen, patience())
    assert content(lake, tmp_path) == b",CA\n0,B\n"
    lake.remove(KEY, lake.find([KEY], patience())[KEY], patience())
    assert lake.find([KEY], patience()) == {}
    lake.remove(KEY, seen, patience())


class TestFolder:
    def test_another_process_holding_the_lock_is_waited_for(self, tmp_path: Path) -> None:
        lake = FolderLake(tmp_path / "lake")
        lake.prepare()
        code = (
            "import sys, time; from filelock import FileLock\n"
            "with FileLock(sys.argv[1]): print('held', flush=True); time.sleep(1); print('let go', flush=True)"
        )
        lock = tmp_path / "lake" / ".mta-etl" / "turnstile-240106.csv.gz.lock"
        with subprocess.Popen([sys.executable, "-c", code, lock], stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            lake.publish(*with_key(made(tmp_path)), None, patience())
            assert holder.stdout.readline() == "let go\n"

    def test_what_a_killed_run_left_is_never_taken_for_an_object(self, tmp_path: Path) -> None:
        lake = FolderLake(tmp_path / "lake")
        lake.prepare()
        path, facts = made(tmp_path)
        (tmp_path / "lake" / "turnstile").mkdir()
        (tmp_path / "lake" / ".mta-etl" / "turnstile-240106.csv.gz.part").write_bytes(b"half")
        (tmp_path / "lake" / f"{KEY}.json").write_text(facts.model_dump_json())
        assert lake.find([KEY], patience()) == {}
        lake.publish(path, KEY, facts, None, patience())
        assert not list((tmp_path / "lake").rglob("*.part"))
        names = sorted(each.name for each in (tmp_path / "lake" / "turnstile").iterdir())
        assert names == ["240106.csv.gz", "240106.csv.gz.json"]

    @pytest.mark.parametrize("rot", ["{", "[]", '{"feed": "turnstile"}', ""])
    def test_facts_that_cannot_be_read_count_as_absent(self, tmp_path: Path, rot: str) -> None:
        lake = FolderLake(tmp_path / "lake")
        lake.prepare()
        lake.publish(*with_key(made(tmp_path)), None, patience())
        (tmp_path / "lake" / f"{KEY}.json").write_text(rot)
        assert lake.find([KEY], patience())[KEY].facts is None

    def test_a_folder_that_cannot_be_made_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(LakeFailed, match=r"file/lake cannot be written: Not a directory"):
            FolderLake(tmp_path / "file" / "lake").prepare()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    def test_a_folder_of_somebody_else_says_so(self, tmp_path: Path) -> None:
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(0o755)
        os.setresuid(65534, 65534, 0)
        try:
            with pytest.raises(LakeFailed, match=r"cannot be written: Permission denied"):
                FolderLake(tmp_path).prepare()
        finally:
            os.setresuid(0, 0, 0)


class TestBucket:
    def test_the_server_sees_precondition_checksum_and_type(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path) -> None:
        path, facts = made(tmp_path)
        bucket.publish(path, KEY, facts, None, patience())
        upload = next(seen for seen in gcs.requests if seen.method == "POST")
        assert "ifGenerationMatch=0" in upload.path
        blob = gcs.objects["lake"][KEY]
        assert blob.content_type == "application/gzip"
        assert blob.properties["crc32c"] == facts.crc32c  # as the client sent it, for the server to compare
        assert blob.metadata == {name: str(value) for name, value in facts.model_dump().items()}

    def test_facts_are_set_where_the_answer_was_lost_or_another_run_set_them(
        self, bucket: BucketLake, gcs: Gcs, tmp_path: Path
    ) -> None:
        path, facts = made(tmp_path)
        bucket.publish(path, KEY, facts, None, patience())
        seen, newer = bucket.find([KEY], patience())[KEY], facts.model_copy(update={"loaded_at": "later"})
        gcs.faults.append(Fault(on="patch", lost=True))
        bucket.set_facts(KEY, seen, newer, patience())
        assert bucket.find([KEY], patience())[KEY].facts == newer
        bucket.set_facts(KEY, seen, facts, patience())  # of the same generation: what stands says the same of it
        assert bucket.find([KEY], patience())[KEY].facts == newer
        bucket.publish(path, KEY, facts, bucket.find([KEY], patience())[KEY], patience())
        with pytest.raises(LakeFailed, match="another run changed it meanwhile"):
            bucket.set_facts(KEY, seen, newer, patience())

    def test_a_work_file_that_rotted_is_not_sent(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path) -> None:
        path, facts = made(tmp_path)
        with pytest.raises(LakeFailed, match=r"the work file .* is not what was written"):
            bucket.publish(path, KEY, facts.model_copy(update={"crc32c": "AAAAAA=="}), None, patience())
        assert KEY not in gcs.objects["lake"]

    def test_a_large_object_is_checked_before_it_shows(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path) -> None:
        path = tmp_path / "large.csv.gz"
        path.write_bytes(os.urandom(9 << 20))
        _, facts = made(tmp_path)
        facts = facts.model_copy(update={"size": path.stat().st_size, "crc32c": crc32c_of(path)})
        assert bucket.publish(path, KEY, facts, None, patience()).state == "landed"
        assert any("crc32c=" in seen.headers.get("x-goog-hash", "") for seen in gcs.requests)

    def test_a_lost_answer_is_not_taken_for_another_run(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path) -> None:
        gcs.faults.append(Fault(lost=True, on="upload"))
        path, facts = made(tmp_path)
        published = bucket.publish(path, KEY, facts, None, patience())
        assert published.state == "landed"
        assert published.found.facts == facts

    @pytest.mark.parametrize("status", [408, 429, 500, 503])
    def test_passing_faults_pass(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path, status: int) -> None:
        gcs.faults.extend([Fault(status=status, on="list"), Fault(status=status, on="upload")])
        path, facts = made(tmp_path)
        spare = patience()
        assert bucket.find([KEY], spare) == {}
        assert bucket.publish(path, KEY, facts, None, spare).state == "landed"
        assert spare.failures == 2

    def test_the_bucket_may_ask_to_wait(self, bucket: BucketLake, gcs: Gcs) -> None:
        gcs.faults.append(Fault(status=429, on="list", headers={"Retry-After": "11"}))
        with pytest.raises(GaveUp, match=r"was asked to wait 11 s and may wait 10 s in all"):
            bucket.find([KEY], patience())

    def test_no_keys_are_no_request(self, bucket: BucketLake, gcs: Gcs) -> None:
        assert bucket.find([], patience()) == {}
        assert gcs.requests == []

    def test_a_fault_that_stays_is_given_up(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path) -> None:
        gcs.faults.append(Fault(status=503, times=99, on="upload"))
        with pytest.raises(GaveUp, match=r"gave up after 3 attempts"):
            bucket.publish(*with_key(made(tmp_path)), None, patience())
        assert KEY not in gcs.objects["lake"]

    def test_an_object_that_shows_wrong_after_the_upload_is_said(
        self, bucket: BucketLake, gcs: Gcs, tmp_path: Path
    ) -> None:
        def swap(gcs: Gcs) -> None:
            if KEY in gcs.objects["lake"]:
                gcs.put("lake", KEY, b"other")

        gcs.faults.append(Fault(before=swap, on="list"))
        with pytest.raises(LakeFailed, match=r"took it and shows"):
            bucket.publish(*with_key(made(tmp_path)), None, patience())

    def test_a_missing_bucket_is_said_before_anything_is_loaded(self, gcs: Gcs) -> None:
        with pytest.raises(LakeFailed, match=r"gs://nowhere/.*: the bucket is not there"):
            BucketLake(google.cloud.storage.Client(project="test"), "nowhere").find([KEY], patience())

    @pytest.mark.parametrize("permission", PERMISSIONS)
    def test_a_missing_permission_is_said(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path, permission: str) -> None:
        gcs.forbid.add(permission)
        with pytest.raises(LakeFailed, match=r"access refused .*Storage Object User"):
            bucket.find([KEY], patience())
            bucket.publish(*with_key(made(tmp_path)), None, patience())
        assert gcs.objects["lake"] == {}
