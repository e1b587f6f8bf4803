"""What `verify` does while others are at the lake, and what it writes there; a folder and a bucket alike."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from conftest import KEY, WEEK
from gcs import Gcs
from gcs_objects import Blob
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.feeds.weeks import Week
from mta_weekly.lake.objects import Lake
from proved_lakes import BEFORE_4, BEFORE_9, NEW, ProvedLake, list_last

pytest_plugins = ["either_lake", "proved_lakes"]

SATURDAY, NEXT = Week.named(WEEK), Week.named("240113")


def interfere(monkeypatch: pytest.MonkeyPatch, lake: Lake, change: Callable[[], None], times: int) -> None:
    """Let something happen to the lake between a look at a file and its reading, so many times."""
    read, left, changing = type(lake).read, [change] * times, threading.RLock()

    def meanwhile(self: Lake, *rest: Any) -> None:
        with changing:  # another thread must not read before it has happened
            if left:
                left.pop()()
        read(self, *rest)

    monkeypatch.setattr(type(lake), "read", meanwhile)


def test_what_older_versions_did_not_write_is_filled_in_and_nothing_else(proved: ProvedLake) -> None:
    keys = [proved.land(TURNSTILE, week) for week in (SATURDAY, NEXT)]
    odd = proved.facts(keys[0]).model_copy(update={"accepted": {"why": "half a letter, \ud800"}})
    proved.tell(keys[0], odd)
    before = [proved.facts(key) for key in keys]
    proved.tell(keys[0], before[0], {*BEFORE_9} - {"accepted"})
    proved.tell(keys[1], before[1], BEFORE_4)
    told = [proved.facts(key) for key in keys]
    assert proved.verify()[-1].endswith(": all sound; 2 weeks of older versions: profiles filled in")
    now = [proved.facts(key) for key in keys]
    filled = [(*NEW,), (*NEW, "empty", "sums")]
    for names, whole, had, has in zip(filled, before, told, now, strict=True):
        assert has == had.model_copy(update={name: getattr(whole, name) for name in names})
    assert proved.verify()[-1].endswith(": all sound")


def test_facts_that_change_meanwhile_are_filled_in_as_they_are_then(
    proved: ProvedLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = proved.land(TURNSTILE, SATURDAY)
    whole = proved.facts(key)
    proved.tell(key, whole, BEFORE_9)
    accepted = {"why": "a storm"}
    told = proved.facts(key).model_copy(update={"accepted": accepted})
    interfere(monkeypatch, proved.lake, lambda: proved.tell(key, told, NEW), 1)
    assert proved.verify()[-1].endswith("1 week of older versions: profiles filled in")
    assert (proved.facts(key).accepted, proved.facts(key).day_rows) == (accepted, whole.day_rows)


@pytest.mark.parametrize("lake", ["bucket"], indirect=True)
def test_a_bucket_that_cannot_be_written_is_said_once(proved: ProvedLake, gcs: Gcs) -> None:
    for week in (SATURDAY, NEXT):
        key = proved.land(TURNSTILE, week)
        proved.tell(key, proved.facts(key), BEFORE_9)
    gcs.forbid = {"storage.objects.update"}
    _, fault, _, last = proved.verify()
    assert fault.startswith(
        f"{KEY} unwritten: what its facts lack cannot be filled in: gs://lake/ (lake): access refused"
    )
    assert last == "/lake is not as it should be: 2 unwritten"


@pytest.mark.parametrize("lake", ["bucket"], indirect=True)
def test_what_a_bucket_sends_otherwise_than_it_says_is_unreadable(proved: ProvedLake, gcs: Gcs) -> None:
    proved.land(TURNSTILE, SATURDAY)
    proved.land(TURNSTILE, NEXT)
    blob = gcs.objects["lake"][KEY]
    gcs.objects["lake"][KEY] = Blob(b"rot", blob.generation, properties=blob.properties, crc32c="AAAAAA==")
    assert proved.find_states() == {KEY: "unreadable"}


@pytest.mark.parametrize(("times", "states"), [(2, {}), (3, {KEY: "unreadable"})])
def test_what_changes_meanwhile_is_looked_at_again(
    proved: ProvedLake, monkeypatch: pytest.MonkeyPatch, times: int, states: dict[str, str]
) -> None:
    proved.land(TURNSTILE, SATURDAY)
    seeds = iter(range(2, 9))

    def replace() -> None:
        with monkeypatch.context() as within:
            within.setattr(type(proved.lake), "read", read)
            proved.land(TURNSTILE, SATURDAY, seed=next(seeds))

    read = type(proved.lake).read
    interfere(monkeypatch, proved.lake, replace, times)
    assert proved.find_states() == states


def test_what_goes_meanwhile_is_no_fault(proved: ProvedLake, monkeypatch: pytest.MonkeyPatch) -> None:
    other = proved.land(TURNSTILE, NEXT)
    proved.land(TURNSTILE, SATURDAY)
    interfere(monkeypatch, proved.lake, lambda: proved.remove(KEY), 1)
    said = proved.verify()[-1]
    assert said.startswith("turnstile: 1 object of 60 rows (1 more gone meanwhile), ")
    assert said.endswith(": all sound")
    interfere(monkeypatch, proved.lake, lambda: proved.remove(other), 1)
    assert proved.verify()[-1] == "/lake has nothing of turnstile any more; look where it went, verify again"


@pytest.mark.parametrize("concurrency", [1, 3])
def test_few_files_are_in_the_work_folder_at_once(
    proved: ProvedLake, monkeypatch: pytest.MonkeyPatch, concurrency: int
) -> None:
    weeks = list_last(TURNSTILE, 12)
    for week in weeks:
        proved.land(TURNSTILE, week)
    seen, counting = list[int](), threading.Lock()

    def count() -> None:
        with counting:
            seen.append(len(list((proved.folder / "spool").glob("*/*.csv.gz"))))

    interfere(monkeypatch, proved.lake, count, len(weeks))
    lines = proved.verify(concurrency=concurrency)
    assert lines[1].startswith("turnstile: 12 objects"), lines
    assert len(seen) == len(weeks)
    assert max(seen) < concurrency


def test_two_that_fill_in_at_once_and_a_load_beside_them_lose_nothing(proved: ProvedLake) -> None:
    keys = [proved.land(TURNSTILE, week) for week in list_last(TURNSTILE, 6)]
    whole = {key: proved.facts(key) for key in keys}
    for key in keys:
        proved.tell(key, whole[key], BEFORE_9)
    said: list[list[str]] = []
    others = [threading.Thread(target=lambda: said.append(proved.verify_only())) for _ in range(2)]
    for each in others:
        each.start()
    for week in list_last(TURNSTILE, 6)[::2]:
        proved.land(TURNSTILE, week, seed=2)
    for each in others:
        each.join()
    assert len(said) == 2
    assert all(": all sound" in lines[-1] for lines in said), said
    assert proved.find_states() == {}
    for key in keys[1::2]:
        assert proved.facts(key).day_rows == whole[key].day_rows
    assert all(proved.facts(key).revision == 2 for key in keys[::2])
