"""The command in this process: what it says, what it leaves in the lake, and how many weeks it asks for at once."""

import csv
import gzip
import io
import json
import re
import shlex
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from conftest import FILE, KEY, WEEK, ask, content, expected, small_week
from flow_runs import JANUARY, WEEKS, Land
from web import Answer, Web

pytest_plugins = ["flow_runs"]


def test_the_first_line_names_the_lake(land: Land, tmp_path: Path) -> None:
    ran = land()
    assert ran.lines[0] == f"INFO    lake: {tmp_path}/lake"
    assert ran.lines[1].startswith(f"INFO    turnstile {WEEK}: landed, 500 rows, ")
    assert ran.lines[2] == "INFO    1 week: 1 landed"
    assert len(ran.lines) == 3


def test_a_second_run_loads_nothing_and_writes_nothing(land: Land, january: Web, tmp_path: Path) -> None:
    assert land(*JANUARY).code == 0
    before = {
        path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in (tmp_path / "lake" / "turnstile").iterdir()
    }
    asked_before = len(january.requests)
    assert land(*JANUARY).lines[-1] == "INFO    4 weeks: 4 there"
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in before} == before
    assert len(january.requests) == asked_before
    assert len(before) == 8


def test_facts_say_what_landed_and_are_made_anew_without_a_download(land: Land, web: Web, tmp_path: Path) -> None:
    web.serve(FILE, Answer(small_week(), etag='"v7"', last_modified="Sat, 06 Jan 2024 12:00:00 GMT"))
    assert land().code == 0
    file = tmp_path / "lake" / f"{KEY}.json"
    first = json.loads(file.read_text())
    assert first["source_url"] == web.url + FILE
    assert first["source_etag"] == '"v7"'
    assert first["source_bytes"] == len(small_week())
    assert first["source_last_modified"] == "Sat, 06 Jan 2024 12:00:00 GMT"
    assert abs(datetime.now(UTC) - datetime.fromisoformat(first["loaded_at"])) < timedelta(minutes=1)
    assert ask(lambda client: client.read_flow_run(first["flow_run_id"])).name
    assert (first["rows"], first["bad_rows"], first["first_day"], first["last_day"]) == (
        500,
        0,
        "2023-12-30",
        "2024-01-05",
    )
    requests = len(web.requests)
    for rot in ("", file.read_text().replace(first["crc32c"], "AAAAAA==")):
        file.write_text(rot)
        assert land().lines[-1] == "INFO    1 week: 1 there"
        again = json.loads(file.read_text())
        same = ("feed", "week", "rows", "first_day", "last_day", "size", "crc32c", "sha256", "version")
        assert {name: again[name] for name in same} == {name: first[name] for name in same}
    assert len(web.requests) == requests


def test_allowed_bad_rows_are_kept_aside(land: Land, web: Web, tmp_path: Path) -> None:
    lines = small_week().decode().splitlines(keepends=True)
    lines[3] = "x," + lines[3]
    web.serve(FILE, Answer("".join(lines).encode()))
    refused = land()
    assert refused.code == 1
    assert not (tmp_path / "lake" / "rejected").exists()
    commands = re.findall(r"would leave them out: python flows/etl_web_to_gcs\.py (.*)", refused.err)
    assert commands, refused.err
    assert land(*shlex.split(commands[0])).code == 0
    facts = json.loads((tmp_path / "lake" / f"{KEY}.json").read_text())
    assert facts["bad_rows"] == 1
    aside = gzip.decompress((tmp_path / "lake" / facts["rejected"]).read_bytes()).decode()
    assert list(csv.reader(io.StringIO(aside))) == [
        ["line", "reason", "text"],
        ["4", "12 fields, expected 11", lines[3].rstrip("\n")],
    ]
    assert content(tmp_path / "lake") == expected("".join(lines[:3] + lines[4:]).encode())


def test_what_forcing_replaces_is_kept_with_its_rows_left_out(land: Land, web: Web, tmp_path: Path) -> None:
    file, lines = tmp_path / "lake" / f"{KEY}.json", small_week().decode().splitlines(keepends=True)
    web.serve(FILE, Answer("".join([*lines[:3], "x," + lines[3], *lines[4:]]).encode()))
    assert land(*JANUARY, "--day", "6", "--allow-bad-rows", "1").code == 0
    was, replaced = json.loads(file.read_text()), (tmp_path / "lake" / KEY).read_bytes()
    web.serve(FILE, Answer(small_week()))
    assert land().lines[-1] == "INFO    1 week: 1 there"
    assert (tmp_path / "lake" / KEY).read_bytes() == replaced
    assert land(*JANUARY, "--day", "6", "--force").lines[-1] == "INFO    1 week: 1 replaced"
    assert content(tmp_path / "lake") == expected(small_week())
    now = json.loads(file.read_text())
    assert (now["revision"], now["bad_rows"], now["rejected"]) == (2, 0, "")
    assert now["replaces"] == f"history/turnstile/240106-1-{was['sha256'][:16]}.csv.gz"
    assert (tmp_path / "lake" / now["replaces"]).read_bytes() == replaced
    kept = json.loads((tmp_path / "lake" / f"{now['replaces']}.json").read_text())
    assert {name: kept[name] for name in was} == was
    assert kept["why"] == f"replaced by a forced load, run {now['flow_run_id']}"
    assert (tmp_path / "lake" / was["rejected"]).exists()


def test_a_copy_of_another_week_is_not_taken_for_the_week(land: Land, january: Web, tmp_path: Path) -> None:
    assert land().code == 0
    folder = tmp_path / "lake" / "turnstile"
    for name in ("csv.gz", "csv.gz.json"):
        (folder / f"240113.{name}").write_bytes((folder / f"240106.{name}").read_bytes())
    ran = land(*JANUARY, "--day", "13")
    assert ran.code == 1
    assert "without facts that fit it, and: line 2: DATE '12/30/2023' is not in the week" in ran.err
    assert land(*JANUARY, "--day", "13", "--force").code == 0
    assert content(tmp_path / "lake", "turnstile/240113.csv.gz") == expected(small_week(WEEKS["240113"]))


def test_something_odd_in_the_place_of_an_object_stops_that_week_only(land: Land, january: Web, tmp_path: Path) -> None:
    (tmp_path / "lake" / KEY).mkdir(parents=True)
    ran = land(*JANUARY)
    assert ran.code == 1
    assert ran.lines[-1] == "INFO    4 weeks: 3 landed, 1 failed"
    said = f"{tmp_path / 'lake' / KEY} is a folder, where a file was expected; move it away"
    assert f"turnstile 240106: {KEY}: {said}" in ran.err


def test_a_lake_that_cannot_be_written_holds_its_weeks(land: Land, january: Web, tmp_path: Path) -> None:
    assert land().code == 0
    (tmp_path / "lake" / f"{KEY}.json").unlink()
    shutil.rmtree(tmp_path / "lake" / ".mta-etl")
    (tmp_path / "lake" / ".mta-etl").write_text("in the way of all that would write, whoever the user is")
    ran = land(*JANUARY, "--day", "6")
    assert ran.code == 0
    assert re.search(
        rf"240106: there, 500 rows, .*: {KEY} \(examined; its facts cannot be kept: .*Not a directory", ran.err
    )
    ran = land(*JANUARY)
    assert ran.code == 1
    assert ran.lines[-1] == "INFO    4 weeks: 1 there, 3 failed"
    assert len(january.requests) == 1


def test_a_part_of_a_week_is_refused(land: Land, web: Web, tmp_path: Path) -> None:
    lines = small_week().decode().splitlines(keepends=True)
    web.serve(FILE, Answer("".join(line for line in lines if "01/01/2024" not in line).encode()))
    ran = land()
    assert ran.code == 1
    said = "a partial week: rows of 6 days only, expected 7; nothing loaded, try again later"
    assert ran.lines[1] == f"ERROR   turnstile 240106: {said}"
    assert not (tmp_path / "lake" / KEY).exists()


def test_weeks_outside_the_coverage_fail_the_run_and_the_others_land(land: Land, web: Web, tmp_path: Path) -> None:
    web.serve("/turnstile_240217.txt", Answer(small_week(date(2024, 2, 17))))
    ran = land("--feed", "turnstile", "--start", "2024-02-17", "--end", "2024-03-02")
    assert ran.code == 1
    outside = [line for line in ran.lines if line.startswith("ERROR")]
    said = "outside what turnstile has published, 100508 to 240217"
    assert outside == [f"ERROR   turnstile 240224: {said}", f"ERROR   turnstile 240302: {said}"]
    assert content(tmp_path / "lake", "turnstile/240217.csv.gz") == expected(small_week(date(2024, 2, 17)))


def test_a_dry_run_lists_and_touches_nothing(land: Land, january: Web, tmp_path: Path) -> None:
    assert land().code == 0
    requests, files = len(january.requests), sorted(tmp_path.rglob("*"))
    ran = land("--year", "2024", "--month", "1", "--dry-run")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        f"lake: {tmp_path}/lake",
        f"240106  there            turnstile/240106.csv.gz  {january.url}/turnstile_240106.txt",
        f"240113  would load       turnstile/240113.csv.gz  {january.url}/turnstile_240113.txt",
        f"240120  would load       turnstile/240120.csv.gz  {january.url}/turnstile_240120.txt",
        f"240127  would load       turnstile/240127.csv.gz  {january.url}/turnstile_240127.txt",
    ]
    assert "240106  would replace " in land("--year", "2024", "--month", "1", "--force", "--dry-run").out
    assert (
        "240106  would load "
        in land("--year", "2024", "--month", "1", "--force", "--dry-run", lake=str(tmp_path / "new")).out
    )
    assert len(january.requests) == requests
    assert sorted(tmp_path.rglob("*")) == files


def test_a_dry_run_says_when_an_object_has_no_facts(land: Land, tmp_path: Path) -> None:
    assert land().code == 0
    (tmp_path / "lake" / f"{KEY}.json").unlink()
    assert "240106  there, unproved  turnstile/240106.csv.gz" in land(*JANUARY, "--day", "6", "--dry-run").out


@pytest.mark.parametrize("concurrency", [1, 3])
def test_so_many_weeks_are_asked_for_at_once(land: Land, january: Web, tmp_path: Path, concurrency: int) -> None:
    def as_many() -> bool:
        return len(january.requests) >= concurrency

    wait = 1.0 if concurrency > 1 else 0.4  # all four of them wait one after the other then
    for week, saturday in WEEKS.items():
        january.serve(f"/turnstile_{week}.txt", Answer(small_week(saturday), until=as_many, wait=wait))
    assert land(*JANUARY, "--concurrency", str(concurrency)).code == 0
    assert january.most_held == concurrency
    assert all(seen.headers["user-agent"].startswith("mta-weekly-etl/") for seen in january.requests)
    landed = [(tmp_path / "lake" / f"turnstile/{week}.csv.gz").stat().st_mtime for week in WEEKS]
    assert max(landed) - min(landed) >= 0.9  # the first did not wait for the last


def test_a_slow_week_holds_up_no_other(land: Land, january: Web, tmp_path: Path) -> None:
    def others_landed() -> bool:
        return len(list((tmp_path / "lake").glob("turnstile/*.gz"))) == len(WEEKS) - 1

    # The second more is for the line of the third, which is said after it has landed.
    january.serve("/turnstile_240106.txt", Answer(small_week(), until=others_landed, wait=1.0))
    ran = land(*JANUARY)
    assert ran.code == 0
    landed = [line.split()[2].rstrip(":") for line in ran.lines if ": landed," in line]
    assert landed == ["240113", "240120", "240127", "240106"]


def test_a_retry_after_holds_for_all_weeks_of_a_run(land: Land, january: Web) -> None:
    january.serve(
        "/turnstile_240106.txt",
        Answer(status=429, headers={"Retry-After": "2"}, wait=0.2),
        Answer(small_week()),
    )
    assert land(*JANUARY).code == 0
    refused = next(seen.at for seen in january.requests) + 0.2
    quiet = [seen.path for seen in january.requests if refused + 0.5 < seen.at < refused + 1.9]
    assert quiet == []  # 240113 was under way when it was said, and perhaps 240120 just began
    assert len(january.requests) == 5
