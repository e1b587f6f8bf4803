"""The lakes keep their promises, a folder and a bucket alike: created once, whole, verified, with their facts."""

import gzip
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google.cloud.storage
import pytest
from gcp_storage_emulator.server import create_server

from conftest import KEY
from lake_objects import budget, made, with_key
from mta_weekly.errors import LakeFailed
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.folder import FolderLake
from mta_weekly.lake.gcs import BucketLake
from mta_weekly.lake.objects import Lake


@pytest.fixture(scope="module")
def emulator() -> Iterator[Any]:
    """Somebody else's bucket; its end takes half a second."""
    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket="lake")
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["folder", "bucket", "bucket with a folder", "public emulator"])
def lake(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    if request.param == "folder":
        yield FolderLake(tmp_path / "lake")
    elif request.param == "public emulator":
        server = request.getfixturevalue("emulator")
        server.wipe(keep_buckets=True)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://{}:{}".format(*server._api._httpd.server_address))
        yield BucketLake(google.cloud.storage.Client(project="test"), "lake")
    else:
        request.getfixturevalue("gcs")
        folder = "raw/" if "folder" in request.param else ""
        yield BucketLake(google.cloud.storage.Client(project="test"), "lake", folder)


def content(lake: Lake, folder: Path, key: str = KEY) -> bytes:
    lake.read(key, lake.find([key], budget())[key], folder / "read.gz", budget())
    return gzip.decompress((folder / "read.gz").read_bytes())


def test_a_published_object_is_there_whole_with_its_facts(lake: Lake, tmp_path: Path) -> None:
    path, facts = made(tmp_path)
    lake.prepare()
    assert lake.find([KEY], budget()) == {}
    published = lake.publish(path, KEY, facts, None, budget())
    found = lake.find([KEY, "turnstile/240113.csv.gz"], budget())
    assert published.state == "landed"
    assert found == {KEY: published.found}
    assert found[KEY].facts == facts
    assert content(lake, tmp_path) == b",CA\n0,A002\n"


def test_forcing_replaces_the_object_that_was_seen(lake: Lake, tmp_path: Path) -> None:
    lake.prepare()
    lake.publish(*with_key(made(tmp_path)), None, budget())
    seen = lake.find([KEY], budget())[KEY]
    path, facts = made(tmp_path, b",CA\n0,B001\n1,B002\n", "run-2")
    assert lake.publish(path, KEY, facts, seen, budget()).state == "replaced"
    assert content(lake, tmp_path) == b",CA\n0,B001\n1,B002\n"
    assert lake.find([KEY], budget())[KEY].facts == facts


HONEST = ["folder", "bucket", "bucket with a folder"]  # the public emulator ignores preconditions


@pytest.mark.parametrize("lake", HONEST, indirect=True)
def test_an_object_is_never_written_over(lake: Lake, tmp_path: Path) -> None:
    lake.prepare()
    first = lake.publish(*with_key(made(tmp_path)), None, budget())
    other = lake.publish(*with_key(made(tmp_path, b",CA\n0,Z\n", "run-2")), None, budget())
    assert other.state == "there"
    assert other.found == first.found
    assert content(lake, tmp_path) == b",CA\n0,A002\n"


@pytest.mark.parametrize("lake", HONEST, indirect=True)
def test_forcing_leaves_an_object_alone_that_was_replaced_meanwhile(lake: Lake, tmp_path: Path) -> None:
    lake.prepare()
    lake.publish(*with_key(made(tmp_path)), None, budget())
    seen = lake.find([KEY], budget())[KEY]
    lake.publish(*with_key(made(tmp_path, b",CA\n0,B\n", "run-2")), seen, budget())
    with pytest.raises(LakeFailed, match=r"another run changed it meanwhile"):
        lake.publish(*with_key(made(tmp_path, b",CA\n0,C\n", "run-3")), seen, budget())
    assert content(lake, tmp_path) == b",CA\n0,B\n"


@pytest.mark.parametrize("lake", HONEST, indirect=True)
def test_of_many_at_once_exactly_one_creates(lake: Lake, tmp_path: Path) -> None:
    lake.prepare()
    files = [made(tmp_path, f",CA\n0,{n}\n".encode(), f"run-{n}") for n in range(8)]
    states: list[str] = []
    together = threading.Barrier(len(files))

    def publish(file: tuple[Path, Facts]) -> None:
        together.wait()
        states.append(lake.publish(*with_key(file), None, budget()).state)

    threads = [threading.Thread(target=publish, args=(file,)) for file in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(states) == ["landed"] + ["there"] * 7
    facts = lake.find([KEY], budget())[KEY].facts
    assert facts is not None
    assert content(lake, tmp_path) == f",CA\n0,{facts.flow_run_id.removeprefix('run-')}\n".encode()


def test_facts_that_do_not_fit_count_as_absent_and_can_be_set(lake: Lake, tmp_path: Path) -> None:
    path, facts = made(tmp_path)
    lake.prepare()
    lake.publish(path, KEY, facts.model_copy(update={"rows": 7}), None, budget())
    seen = lake.find([KEY], budget())[KEY]
    lake.set_facts(KEY, seen, facts.model_copy(update={"size": 1}), budget())
    seen = lake.find([KEY], budget())[KEY]
    assert seen.facts is None
    lake.set_facts(KEY, seen, facts, budget())
    assert lake.find([KEY], budget())[KEY].facts == facts


def test_what_is_not_read_is_taken_at_the_word_of_facts_of_its_size(lake: Lake, tmp_path: Path) -> None:
    path, facts = made(tmp_path)
    lake.prepare()
    lake.publish(path, KEY, facts, None, budget())
    found = lake.find_all("turnstile/", budget())
    assert lake.find_all("turnstile/", budget(), unread=True) == found
    lake.set_facts(KEY, found[KEY], facts.model_copy(update={"size": 1}), budget())
    (unproved,) = lake.find_all("turnstile/", budget(), unread=True).values()
    assert (unproved.facts, unproved.size, unproved.fault) == (None, facts.size, "")
    assert lake.find([], budget(), unread=[KEY]).get(KEY, unproved).facts is None


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
    lake.publish(*with_key(made(tmp_path)), None, budget())
    seen = lake.find([KEY], budget())[KEY]
    lake.publish(*with_key(made(tmp_path, b",CA\n0,B\n", "run-2")), seen, budget())
    lake.remove(KEY, seen, budget())
    assert content(lake, tmp_path) == b",CA\n0,B\n"
    lake.remove(KEY, lake.find([KEY], budget())[KEY], budget())
    assert lake.find([KEY], budget()) == {}
    lake.remove(KEY, seen, budget())
