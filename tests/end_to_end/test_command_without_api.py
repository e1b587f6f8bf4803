"""The command where Prefect's API is gone, dies or lies, or its home cannot be used: one line, and no traceback."""

import json
import subprocess
import sys
from pathlib import Path

from command_runs import wait_for_request
from conftest import FILE, ONE_WEEK, ROOT, WEEK, ended, small_week, start
from mta_weekly.lake.folder import FolderLake
from servers import prefect_server
from standing_weeks import land_weeks
from web import Answer, Web


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


def test_a_dry_run_on_a_folder_does_not_even_touch_prefects_home(environment: dict[str, str], tmp_path: Path) -> None:
    home = {**environment, "PREFECT_HOME": str(tmp_path / "home")}
    ran = ended(start([*ONE_WEEK, "--dry-run", "--lake", str(tmp_path / "lake")], home))
    assert ran.code == 0, ran
    assert not list(tmp_path.rglob("*.db"))
    assert not (tmp_path / "lake").exists()


def test_how_a_folder_stands_is_said_without_an_api_or_a_home(environment: dict[str, str], tmp_path: Path) -> None:
    alone = {**environment, "PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_HOME": str(tmp_path / "home")}
    lake = FolderLake(tmp_path / "lake")
    lake.prepare()
    land_weeks(lake, tmp_path, "240203", "240217")
    status = ["status", "--lake", str(lake.folder)]
    whole, lacking, bad = (
        start([*status, *flags], alone, "watch.py")
        for flags in (
            ["--feed", "turnstile", "--since", "2024-02-11"],
            ["--json", "--html", str(tmp_path / "lake.html")],
            ["--since", "2999-01-01"],
        )
    )
    ran = ended(whole)
    assert (ran.code, ran.err) == (0, "")
    first, second = ran.out.splitlines()
    assert first == f"lake: {lake.folder}"
    assert second.startswith("turnstile: 1 of 1 due week there; newest 240217, the last of the feed, its data ")
    ran = ended(lacking)
    assert (ran.code, ran.err) == (1, f"{lake.folder} is not as it should be: 1 lacking\n")
    (fault,) = json.loads(ran.out)["faults"]
    assert (fault["feed"], fault["state"], fault["weeks"]) == ("turnstile", "lacking", ["240210"])
    assert "data-week=240210 data-state=lacking " in (tmp_path / "lake.html").read_text()
    ran = ended(bad)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("watch.py: since 2999-01-01: in the future, today is ")
    assert not list(tmp_path.rglob("*.db"))


def test_a_reader_that_leaves_and_a_name_that_it_cannot_show_change_no_verdict(
    environment: dict[str, str], tmp_path: Path
) -> None:
    lake = FolderLake(tmp_path / "läke")
    lake.prepare()
    land_weeks(lake, tmp_path, "240203", "240217")
    status = f"{sys.executable} {ROOT}/flows/watch.py status --lake {lake.folder}"
    plain = {**environment, "PYTHONIOENCODING": "ascii"}
    for command in (f"{status} | true", status):
        bash = ["bash", "-c", f"set -o pipefail; {command}"]
        ran = subprocess.run(bash, env=plain, capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr.endswith("e is not as it should be: 1 lacking\n")) == (1, True), ran
    assert r"l\xe4ke" in ran.stdout.splitlines()[0]
