"""The command as a process of its own: from anywhere, by its entrypoint, on a terminal, several at once."""

import os
import pty
import re
import shlex
import subprocess
import sys
from datetime import date
from pathlib import Path

from conftest import COMMAND, FILE, KEY, ONE_WEEK, ROOT, WEEK, content, ended, expected, small_week, start
from gcs import Gcs
from mta_weekly.feeds.weeks import list_weeks
from real_weeks import real_week
from web import Answer, Web


def test_help_and_bad_arguments_answer_without_loading_prefect(environment: dict[str, str]) -> None:
    for arguments, code in (["--help"], 0), (["--month", "13"], 2), (["--version"], 0):
        ran = subprocess.run(
            [sys.executable, "-X", "importtime", *COMMAND[1:], *arguments],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == code
        assert "| prefect" not in ran.stderr.replace(" ", "").replace("|", "| ")


def test_a_real_week_lands_equal_to_the_byte(web: Web, environment: dict[str, str], tmp_path: Path) -> None:
    published, wanted = real_week("240113")
    web.serve("/turnstile_240113.txt", Answer(published))
    day = ["--year", "2024", "--month", "1", "--day", "13"]
    ran = ended(start([*day, "--lake", "lake"], environment, cwd=tmp_path))
    assert ran.code == 0, ran.err
    assert content(tmp_path / "lake", "turnstile/240113.csv.gz") == wanted


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


def test_two_backfills_at_once_are_one_set_of_objects(web: Web, environment: dict[str, str], tmp_path: Path) -> None:
    weeks = list_weeks(date(2016, 1, 1), date(2016, 3, 20))
    for week in weeks:
        web.serve(f"/turnstile_{week}.txt", Answer(small_week(week.saturday), wait=0.1))
    arguments = ["--start", "2016-01-01", "--end", "2016-03-20", "--lake", str(tmp_path / "lake")]
    runs = [ended(each) for each in [start(arguments, environment) for _ in "ab"]]
    assert [ran.code for ran in runs] == [0, 0], runs
    landed = re.findall(r"turnstile (\d{6}): landed", runs[0].err + runs[1].err)
    assert sorted(landed) == [week.label for week in weeks]  # each by one of them
    assert len(re.findall(r"turnstile (\d{6}): there", runs[0].err + runs[1].err)) == len(weeks)  # says the other
    for week in weeks:
        assert content(tmp_path / "lake", f"turnstile/{week}.csv.gz") == expected(small_week(week.saturday))


def test_a_listing_may_be_cut_short(environment: dict[str, str], tmp_path: Path) -> None:
    command = " ".join(
        [*map(shlex.quote, COMMAND), "--year 2016 --dry-run --lake", shlex.quote(str(tmp_path / "lake"))]
    )
    ran = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -1"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"lake: {tmp_path}/lake\n", "")


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
