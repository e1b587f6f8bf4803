"""Weekly files that are refused whole, with the line and the reason."""

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mta_weekly.content import check
from mta_weekly.content.convert import convert_week
from mta_weekly.errors import BrokenBody, GaveUp, Refused, SpoolFailed
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.feeds.weeks import Week
from weekly_files import BIG, DAYS, HEADER, NAMES, PAGE, WEEK, Load, published, row

pytest_plugins = ["weekly_files"]

# What is refused


def without(name: str) -> str:
    return ",".join(column for column in NAMES if column != name)


@pytest.mark.parametrize(
    ("header", "named"),
    [
        (without("DESC"), ["missing DESC"]),
        (without("C/A"), ["missing CA"]),
        (f"{HEADER},FARE", ["unexpected FARE"]),
        (f"ROW,{HEADER}", ["unexpected ROW"]),
        (HEADER.replace("ENTRIES", "RIDERS"), ["missing ENTRIES", "unexpected RIDERS"]),
        (HEADER.lower(), ["missing CA", "EXITS", "unexpected c/a"]),
        (HEADER.replace("ENTRIES,EXITS", "EXITS,ENTRIES"), ["order", "EXITS", "ENTRIES"]),
        (HEADER.replace("UNIT,SCP", "SCP,UNIT"), ["order", "SCP", "UNIT"]),
        (f"{HEADER},EXITS", ["twice EXITS"]),
        (f"{HEADER},CA", ["twice CA"]),
        (HEADER.replace("EXITS", "ENTRIES"), ["missing EXITS", "twice ENTRIES"]),
        (f"{HEADER},", ["no name"]),
        (HEADER.replace("TIME", ""), ["missing TIME", "no name"]),
        (HEADER.replace(",", ";"), ["missing CA", "EXITS"]),
        (",".join(row()), ["missing CA", "EXITS", "unexpected A002"]),
    ],
)
@pytest.mark.parametrize("allow_bad_rows", [0, 100])
def test_a_header_that_has_changed_is_refused_with_its_columns(
    load_file: Load, header: str, named: list[str], allow_bad_rows: int
) -> None:
    with pytest.raises(Refused, match="header") as fault:
        load_file(published(row(), row(), header=header), allow_bad_rows)

    found = str(fault.value).split("expected 11 columns")[0]
    assert [name for name in named if name not in found] == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (PAGE, "HTML.*<!DOCTYPE html>"),
        (b"\xef\xbb\xbf" + PAGE, "HTML"),
        (b"\r\n\r\n  " + PAGE, "HTML"),
        (PAGE.replace(b"\n", b" ") + b"x" * (check.BLOCK + 10), "HTML"),
        (json.dumps({"error": True, "message": "no such file"}).encode(), "header"),
        (json.dumps([{"c_a": "A002"}], indent=1).encode(), "header"),
        (b"Not Found", "header"),
        (b"", "empty"),
        (b"\n", None),
        (HEADER.encode(), "no rows"),
        (HEADER.encode() + b"\n", "no rows"),
        (HEADER.encode() + b"\r\n\r\n\n", "no rows"),
        (b"\x1f\x8b\x08\x00" + bytes(100), None),
    ],
)
def test_what_is_no_week_at_all_is_refused(load_file: Load, body: bytes, reason: str | None) -> None:
    with pytest.raises(Refused, match=reason):
        load_file(body, 100)


def test_no_chunk_is_an_empty_body(load_file: Load) -> None:
    with pytest.raises(Refused, match="empty"):
        load_file([])


BROKEN = [
    (published(row(), row(), HEADER, row()), "line 4: the header comes again, the file begins anew: 'C/A,UNIT"),
    (
        published(row(), row(), PAGE.decode().strip(), row()),
        "line 4: an HTML page begins in the middle of the file: '<!",
    ),
    (published(row(), "A002,R051,<html>busy</html>"), "line 3: an HTML page begins in the middle of the file: 'A002"),
    (published(row(), row())[:-40], "line 3: the last row is cut: 'A002"),
    (published(row()) + b"A,", "line 3, the last one, is cut in its value ''"),
    (published(row(), row(), "")[:-4], "line 3, the last one, is cut in its value '00000738'"),
    (published(row(), "", row())[:-4], "line 4, the last one, is cut in its value '0000073'"),
    (published(row(), "x,y", row())[:-4], "line 4, the last one, is cut in its value '0000073'"),
    (
        published(row(), row(STATION="Café")).partition(b"\xa9")[0],
        "line 3: the last row is cut: 'A002,R051,02-00-00,Caf",
    ),
    (
        published(row()) + b"A002,R0" + published(row()),
        "line 3: the header comes again, the file begins anew: 'A002,R0C/A",
    ),
    (published(row()) + b"\xef\xbb\xbf" + published(row()), "line 3: the header comes again, the file begins anew"),
    (published(row(), '<?xml version="1.0"?><Error>'), "line 3: an HTML page begins"),
    (published(row()) + b"<title>caf\xe9</title>\n" + published(row()), "line 3: an HTML page begins"),
]


@pytest.mark.parametrize(("body", "reason"), BROKEN)
@pytest.mark.parametrize("allow_bad_rows", [0, 100])
@pytest.mark.parametrize("block", [check.BLOCK, 200])
def test_what_is_left_of_a_body_that_broke_is_no_bad_row(
    load_file: Load, body: bytes, reason: str, allow_bad_rows: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "BLOCK", block)
    with pytest.raises(BrokenBody, match=re.escape(reason)) as fault:
        load_file(body, allow_bad_rows)

    assert "--allow-bad-rows" not in str(fault.value)


NO_CUT = [
    published(row()) + b"USE",
    published(row(), "REGULAR,0000102019,0000073801") + ",".join(row()).encode(),
    published(row(), "x,y\r" + ",".join(row())).rstrip(),
    published(row(), "A,<head of line>,B"),
]


@pytest.mark.parametrize("body", NO_CUT)
def test_what_only_looks_like_it_is_a_bad_row(load_file: Load, body: bytes) -> None:
    assert load_file(body, 1)[0].bad_rows == 1


@pytest.mark.parametrize("day", ["01/06/2024", "12/29/2023", "01/01/2023"])
@pytest.mark.parametrize("allow_bad_rows", [0, 100])
def test_a_day_outside_the_week_is_refused_whatever_is_allowed(load_file: Load, day: str, allow_bad_rows: int) -> None:
    with pytest.raises(Refused, match=f"line 4: DATE '{day}' is not in the week, 12/30/2023 to 01/05/2024"):
        load_file(published(row(), row(EXITS="x" if allow_bad_rows else "1"), row(DATE=day)), allow_bad_rows)


@pytest.mark.parametrize("day", DAYS)
def test_each_of_the_seven_days_is_in_the_week(load_file: Load, day: str) -> None:
    assert load_file(published(row(DATE=f" {day}  ")))[0].rows == 1


@pytest.mark.parametrize("broken", [b"\xff", b"\xc3\x28", b"\xed\xa0\x80"])
@pytest.mark.parametrize("allow_bad_rows", [0, 100])
def test_what_is_not_utf_8_is_refused_with_its_line(load_file: Load, broken: bytes, allow_bad_rows: int) -> None:
    body = published(row(), row(STATION="broken")).replace(b"broken", broken)

    with pytest.raises(Refused, match=r"line 3.*UTF-8"):
        load_file(body, allow_bad_rows)


@pytest.mark.parametrize("at", ["header", "row", "last row"])
def test_a_line_longer_than_a_block_is_refused(load_file: Load, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    monkeypatch.setattr(check, "BLOCK", 300)
    long = row(STATION="x" * 300)
    header = HEADER + " " * 300 if at == "header" else HEADER

    with pytest.raises(Refused, match="more than 300 bytes"):
        load_file(
            published(row(), *([] if at == "header" else [long]), *([row()] if at == "row" else []), header=header), 9
        )


def test_a_wrong_file_is_refused_before_its_end(load_file: Load) -> None:
    line = published(row(), header=without("DESC"))

    with pytest.raises(Refused, match="missing DESC"):
        load_file(itertools.repeat(line * 1000))  # without end


def test_a_fault_of_the_source_stays_what_it_is(load_file: Load) -> None:
    def chunks() -> Iterator[bytes]:
        yield BIG[:3_000_000]
        raise GaveUp("the source is gone")

    with pytest.raises(GaveUp, match="the source is gone"):
        load_file(chunks())


@pytest.mark.parametrize("path", ["absent/object.csv.gz", "/dev/full"])
def test_a_work_folder_that_cannot_be_written_is_named(tmp_path: Path, path: str) -> None:
    where = tmp_path / path
    if path == "/dev/full" and not where.exists():
        pytest.skip("this system has no device that is always full")

    with pytest.raises(SpoolFailed, match="MTA_SPOOL"):
        convert_week([BIG], TURNSTILE, Week.named(WEEK), where)
