"""A load against other runs of the same week: what is in the lake always belongs together."""

import csv
import gzip
import io
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import google.cloud.storage
import pytest

from conftest import FILE, KEY, WEEK, expected, small_week
from gcs import Gcs
from mta_weekly.errors import EtlError
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.client import open_client
from mta_weekly.lake.folder import FolderLake
from mta_weekly.lake.gcs import BucketLake
from mta_weekly.lake.objects import Lake, PublishResult
from mta_weekly.lake_week import LakeWeek
from mta_weekly.load import Load, Options
from mta_weekly.outcomes import Outcome
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import Settings
from web import Answer, Web

LINES = small_week().decode().splitlines(keepends=True)
CLEAN = small_week()
TODAY = date(2026, 11, 21)


def broken(at: int) -> bytes:
    """The week with one line that has a field too many."""
    return "".join("x," + line if number == at else line for number, line in enumerate(LINES, start=1)).encode()


@pytest.fixture(params=["folder", "bucket"])
def lake(request: pytest.FixtureRequest, gcs: Gcs, tmp_path: Path) -> Lake:
    if request.param == "bucket":
        return BucketLake(google.cloud.storage.Client(project="test"), "lake")
    folder = FolderLake(tmp_path / "lake")
    folder.prepare()
    return folder


@pytest.fixture
def run(lake: Lake, web: Web, tmp_path: Path) -> Iterator[Callable[..., Callable[[], Outcome]]]:
    """Start a run that downloads `published` now, and publishes when what is returned is called."""
    settings = Settings(turnstile_url=web.url, retry_base=0.001, retry_wait=2.0)
    with open_client(settings) as client:

        def begin(published: bytes, name: str) -> Callable[[], Outcome]:
            folder = tmp_path / name
            folder.mkdir()
            budget = RetryBudget(3, 10, 0.001)
            existing = lake.find([KEY], budget).get(KEY)
            target = LakeWeek(Week.named(WEEK), TURNSTILE, lake, existing, folder, budget, name)
            load = Load(target, Options(settings, TODAY, run_id=name, allow_bad_rows=5))
            web.serve(FILE, Answer(published))
            local = load.make(client, lambda chunks, _, __: chunks)
            return lambda: load.publish(local)

        yield begin


def together(lake: Lake, folder: Path) -> int | None:
    """Check that object, facts and rows left out belong together; gives the line left out, where there is one."""
    found = lake.find([KEY], RetryBudget(1, 0, 0))[KEY]
    aside = lake.find([f"rejected/{KEY}"], RetryBudget(1, 0, 0)).get(f"rejected/{KEY}")
    assert found.facts is not None
    assert bool(found.facts.bad_rows) is bool(aside)
    lake.read(KEY, folder / "object", RetryBudget(1, 0, 0))
    content = gzip.decompress((folder / "object").read_bytes())
    if not aside:
        assert content == expected(CLEAN)
        return None
    lake.read(f"rejected/{KEY}", folder / "aside", RetryBudget(1, 0, 0))
    (row,) = list(csv.reader(io.StringIO(gzip.decompress((folder / "aside").read_bytes()).decode())))[1:]
    at = int(row[0])
    assert content == expected("".join(line for number, line in enumerate(LINES, start=1) if number != at).encode())
    return at


Run = Callable[..., Callable[[], Outcome]]


def test_the_first_of_two_runs_stands_with_its_own_rows_left_out(run: Run, lake: Lake, tmp_path: Path) -> None:
    slow, fast = run(broken(7), "slow"), run(broken(9), "fast")
    assert fast().state == "landed"
    outcome = slow()
    assert outcome.state == "there"
    assert re.fullmatch(r"another run fast was first, with other content, which stands", outcome.reason)
    assert together(lake, tmp_path) == 9


def test_a_slow_force_does_not_leave_its_rows_beside_another_object(run: Run, lake: Lake, tmp_path: Path) -> None:
    run(CLEAN, "before")()
    slow, fast = run(broken(7), "slow"), run(broken(9), "fast")
    assert fast().state == "replaced"
    with pytest.raises(EtlError, match="another run changed it meanwhile"):
        slow()
    assert together(lake, tmp_path) == 9


def test_rows_left_out_are_gone_with_the_object_they_were_left_out_of(run: Run, lake: Lake, tmp_path: Path) -> None:
    run(broken(7), "first")()
    assert together(lake, tmp_path) == 7
    run(broken(9), "second")()
    assert together(lake, tmp_path) == 9
    run(CLEAN, "third")()
    assert together(lake, tmp_path) is None


def test_rows_left_out_by_a_run_that_died_before_its_object_do_not_stay(
    run: Run, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying, publish = run(broken(7), "dying"), type(lake).publish

    def die_at_the_object(self: Lake, path: Path, key: str, *rest: Any) -> PublishResult:
        if key == KEY:
            raise KeyboardInterrupt
        return publish(self, path, key, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(type(lake), "publish", die_at_the_object)
        dying()
    assert lake.find([f"rejected/{KEY}"], RetryBudget(1, 0, 0))
    run(CLEAN, "next")()
    assert together(lake, tmp_path) is None


def test_a_run_that_meets_another_between_its_two_files_gives_way(
    run: Run, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, fast, find = run(broken(7), "slow"), run(broken(9), "fast"), type(lake).find

    def find_late(self: Lake, keys: list[str], budget: RetryBudget) -> dict[str, object]:
        found = find(self, keys, budget)
        if keys == [KEY] and not met:
            met.append(1)
            fast()
        return found

    met: list[int] = []
    monkeypatch.setattr(type(lake), "find", find_late)
    with pytest.raises(EtlError, match="another run changed it meanwhile"):
        slow()
    assert together(lake, tmp_path) == 9


@pytest.mark.parametrize("forced", [False, True])
def test_a_run_that_is_overtaken_between_its_two_files_takes_its_rows_back(
    run: Run, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forced: bool
) -> None:
    if forced:
        run(CLEAN.replace(b"REGULAR", b"RECOVR AUD"), "before")()
    slow, fast, publish = run(broken(7), "slow"), run(CLEAN, "fast"), type(lake).publish
    waiting: list[tuple[Any, ...]] = []
    ended: list[PublishResult] = []

    def interleaved(self: Lake, *arguments: Any) -> PublishResult:
        """The fast run waits with its object till the slow one has set its rows aside and is about to land its own."""
        if arguments[1] != KEY or ended:
            return publish(self, *arguments)
        if not waiting:
            waiting.append(arguments)
            if forced:
                with pytest.raises(EtlError, match="another run changed it meanwhile"):
                    slow()
            else:
                assert slow().state == "there"
            return ended[0]
        ended.append(publish(self, *waiting[0]))
        return publish(self, *arguments)

    monkeypatch.setattr(type(lake), "publish", interleaved)
    assert fast().state == ("replaced" if forced else "landed")
    assert together(lake, tmp_path) is None
