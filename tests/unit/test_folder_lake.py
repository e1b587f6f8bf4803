"""A folder as the lake: what lies about is never taken for an object, and what cannot be written is said."""

import os
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import KEY
from lake_objects import budget, made, with_key
from mta_weekly.errors import LakeFailed
from mta_weekly.lake.folder import FolderLake
from mta_weekly.lake.objects import StoredObject


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


ODD: dict[str, Callable[[Path], None]] = {
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
    "a socket": make_socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to what is not there": lambda path: path.symlink_to("/nowhere"),
}


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderLake:
    """With one object; addresses of sockets are short."""
    monkeypatch.chdir(tmp_path)
    ours = FolderLake(Path("lake"))
    ours.prepare()
    ours.publish(*with_key(made(tmp_path)), None, budget())
    return ours


@pytest.mark.timeout(20)
class TestOddFiles:
    @pytest.mark.parametrize("kind", ODD)
    def test_an_object_that_is_no_file_is_said_and_stays(self, kind: str, lake: FolderLake, tmp_path: Path) -> None:
        (lake.folder / KEY).unlink()
        ODD[kind](Path("lake", KEY))
        before = (lake.folder / KEY).lstat()
        found = lake.find([KEY], budget())[KEY]
        says = f"{lake.folder / KEY} is {kind}, where a file was expected; move it away"
        assert found == StoredObject("", 0, "", None, fault=says)
        assert lake.find_all("turnstile/", budget(), unread=True) == {KEY: found}
        path, key, facts = with_key(made(tmp_path, b",CA\n0,B\n", "run-2"))
        for work in (
            lambda: lake.publish(path, key, facts, None, budget()),
            lambda: lake.publish(path, key, facts, found, budget()),
            lambda: lake.set_facts(key, found, facts, budget()),
            lambda: lake.read(key, found, tmp_path / "read", budget()),
        ):
            with pytest.raises(LakeFailed) as fault:
                work()
            assert str(fault.value) == says
        assert not lake.remove(key, found, budget())
        assert (lake.folder / KEY).lstat() == before
        assert lake.find_all("turnstile/", budget()) == {}

    @pytest.mark.parametrize("kind", ODD)
    def test_facts_that_are_no_file_count_as_absent_and_are_not_replaced(
        self, kind: str, lake: FolderLake, tmp_path: Path
    ) -> None:
        (lake.folder / f"{KEY}.json").unlink()
        ODD[kind](Path("lake", f"{KEY}.json"))
        found = lake.find([KEY], budget())[KEY]
        assert (found.facts, found.fault, found.generation != "") == (None, "", True)
        path, key, facts = with_key(made(tmp_path, b",CA\n0,B\n", "run-2"))
        before = (lake.folder / KEY).read_bytes()
        for work in (
            lambda: lake.publish(path, key, facts, found, budget()),
            lambda: lake.set_facts(key, found, facts, budget()),
        ):
            with pytest.raises(LakeFailed, match=rf"240106\.csv\.gz\.json is {kind}, .*; move it away$"):
                work()
        assert (lake.folder / KEY).read_bytes() == before
        assert not list(lake.folder.rglob("*.part"))

    def test_an_object_may_be_a_link_to_a_file_which_replacing_leaves(self, lake: FolderLake, tmp_path: Path) -> None:
        (lake.folder / KEY).rename(tmp_path / "elsewhere.gz")
        (lake.folder / KEY).symlink_to(tmp_path / "elsewhere.gz")
        found = lake.find([KEY], budget())[KEY]
        before = (tmp_path / "elsewhere.gz").read_bytes()
        lake.publish(*with_key(made(tmp_path, b",CA\n0,B\n", "run-2")), found, budget())
        assert (tmp_path / "elsewhere.gz").read_bytes() == before
        assert not (lake.folder / KEY).is_symlink()

    @pytest.mark.parametrize("name", ["turnstile-240106.csv.gz.part", "turnstile-240106.csv.gz.json.part"])
    def test_what_stands_aside_is_never_written_through(self, name: str, lake: FolderLake, tmp_path: Path) -> None:
        (tmp_path / "mine").write_text("a person's file")
        seen = lake.find([KEY], budget())[KEY]
        (lake.folder / ".mta-etl" / name).symlink_to(tmp_path / "mine")
        lake.publish(*with_key(made(tmp_path, b",CA\n0,B\n", "run-2")), seen, budget())
        assert (tmp_path / "mine").read_text() == "a person's file"
        assert not os.path.lexists(lake.folder / ".mta-etl" / name)

    def test_facts_aside_are_not_read_through_a_link(self, lake: FolderLake, tmp_path: Path) -> None:
        (lake.folder / f"{KEY}.json").rename(tmp_path / "facts")
        (lake.folder / ".mta-etl" / "turnstile-240106.csv.gz.json.part").symlink_to(tmp_path / "facts")
        assert lake.find([KEY], budget())[KEY].facts is None

    def test_a_folder_aside_that_is_a_link_is_refused(self, lake: FolderLake, tmp_path: Path) -> None:
        (lake.folder / ".mta-etl").rename(tmp_path / "elsewhere")
        (lake.folder / ".mta-etl").symlink_to(tmp_path / "elsewhere")
        before = sorted((tmp_path / "elsewhere").iterdir())
        for work in (lake.prepare, lambda: lake.publish(*with_key(made(tmp_path)), None, budget())):
            with pytest.raises(LakeFailed, match=r"/\.mta-etl is a link, where a folder of its own was expected; move"):
                work()
        assert sorted((tmp_path / "elsewhere").iterdir()) == before

    @pytest.mark.parametrize("kind", ["a link", "a pipe", "a folder"])
    def test_a_lock_that_is_no_file_is_refused(self, kind: str, lake: FolderLake, tmp_path: Path) -> None:
        lock = lake.folder / ".mta-etl" / "turnstile-240106.csv.gz.lock"
        lock.unlink()
        (ODD.get(kind) or (lambda path: path.symlink_to(tmp_path / "made")))(lock)
        with pytest.raises(LakeFailed, match=rf"\.lock is {kind}, where a file was expected; move it away$"):
            lake.publish(*with_key(made(tmp_path)), None, budget())
        assert not (tmp_path / "made").exists()


class TestReading:
    def test_an_object_that_is_replaced_meanwhile_is_seen_with_its_facts(
        self, lake: FolderLake, tmp_path: Path
    ) -> None:
        versions = [with_key(made(tmp_path, b",CA\n0,A\n" + b"1,B\n" * 2000 * n, f"run-{n}")) for n in (1, 2)]
        done, seen = threading.Event(), []

        def look() -> None:
            while not done.is_set():
                seen.append(lake.find([KEY], budget())[KEY])

        looking = threading.Thread(target=look)
        looking.start()
        for n in range(100):
            lake.publish(*versions[n % 2], lake.find([KEY], budget())[KEY], budget())
        done.set()
        looking.join()
        assert {found.facts.flow_run_id if found.facts else None for found in seen} <= {"run-1", "run-2"}

    def test_what_is_read_must_be_what_was_seen(self, lake: FolderLake, tmp_path: Path) -> None:
        seen = lake.find([KEY], budget())[KEY]
        lake.publish(*with_key(made(tmp_path, b",CA\n0,B\n", "run-2")), seen, budget())
        with pytest.raises(LakeFailed, match="another run changed it"):
            lake.read(KEY, seen, tmp_path / "read.gz", budget())
        (lake.folder / KEY).unlink()
        with pytest.raises(LakeFailed, match="somebody removed it"):
            lake.read(KEY, seen, tmp_path / "read.gz", budget())
        (lake.folder / KEY).touch()
        lake.read(KEY, lake.find([KEY], budget())[KEY], tmp_path / "read.gz", budget())
        assert (tmp_path / "read.gz").read_bytes() == b""

    def test_all_of_a_name_are_regular_files_below_it(self, lake: FolderLake) -> None:
        digest = "0123456789abcdef"
        names = [f"history/turnstile/{start}-{digest}.csv.gz" for start in ("240106-1", "240106-2", "240113-1")]
        for name in names:
            (lake.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(lake.folder / KEY, lake.folder / name)
        for name in ("240106-3.csv.gz.json", "240106-4.txt"):
            (lake.folder / "history" / "turnstile" / name).touch()
        os.mkfifo(lake.folder / "history" / "turnstile" / f"240106-5-{digest}.csv.gz")
        assert list(lake.find_all("history/turnstile/240106-", budget())) == names[:2]
        assert list(lake.find_all("history/", budget())) == names
        assert list(lake.find_all("turnstile/", budget())) == [KEY]
        assert lake.find_all("rejected/turnstile/", budget()) == {}


class TestFolder:
    def test_what_a_killed_run_left_is_never_taken_for_an_object(self, tmp_path: Path) -> None:
        lake = FolderLake(tmp_path / "lake")
        lake.prepare()
        path, facts = made(tmp_path)
        (tmp_path / "lake" / "turnstile").mkdir()
        (tmp_path / "lake" / ".mta-etl" / "turnstile-240106.csv.gz.part").write_bytes(b"half")
        (tmp_path / "lake" / f"{KEY}.json").write_text(facts.model_dump_json())
        assert lake.find([KEY], budget()) == {}
        lake.publish(path, KEY, facts, None, budget())
        assert not list((tmp_path / "lake").rglob("*.part"))
        names = sorted(each.name for each in (tmp_path / "lake" / "turnstile").iterdir())
        assert names == ["240106.csv.gz", "240106.csv.gz.json"]

    @pytest.mark.parametrize("rot", ["{", "[]", '{"feed": "turnstile"}', ""])
    def test_facts_that_cannot_be_read_count_as_absent(self, tmp_path: Path, rot: str) -> None:
        lake = FolderLake(tmp_path / "lake")
        lake.prepare()
        lake.publish(*with_key(made(tmp_path)), None, budget())
        (tmp_path / "lake" / f"{KEY}.json").write_text(rot)
        assert lake.find([KEY], budget())[KEY].facts is None

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
