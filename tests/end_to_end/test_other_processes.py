"""Work folder, folder lake and generated weeks beside other processes: alive, killed, or hashing texts otherwise."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import weeks
from command_runs import said_by_processes
from conftest import FLOWS, KEY, ONE_WEEK, ROOT, content, expected, folders, small_week
from lake_objects import budget, made, with_key
from mta_weekly.lake.folder import FolderLake
from mta_weekly.spool import work_folder

HOLD = """
import sys
from pathlib import Path
from mta_weekly.spool import work_folder

with work_folder(Path(sys.argv[1])) as folder:
    (folder / "240106.csv.gz").write_bytes(b"half a week")
    print(folder, flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_run(folder: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process at work in the spool, and its folder there."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=FLOWS) as process:
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_the_folder_of_a_live_run_is_left_alone_and_that_of_a_killed_one_removed(tmp_path: Path) -> None:
    with another_run(tmp_path) as (process, theirs):
        with work_folder(tmp_path) as ours:
            assert folders(tmp_path) == sorted([ours, theirs])
            assert (theirs / "240106.csv.gz").read_bytes() == b"half a week"
        assert folders(tmp_path) == [theirs]

        process.send_signal(signal.SIGKILL)
        process.wait()
        assert folders(tmp_path) == [theirs]
        with work_folder(tmp_path) as ours:
            assert folders(tmp_path) == [ours]

    assert folders(tmp_path) == []


def test_a_run_that_ends_by_itself_takes_its_folder_along(tmp_path: Path) -> None:
    with another_run(tmp_path) as (process, theirs):
        assert theirs.is_dir()
        process.stdin.close()

        assert process.wait() == 0
        assert folders(tmp_path) == []


def test_another_process_holding_the_lock_is_waited_for(tmp_path: Path) -> None:
    lake = FolderLake(tmp_path / "lake")
    lake.prepare()
    code = (
        "import sys, time; from filelock import FileLock\n"
        "with FileLock(sys.argv[1]): print('held', flush=True); time.sleep(1); print('let go', flush=True)"
    )
    lock = tmp_path / "lake" / ".mta-etl" / "turnstile-240106.csv.gz.lock"
    with subprocess.Popen([sys.executable, "-c", code, lock], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        lake.publish(*with_key(made(tmp_path)), None, budget())
        assert holder.stdout.readline() == "let go\n"


def test_a_run_killed_while_it_publishes_in_a_folder_leaves_an_object_or_none(tmp_path: Path) -> None:
    """Many times over, by processes that write at once, so that the kill meets the writing itself."""
    versions = {f",CA\n0,{name}{'x' * 3_000_000}\n".encode() for name in "AB"}
    code = (
        f"import os, sys; sys.path[:0] = {[str(ROOT / name) for name in ('flows', 'tests')]!r}\n"
        "from pathlib import Path; from lake_objects import made, budget\n"
        "from mta_weekly.lake.folder import FolderLake\n"
        f"here, key = Path({str(tmp_path)!r}), {KEY!r}; lake = FolderLake(here / 'lake'); lake.prepare()\n"
        "files = [made(here, f\",CA\\n0,{name}{'x' * 3_000_000}\\n\".encode()) for name in 'AB']\n"
        "for _ in sys.stdin:\n"
        "    if child := os.fork():\n"
        "        print(child, flush=True); os.wait(); continue\n"
        "    while True:\n"
        "        for path, facts in files:\n"
        "            seen = lake.find([key], budget()).get(key)\n"
        "            lake.publish(path, key, facts, seen, budget())\n"
    )
    seen = set()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as parent:
        for _ in range(12):
            print("another", file=parent.stdin, flush=True)
            child = int(parent.stdout.readline())
            time.sleep(random.uniform(0, 0.08))
            os.kill(child, signal.SIGKILL)
            if (tmp_path / "lake" / KEY).exists():
                seen.add(content(tmp_path / "lake"))
        parent.stdin.close()
    assert seen
    assert seen <= versions
    shutil.rmtree(tmp_path / "lake")


def test_the_same_week_is_the_same_bytes_in_every_process() -> None:
    code = (
        "import hashlib, datetime; from weeks import make_week;"
        "print(hashlib.sha256(make_week(datetime.date(2024, 1, 6), 5000)).hexdigest())"
    )
    hashes = said_by_processes(code, Path(weeks.__file__).parent)

    assert len(hashes) == 1


def test_neither_a_run_nor_a_report_loads_what_reads_frames(environment: dict[str, str], tmp_path: Path) -> None:
    """They take a second and 100 MiB, for nothing."""
    script = """if True:
        import atexit, runpy, sys
        for_frames = {"aiohttp", "gcsfs", "pandas"}  # fsspec is loaded by Prefect
        atexit.register(lambda: print("loaded", sorted(for_frames & sys.modules.keys())))
        sys.argv[:] = sys.argv[1:]
        sys.path[0] = sys.argv[0].rpartition("/")[0]
        runpy.run_path(sys.argv[0], run_name="__main__")
    """
    lake = ["--lake", str(tmp_path / "lake")]
    reports = [["watch.py", command, "--feed", "turnstile"] for command in ("status", "verify")]
    for name, *flags in (["etl_web_to_gcs.py", *ONE_WEEK], *reports):
        command = [sys.executable, "-c", script, str(FLOWS / name), *flags, *lake]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert ran.stdout.splitlines()[-1] == "loaded []", ran.stderr
        assert "Traceback" not in ran.stderr
    assert content(tmp_path / "lake") == expected(small_week())


def test_a_conversion_does_not_load_pandas(tmp_path: Path) -> None:
    """pyarrow loads it, where there is one, to ask whether it was given a frame: 0.4 s and 30 MiB for nothing."""
    script = """if True:
        import csv, io, sys
        from pathlib import Path
        from legacy_files import SMALL
        from mta_weekly.content.convert import convert_week, examine_object
        from mta_weekly.feeds.catalog import DAILY, TURNSTILE
        from mta_weekly.feeds.weeks import Week
        days = [f"2026-09-{day:02}T00:00:00.000" for day in (7, 8, 9)]
        table = io.StringIO()
        csv.writer(table).writerows([["date", "mode", "count"]])
        csv.writer(table).writerows([[days[0], '"a", b', ""], [days[1]], [days[2], "", "7.0"]])
        for feed, name, body in [(TURNSTILE, "120107", SMALL), (DAILY, "260912", table.getvalue().encode())]:
            path, week = Path(sys.argv[1]) / name, Week.named(name)
            print(convert_week([body], feed, week, path, 1).rows, examine_object(path, feed, week).rows)
        print("pandas" in sys.modules)
    """
    folders = os.pathsep.join(str(ROOT / name) for name in ("flows", "tests", "benchmarks"))
    environment = os.environ | {"PYTHONPATH": folders}
    command = [sys.executable, "-c", script, tmp_path]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.stdout.split() == ["500", "500", "2", "2", "False"], ran.stderr
