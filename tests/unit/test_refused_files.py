"""Weekly files that are refused, with the line and the reason, and bad rows that may be left out."""

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mta_weekly.content import check
from mta_weekly.content.convert import convert, rejects
from mta_weekly.errors import GaveUp, Refused, SpoolFailed
from mta_weekly.feeds.catalog import TURNSTILE
from weekly_files import BIG, DAYS, HEADER, NAMES, PAGE, WEEK, Load, published, read, rejected, row

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


BAD_COUNTERS = [
    "",
    "   ",
    "abc",
    "-5",
    "+5",
    "0x1A",
    "1.0",
    "1e3",
    "1 2",
    "1_000",
    "\uff11",
    "²",
    "NaN",
    '"12"',
    "\ufeff1",
]
BAD_ROWS = [
    pytest.param(",".join(row()[:-1]), "10 fields, expected 11", id="10 fields"),
    pytest.param(",".join([*row(), "1"]), "12 fields, expected 11", id="12 fields"),
    pytest.param(",".join(row()) + ",", "12 fields, expected 11", id="a comma too many"),
    pytest.param(",".join(row(STATION='"5,9 ST"')), "12 fields, expected 11", id="a comma in quotes"),
    pytest.param("<br>", "1 fields, expected 11", id="one field"),
    pytest.param("   ", "1 fields, expected 11", id="a line of blanks"),
    pytest.param(HEADER, "ENTRIES 'ENTRIES' is no", id="the header again"),
    *(pytest.param(",".join(row(ENTRIES=bad)), "ENTRIES .* is no", id=f"ENTRIES {bad!a}") for bad in BAD_COUNTERS),
    *(pytest.param(",".join(row(EXITS=bad)), "EXITS .* is no", id=f"EXITS {bad!a}") for bad in BAD_COUNTERS),
]


@pytest.mark.parametrize(("line", "reason"), BAD_ROWS)
def test_a_bad_row_is_refused_with_its_line_and_text_or_left_out_and_kept(
    load_file: Load, tmp_path: Path, line: str, reason: str
) -> None:
    body = published(row(SCP="02-00-00"), "", line, row(SCP="02-00-01"))

    with pytest.raises(Refused, match=f"^1 bad row, 0 allowed; line 4: {reason}") as fault:
        load_file(body)
    content, unpacked = load_file(body, 1)

    assert repr(line.strip())[1:-1] in str(fault.value)
    assert (content.rows, content.bad_rows) == (2, 1)
    assert [fields[:1] + fields[3:4] for fields in read(unpacked)[1:]] == [["0", "02-00-00"], ["1", "02-00-01"]]
    header, (number, why, text) = rejected(tmp_path / "object.csv.gz")
    assert header == ["line", "reason", "text"]
    assert (number, text) == ("4", line)
    assert re.match(reason, why)


@pytest.mark.parametrize("block", [check.BLOCK, 200])
@pytest.mark.parametrize("bad", [1, 5, 6, 30])
def test_the_first_five_bad_rows_are_shown_and_all_are_counted(
    load_file: Load, monkeypatch: pytest.MonkeyPatch, block: int, bad: int
) -> None:
    monkeypatch.setattr(check, "BLOCK", block)
    body = published(*(row(EXITS=f"bad{n}" if n % 2 else "1") for n in range(2 * bad)))

    with pytest.raises(Refused) as fault:
        load_file(body)

    message = str(fault.value)
    assert message.startswith(f"{bad} bad row{'s' * (bad > 1)}, 0 allowed")
    assert re.findall(r"line (\d+):", message) == [str(3 + 2 * n) for n in range(min(bad, 5))]
    assert [f"bad{2 * n + 1}'" in message for n in range(bad)] == [n < 5 for n in range(bad)]


@pytest.mark.parametrize("block", [check.BLOCK, 200])
def test_as_many_bad_rows_as_allowed_are_left_out_and_not_one_more(
    load_file: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(check, "BLOCK", block)
    lines = [",".join(row(SCP=f"{n:02}-00-00", EXITS="x" if n % 5 == 2 else f"{n}")) for n in range(40)]
    body = published(*lines)

    with pytest.raises(Refused, match=r"^8 bad rows, 7 allowed.*--allow-bad-rows 8"):
        load_file(body, 7)
    content, unpacked = load_file(body, 8)

    assert (content.rows, content.bad_rows) == (32, 8)
    assert [fields[0] for fields in read(unpacked)[1:]] == [str(n) for n in range(32)]
    assert [fields[-1] for fields in read(unpacked)[1:]] == [str(n) for n in range(40) if n % 5 != 2]
    kept = rejected(tmp_path / "object.csv.gz")[1:]
    assert [(int(number), text) for number, _, text in kept] == [(n + 2, lines[n]) for n in range(40) if n % 5 == 2]
    assert load_file(body, 1000)[0] == content


def test_rejects_are_one_gzip_member_that_a_csv_reader_understands(load_file: Load, tmp_path: Path) -> None:
    line = ",".join(row(STATION='59 "ST"', EXITS="x"))
    load_file(published(row(), line), 1)

    packed = rejects(tmp_path / "object.csv.gz").read_bytes()
    assert packed[:8] == b"\x1f\x8b\x08\x00" + bytes(4)
    assert rejected(tmp_path / "object.csv.gz")[1][2] == line


def test_a_file_of_bad_rows_alone_has_no_rows(load_file: Load) -> None:
    with pytest.raises(Refused, match="no rows"):
        load_file(published(row(EXITS="x"), row(EXITS="y")), 2)


FOREIGN_DAYS = ["01/06/2024", "12/29/2023", "01/01/2023", "1/1/2024", "2024-01-01", "01-01-2024", "13/01/2024", "x", ""]


@pytest.mark.parametrize("day", [*FOREIGN_DAYS, "\uff101/01/2024", "01/01/2024 00:00", '"01/01/2024"'])
@pytest.mark.parametrize("allow_bad_rows", [0, 100])
def test_a_day_outside_the_week_is_refused_whatever_is_allowed(load_file: Load, day: str, allow_bad_rows: int) -> None:
    with pytest.raises(Refused, match=r"line 4.*DATE.*12/30/2023 to 01/05/2024") as fault:
        load_file(published(row(), row(EXITS="x" if allow_bad_rows else "1"), row(DATE=day)), allow_bad_rows)

    assert repr(day) in str(fault.value)


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
        convert([BIG], TURNSTILE, WEEK, where)
