"""Litter: what nothing names or needs is listed and removed, and nothing else; a folder and a bucket alike."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from conftest import KEY
from either_lake import Put
from gcs import Gcs
from lake_objects import budget, made
from mta_weekly.errors import LakeFailed
from mta_weekly.feeds.catalog import FEEDS, TURNSTILE
from mta_weekly.lake.companions import HELD, HISTORY, REJECTED, Companion, publish_companion
from mta_weekly.lake.facts import CompanionFacts, Facts
from mta_weekly.lake.folder import FolderLake
from mta_weekly.lake.objects import Lake
from mta_weekly.upkeep.tidy import list_litter, remove_litter

pytest_plugins = ["either_lake"]

NOW = datetime.now(UTC)
BEFORE, AFTER = (NOW - timedelta(hours=1)).isoformat(), (NOW + timedelta(hours=1)).isoformat()
SOON, LATER = NOW + timedelta(days=1), NOW + timedelta(days=3)


def set_aside(lake: Lake, folder: Path, kind: str, content: bytes, **more: object) -> str:
    """A companion with that content; its name."""
    path, facts = made(folder, content)
    facts = facts.model_copy(update=more)
    companion = Companion.of(kind, facts, facts.sha256, facts.revision if kind == HISTORY else 0)
    own = CompanionFacts(**vars(facts), of="", why="", last_seen=NOW.isoformat())
    return publish_companion(lake, path, companion, own, budget())


def hold(lake: Lake, folder: Path, content: bytes, looked_at: datetime = NOW, rejected: str = "") -> str:
    """A held week with that content; its name."""
    path, facts = made(folder, content)
    own = vars(facts) | {"of": facts.sha256, "why": "few rows", "rejected": rejected}
    held = CompanionFacts(**own, last_seen=facts.loaded_at, looked_at=looked_at.isoformat())
    return publish_companion(lake, path, Companion.of(HELD, facts, facts.sha256), held, budget())


def land(lake: Lake, folder: Path, rejected: str = "", **more: object) -> Facts:
    path, facts = made(folder, b",CA\n0,stands\n")
    facts = facts.model_copy(update={"rejected": rejected, **more})
    lake.publish(path, KEY, facts, None, budget())
    return facts


def litter(lake: Lake, folder: Path, now: datetime = LATER) -> list[str]:
    return [each.name for each in list_litter(lake, FEEDS.values(), folder / "spool", now, budget())]


def test_rejected_rows_that_nothing_names_are_litter_after_two_days(lake: Lake, tmp_path: Path) -> None:
    named = set_aside(lake, tmp_path, REJECTED, b"named")
    of_before = set_aside(lake, tmp_path, REJECTED, b"of before")
    lost = set_aside(lake, tmp_path, REJECTED, b"lost")
    set_aside(lake, tmp_path, HISTORY, b"before", rejected=of_before)
    assert litter(lake, tmp_path) == []  # its week may still land
    land(lake, tmp_path, named)
    assert litter(lake, tmp_path, SOON) == []
    assert litter(lake, tmp_path) == [lost]
    for each in list_litter(lake, FEEDS.values(), tmp_path / "spool", LATER, budget()):
        assert remove_litter(lake, each, budget())
    assert litter(lake, tmp_path) == []
    assert set(lake.find_all("rejected/", budget())) == {named, of_before}
    assert len(lake.find_all("history/", budget())) == 1


def test_rows_of_what_stands_or_stood_are_no_litter_though_facts_that_were_renewed_name_others(
    lake: Lake, tmp_path: Path
) -> None:
    stands = land(lake, tmp_path)
    before = set_aside(lake, tmp_path, HISTORY, b"before")
    facts = lake.find_all(before, budget())[before].facts
    for content, of in ((b"of what stands", stands.sha256), (b"of what stood", facts.sha256)):
        path, own = made(tmp_path, content)
        companion = Companion.of(REJECTED, own, own.sha256)
        rows = CompanionFacts(**vars(own), of=of, why="", last_seen=NOW.isoformat())
        publish_companion(lake, path, companion, rows, budget())
    assert litter(lake, tmp_path) == []


def test_where_nobody_knows_what_is_named_nothing_is_litter(lake: Lake, gcs: Gcs, tmp_path: Path) -> None:
    set_aside(lake, tmp_path, REJECTED, b"lost")
    hold(lake, tmp_path, b"half of it")
    facts = land(lake, tmp_path, landed_at=AFTER)
    assert len(litter(lake, tmp_path)) == 2
    seen = lake.find([KEY], budget())[KEY]
    lake.set_facts(KEY, seen, facts.model_copy(update={"size": 1}), budget())
    assert litter(lake, tmp_path) == []


def test_a_held_week_is_litter_two_days_after_it_was_looked_at_where_other_content_has_landed_since(
    lake: Lake, tmp_path: Path
) -> None:
    held = hold(lake, tmp_path, b"half of it")
    as_before = hold(lake, tmp_path, b"before")
    accepted = hold(lake, tmp_path, b",CA\n0,stands\n")
    assert litter(lake, tmp_path) == []  # the lake lacks its week
    set_aside(lake, tmp_path, HISTORY, b"before")
    land(lake, tmp_path, landed_at=AFTER)
    assert litter(lake, tmp_path, SOON) == []
    (each,) = list_litter(lake, FEEDS.values(), tmp_path / "spool", LATER, budget())
    assert str(each).startswith(f"{held}: a held week, which has landed with other content since, ")
    assert remove_litter(lake, each, budget())
    assert set(lake.find_all("held/", budget())) == {as_before, accepted}


def test_a_held_refresh_is_no_litter_until_the_source_has_again_what_stands(lake: Lake, tmp_path: Path) -> None:
    held = hold(lake, tmp_path, b"half of it")
    facts = land(lake, tmp_path, landed_at=BEFORE)
    assert litter(lake, tmp_path) == []
    again = facts.model_copy(update={"loaded_at": AFTER})  # a refresh found at the source what stands
    lake.set_facts(KEY, lake.find([KEY], budget())[KEY], again, budget())
    assert litter(lake, tmp_path) == [held]


def test_what_a_run_holds_again_meanwhile_stays(lake: Lake, tmp_path: Path) -> None:
    hold(lake, tmp_path, b"half of it")
    land(lake, tmp_path, landed_at=AFTER)
    (each,) = list_litter(lake, FEEDS.values(), tmp_path / "spool", LATER, budget())
    hold(lake, tmp_path, b"half of it", looked_at=LATER)
    assert not remove_litter(lake, each, budget())
    assert litter(lake, tmp_path) == []


@pytest.mark.parametrize("by", ["name", "content"])
def test_rejected_rows_of_a_held_week_are_litter_when_it_is(lake: Lake, tmp_path: Path, by: str) -> None:
    path, facts = made(tmp_path, b"its rows")
    of = made(tmp_path, b"half of it")[1].sha256 if by == "content" else ""
    rows = CompanionFacts(**vars(facts), of=of, why="", last_seen=BEFORE)
    rejected = publish_companion(lake, path, Companion.of(REJECTED, facts, facts.sha256), rows, budget())
    held = hold(lake, tmp_path, b"half of it", looked_at=NOW, rejected=rejected if by == "name" else "")
    land(lake, tmp_path, landed_at=AFTER)
    almost = NOW + timedelta(days=2)
    assert litter(lake, tmp_path, almost) == []
    assert litter(lake, tmp_path) == [held, rejected]


def test_rejected_rows_stay_where_nobody_knows_what_a_held_week_names(lake: Lake, put: Put, tmp_path: Path) -> None:
    set_aside(lake, tmp_path, REJECTED, b"lost")
    held = hold(lake, tmp_path, b"half of it")
    land(lake, tmp_path, landed_at=AFTER)
    put(b"another file", held)
    assert litter(lake, tmp_path) == []


def test_the_name_of_before_is_never_litter(lake: Lake, tmp_path: Path) -> None:
    path, facts = made(tmp_path, b"rows")
    lake.publish(path, f"rejected/{KEY}", facts, None, budget())
    land(lake, tmp_path)
    assert litter(lake, tmp_path) == []


def test_names_that_no_run_of_ours_gives_are_never_litter(lake: Lake, tmp_path: Path) -> None:
    land(lake, tmp_path, landed_at=AFTER)
    path, facts = made(tmp_path, b"lost")
    digest, seen = facts.sha256[:16], NOW.isoformat()
    for kind, looked_at in ((HELD, seen), (REJECTED, "")):
        own = CompanionFacts(**vars(facts), of="", why="", last_seen=seen, looked_at=looked_at)
        for week in ("999999", "240107"):
            said = own.model_copy(update={"week": week})
            lake.publish(path, f"{kind}/turnstile/{week}-{digest}.csv.gz", said, None, budget())
        lake.publish(path, f"{kind}/turnstile/a copy/{kind}/turnstile/240106-{digest}.csv.gz", own, None, budget())
    assert litter(lake, tmp_path) == []


def test_what_a_run_has_seen_again_meanwhile_stays(lake: Lake, tmp_path: Path) -> None:
    lost = set_aside(lake, tmp_path, REJECTED, b"lost")
    land(lake, tmp_path)
    (each,) = list_litter(lake, FEEDS.values(), tmp_path / "spool", LATER, budget())
    path, facts = made(tmp_path, b"lost")
    again = CompanionFacts(**vars(facts), of="", why="", last_seen=LATER.isoformat())
    publish_companion(lake, path, Companion.of(REJECTED, facts, facts.sha256), again, budget())
    assert not remove_litter(lake, each, budget())
    assert lost in lake.find_all("rejected/", budget())
    assert litter(lake, tmp_path) == []


def test_work_files_of_runs_that_died_are_litter_and_those_of_live_ones_are_not(tmp_path: Path) -> None:
    lake = FolderLake(tmp_path / "lake")
    lake.prepare()
    land(lake, tmp_path)
    part, stray = tmp_path / "lake" / ".mta-etl" / "turnstile-240113.csv.gz.part", tmp_path / "lake" / f"{KEY}x.json"
    part.write_bytes(b"half")
    stray.write_bytes(b"a person's")
    orphan = tmp_path / "lake" / "turnstile" / "240120.csv.gz.json"
    orphan.write_text("{}")
    dead, live = (tmp_path / "spool" / f"mta-etl-run-{name}" for name in ("dead", "live"))
    for folder in (dead, live):
        folder.mkdir(parents=True)
    with FileLock(live / "alive.lock"):
        found = {each.name: each for each in list_litter(lake, [TURNSTILE], tmp_path / "spool", LATER, budget())}
        assert sorted(found) == sorted(
            [".mta-etl/turnstile-240113.csv.gz.part", "turnstile/240120.csv.gz.json", str(dead)]
        )
        assert all(remove_litter(lake, each, budget()) for each in found.values())
    assert (part.exists(), orphan.exists(), dead.exists()) == (False, False, False)
    assert (stray.exists(), live.exists()) == (True, True)


def test_the_same_rows_left_out_of_another_object_are_its_own_now(lake: Lake, tmp_path: Path) -> None:
    name = set_aside(lake, tmp_path, REJECTED, b"rows")
    path, facts = made(tmp_path, b"rows")
    again = CompanionFacts(**vars(facts), of="of another", why="", last_seen=NOW.isoformat())
    publish_companion(lake, path, Companion.of(REJECTED, facts, facts.sha256), again, budget())
    assert lake.find_all("rejected/", budget())[name].facts == again


def test_a_name_that_something_else_has_is_said_and_left(lake: Lake, put: Put, tmp_path: Path) -> None:
    path, facts = made(tmp_path, b"rows")
    name = Companion.of(REJECTED, facts, facts.sha256).key
    put(path.read_bytes()[:20], name)
    stands = lake.find([name], budget())
    assert stands[name].facts is None
    with pytest.raises(LakeFailed, match=f"{name}: something else stands under this name"):
        set_aside(lake, tmp_path, REJECTED, b"rows")
    assert lake.find([name], budget()) == stands
