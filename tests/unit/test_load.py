"""A load against other runs of the same week: what is in the lake always belongs together."""

import csv
import gzip
import io
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from conftest import FILE, KEY, WEEK, expected, small_week
from either_lake import dying_at_the_object
from mta_weekly.errors import EtlError
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.client import open_client
from mta_weekly.lake.facts import CompanionFacts
from mta_weekly.lake.objects import Lake, PublishResult
from mta_weekly.lake_week import LakeWeek
from mta_weekly.load import Load
from mta_weekly.options import Options
from mta_weekly.outcomes import Outcome
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import Settings
from web import Answer, Web

pytest_plugins = ["either_lake"]

LINES = small_week().decode().splitlines(keepends=True)
CLEAN = small_week()
TODAY = date(2026, 11, 21)


def broken(at: int) -> bytes:
    """The week with one line that has a field too many."""
    return "".join("x," + line if number == at else line for number, line in enumerate(LINES, start=1)).encode()


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
    patience = RetryBudget(1, 0, 0)
    found = lake.find([KEY], patience)[KEY]
    assert found.facts is not None
    assert bool(found.facts.bad_rows) is bool(found.facts.rejected)
    lake.read(KEY, found, folder / "object", patience)
    content = gzip.decompress((folder / "object").read_bytes())
    if not found.facts.rejected:
        assert content == expected(CLEAN)
        return None
    aside = lake.find([found.facts.rejected], patience)[found.facts.rejected]
    assert isinstance(aside.facts, CompanionFacts)
    assert aside.facts.of == found.facts.sha256
    lake.read(found.facts.rejected, aside, folder / "aside", patience)
    (row,) = list(csv.reader(io.StringIO(gzip.decompress((folder / "aside").read_bytes()).decode())))[1:]
    at = int(row[0])
    assert content == expected("".join(line for number, line in enumerate(LINES, start=1) if number != at).encode())
    return at


def companions(lake: Lake, kind: str) -> list[str]:
    return list(lake.find_all(f"{kind}/turnstile/", RetryBudget(1, 0, 0)))


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


def test_rows_left_out_stay_with_the_object_they_were_left_out_of(run: Run, lake: Lake, tmp_path: Path) -> None:
    run(broken(7), "first")()
    assert together(lake, tmp_path) == 7
    run(broken(9), "second")()
    assert together(lake, tmp_path) == 9
    run(CLEAN, "third")()
    assert together(lake, tmp_path) is None
    assert len(companions(lake, "rejected")) == 2
    replaced = lake.find_all("history/turnstile/", RetryBudget(1, 0, 0)).values()
    assert {each.facts.rejected for each in replaced if each.facts} == set(companions(lake, "rejected"))


def test_rows_left_out_by_a_run_that_died_before_its_object_are_not_taken_for_those_of_another(
    run: Run, lake: Lake, tmp_path: Path
) -> None:
    dying = run(broken(7), "dying")
    with dying_at_the_object(lake):
        dying()
    assert len(companions(lake, "rejected")) == 1
    run(CLEAN, "next")()
    assert together(lake, tmp_path) is None


@pytest.mark.parametrize("forced", [False, True])
def test_a_run_that_is_overtaken_between_its_files_leaves_the_object_of_the_other(
    run: Run, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forced: bool
) -> None:
    if forced:
        run(CLEAN.replace(b"REGULAR", b"RECOVR AUD"), "before")()
    slow, fast, publish = run(broken(7), "slow"), run(CLEAN, "fast"), type(lake).publish
    overtaken: list[str] = []

    def interleaved(self: Lake, *arguments: Any) -> PublishResult:
        """The fast run lands when the slow one has set its rows aside and is about to land its own object."""
        if arguments[1] == KEY and not overtaken:
            overtaken.append("now")
            overtaken[0] = fast().state
        return publish(self, *arguments)

    monkeypatch.setattr(type(lake), "publish", interleaved)
    if forced:
        with pytest.raises(EtlError, match="another run changed it meanwhile"):
            slow()
    else:
        assert slow().state == "there"
    assert overtaken == ["replaced" if forced else "landed"]
    assert together(lake, tmp_path) is None
    assert len(companions(lake, "history")) == forced


@pytest.mark.parametrize("published", [CLEAN, broken(7)])
def test_two_forced_runs_of_the_same_are_one_object_with_one_set_of_companions(
    run: Run, lake: Lake, tmp_path: Path, published: bytes
) -> None:
    run(broken(9), "before")()
    slow, fast = run(published, "slow"), run(published, "fast")
    assert fast().state == "replaced"
    stood = lake.find([KEY], RetryBudget(1, 0, 0))
    outcome = slow()
    assert outcome.state == "there"
    assert outcome.reason.startswith("another run fast was first, with the same content")
    assert lake.find([KEY], RetryBudget(1, 0, 0)) == stood
    assert len(companions(lake, "history")) == 1


def test_a_forced_load_of_what_stands_renews_the_facts_and_replaces_nothing(
    run: Run, lake: Lake, tmp_path: Path
) -> None:
    run(broken(7), "before")()
    was = lake.find([KEY], RetryBudget(1, 0, 0))[KEY]
    assert was.facts
    long_ago = was.facts.model_copy(update={"landed_at": "2024-01-06T14:00:00+00:00"})
    lake.set_facts(KEY, was, long_ago, RetryBudget(1, 0, 0))
    assert run(broken(7), "again")().state == "unchanged"
    now = lake.find([KEY], RetryBudget(1, 0, 0))[KEY]
    assert now.facts
    assert (now.generation, now.facts.landed_at, now.facts.revision) == (was.generation, long_ago.landed_at, 1)
    assert (was.facts.flow_run_id, now.facts.flow_run_id) == ("before", "again")
    assert together(lake, tmp_path) == 7
    assert companions(lake, "history") == []
