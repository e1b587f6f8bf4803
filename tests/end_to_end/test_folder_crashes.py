"""Runs that die while they publish in a folder: file and facts stay together, and what is left can be found."""

import gzip
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from conftest import KEY
from lake_objects import budget, made, with_key
from mta_weekly.errors import LakeFailed
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.folder import FolderLake

NEW = b",CA\n0,B001\n"


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    """With one object."""
    ours = FolderLake(tmp_path / "lake")
    ours.prepare()
    ours.publish(*with_key(made(tmp_path)), None, budget())
    return ours


def die_at(call: str, number: int, work: Callable[[], Any]) -> bool:
    """Whether a process that does this work died, by kill -9, when it was about to call that the so-manyeth time."""
    child = os.fork()
    if not child:
        real, calls = getattr(os, call), []

        def counted(*given: Any, **options: Any) -> Any:
            calls.append(given)
            if len(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*given, **options)

        setattr(os, call, counted)
        try:
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def torn(lake: FolderLake, tmp_path: Path, **changed: Any) -> Facts:
    """A replacement that died between file and facts; the facts it had."""
    path, facts = made(tmp_path, NEW, "run-2")
    facts = facts.model_copy(update=changed)
    seen = lake.find([KEY], budget())[KEY]
    assert die_at("replace", 2, lambda: lake.publish(path, KEY, facts, seen, budget()))
    assert gzip.decompress((lake.folder / KEY).read_bytes()) == NEW
    return facts


def test_at_whatever_rename_a_replacement_dies_what_stands_has_its_facts(lake: FolderLake, tmp_path: Path) -> None:
    path, facts = made(tmp_path, NEW, "run-2")
    for number, run in (1, "run-1"), (2, "run-2"):
        seen = lake.find([KEY], budget())[KEY]
        assert die_at("replace", number, lambda seen=seen: lake.publish(path, KEY, facts, seen, budget()))
        found = lake.find([KEY], budget())[KEY]
        assert found.facts is not None
        assert (found.facts.flow_run_id, found.said) == (run, None)


def test_a_new_object_shows_after_its_facts(lake: FolderLake, tmp_path: Path) -> None:
    _, facts = made(tmp_path)
    key = "turnstile/240113.csv.gz"
    path, facts = made(tmp_path, NEW)[0], made(tmp_path, NEW)[1].model_copy(update={"week": "240113"})
    assert die_at("replace", 2, lambda: lake.publish(path, key, facts, None, budget()))
    assert lake.find([key], budget()) == {}
    assert sorted(lake.list_leftovers()) == [".mta-etl/turnstile-240113.csv.gz.part", f"{key}.json"]
    assert lake.publish(path, key, facts.model_copy(update={"rows": 7}), None, budget()).state == "landed"
    assert lake.find([key], budget())[key].facts == facts.model_copy(update={"rows": 7})
    assert lake.list_leftovers() == {}


@pytest.mark.parametrize("by", ["prepare", "set_facts", "publish"])
def test_facts_that_stand_aside_come_to_their_place(by: str, lake: FolderLake, tmp_path: Path) -> None:
    facts = torn(lake, tmp_path)
    seen = lake.find([KEY], budget())[KEY]
    if by == "prepare":
        lake.prepare()
    elif by == "set_facts":
        facts = facts.model_copy(update={"rows": 7})
        lake.set_facts(KEY, seen, facts, budget())
    else:
        assert lake.publish(*with_key(made(tmp_path)), None, budget()).state == "there"
    assert (lake.folder / f"{KEY}.json").read_text() == facts.model_dump_json(indent=1) + "\n"
    assert not list(lake.folder.rglob("*.part"))


def test_a_replacement_of_a_torn_one_that_dies_too_loses_no_facts(lake: FolderLake, tmp_path: Path) -> None:
    facts = torn(lake, tmp_path)
    seen = lake.find([KEY], budget())[KEY]
    path, newest = made(tmp_path, b",CA\n0,C\n", "run-3")
    assert die_at("replace", 2, lambda: lake.publish(path, KEY, newest, seen, budget()))
    assert lake.find([KEY], budget())[KEY].facts == facts


def test_preparing_leaves_what_another_run_holds(lake: FolderLake, tmp_path: Path) -> None:
    torn(lake, tmp_path)
    before = (lake.folder / f"{KEY}.json").read_bytes()
    with FileLock(lake.folder / ".mta-etl" / "turnstile-240106.csv.gz.lock"):
        lake.prepare()
        assert (lake.folder / f"{KEY}.json").read_bytes() == before
    lake.prepare()
    assert (lake.folder / f"{KEY}.json").read_bytes() != before


def test_facts_of_another_file_say_which(lake: FolderLake, tmp_path: Path) -> None:
    old = lake.find([KEY], budget())[KEY]
    facts = torn(lake, tmp_path, crc32c=made(tmp_path, NEW)[1].crc32c)
    (lake.folder / ".mta-etl" / "turnstile-240106.csv.gz.json.part").unlink()
    found = lake.find([KEY], budget())[KEY]
    assert found.said
    assert (found.facts, found.said.crc32c) == (None, old.crc32c)
    lake.set_facts(KEY, found, facts.model_copy(update={"week": "240113", "size": 1}), budget())
    assert lake.find([KEY], budget())[KEY].said is None


def test_an_error_between_file_and_facts_keeps_them(
    lake: FolderLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def refused(source: Any, target: Any) -> None:
        if str(target).endswith(".json"):
            raise OSError(5, "Input/output error")
        real(source, target)

    path, facts = made(tmp_path, NEW, "run-2")
    seen = lake.find([KEY], budget())[KEY]
    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(LakeFailed, match="Input/output error"):
        lake.publish(path, KEY, facts, seen, budget())
    assert lake.find([KEY], budget())[KEY].facts == facts


def test_leftovers_are_what_is_ours_and_nobody_needs(lake: FolderLake, tmp_path: Path) -> None:
    torn(lake, tmp_path)
    digest = "0123456789abcdef"
    names = [
        ".mta-etl/daily-240106.csv.gz.part",
        ".mta-etl/daily-240106.csv.gz.json.part",
        f".mta-etl/history-daily-240106-3-{digest}.csv.gz.part",
        f".mta-etl/held-daily-240106-{digest}.csv.gz.part",
        f".mta-etl/held-daily-240106-{digest}.csv.gz.json.part",
        f"held/daily/240106-{digest}.csv.gz.json",
        f"rejected/daily/240106-{digest}.csv.gz.json",
        "rejected/daily/240106.csv.gz.json",
        f"history/daily/240106-3-{digest}.csv.gz.json",
        "daily/240106.csv.gz.json",
    ]
    others = ["daily/notes.csv.gz.json", ".mta-etl/mine.part", "daily/240106.json", "notes/daily/240106.csv.gz.json"]
    for name in [*names, *others, "daily/240113.csv.gz", "daily/240113.csv.gz.json"]:
        (lake.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (lake.folder / name).write_text("half")
    (lake.folder / ".mta-etl" / "daily-240106.csv.gz.lock").touch()
    assert sorted(lake.list_leftovers()) == sorted(names)
    with FileLock(lake.folder / ".mta-etl" / "daily-240106.csv.gz.lock"):
        assert sorted(lake.list_leftovers()) == sorted(names[2:9])
        assert not lake.remove_leftover(names[0])
    needed = ".mta-etl/turnstile-240106.csv.gz.json.part"
    there = ["daily/240113.csv.gz.json", f"{KEY}.json", ".mta-etl/daily-240106.csv.gz.lock"]
    for name in (*others, *there, needed, KEY, "../x"):
        assert not lake.remove_leftover(name), name
    assert all((lake.folder / name).exists() for name in (*others, *there, needed, KEY))
    assert [lake.remove_leftover(name) for name in [*names, names[0]]] == [True] * (len(names) + 1)
    assert lake.list_leftovers() == {}
    assert not any((lake.folder / name).exists() for name in names)


def test_companions_of_a_week_share_a_lock(lake: FolderLake, tmp_path: Path) -> None:
    path, facts = made(tmp_path, NEW)
    for n in range(3):
        for key in (f"rejected/turnstile/240106-{n:016x}.csv.gz", f"history/turnstile/240106-{n + 1}-{n:016x}.csv.gz"):
            lake.publish(path, key, facts, None, budget())
    locks = sorted(each.name for each in (lake.folder / ".mta-etl").iterdir())
    assert locks == [f"{kind}turnstile-240106.csv.gz.lock" for kind in ("history-", "rejected-", "")]
    assert len(lake.find_all("history/turnstile/240106-2", budget())) == 1


def test_removing_takes_what_was_seen_with_its_facts_only(lake: FolderLake) -> None:
    seen = lake.find([KEY], budget())[KEY]
    assert seen.facts is not None
    lake.set_facts(KEY, seen, seen.facts.model_copy(update={"rows": 7}), budget())
    assert not lake.remove(KEY, seen, budget())
    assert lake.remove(KEY, lake.find([KEY], budget())[KEY], budget())
    assert not list((lake.folder / "turnstile").iterdir())
