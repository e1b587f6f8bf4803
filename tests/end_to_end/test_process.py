"""The command as a process of its own: from anywhere, killed, together with others, on a terminal, without its API."""

import json
import os
import pty
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest

from conftest import (
    COMMAND,
    FILE,
    KEY,
    ONE_WEEK,
    ROOT,
    WEEK,
    content,
    ended,
    expected,
    real_week,
    small_week,
    start,
    wait_until,
)
from engine import prefect_server
from gcs import Gcs
from mta_weekly.feeds.weeks import label, saturday, saturdays
from web import Answer, Web


def test_help_and_bad_arguments_answer_without_loading_prefect(environment: dict[str, str]) -> None:
    for arguments, code in (["--help"], 0), (["--month", "13"], 2), (["--version"], 0):
        ran = subprocess.run(
            [sys.executable, "-X", "importtime", *COMMAND[1:], *arguments],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == code
        assert "| prefect" not in ran.stderr.replace(" ", "").replace("|", "| ")


@pytest.mark.parametrize("week", ["240106", "240113"])
def test_a_real_week_lands_equal_to_the_byte(week: str, web: Web, environment: dict[str, str], tmp_path: Path) -> None:
    published, wanted = real_week(week)
    web.serve(f"/turnstile_{week}.txt", Answer(published))
    day = ["--year", "2024", "--month", "1", "--day", week[-2:]]
    ran = ended(start([*day, "--lake", "lake"], environment, cwd=tmp_path))
    assert ran.code == 0, ran.err
    assert content(tmp_path / "lake", f"turnstile/{week}.csv.gz") == wanted


def test_a_real_week_lands_in_a_bucket_through_its_blocks(
    web: Web, environment: dict[str, str], tmp_path: Path
) -> None:
    import gzip

    from prefect_gcp import GcpCredentials
    from prefect_gcp.cloud_storage import GcsBucket

    published, wanted = real_week(WEEK)
    web.serve(FILE, Answer(published))
    with Gcs(buckets=("lake",)) as gcs:
        gcs.require_token = True
        GcpCredentials(service_account_info=gcs.service_account(), project="test").save(
            "blk-gcp-svc-acc", overwrite=True
        )
        GcsBucket(bucket="lake", gcp_credentials=GcpCredentials.load("blk-gcp-svc-acc")).save(
            "blk-gcs-name", overwrite=True
        )
        try:
            ran = ended(start(ONE_WEEK, {**environment, "STORAGE_EMULATOR_HOST": gcs.url}, cwd=tmp_path))
        finally:
            GcsBucket.delete("blk-gcs-name")
        assert ran.code == 0, ran.err
        assert gzip.decompress(gcs.objects["lake"][KEY].data) == wanted


def test_the_flow_is_loaded_by_its_entrypoint_from_an_empty_folder(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code = (
        "from prefect.flows import load_flow_from_entrypoint as load\n"
        f"flow = load({str(ROOT / 'flows' / 'etl_web_to_gcs.py')!r} + ':main_flow')\n"
        f"state = flow(year=2024, month=1, day=6, lake={str(tmp_path / 'lake')!r}, return_state=True)\n"
        "print(state.message)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=tmp_path / "empty",
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "1 week: 1 landed\n"
    assert content(tmp_path / "lake") == expected(small_week())


def test_four_first_runs_at_once_on_a_machine_where_prefect_never_ran(
    web: Web, environment: dict[str, str], tmp_path: Path
) -> None:
    home = {**environment, "PREFECT_HOME": str(tmp_path / "never" / "prefect")}
    together = [start([*ONE_WEEK, "--lake", str(tmp_path / "lake")], home) for _ in range(4)]
    for ran in map(ended, together):
        assert ran.code == 0, ran.err
        assert "Traceback" not in ran.err
    assert content(tmp_path / "lake") == expected(small_week())


def test_two_runs_of_one_week_at_once_are_one_object(web: Web, environment: dict[str, str], tmp_path: Path) -> None:
    half = len(small_week()) // 2
    web.serve(FILE, Answer(small_week(), pause_at=(half, 1.0)))  # so that both are in the middle at once
    runs = [ended(each) for each in [start([*ONE_WEEK, "--lake", str(tmp_path / "lake")], environment) for _ in "ab"]]
    assert [ran.code for ran in runs] == [0, 0], runs
    assert content(tmp_path / "lake") == expected(small_week())
    assert sorted(re.search(r"1 week: 1 (\w+)", ran.err)[1] for ran in runs) == ["landed", "there"]


def test_two_backfills_at_once_are_one_set_of_objects(web: Web, environment: dict[str, str], tmp_path: Path) -> None:
    weeks = saturdays(date(2016, 1, 1), date(2016, 3, 20))
    for week in weeks:
        web.serve(f"/turnstile_{label(week)}.txt", Answer(small_week(week), wait=0.1))
    arguments = ["--start", "2016-01-01", "--end", "2016-03-20", "--lake", str(tmp_path / "lake")]
    runs = [ended(each) for each in [start(arguments, environment) for _ in "ab"]]
    assert [ran.code for ran in runs] == [0, 0], runs
    landed = re.findall(r"turnstile (\d{6}): landed", runs[0].err + runs[1].err)
    assert sorted(landed) == [*map(label, weeks)]  # each by one of them
    for week in weeks:
        assert content(tmp_path / "lake", f"turnstile/{label(week)}.csv.gz") == expected(small_week(week))


def test_an_api_that_cannot_be_reached_is_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    api = "http://me:secret@127.0.0.1:9/api"
    ran = ended(start([*ONE_WEEK, "--lake", str(tmp_path / "lake")], {**environment, "PREFECT_API_URL": api}))
    assert ran.code == 1
    (line,) = ran.err.splitlines()
    assert line.startswith("the Prefect API at http://127.0.0.1:9/api/ cannot be reached (")
    assert "secret" not in ran.err
    assert not (tmp_path / "lake").exists()
    assert ended(start([*ONE_WEEK, "--lake", str(tmp_path / "lake")], environment)).code == 0


def test_a_dry_run_ends_0_without_its_api(environment: dict[str, str], tmp_path: Path) -> None:
    environment = {**environment, "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    ran = ended(start([*ONE_WEEK, "--dry-run", "--lake", str(tmp_path / "lake")], environment))
    assert (ran.code, ran.out.split()[3:5]) == (0, ["would", "load"]), ran
    ran = ended(start([*ONE_WEEK, "--dry-run"], environment))
    assert ran.code == 0
    assert "states are not known: the Prefect API failed" in ran.out
    assert f"{WEEK}  unknown " in ran.out
    assert "Traceback" not in ran.err


def test_an_api_that_dies_in_the_middle_is_one_line(web: Web, environment: dict[str, str], tmp_path: Path) -> None:
    own = {**environment, "PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_CLIENT_MAX_RETRIES": "0"}
    good = small_week()
    web.serve(FILE, Answer(good, pause_at=(len(good) // 2, 3.0)))
    with prefect_server(tmp_path / "server") as api:
        process = start([*ONE_WEEK, "--lake", str(tmp_path / "lake")], {**own, "PREFECT_API_URL": api})
        wait_for_request(web)
    ran = ended(process)
    assert ran.code == 1
    assert "Traceback" not in ran.err, ran.err
    assert "Prefect API failed" in ran.err.splitlines()[-1]


def test_an_interrupted_run_says_so_and_ends_130(web: Web, environment: dict[str, str], tmp_path: Path) -> None:
    web.serve(FILE, Answer(small_week(), pause_at=(len(small_week()) // 2, 60.0)))
    process = start([*ONE_WEEK, "--lake", str(tmp_path / "lake")], environment)
    wait_for_request(web)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    ran = ended(process)
    assert ran.code == 130
    assert [path.name for path in (tmp_path / "spool").iterdir()] == [".mta-etl.lock"]
    assert ran.lines[-1].startswith("interrupted: what has landed stays")
    assert "Traceback" not in ran.err
    assert not (tmp_path / "lake" / KEY).exists()


@pytest.mark.parametrize("presses", [1, 2])
def test_an_interrupted_backfill_ends_at_once_with_one_line(
    presses: int, web: Web, environment: dict[str, str], tmp_path: Path
) -> None:
    weeks = saturdays(date(2016, 1, 1), date(2016, 6, 30))
    for week in weeks:
        slow = small_week(week)
        web.serve(f"/turnstile_{label(week)}.txt", Answer(slow, pause_at=(len(slow) // 2, 0.2 + 60 * (week.day == 13))))
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


def test_a_dry_run_on_a_folder_does_not_even_touch_prefects_home(environment: dict[str, str], tmp_path: Path) -> None:
    home = {**environment, "PREFECT_HOME": str(tmp_path / "home")}
    ran = ended(start([*ONE_WEEK, "--dry-run", "--lake", str(tmp_path / "lake")], home))
    assert ran.code == 0, ran
    assert not list(tmp_path.rglob("*.db"))
    assert not (tmp_path / "lake").exists()


def test_a_listing_may_be_cut_short(environment: dict[str, str], tmp_path: Path) -> None:
    command = " ".join(
        [*map(shlex.quote, COMMAND), "--year 2016 --dry-run --lake", shlex.quote(str(tmp_path / "lake"))]
    )
    ran = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -1"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"lake: {tmp_path}/lake\n", "")


def test_an_api_that_is_none_or_fails_is_one_line(web: Web, environment: dict[str, str], tmp_path: Path) -> None:
    for answer in (Answer(b"<html>"), Answer(status=500)):
        with Web() as api:
            for path in ("health", "admin/version", "flows/", "flow_runs/", "csrf-token"):
                api.serve(f"/api/{path}", answer)
            there = {
                **environment,
                "PREFECT_API_URL": api.url.replace("//", "//me:secret@") + "/api",
                "PREFECT_CLIENT_MAX_RETRIES": "0",
            }
            ran = ended(start([*ONE_WEEK, "--lake", str(tmp_path / "lake")], there))
            assert ran.code == 1
            assert "Prefect API" in ran.err.splitlines()[-1]
            assert "Traceback" not in ran.err
            assert "secret" not in ran.err
            assert ended(start([*ONE_WEEK, "--dry-run"], there)).code == 0


def test_a_prefect_home_that_cannot_be_used_is_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    home = {**environment, "PREFECT_HOME": str(tmp_path / "file" / "home")}
    ran = ended(start([*ONE_WEEK, "--lake", str(tmp_path / "lake")], home))
    assert ran.code == 1
    assert ran.err.splitlines()[-1].startswith("Prefect cannot make its database in PREFECT_HOME, ")
    assert "Traceback" not in ran.err


def test_a_terminal_shows_a_progress_bar_and_plain_sentences(
    web: Web, environment: dict[str, str], tmp_path: Path
) -> None:
    web.serve(FILE, Answer(small_week(), pause_at=(len(small_week()) // 2, 1.5)))
    ours, theirs = pty.openpty()
    arguments = [*ONE_WEEK, "--lake", str(tmp_path / "lake")]
    with start(arguments, {**environment, "TERM": "xterm", "COLUMNS": "120"}, stderr=theirs) as process:
        os.close(theirs)
        screen = b""
        while process.poll() is None or screen[-1:]:
            try:
                screen += os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
    os.close(ours)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.decode())
    assert process.returncode == 0
    assert re.search(rf"{WEEK} ━+", shown), shown
    assert re.search(r"0 of 1 weeks .* 0 rows [\d.]+ MB/s .* left", shown), shown
    assert re.search(rf"[\r\n]turnstile {WEEK}: landed, 500 rows", shown), shown


class TestKilled:
    """kill -9 at any moment leaves no object or a right one, and the next run succeeds."""

    @pytest.mark.parametrize("moment", ["starting", "downloading", "any", "any other"])
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

    def test_a_backfill_ten_times_over(self, web: Web, environment: dict[str, str], tmp_path: Path) -> None:
        weeks = saturdays(date(2016, 1, 1), date(2016, 10, 1))
        assert len(weeks) == 40
        for week in weeks:
            web.serve(f"/turnstile_{label(week)}.txt", Answer(small_week(week), wait=0.1))
        arguments = ["--start", "2016-01-01", "--end", "2016-10-01", "--lake", str(tmp_path / "lake")]
        stood: dict[Path, tuple[int, int]] = {}
        said = ""
        for _ in range(10):
            web.requests.clear()
            process = start(arguments, environment)
            wait_for_request(web, process)
            time.sleep(random.uniform(0, 0.6))
            process.kill()
            said += process.communicate()[1]
            for path, at in stood.items():
                assert seen_at(path) == at, "a week that had landed was written again"
            for path in (tmp_path / "lake").glob("turnstile/*.gz"):
                assert content(tmp_path / "lake", f"turnstile/{path.name}") == wanted(path)
                stood[path] = seen_at(path)
        assert len(stood) > 0
        ran = ended(start(arguments, environment))
        assert ran.code == 0, ran.err
        assert sorted(path.name[:6] for path in (tmp_path / "lake" / "turnstile").glob("*.gz")) == [*map(label, weeks)]
        for path in (tmp_path / "lake").glob("turnstile/*.gz"):
            assert content(tmp_path / "lake", f"turnstile/{path.name}") == wanted(path)
            assert stood.get(path) in (None, seen_at(path))
            assert json.loads(path.with_name(f"{path.name}.json").read_text())["rows"] == 500
        landed = re.findall(r"turnstile (\d{6}): landed", said + ran.err)
        assert len(landed) == len(set(landed))
        assert [path.name for path in (tmp_path / "spool").iterdir()] == [".mta-etl.lock"]
        assert not list((tmp_path / "lake").rglob("*.part"))

    def test_publishing_in_a_folder(self, tmp_path: Path) -> None:
        """Without Prefect it starts in no time, so that the kill meets the writing itself, many times over."""
        versions = {f",CA\n0,{name}{'x' * 3_000_000}\n".encode() for name in "AB"}
        code = (
            f"import sys; sys.path[:0] = {[str(ROOT / name) for name in ('flows', 'tests', 'benchmarks')]!r}\n"
            "from pathlib import Path; import test_lake as t; from lake_folder import FolderLake\n"
            f"here = Path({str(tmp_path)!r}); lake = FolderLake(here / 'lake'); lake.prepare()\n"
            "files = [t.made(here, f\",CA\\n0,{name}{'x' * 3_000_000}\\n\".encode()) for name in 'AB']\n"
            "print('ready', flush=True)\n"
            "while True:\n"
            "    for path, facts in files:\n"
            "        seen = lake.find([t.KEY], t.patience()).get(t.KEY)\n"
            "        lake.publish(path, t.KEY, facts, seen, t.patience())\n"
        )
        seen = set()
        for _ in range(12):
            with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                process.stdout.readline()
                time.sleep(random.uniform(0, 0.08))
                process.kill()
            if (tmp_path / "lake" / KEY).exists():
                seen.add(content(tmp_path / "lake"))
        assert seen
        assert seen <= versions
        shutil.rmtree(tmp_path / "lake")


def seen_at(path: Path) -> tuple[int, int]:
    """What changes when a file is written again."""
    return path.stat().st_mtime_ns, path.stat().st_ino


def wanted(path: Path) -> bytes:
    """What the object of a small week must hold."""
    return expected(small_week(saturday(path.name[:6])))


def wait_for_request(web: Web, process: subprocess.Popen[str] | None = None) -> None:
    """Until the command asks for a week, or has ended because there is none to ask for."""
    wait_until(lambda: web.requests or (process and process.poll() is not None), "the command never asked for the week")
