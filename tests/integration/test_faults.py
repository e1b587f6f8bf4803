"""Every expected fault is one readable line that names the week or the value, and leaves nothing in the lake.

Each beside a control that loads: the same week from the same server, once the fault is gone.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from conftest import FILE, KEY, WEEK, Ran, content, expected, small_week
from mta_weekly.checksums import crc32c_of
from mta_weekly.feeds.weeks import list_weeks
from web import Answer, Web
from weekly_files import NAMES

Land = Callable[..., Ran]
GOOD = small_week()
HALF = len(GOOD) // 2


def with_line(number: int, change: Callable[[str], str]) -> Callable[[bytes], bytes]:
    """A week with one of its lines changed; line 1 is the header."""

    def changed(body: bytes) -> bytes:
        lines = body.decode().splitlines(keepends=True)
        return "".join(change(line) if at == number else line for at, line in enumerate(lines, start=1)).encode()

    return changed


def column(name: str, value: str) -> Callable[[str], str]:
    at = NAMES.index(name)
    return lambda line: ",".join([*line.split(",")[:at], value, *line.split(",")[at + 1 :]])


# What becomes of a week of the source, as bytes or as a whole answer, and what is said of it.
SOURCE_FAULTS: dict[str, tuple[Callable[[bytes], bytes | Answer], str]] = {
    "not published": (lambda _: Answer(status=404), "not published (404"),
    "failing for ever": (
        lambda _: Answer(status=500),
        "500 Internal Server Error from 127.0.0.1; gave up after 5 attempts",
    ),
    "refusing": (lambda _: Answer(status=403), "403 Forbidden from 127.0.0.1, expected 200"),
    "cut at half": (
        lambda body: Answer(body, cut_at=len(body) // 2),
        "broke off at {half:,} of {size:,} bytes; gave up",
    ),
    "cut at its start, resumable": (
        lambda body: Answer(body, cut_at=0, ranges=True, etag='"1"'),
        "broke off at 0 of {size:,} bytes; gave up after 5 attempts",
    ),
    "shorter than its length": (lambda body: Answer(body, length=len(body) + 99), "of {longer:,} bytes; gave up"),
    "of unknown length": (lambda body: Answer(body, framing="close"), "did not say how long the body is"),
    "chunked and cut": (lambda body: Answer(body, framing="chunked", cut_at=len(body) // 2), "broke off at"),
    "empty": (lambda _: b"", "an empty body"),
    "only a header": (lambda body: body.splitlines(keepends=True)[0], "no rows; nothing loaded"),
    "an HTML page": (
        lambda _: b"<!DOCTYPE html>\n<title>Oops</title>",
        "an HTML page instead of a CSV file, it starts",
    ),
    "a column missing": (with_line(1, lambda line: line.replace(",EXITS", "")), "header has changed: missing EXITS"),
    "a column added": (with_line(1, lambda line: line.replace(",EXITS", ",EXITS,MORE")), "unexpected MORE"),
    "a column renamed": (with_line(1, lambda line: line.replace("DESC", "NOTE")), "missing DESC; unexpected NOTE"),
    "a row of 10 fields": (with_line(9, lambda line: line.replace(",", "", 1)), "line 9: 10 fields, expected 11"),
    "a row of 12 fields": (with_line(9, lambda line: "x," + line), "line 9: 12 fields, expected 11"),
    "a counter that is no number": (with_line(7, column("ENTRIES", "12a")), "line 7: ENTRIES '12a' is no whole number"),
    "cut in its last value": (lambda body: body.rstrip()[:-8], "is cut in its value '00'"),
    "a day outside the week": (
        with_line(5, column("DATE", "01/06/2024")),
        "line 5: DATE '01/06/2024' is not in the week",
    ),
}


def test_a_source(land: Land, web: Web, tmp_path: Path) -> None:
    """A fault a week, so that one run meets them all: a line each, and none disturbs another."""
    weeks = list_weeks(date(2016, 1, 1), date(2016, 12, 31))[: len(SOURCE_FAULTS)]
    bodies = {week.label: small_week(week.saturday) for week in weeks}
    period = ("--start", "2016-01-01", "--end", str(weeks[-1].saturday))
    for (label, body), (fault, _) in zip(bodies.items(), SOURCE_FAULTS.values(), strict=True):
        found = fault(body)
        web.serve(f"/turnstile_{label}.txt", found if isinstance(found, Answer) else Answer(found))
    ran = land(*period)
    assert ran.code == 1
    errors = dict(line.split(": ", 1) for line in sorted(ran.lines) if line.startswith("ERROR"))
    assert list(errors) == [f"ERROR   turnstile {label}" for label in bodies]
    assert sum(line.startswith("ERROR") for line in ran.lines) == len(bodies)
    for line, body, (name, (_, said)) in zip(errors.values(), bodies.values(), SOURCE_FAULTS.items(), strict=True):
        assert said.format(size=len(body), half=len(body) // 2, longer=len(body) + 99) in line, name
    assert "Traceback" not in ran.err + ran.out
    assert objects(tmp_path / "lake") == []
    assert objects(tmp_path / "spool") == []

    for label, body in bodies.items():
        web.serve(f"/turnstile_{label}.txt", Answer(body))
    assert land(*period).code == 0
    for label, body in bodies.items():
        assert content(tmp_path / "lake", f"turnstile/{label}.csv.gz") == expected(body)


def objects(folder: Path) -> list[Path]:
    """The files of a folder, without its locks."""
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock")]


@pytest.mark.parametrize("ranges", [True, False], ids=["with Range", "without Range"])
def test_a_body_cut_once_is_made_whole(ranges: bool, land: Land, web: Web, tmp_path: Path) -> None:
    whole = Answer(GOOD, ranges=ranges, etag='"1"')
    web.serve(FILE, replace(whole, cut_at=HALF), whole)
    assert land().code == 0
    assert content(tmp_path / "lake") == expected(GOOD)
    assert ("range" in web.requests[-1].headers) is ranges


def test_a_body_that_breaks_ten_times_and_gets_on_each_time_is_made_whole(land: Land, web: Web, tmp_path: Path) -> None:
    web.serve(FILE, Answer(GOOD, cut_at=len(GOOD) // 10, ranges=True, etag='"1"'))
    assert land().code == 0
    assert content(tmp_path / "lake") == expected(GOOD)
    assert len(web.requests) == 11


BAD_ARGUMENTS = {
    "--year 2100 --month 1 --day 2": "year 2100, month 1, day 2: in the future, today is ",
    "--year 2024 --month 2 --day 30": "year 2024, month 2, day 30: there is no such day, the month has 29",
    "--year 2024 --month 13": "month 13: must be 1 to 12",
    "--feed turnstile --year 2010 --month 5 --day 1": "outside what turnstile has published, week 100508",
    "--feed turnstile --year 2024 --month 2 --day 24": "outside what turnstile has published",
    "--start 2024-01-06 --end 2024-01-05": "start 2024-01-06, end 2024-01-05: the end is before the start",
    "--year 2024 --month 1 --day 31": "none left in the month; the nearest week that would work is 240203",
    "--month 3": "month 3: needs a year",
    "--year 2024 --start 2024-01-01 --end 2024-01-31": "two ways of naming weeks at once",
    "--year 2024 --catch-up 2": "catch-up 2 with year 2024",
    "--year abc": "invalid int value: 'abc'",
    "--start yesterday --end 2024-01-31": "'yesterday' is no date such as 2026-09-12",
    "--feed bus": "invalid choice: 'bus'",
    "--year 2024 --lake gs://bucket": "lake 'gs://bucket': name a folder, or gcs-bucket/NAME",
    "--year 2024 --lake gcs-bucket/": "lake 'gcs-bucket/': gcs-bucket/NAME, and NAME that of a block",
    "--concurrency 0": "'0' is not a whole number of 1 or more",
    "--feed turnstile": "turnstile publishes no more, its last week is 240217 (2024-02-17), replaced by ridership",
}


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS)
def test_bad_arguments(arguments: str, land: Land, web: Web, tmp_path: Path) -> None:
    ran = land(*arguments.split(), **({"lake": None} if "--lake" in arguments else {}))
    assert ran.code == 2
    (line,) = ran.err.splitlines()
    assert BAD_ARGUMENTS[arguments] in line
    assert web.requests == []
    assert not (tmp_path / "lake").exists()


def test_a_bad_variable(land: Land, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTA_RETRY_ATTEMPTS", "many")
    ran = land()
    assert ran.code == 2
    assert "MTA_RETRY_ATTEMPTS: Input should be a valid integer" in ran.err


def test_a_proxy_that_is_none(land: Land, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "foo://me:secret@127.0.0.1")
    ran = land()
    assert ran.code == 1
    assert f"turnstile {WEEK}: HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is no address of a proxy " in ran.err
    assert "secret" not in ran.err
    monkeypatch.delenv("HTTP_PROXY")
    assert land().code == 0


def test_a_lake_that_cannot_be_written(land: Land, web: Web, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = land(lake=str(tmp_path / "file" / "lake"))
    assert ran.code == 1
    assert f"turnstile {WEEK}: folder {tmp_path}/file/lake cannot be written: Not a directory" in ran.err
    assert web.requests == []
    assert land().code == 0


def test_a_work_folder_that_cannot_be_written(land: Land, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MTA_SPOOL", str(tmp_path / "file"))
    ran = land()
    assert ran.code == 1
    assert f"turnstile {WEEK}: work folder {tmp_path}/file: " in ran.err
    assert "set MTA_SPOOL" in ran.err
    assert objects(tmp_path / "lake") == []


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB with nothing left on it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small file system")
    (disk / "filler").write_bytes(bytes(60 << 10))
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("what", ["lake", "spool"])
def test_a_full_disk(what: str, land: Land, full_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = {"lake": str(full_disk / "lake")} if what == "lake" else {}
    if what == "spool":
        monkeypatch.setenv("MTA_SPOOL", str(full_disk / "spool"))
    ran = land(**where)
    assert ran.code == 1
    assert f"turnstile {WEEK}: " in ran.err
    assert "No space left on device" in ran.err
    assert "Traceback" not in ran.err
    assert not [path for path in objects(full_disk) if path.name != "filler"]

    (full_disk / "filler").unlink()
    assert land(**where).code == 0
    assert content(Path(where.get("lake", tmp_path / "lake"))) == expected(GOOD)


def test_a_block_that_is_not_registered(land: Land, web: Web) -> None:
    ran = land(lake="gcs-bucket/none-such")
    assert ran.code == 1
    assert f"turnstile {WEEK}: lake gcs-bucket/none-such: no such block is registered" in ran.err
    assert [line.split()[0] for line in ran.lines] == ["INFO", "ERROR", "INFO"]  # of lake, week, run, and no other
    assert "Traceback" not in ran.err
    assert web.requests == []


def test_an_object_that_is_damaged_is_said_and_left_alone(land: Land, tmp_path: Path) -> None:
    assert land().code == 0
    packed = (tmp_path / "lake" / KEY).read_bytes()
    (tmp_path / "lake" / KEY).write_bytes(packed[:-100])
    ran = land()
    assert ran.code == 1
    assert f"{KEY} is damaged: its crc32c is {crc32c_of(tmp_path / 'lake' / KEY)}, its facts say " in ran.err
    assert "not a whole gzip file (it is cut)" in ran.err
    assert (tmp_path / "lake" / KEY).read_bytes() == packed[:-100]
    assert land("--year", "2024", "--month", "1", "--day", "6", "--force").code == 0
    assert content(tmp_path / "lake") == expected(GOOD)
