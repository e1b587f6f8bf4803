"""The work folder: a live run keeps its own, a dead one leaves nothing behind for long."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from conftest import folders
from mta_weekly.errors import SpoolFailed
from mta_weekly.spool import work_folder, write_work_file
from tries import tries


def test_a_folder_is_empty_writable_and_in_the_spool(tmp_path: Path) -> None:
    with work_folder(tmp_path / "not" / "yet" / "there") as folder:
        (folder / "240106.csv.gz").write_bytes(b"a week")

        assert folder.parent == tmp_path / "not" / "yet" / "there"


def test_nothing_stays_after_a_normal_end(tmp_path: Path) -> None:
    with work_folder(tmp_path) as folder:
        (folder / "240106.csv.gz").write_bytes(b"a week")
        (folder / "deeper").mkdir()

    assert folders(tmp_path) == []


@pytest.mark.parametrize("fault", [ValueError, OSError, KeyboardInterrupt])
def test_nothing_stays_after_an_exception_which_stays_what_it_is(tmp_path: Path, fault: type[BaseException]) -> None:
    with pytest.raises(fault, match="in the run"), work_folder(tmp_path) as folder:
        (folder / "240106.csv.gz").write_bytes(b"half a week")
        raise fault("in the run")

    assert folders(tmp_path) == []


def test_runs_of_one_process_do_not_remove_each_other(tmp_path: Path) -> None:
    with ExitStack() as runs:
        ours = [runs.enter_context(work_folder(tmp_path)) for _ in range(3)]

        assert folders(tmp_path) == sorted(ours)
        assert len(set(ours)) == 3


def test_runs_that_come_and_go_do_not_disturb_each_other(tmp_path: Path) -> None:
    def come_and_go(number: int) -> None:
        for _ in range(tries(500)):
            with work_folder(tmp_path) as folder:
                for name in range(20):
                    (folder / f"{name}").write_text(f"{number}")
                assert {(folder / f"{name}").read_text() for name in range(20)} == {f"{number}"}

    with ThreadPoolExecutor(3) as runs:
        list(runs.map(come_and_go, range(3)))
    with work_folder(tmp_path) as ours:
        assert folders(tmp_path) == [ours]


def test_what_is_no_folder_of_a_run_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "run-notes.txt").write_text("a person's file")
    (tmp_path / "run-thesis").mkdir()
    (tmp_path / "run-thesis" / "thesis.tex").write_text("not ours")

    with work_folder(tmp_path):
        pass

    assert (tmp_path / "mine").is_dir()
    assert (tmp_path / "run-notes.txt").read_text() == "a person's file"
    assert [path.name for path in (tmp_path / "run-thesis").iterdir()] == ["thesis.tex"]


def test_links_in_a_shared_spool_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "mta-etl-run-x").symlink_to(tmp_path / "mine")
    with work_folder(tmp_path / "spool"):
        assert list((tmp_path / "mine").iterdir()) == []
    (tmp_path / "spool" / ".mta-etl.lock").unlink()
    (tmp_path / "spool" / ".mta-etl.lock").symlink_to(tmp_path / "made")
    with (
        pytest.raises(SpoolFailed, match=r"\.mta-etl\.lock is a link, .*move it away, or set MTA_SPOOL"),
        work_folder(tmp_path / "spool"),
    ):
        pytest.fail("its lock is made elsewhere")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("place", ["file", "file/deeper"])
def test_a_spool_that_cannot_be_made_is_named_with_the_way_out(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in its place")

    with (
        pytest.raises(SpoolFailed, match=rf"work folder {tmp_path / place}: .*MTA_SPOOL"),
        work_folder(tmp_path / place),
    ):
        pytest.fail("there is no folder to work in")

    assert (tmp_path / "file").read_text() == "in its place"


def test_a_work_folder_without_room_is_named(tmp_path: Path) -> None:
    """Not as a fault of whatever the pieces come from, which may be a lake in a folder."""
    full = tmp_path / "object.csv.gz"
    full.symlink_to("/dev/full")
    if not full.exists():
        pytest.skip("this system has no device that is always full")
    with pytest.raises(SpoolFailed, match="No space left on device; make room there, or set MTA_SPOOL"):
        list(write_work_file(full, [b"a week"]))
