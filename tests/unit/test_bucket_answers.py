"""Answers that are none of a bucket's: cut, empty, a page, JSON of another shape, an error; most of them pass."""

import json
from collections.abc import Callable
from pathlib import Path

import google.cloud.storage
import pytest
from google.oauth2.service_account import Credentials

from conftest import KEY
from gcs import Fault, Gcs
from gcs_calls import Kind
from lake_objects import budget, made, with_key
from mta_weekly.checksums import crc32c_of
from mta_weekly.errors import GaveUp, LakeFailed
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.gcs import BucketLake
from mta_weekly.lake.objects import StoredObject
from mta_weekly.retry import RetryBudget

NO_TOKENS = [
    b'{"access_token": 5}',
    b'{"access_token": "x", "expires_in": 1e999}',
    b'{"access_token": "x", "expires_in": "y"}',
]
PAGE = b"<!doctype html><html><body>Please log in</body></html>"
ODD = {
    "a page": Fault(body=PAGE, headers={"Content-Type": "text/html"}),
    "nothing": Fault(body=b""),
    "an empty object": Fault(body=b"{}"),
    "a list": Fault(body=b"[]"),
    "another object": Fault(body=b'{"a": 1}'),
    "null": Fault(body=b"null"),
    "not packed": Fault(body=b"{}", headers={"Content-Encoding": "gzip"}),
    "cut": Fault(cut=True),
}
NO_LISTINGS = {
    "no kind": b'{"items": []}',
    "an item of a name alone": b'{"kind": "storage#objects", "items": [{"name": "turnstile/240106.csv.gz"}]}',
    "no items but a number": b'{"kind": "storage#objects", "items": 1}',
    "an item that is null": b'{"kind": "storage#objects", "items": [null]}',
}


@pytest.fixture
def bucket(gcs: Gcs) -> BucketLake:
    return BucketLake(google.cloud.storage.Client(project="test"), "lake")


@pytest.fixture(params=list(ODD))
def odd(request: pytest.FixtureRequest) -> Fault:
    return ODD[request.param]


def order(gcs: Gcs, fault: Fault, on: Kind, times: int = 1) -> None:
    gcs.faults.append(Fault(**{**vars(fault), "on": on, "times": times}))


def land(bucket: BucketLake, folder: Path) -> Facts:
    path, facts = made(folder)
    bucket.publish(path, KEY, facts, None, budget())
    return facts


class TestOnce:
    @pytest.mark.parametrize("state", ["landed", "replaced"])
    def test_an_upload_that_was_stored_is_known_again(
        self, bucket: BucketLake, gcs: Gcs, tmp_path: Path, odd: Fault, state: str
    ) -> None:
        seen = None
        if state == "replaced":
            land(bucket, tmp_path)
            seen = bucket.find([KEY], budget())[KEY]
        order(gcs, odd, "upload")
        path, facts = made(tmp_path, b",CA\n0,B\n")
        spare = budget()
        published = bucket.publish(path, KEY, facts, seen, spare)
        assert (published.state, published.found.facts, spare.failures) == (state, facts, 1)
        assert gcs.objects["lake"][KEY].data == path.read_bytes()

    def test_a_listing_is_asked_for_again(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path, odd: Fault) -> None:
        facts, spare = land(bucket, tmp_path), budget()
        order(gcs, odd, "list")
        assert bucket.find([KEY], spare)[KEY].facts == facts
        assert spare.failures == 1
        order(gcs, odd, "list")
        assert list(bucket.find_all("turnstile/", budget())) == [KEY]

    def test_facts_are_set(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path, odd: Fault) -> None:
        newer = land(bucket, tmp_path).model_copy(update={"loaded_at": "later"})
        order(gcs, odd, "patch")
        bucket.set_facts(KEY, bucket.find([KEY], budget())[KEY], newer, budget())
        assert bucket.find([KEY], budget())[KEY].facts == newer

    def test_an_object_is_read(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path, odd: Fault) -> None:
        land(bucket, tmp_path)
        order(gcs, odd, "media")
        spare = budget()
        bucket.read(KEY, bucket.find([KEY], budget())[KEY], tmp_path / "read", spare)
        assert (tmp_path / "read").read_bytes() == gcs.objects["lake"][KEY].data
        assert spare.failures == 1

    def test_an_object_is_removed(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path, odd: Fault) -> None:
        land(bucket, tmp_path)
        order(gcs, odd, "delete")
        assert bucket.remove(KEY, bucket.find([KEY], budget())[KEY], budget())
        assert gcs.objects["lake"] == {}


@pytest.mark.parametrize("name", NO_LISTINGS)
def test_what_is_no_listing_is_never_no_objects(bucket: BucketLake, gcs: Gcs, tmp_path: Path, name: str) -> None:
    land(bucket, tmp_path)
    gcs.faults.append(Fault(on="list", body=NO_LISTINGS[name]))
    assert list(bucket.find([KEY], budget())) == [KEY]


def test_a_listing_answered_without_content_is_said(bucket: BucketLake, gcs: Gcs) -> None:
    gcs.faults.append(Fault(on="list", status=204, times=99))
    with pytest.raises(GaveUp, match=r"^gs://lake/ \(lake\): the answer to a listing is .*; gave up after 3 attempts"):
        bucket.find([KEY], budget())


@pytest.mark.parametrize("on", ["list", "upload", "patch", "media"])
def test_one_that_stays_is_given_up_in_a_sentence(bucket: BucketLake, gcs: Gcs, tmp_path: Path, on: Kind) -> None:
    facts = land(bucket, tmp_path)
    path, _ = made(tmp_path)
    calls: dict[Kind, Callable[[StoredObject, RetryBudget], object]] = {
        "list": lambda _, spare: bucket.find([KEY], spare),
        "upload": lambda seen, spare: bucket.publish(path, KEY, facts, seen, spare),
        "patch": lambda seen, spare: bucket.set_facts(KEY, seen, facts, spare),
        "media": lambda seen, spare: bucket.read(KEY, seen, tmp_path / "read", spare),
    }
    for odd in ODD.values():
        seen = bucket.find([KEY], budget())[KEY]
        order(gcs, odd, on)
        with pytest.raises(GaveUp, match=r"^gs://lake/ \(lake\): .*; gave up after 1 attempts, try again") as given:
            calls[on](seen, RetryBudget(attempts=1, wait=10, base=0.001))
        assert "<" not in str(given.value)


class TestErrors:
    @pytest.mark.parametrize("status", [408, 429, 500, 501, 502, 504, 507, 599])
    def test_every_fault_of_the_bucket_itself_passes(
        self, bucket: BucketLake, gcs: Gcs, tmp_path: Path, status: int
    ) -> None:
        for on in ("list", "upload", "media"):
            gcs.faults.append(Fault(status=status, on=on))
        assert bucket.find([KEY], budget()) == {}
        land(bucket, tmp_path)
        bucket.read(KEY, bucket.find([KEY], budget())[KEY], tmp_path / "read", budget())
        assert gcs.faults == []

    @pytest.mark.parametrize("reason", ["rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"])
    @pytest.mark.parametrize("on", ["list", "upload"])
    def test_a_limit_is_no_lack_of_a_role(
        self, bucket: BucketLake, gcs: Gcs, tmp_path: Path, reason: str, on: Kind
    ) -> None:
        gcs.faults.append(Fault(status=403, reason=reason, on=on))
        land(bucket, tmp_path)
        bucket.find([KEY], budget())
        assert gcs.faults == []
        gcs.faults.append(Fault(status=403, reason=reason, on=on, times=9))
        with pytest.raises(
            GaveUp, match=r"^gs://lake/ \(lake\): more was asked .* than its limits allow \(403 "
        ) as given:
            bucket.publish(*with_key(made(tmp_path)), bucket.find([KEY], budget())[KEY], budget())
        assert "role" not in str(given.value)

    def test_a_condition_that_nobody_set_is_a_fault(self, bucket: BucketLake, gcs: Gcs) -> None:
        gcs.faults.append(Fault(status=412, on="list"))
        with pytest.raises(LakeFailed, match=r"^gs://lake/ \(lake\): 412 "):
            bucket.find([KEY], budget())

    def test_a_page_with_an_error_is_not_shown(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path) -> None:
        gcs.faults.append(Fault(status=502, on="upload", times=9, body=PAGE))
        with pytest.raises(GaveUp, match=r"502 .*a page") as given:
            bucket.publish(*with_key(made(tmp_path)), None, budget())
        assert "<" not in str(given.value)

    def test_facts_that_are_too_many_are_refused_once(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path) -> None:
        path, facts = made(tmp_path)
        facts, spare = facts.model_copy(update={"source_url": "x" * 8192}), budget()
        with pytest.raises(LakeFailed, match=r"have [\d,]+ bytes, and a bucket keeps 8,192"):
            bucket.publish(path, KEY, facts, None, spare)
        assert (spare.failures, gcs.objects["lake"]) == (0, {})

    def test_a_fault_of_our_own_is_no_odd_answer(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path) -> None:
        class Broken(Facts):
            def as_metadata(self) -> dict[str, str]:
                raise TypeError("a bug")

        path, facts = made(tmp_path)
        with pytest.raises(TypeError, match="a bug"):
            bucket.publish(path, KEY, Broken(**facts.model_dump()), None, budget())
        assert gcs.requests == []


class TestToken:
    @pytest.fixture
    def guarded(self, gcs: Gcs) -> BucketLake:
        gcs.require_token = True
        key = Credentials.from_service_account_info(gcs.service_account())
        return BucketLake(google.cloud.storage.Client(project="test", credentials=key), "lake")

    def test_an_odd_answer_passes(self, guarded: BucketLake, gcs: Gcs, odd: Fault) -> None:
        order(gcs, odd, "token")
        spare = budget()
        assert guarded.find([KEY], spare) == {}
        assert spare.failures == 1

    def test_one_that_stays_is_given_up(self, guarded: BucketLake, gcs: Gcs) -> None:
        for body in [*(fault.body for fault in ODD.values() if fault.body is not None), *NO_TOKENS]:
            gcs.faults[:] = [Fault(body=body, on="token", times=3)]
            with pytest.raises(
                GaveUp, match=r"^gs://lake/ .*: the token endpoint .*, not with a token; gave up"
            ) as given:
                guarded.find([KEY], budget())
            assert "<" not in str(given.value)

    @pytest.mark.parametrize("body", [PAGE, b"Bad Gateway"])
    def test_one_with_the_status_of_an_error_passes(self, guarded: BucketLake, gcs: Gcs, body: bytes) -> None:
        gcs.faults.extend(Fault(status=status, on="token", body=body) for status in (403, 502))
        assert guarded.find([KEY], budget()) == {}

    def test_a_token_that_cannot_be_sent_is_not_shown(self, guarded: BucketLake, gcs: Gcs) -> None:
        gcs.faults.append(Fault(on="token", body=b'{"access_token": "secret\\nsecret"}', times=3))
        with pytest.raises(GaveUp, match=r"^gs://lake/ ") as given:
            guarded.find([KEY], budget())
        assert "secret" not in str(given.value)


class TestWhatIsThere:
    @pytest.fixture
    def bucket(self, gcs: Gcs) -> BucketLake:
        gcs.objects["my-bucket"] = {}
        return BucketLake(google.cloud.storage.Client(project="test"), "my-bucket", name="gcs-bucket/my-bucket")

    def test_what_changed_or_went_is_said_as_the_object(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path) -> None:
        facts = land(bucket, tmp_path)
        seen = bucket.find([KEY], budget())[KEY]
        gcs.put("my-bucket", KEY, b"other")
        for change in (
            lambda: bucket.read(KEY, seen, tmp_path / "read", budget()),
            lambda: bucket.set_facts(KEY, seen, facts, budget()),
        ):
            gcs.put("my-bucket", KEY, b"other")
            with pytest.raises(LakeFailed, match=rf"^{KEY}: another run changed it meanwhile"):
                change()
            del gcs.objects["my-bucket"][KEY]
            with pytest.raises(LakeFailed, match=rf"^{KEY}: somebody removed it meanwhile"):
                change()
            gcs.objects["gone"] = gcs.objects.pop("my-bucket")
            with pytest.raises(LakeFailed, match=r"^gs://my-bucket/ .*: the bucket is not there"):
                change()
            gcs.objects["my-bucket"] = gcs.objects.pop("gone")

    def test_only_what_was_seen_is_removed(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path) -> None:
        facts = land(bucket, tmp_path)
        seen = bucket.find([KEY], budget())[KEY]
        bucket.set_facts(KEY, seen, facts.model_copy(update={"loaded_at": "later"}), budget())
        assert not bucket.remove(KEY, seen, budget())  # of the same generation, with other facts
        seen = bucket.find([KEY], budget())[KEY]
        assert bucket.remove(KEY, seen, budget())
        assert bucket.remove(KEY, seen, budget())  # it is gone, whoever did it
        assert all("ifGenerationMatch=" in one.path for one in gcs.requests if one.method == "DELETE")

    def test_rot_is_said_with_both_sums(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path) -> None:
        facts = land(bucket, tmp_path)
        gcs.objects["my-bucket"][KEY].data = b"x" * facts.size
        with pytest.raises(
            GaveUp, match=rf"{KEY}: {facts.size} bytes came, .*, instead of {facts.size}, crc32c {facts.crc32c}"
        ):
            bucket.read(KEY, bucket.find([KEY], budget())[KEY], tmp_path / "read", budget())

    def test_an_object_is_read_as_it_is_stored(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path) -> None:
        path, facts = made(tmp_path)
        gcs.put("my-bucket", KEY, path.read_bytes(), contentEncoding="gzip")  # by another hand
        bucket.read(KEY, bucket.find([KEY], budget())[KEY], tmp_path / "read", budget())
        assert crc32c_of(tmp_path / "read") == facts.crc32c

    def test_one_without_a_sum_cannot_be_read(self, bucket: BucketLake, gcs: Gcs) -> None:
        item = {"name": KEY, "generation": "1", "metageneration": "1", "size": "6"}
        body = json.dumps({"kind": "storage#objects", "items": [item]}).encode()
        gcs.faults.append(Fault(body=body, on="list"))
        assert "a key of its own" in bucket.find([KEY], budget())[KEY].fault

    @pytest.mark.parametrize("number", ["Infinity", "NaN", "1e999", "9" * 5000, "[" * 5000])
    def test_facts_with_no_number_are_none(self, bucket: BucketLake, gcs: Gcs, tmp_path: Path, number: str) -> None:
        land(bucket, tmp_path)
        metadata = gcs.objects["my-bucket"][KEY].metadata
        for name, value in (("rows", number), ("sums", f'{{"ENTRIES": {number}}}'), ("empty", f'{{"A": {number}}}')):
            right = metadata[name]
            metadata[name] = value
            assert bucket.find([KEY], budget())[KEY].facts is None
            metadata[name] = right
        assert bucket.find([KEY], budget())[KEY].facts is not None
