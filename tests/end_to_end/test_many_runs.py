"""Run after run, each of its own way and some killed: nothing that ever stood is lost, and nothing is left."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from command_runs import ready_command
from conftest import FILE, ONE_WEEK, wait_until
from lake_faults import Source, load_alone
from standing import (
    KEY,
    BucketPlace,
    FolderPlace,
    Place,
    Version,
    check_kept,
    check_object,
    list_replaced,
    list_unnamed,
    look,
    tidy,
)
from tries import ALL, tries
from web import Answer, Web

pytest_plugins = ["lake_faults"]
VERSIONS = [Version(word, bad) for word in ("REGULAR", "RECOVR AUD", "DOOR OPEN") for bad in (False, True)]
# A run: the version that is published, its flags, and whether it is killed; returns its exit code.
Run = Callable[[Version, list[str], bool], int]


def spend_runs(place: Place, run: Run, count: int, spool: Path, draw: random.Random) -> None:
    """So many runs, one after another, and a last one to which nothing happens."""
    stood, before = list[bytes](), look(place)
    for n in range(count):
        version, way = draw.choice(VERSIONS), draw.choice(["--force", "--force", "--refresh", ""])
        flags = [*([way] if way else []), *(["--allow-bad-rows", "5"] if draw.random() < 0.8 else [])]
        code = run(version, flags, draw.random() < 0.5)
        at = f"run {n}, {version}, {flags}, ended {code}"
        seen = look(place)
        check_kept(before, seen)
        was, stands = check_object(before, VERSIONS), check_object(seen, VERSIONS)
        comes = version if way or not was else was
        if code < 0:
            assert stands in (was, comes), at
        else:
            refused = (way or not was) and version.bad and "--allow-bad-rows" not in flags
            assert (code, stands) == ((1, was) if refused else (0, comes)), at
        if stands != was:
            stood.append(stands.content if stands else b"")
        before = seen
    last = draw.choice(VERSIONS)
    assert run(last, ["--force", "--allow-bad-rows", "5"], False) == 0
    seen = look(place)
    assert check_object(seen, VERSIONS) == last
    contents = [*(each.content for each in list_replaced(seen)[::-1]), seen[KEY].content]
    assert contents == [*stood, *([last.content] if stood[-1:] != [last.content] else [])]
    unnamed = list_unnamed(place, seen)  # as after a run that was killed before its object
    assert tidy(place, spool) >= unnamed & seen.keys()
    assert list_unnamed(place, seen) == set()
    assert {key: each.content for key, each in look(place).items()} == {
        key: each.content for key, each in seen.items() if key not in unnamed
    }
    stamps = place.list_stamps()
    assert run(last, [], False) == 0
    assert place.list_stamps() == stamps


@pytest.mark.timeout(3600)
def test_many_runs_of_the_command(web: Web, environment: dict[str, str], tmp_path: Path, draw: random.Random) -> None:
    place = FolderPlace(tmp_path)
    with ready_command(environment, tmp_path / "said") as start:

        def run(version: Version, flags: list[str], killed: bool) -> int:
            web.serve(FILE, Answer(version.published))
            web.requests.clear()
            process = start([*ONE_WEEK, "--lake", str(place.folder), *flags])
            if not killed:
                return process.wait()
            if draw.random() < 0.8:
                wait_until(lambda: web.requests or process.poll() is not None, "the command never asked for the week")
            time.sleep(draw.uniform(0, 0.3))
            return process.kill()

        spend_runs(place, run, 60 if ALL else 3, tmp_path / "spool", draw)


def test_many_runs_at_the_lake(place: Place, source: Source, draw: random.Random) -> None:
    """The same without Prefect, which takes seconds a run: many more of them, and in a bucket too."""

    def run(version: Version, flags: list[str], killed: bool) -> int:
        way = flags[0].lstrip("-") if flags and flags[0] != "--allow-bad-rows" else "plain"
        process = load_alone(source, place, version, way, "a-run", 5 if "--allow-bad-rows" in flags else 0)
        process.go()
        process.go()
        if killed:
            time.sleep(draw.uniform(0, 0.06))
            process.kill()
        code, _ = process.wait()
        if killed and isinstance(place, BucketPlace):
            wait_until(lambda: not place.gcs.connections, "the bucket never came to an end with a dead client")
        return code

    spend_runs(place, run, tries(1000), source.folder, draw)
