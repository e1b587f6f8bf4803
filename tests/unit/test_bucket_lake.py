"""A bucket as the lake: checked by the server, patient with passing faults, exact about the others."""

import json
import logging
import os
from pathlib import Path

import google.cloud.storage
import pytest

from conftest import KEY
from gcs import Fault, Gcs
from lake_objects import budget, made, with_key
from mta_weekly.checksums import crc32c_of
from mta_weekly.errors import GaveUp, LakeFailed
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.gcs import BucketLake
from mta_weekly.secrets import guard_log

PERMISSIONS = ["storage.objects.create", "storage.objects.list"]


@pytest.fixture
def bucket(gcs: Gcs) -> BucketLake:
    return BucketLake(google.cloud.storage.Client(project="test"), "lake")


# What befalls the upload of an object of more than 8 MiB: it is begun by one request and sent by another.
LARGE_FAULTS = {
    "another checksum": Fault(on="finish", crc32c="AAAAAA=="),
    "a page when it begins": Fault(on="upload", body=b"<html>"),
    "a page when it ends": Fault(on="finish", body=b"<html>"),
    "nothing when it ends": Fault(on="finish", body=b""),
    "cut when it ends": Fault(on="finish", cut=True),
    "lost when it ends": Fault(on="finish", lost=True),
    "forgotten": Fault(on="finish", status=410),
    "unknown": Fault(on="finish", status=404),
}


def made_large(folder: Path) -> tuple[Path, Facts]:
    path, facts = folder / "large.csv.gz", made(folder)[1]
    path.write_bytes(os.urandom(9 << 20))
    sums = {"size": path.stat().st_size, "crc32c": crc32c_of(path), "sha256": "1" * 64}
    return path, facts.model_copy(update=sums)


class TestBucket:
    def test_the_server_sees_precondition_checksum_and_type(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path) -> None:
        path, facts = made(tmp_path)
        bucket.publish(path, KEY, facts, None, budget())
        upload = next(seen for seen in gcs.requests if seen.method == "POST")
        assert "ifGenerationMatch=0" in upload.path
        blob = gcs.objects["lake"][KEY]
        assert blob.content_type == "application/gzip"
        assert blob.properties["crc32c"] == facts.crc32c  # as the client sent it, for the server to compare
        said = facts.model_dump(mode="json")
        assert blob.metadata == {n: value if isinstance(value, str) else json.dumps(value) for n, value in said.items()}

    def test_facts_are_set_where_the_answer_was_lost_or_another_run_set_them(
        self, bucket: BucketLake, gcs: Gcs, tmp_path: Path
    ) -> None:
        path, facts = made(tmp_path)
        bucket.publish(path, KEY, facts, None, budget())
        seen, newer = bucket.find([KEY], budget())[KEY], facts.model_copy(update={"loaded_at": "later"})
        gcs.faults.append(Fault(on="patch", lost=True))
        bucket.set_facts(KEY, seen, newer, budget())
        assert bucket.find([KEY], budget())[KEY].facts == newer
        bucket.set_facts(KEY, seen, facts, budget())  # of the same generation: what stands says the same of it
        assert bucket.find([KEY], budget())[KEY].facts == newer
        bucket.publish(path, KEY, facts, bucket.find([KEY], budget())[KEY], budget())
        with pytest.raises(LakeFailed, match="another run changed it meanwhile"):
            bucket.set_facts(KEY, seen, newer, budget())

    def test_a_work_file_that_rotted_is_not_sent(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path) -> None:
        path, facts = made(tmp_path)
        with pytest.raises(LakeFailed, match=r"the work file .* is not what was written"):
            bucket.publish(path, KEY, facts.model_copy(update={"crc32c": "AAAAAA=="}), None, budget())
        assert KEY not in gcs.objects["lake"]

    @pytest.mark.parametrize("fault", LARGE_FAULTS)
    def test_a_large_object_is_sent_again_and_nothing_is_deleted(
        self, bucket: BucketLake, gcs: Gcs, tmp_path: Path, fault: str
    ) -> None:
        bucket.publish(*with_key(made(tmp_path)), None, budget())
        seen = bucket.find([KEY], budget())[KEY]
        path, facts = made_large(tmp_path)
        gcs.faults.append(LARGE_FAULTS[fault])
        published = bucket.publish(path, KEY, facts, seen, budget())
        assert (published.state, published.found.facts, gcs.faults) == ("replaced", facts, [])
        assert gcs.objects["lake"][KEY].properties["crc32c"] == facts.crc32c  # as sent, for the server to compare
        assert not any(one.method == "DELETE" for one in gcs.requests)

    def test_the_address_of_a_large_upload_is_in_no_log(
        self, bucket: BucketLake, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        guard_log()
        caplog.set_level(logging.DEBUG)
        bucket.publish(*with_key(made_large(tmp_path)), None, budget())
        assert '"PUT /upload/storage/v1/b/lake/o?... HTTP/1.1" 200' in caplog.text
        assert "upload_id" not in caplog.text  # who knows it may write there

    def test_a_large_object_that_changes_on_its_way_is_refused_by_the_server(
        self, bucket: BucketLake, gcs: Gcs, tmp_path: Path
    ) -> None:
        old = bucket.publish(*with_key(made(tmp_path)), None, budget()).found
        path, facts = made_large(tmp_path)
        right, spare = path.read_bytes(), budget()
        wrong = b"x" + right[1:]
        gcs.faults.append(Fault(on="upload", before=lambda _: path.write_bytes(wrong)))  # once it was looked at
        gcs.faults.append(Fault(on="finish"))
        gcs.faults.append(Fault(on="upload", before=lambda _: path.write_bytes(right)))
        assert bucket.publish(path, KEY, facts, old, spare).state == "replaced"
        assert (spare.failures, gcs.objects["lake"][KEY].data == right) == (1, True)
        seen = bucket.find([KEY], budget())[KEY]
        gcs.faults.append(Fault(on="upload", before=lambda _: path.write_bytes(wrong)))
        with pytest.raises(GaveUp, match=r"gs://lake/ \(lake\): what was sent is not what came \(400 Provided CRC32C"):
            bucket.publish(path, KEY, facts.model_copy(update={"loaded_at": "later"}), seen, budget())
        assert gcs.objects["lake"][KEY].data == right

    def test_a_lost_answer_is_not_taken_for_another_run(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path) -> None:
        gcs.faults.append(Fault(lost=True, on="upload"))
        path, facts = made(tmp_path)
        published = bucket.publish(path, KEY, facts, None, budget())
        assert published.state == "landed"
        assert published.found.facts == facts

    @pytest.mark.parametrize("status", [408, 429, 500, 503])
    def test_passing_faults_pass(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path, status: int) -> None:
        gcs.faults.extend([Fault(status=status, on="list"), Fault(status=status, on="upload")])
        path, facts = made(tmp_path)
        spare = budget()
        assert bucket.find([KEY], spare) == {}
        assert bucket.publish(path, KEY, facts, None, spare).state == "landed"
        assert spare.failures == 2

    def test_the_bucket_may_ask_to_wait(self, bucket: BucketLake, gcs: Gcs) -> None:
        gcs.faults.append(Fault(status=429, on="list", headers={"Retry-After": "11"}))
        with pytest.raises(GaveUp, match=r"was asked to wait 11 s and may wait 10 s in all"):
            bucket.find([KEY], budget())

    def test_no_keys_are_no_request(self, bucket: BucketLake, gcs: Gcs) -> None:
        assert bucket.find([], budget()) == {}
        assert gcs.requests == []

    def test_a_fault_that_stays_is_given_up(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path) -> None:
        gcs.faults.append(Fault(status=503, times=99, on="upload"))
        with pytest.raises(GaveUp, match=r"gave up after 3 attempts"):
            bucket.publish(*with_key(made(tmp_path)), None, budget())
        assert KEY not in gcs.objects["lake"]

    def test_an_object_that_shows_wrong_after_the_upload_is_said(
        self, bucket: BucketLake, gcs: Gcs, tmp_path: Path
    ) -> None:
        def swap(gcs: Gcs) -> None:
            if KEY in gcs.objects["lake"]:
                gcs.put("lake", KEY, b"other")

        gcs.faults.append(Fault(before=swap, on="list"))
        with pytest.raises(LakeFailed, match=r"took it and shows"):
            bucket.publish(*with_key(made(tmp_path)), None, budget())

    def test_a_missing_bucket_is_said_before_anything_is_loaded(self, gcs: Gcs) -> None:
        with pytest.raises(LakeFailed, match=r"gs://nowhere/.*: the bucket is not there"):
            BucketLake(google.cloud.storage.Client(project="test"), "nowhere").find([KEY], budget())

    @pytest.mark.parametrize("permission", PERMISSIONS)
    def test_a_missing_permission_is_said(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path, permission: str) -> None:
        gcs.forbid.add(permission)
        with pytest.raises(LakeFailed, match=r"access refused .*Storage Object User"):
            bucket.find([KEY], budget())
            bucket.publish(*with_key(made(tmp_path)), None, budget())
        assert gcs.objects["lake"] == {}
