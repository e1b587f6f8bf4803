"""A lake and a work folder that several users share, or may not: all of it works, or one line says what is missing."""

import os
import pickle
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from conftest import KEY
from lake_objects import budget, made, with_key
from mta_weekly.errors import LakeFailed, SpoolFailed
from mta_weekly.lake.folder import FolderLake
from mta_weekly.spool import work_folder

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
ANNE, BEN, GROUP = 60001, 60002, 60010


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that all users come to; other tests close the one they share, again and again."""
    with tempfile.TemporaryDirectory(prefix="mta-tests-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def run_as(user: int, umask: int, work: Callable[[], Any]) -> Any:
    """What a function gives, or the EtlError it raises, in a process of that user, who is in the group of both."""
    get, put = os.pipe()
    child = os.fork()
    if not child:
        with suppress(BaseException):
            os.setgroups([GROUP])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            os.umask(umask)
            try:
                said = work()
            except (LakeFailed, SpoolFailed) as error:
                said = error
            os.write(put, pickle.dumps(said))
        os._exit(0)
    os.close(put)
    with os.fdopen(get, "rb") as file:
        said = file.read()
    os.waitpid(child, 0)
    return pickle.loads(said)


def shared(folder: Path, mode: int = 0o2770) -> Path:
    folder.mkdir()
    os.chown(folder, ANNE, GROUP)
    folder.chmod(mode)
    return folder


def publish(place: Path, content: bytes = b",CA\n0,A002\n", run: str = "run-1") -> Any:
    """A whole run of one week: what stands is replaced."""
    lake = FolderLake(place / "lake")
    with work_folder(place / "spool") as folder:
        path, key, facts = with_key(made(folder, content, run))
        seen = lake.find([key], budget()).get(key)
        lake.prepare()
        done = lake.publish(path, key, facts, seen, budget())
        lake.set_facts(key, done.found, facts, budget())
        return done.state


def modes(folder: Path) -> dict[str, str]:
    return {
        str(each.relative_to(folder)): oct(stat.S_IMODE(each.stat().st_mode)) for each in folder.rglob("*")
    }  # fmt: skip


@pytest.mark.parametrize("umasks", [(0o022, 0o077), (0o077, 0o022)])
def test_two_users_of_a_group_take_turns_in_one_lake_and_one_spool(place: Path, umasks: tuple[int, int]) -> None:
    lake, spool = shared(place / "lake"), shared(place / "spool")
    assert run_as(ANNE, umasks[0], lambda: publish(place)) == "landed"
    assert run_as(BEN, umasks[1], lambda: publish(place, b",CA\n0,B\n", "run-2")) == "replaced"
    assert run_as(ANNE, umasks[0], lambda: publish(place, b",CA\n0,C\n", "run-3")) == "replaced"
    found = run_as(BEN, umasks[1], lambda: FolderLake(lake).find([KEY], budget())[KEY])
    assert found.facts.flow_run_id == "run-3"
    assert modes(lake) == {
        ".mta-etl": "0o2770",
        ".mta-etl/turnstile-240106.csv.gz.lock": "0o660",
        "turnstile": "0o2770",
        "turnstile/240106.csv.gz": "0o660",
        "turnstile/240106.csv.gz.json": "0o660",
    }
    assert modes(spool) == {".mta-etl.lock": "0o660"}


def test_what_was_there_keeps_its_permissions_and_a_private_lake_stays_private(place: Path) -> None:
    lake = shared(place / "lake", 0o700)
    shared(place / "spool")
    (lake / "turnstile").mkdir(0o750)
    os.chown(lake / "turnstile", ANNE, GROUP)
    assert run_as(ANNE, 0o000, lambda: publish(place)) == "landed"
    assert {mode for name, mode in modes(lake).items() if name != "turnstile"} == {"0o600", "0o700"}
    assert modes(lake)["turnstile"] == "0o750"


@pytest.mark.parametrize(
    ("closed", "mode", "says"),
    [
        ("turnstile/240106.csv.gz", 0o600, rf"240106\.csv\.gz cannot be read: user {BEN} may not read .*g\+r"),
        ("turnstile", 0o700, rf"240106\.csv\.gz cannot be read: user {BEN} may not enter .*/turnstile .*g\+x"),
        (".", 0o700, rf"240106\.csv\.gz cannot be read: user {BEN} may not enter .*/lake .*mode 700"),
    ],
)
def test_what_cannot_be_read_is_neither_there_nor_not(place: Path, closed: str, mode: int, says: str) -> None:
    lake = shared(place / "lake", 0o2775)
    shared(place / "spool")
    run_as(ANNE, 0o022, lambda: publish(place))
    (lake / closed).chmod(mode)
    found = run_as(BEN, 0o022, lambda: FolderLake(lake).find([KEY], budget())[KEY])
    assert (found.generation, found.size, found.facts) == ("", 0, None)
    assert "\n" not in found.fault
    with pytest.raises(LakeFailed, match=says):
        raise LakeFailed(found.fault)


@pytest.mark.parametrize(
    ("closed", "mode", "says"),
    [
        ("turnstile", 0o755, rf"cannot be written: .*user {BEN} may not write .*/turnstile \(of user {ANNE}.*g\+w"),
        (".mta-etl", 0o755, rf"cannot be written: .*user {BEN} may not write .*/\.mta-etl \(of user {ANNE}.*g\+w"),
        (".mta-etl/turnstile-240106.csv.gz.lock", 0o644, rf"user {BEN} may not write .*\.lock \(of user {ANNE}"),
        ("turnstile/240106.csv.gz.json", 0o600, rf"\.json cannot be read: user {BEN} may not read .*\.json \(of"),
        ("turnstile", 0o3777, rf"user {BEN} may not replace .*240106\.csv\.gz.* sticky"),
    ],
)
def test_what_cannot_be_written_is_one_line_that_says_what_is_missing(
    place: Path, closed: str, mode: int, says: str
) -> None:
    lake = shared(place / "lake", 0o2775)
    shared(place / "spool")
    run_as(ANNE, 0o022, lambda: publish(place))
    (lake / closed).chmod(mode)
    before = {each: each.read_bytes() for each in lake.rglob("*") if each.is_file()}
    said = run_as(BEN, 0o022, lambda: publish(place, b",CA\n0,B\n", "run-2"))
    assert isinstance(said, LakeFailed)
    assert "\n" not in str(said)
    with pytest.raises(LakeFailed, match=says):
        raise said
    assert {each: each.read_bytes() for each in lake.rglob("*") if each.is_file()} == before


def test_a_spool_lock_of_somebody_else_says_what_is_missing(place: Path) -> None:
    spool = shared(place / "spool", 0o2770)
    (spool / ".mta-etl.lock").touch(0o600)
    said = run_as(BEN, 0o022, lambda: publish(place))
    with pytest.raises(SpoolFailed, match=rf"user {BEN} may not read .*\.mta-etl\.lock .*MTA_SPOOL"):
        raise said


def test_a_dead_run_of_somebody_else_is_left_alone_silently(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    shared(place / "lake")
    dead = shared(place / "spool") / "mta-etl-run-dead"
    dead.mkdir(0o700)
    os.chown(dead, ANNE, GROUP)
    caplog.set_level("INFO", "mta")
    assert run_as(BEN, 0o022, lambda: (publish(place), caplog.messages)) == ("landed", [])
    assert run_as(ANNE, 0o022, lambda: publish(place, b",CA\n0,B\n")) == "replaced"
    assert not dead.exists()


def test_a_lake_that_cannot_be_written_is_read_without_a_trace(place: Path) -> None:
    lake = shared(place / "lake", 0o2775)
    shared(place / "spool")
    run_as(ANNE, 0o022, lambda: publish(place))

    def read() -> Any:
        ours = FolderLake(lake)
        found = ours.find([KEY, "turnstile/240113.csv.gz"], budget())
        ours.read(KEY, found[KEY], place / "open" / "read.gz", budget())
        assert ours.list_leftovers() == {}
        assert ours.find_all("turnstile/", budget()) == found
        with pytest.raises(LakeFailed, match=r"cannot be written: Permission denied"):
            ours.prepare()
        return list(found)

    (place / "open").mkdir()
    (place / "open").chmod(0o777)
    for folder in lake, lake / ".mta-etl", lake / "turnstile":
        folder.chmod(0o755)
    before = modes(lake)
    assert run_as(BEN, 0o022, read) == [KEY]
    lake.chmod(0o2777)  # but what is aside stays closed: said before anything is downloaded
    with pytest.raises(LakeFailed, match=rf"user {BEN} may not write .*/\.mta-etl "):
        raise run_as(BEN, 0o022, FolderLake(lake).prepare)
    lake.chmod(0o755)
    assert modes(lake) == before
    assert (place / "open" / "read.gz").read_bytes() == (lake / KEY).read_bytes()
