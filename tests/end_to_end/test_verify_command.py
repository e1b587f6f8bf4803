"""`verify` as a command: its lines and exit codes, killed and twice at once, on a terminal and beside it."""

import os
import pty
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from conftest import ended, start
from gcs import Gcs
from lake_objects import budget
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.lake.folder import FolderLake
from proved_lakes import BEFORE_9, ProvedLake, list_last
from tries import tries

pytest_plugins = ["lake_faults"]

WEEKS = list_last(TURNSTILE, 30)


@pytest.fixture
def stands(tmp_path: Path, gcs: Gcs) -> ProvedLake:
    """A lake in a folder, of small weeks that an older version has loaded."""
    lake = FolderLake(tmp_path / "lake")
    lake.prepare()
    made = ProvedLake(lake, gcs, lambda *_: None, tmp_path)
    for week in WEEKS:
        key = made.land(TURNSTILE, week)
        made.tell(key, made.facts(key), BEFORE_9)
    return made


@pytest.fixture
def verify(stands: ProvedLake) -> list[str]:
    return ["verify", "--lake", str(tmp_lake(stands))]


def tmp_lake(stands: ProvedLake) -> Path:
    """The folder of the lake."""
    assert isinstance(stands.lake, FolderLake)
    return stands.lake.folder


@pytest.fixture
def alone(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """An environment without an API."""
    return {**environment, "PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_HOME": str(tmp_path / "home")}


def test_a_folder_is_proved_without_an_api(
    stands: ProvedLake, verify: list[str], alone: dict[str, str], tmp_path: Path
) -> None:
    bad = ended(start([*verify, "--concurrency", "0"], alone, "watch.py"))
    assert (bad.code, bad.out) == (2, "")
    late = ended(start([*verify, "--since", "2999-01-01"], alone, "watch.py"))
    assert late.code == 2
    assert late.err.startswith("watch.py: since 2999-01-01: in the future, today is ")
    sound = ended(start([*verify, "--feed", "turnstile"], alone, "watch.py"))
    assert (sound.code, sound.err) == (0, "")
    assert sound.out.endswith("all sound; 30 weeks of older versions: profiles filled in\n")
    key = TURNSTILE.key(WEEKS[3])
    (tmp_lake(stands) / key).write_bytes(b"")
    cut = ended(start(verify, alone, "watch.py"))
    assert (cut.code, cut.err) == (1, f"{tmp_lake(stands)} is not as it should be: 1 partial\n")
    assert cut.out.splitlines()[1].startswith(
        f"{key} partial: not a whole gzip file (it is empty); its size is 0 bytes, "
    )
    assert not list(tmp_path.rglob("*.db"))


def read_terminal(terminal: int) -> Iterator[bytes]:
    """What is shown on a terminal until nobody writes to it any more."""
    try:
        while shown := os.read(terminal, 4096):
            yield shown
    except OSError:  # as Linux says the end
        pass


def test_lines_that_are_sent_to_a_file_go_there_beside_a_terminal(
    verify: list[str], alone: dict[str, str], tmp_path: Path
) -> None:
    terminal, other_end = pty.openpty()
    with (tmp_path / "lines").open("w") as lines:
        process = start(verify, {**alone, "TERM": "xterm"}, "watch.py", stdout=lines, stderr=other_end)
        os.close(other_end)
        shown = b"".join(read_terminal(terminal)).decode()
        assert process.wait() == 0
    os.close(terminal)
    assert "turnstile" not in shown
    assert (tmp_path / "lines").read_text().splitlines()[1].startswith("turnstile: 30 objects of 1,800 rows")


def test_one_that_is_killed_and_two_at_once_lose_nothing(
    stands: ProvedLake, verify: list[str], alone: dict[str, str], draw: Random, tmp_path: Path
) -> None:
    before = {key: found.facts for key, found in stands.lake.find_all("turnstile/", budget()).items()}
    files = {key: stands.read(key) for key in before}
    for _ in range(tries(10, least=2)):
        process = start([*verify, "--concurrency", "4"], alone, "watch.py")
        time.sleep(draw.uniform(0.5, 1.5))
        process.kill()
        process.communicate()
    left = [f"removed the work files of a dead run: {each.name}" for each in (tmp_path / "spool").glob("mta-etl-run-*")]
    both = [ended(each) for each in [start(verify, alone, "watch.py") for _ in range(2)]]
    for ran in both:
        assert ran.code == 0, ran
        assert ": all sound" in ran.out.splitlines()[-1]
    said = [line for ran in both for line in ran.err.splitlines()]
    assert [line.partition(" INFO    ")[2] for line in said] == left, "one of them says what the last to be killed left"
    after = {key: found.facts for key, found in stands.lake.find_all("turnstile/", budget()).items()}
    assert {key: stands.read(key) for key in after} == files
    assert not list((tmp_path / "spool").glob("mta-etl-run-*"))
    for key, facts in after.items():
        assert facts
        assert before[key]
        assert sum(facts.day_rows) == 60
        assert facts.model_dump(exclude=set(BEFORE_9)) == before[key].model_dump(exclude=set(BEFORE_9))
