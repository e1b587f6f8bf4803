"""The command interrupted or killed at any moment: no object or a right one, and the next run succeeds."""

import json
import random
import re
import signal
import time
from datetime import date
from pathlib import Path

import pytest

from command_runs import Fork, ready_command, wait_for_request, wanted
from conftest import (
    FILE,
    KEY,
    ONE_WEEK,
    content,
    ended,
    expected,
    small_week,
    start,
    wait_until,
)
from mta_weekly.feeds.weeks import list_weeks
from tries import ALL, tries
from web import Answer, Web


@pytest.mark.parametrize(
    ("number", "word", "code"), [(signal.SIGINT, "interrupted", 130), (signal.SIGTERM, "terminated", 143)]
)
def test_a_run_that_is_told_to_end_says_what_stays(
    number: int, word: str, code: int, web: Web, environment: dict[str, str], tmp_path: Path
) -> None:
    web.serve(FILE, Answer(small_week(), pause_at=(len(small_week()) // 2, 60.0)))
    process = start([*ONE_WEEK, "--lake", str(tmp_path / "lake")], environment)
    wait_for_request(web)
    time.sleep(0.5)
    began = time.monotonic()
    process.send_signal(number)
    ran = ended(process)
    assert time.monotonic() - began < 10
    assert ran.code == code
    assert [path.name for path in (tmp_path / "spool").iterdir()] == [".mta-etl.lock"]
    assert ran.lines == [
        f"INFO    lake: {tmp_path / 'lake'}", f"{word}: what has landed stays, the next run does the rest"
    ]  # fmt: skip
    assert not (tmp_path / "lake" / KEY).exists()


def test_a_command_terminated_while_it_loads_says_so_too(environment: dict[str, str], tmp_path: Path) -> None:
    process = start([*ONE_WEEK, "--lake", str(tmp_path / "lake")], environment)
    handled = 1 << (signal.SIGTERM - 1)

    def listens() -> bool:
        caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{process.pid}/status").read_text())
        return bool(caught and int(caught[1], 16) & handled)

    wait_until(listens, "the command never minded the signal")
    process.terminate()
    ran = ended(process)
    assert (ran.code, ran.lines) == (143, ["terminated: what has landed stays, the next run does the rest"])


@pytest.mark.parametrize("presses", [1, 2])
def test_an_interrupted_backfill_ends_at_once_with_one_line(
    presses: int, web: Web, environment: dict[str, str], tmp_path: Path
) -> None:
    weeks = list_weeks(date(2016, 1, 1), date(2016, 6, 30))
    for week in weeks:
        slow = small_week(week.saturday)
        web.serve(
            f"/turnstile_{week}.txt", Answer(slow, pause_at=(len(slow) // 2, 0.2 + 60 * (week.saturday.day == 13)))
        )
    arguments = ["--start", "2016-01-01", "--end", "2016-06-30", "--concurrency", "4", "--lake", str(tmp_path / "lake")]
    process = start(arguments, environment)
    while len(web.requests) < 9:
        assert process.poll() is None
        time.sleep(0.02)
    began = time.monotonic()
    for _ in range(presses):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    ran = ended(process)
    assert time.monotonic() - began < 10  # and not until the slow one has come
    assert ran.code == 130
    assert ran.lines[-1] == "interrupted: what has landed stays, the next run does the rest"
    assert [line for line in ran.lines if "landed" not in line] == [f"INFO    lake: {tmp_path / 'lake'}"]
    for path in (tmp_path / "lake").glob("turnstile/*.gz"):
        assert content(tmp_path / "lake", f"turnstile/{path.name}") == wanted(path)


class TestKilled:
    """kill -9 at any moment leaves no object or a right one, and the next run succeeds."""

    @pytest.mark.parametrize("moment", ["starting", "downloading", "any", *["any other"] * ALL])
    def test_a_run(self, moment: str, web: Web, environment: dict[str, str], tmp_path: Path) -> None:
        good = small_week()
        web.serve(FILE, Answer(good, pause_at=(len(good) // 2, 60.0 if moment == "downloading" else 0.3)))
        process = start([*ONE_WEEK, "--lake", str(tmp_path / "lake")], environment)
        if moment == "starting":
            time.sleep(1)
        else:
            wait_for_request(web)
            time.sleep(1.0 if moment == "downloading" else random.uniform(0, 0.8))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL or "any" in moment
        objects = list((tmp_path / "lake").glob("turnstile/[0-9]*.gz"))
        assert moment.startswith("any") or objects == []
        if objects:
            assert content(tmp_path / "lake") == expected(good)
        web.serve(FILE, Answer(good))
        ran = ended(start([*ONE_WEEK, "--lake", str(tmp_path / "lake")], environment))
        assert ran.code == 0, ran.err
        assert content(tmp_path / "lake") == expected(good)
        assert [path.name for path in (tmp_path / "spool").iterdir() if path.name != ".mta-etl.lock"] == []
        assert not list((tmp_path / "lake").rglob("*.part"))

    def test_a_backfill_over_and_over(self, web: Web, environment: dict[str, str], tmp_path: Path) -> None:
        weeks = list_weeks(date(2016, 1, 1), date(2016, 5, 14))
        assert len(weeks) == 20
        for week in weeks:
            web.serve(f"/turnstile_{week}.txt", Answer(small_week(week.saturday), wait=0.1))
        arguments = ["--start", "2016-01-01", "--end", "2016-05-14", "--lake", str(tmp_path / "lake")]
        stood: dict[Path, tuple[int, int]] = {}
        with ready_command(environment, tmp_path / "said") as run:
            for n in range(tries(10, least=2)):
                web.requests.clear()
                process = run(arguments)
                wait_for_request(web, process)
                if n % 2:  # as soon as it has landed one, so that some stand however slow this machine is
                    wait_for_week(tmp_path / "lake", len(stood) + 1, process)
                time.sleep(random.uniform(0, 0.6))
                process.kill()
                for path, at in stood.items():
                    assert seen_at(path) == at, "a week that had landed was written again"
                for path in (tmp_path / "lake").glob("turnstile/*.gz"):
                    assert content(tmp_path / "lake", f"turnstile/{path.name}") == wanted(path)
                    stood[path] = seen_at(path)
        assert len(stood) > 0
        ran = ended(start(arguments, environment))
        assert ran.code == 0, ran.err
        assert sorted(path.name[:6] for path in (tmp_path / "lake" / "turnstile").glob("*.gz")) == [
            week.label for week in weeks
        ]
        for path in (tmp_path / "lake").glob("turnstile/*.gz"):
            assert content(tmp_path / "lake", f"turnstile/{path.name}") == wanted(path)
            assert stood.get(path) in (None, seen_at(path))
            assert json.loads(path.with_name(f"{path.name}.json").read_text())["rows"] == 500
        landed = re.findall(r"turnstile (\d{6}): landed", (tmp_path / "said").read_text() + ran.err)
        assert len(landed) == len(set(landed))
        assert [path.name for path in (tmp_path / "spool").iterdir()] == [".mta-etl.lock"]
        assert not list((tmp_path / "lake").rglob("*.part"))


def wait_for_week(lake: Path, count: int, process: Fork) -> None:
    """Until so many weeks have landed, or the command has ended because there are no more."""

    def landed() -> bool:
        return len(list(lake.glob("turnstile/[0-9]*.gz"))) >= count or process.poll() == 0

    wait_until(landed, "no week landed")


def seen_at(path: Path) -> tuple[int, int]:
    """What changes when a file is written again."""
    return path.stat().st_mtime_ns, path.stat().st_ino
