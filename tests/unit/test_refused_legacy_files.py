"""Weeks up to 141011 that are refused, with the line and the reason, and bad rows that may be left out."""

from pathlib import Path

import pytest

from legacy_files import GOOD, JUNK, SMALL, group, line, published, unrolled
from mta_weekly.content import check
from mta_weekly.errors import BrokenBody, Refused
from weekly_files import PAGE, Load, rejected

pytest_plugins = ["legacy_files"]

# What is refused


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "an empty body"),
        (b"\xef\xbb\xbf", "an empty body"),
        (b"\n", "^no rows; nothing loaded"),
        (b"\r\n\r\n", "no rows"),
        (PAGE, "HTML.*<!DOCTYPE html>"),
        (b"\xef\xbb\xbf\r\n " + PAGE, "HTML"),
        (published(line(group(EXITS="x"))), "no rows"),
        (published("Not Found"), "no rows"),
        (SMALL.replace(b"REGULAR", b"\xff", 1), "line 1 is not UTF-8"),
    ],
)
def test_what_is_no_week_at_all_is_refused(load_legacy: Load, body: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        load_legacy(body, 1)


@pytest.mark.parametrize("last", ["9", "00092879", "000"])
@pytest.mark.parametrize("end", ["", "  "])
@pytest.mark.parametrize("allow_bad_rows", [0, 10])
def test_a_cut_last_line_is_refused(load_legacy: Load, last: str, end: str, allow_bad_rows: int) -> None:
    body = published(line(*[group()] * 8), line(group(), group(EXITS=last + end))).removesuffix(b"\n")

    with pytest.raises(BrokenBody, match=f"line 2, the last one, is cut in its value '{last}'"):
        load_legacy(body, allow_bad_rows)


COUNTERS = ["", " ", "abc", "-5", "+5", "1.0", "1 2", "\uff11", '"12"']
BAD_LINES = [
    ("A002,R051,02-00-00", "3 fields, expected 3 and 5 for each of 1 to 8 rows"),
    ("A002", "1 fields"),
    ("   ", "1 fields"),
    (line(*[group()] * 9), "48 fields"),
    (GOOD + ",", "14 fields"),
    (GOOD.rpartition(",")[0], "12 fields"),
    (line(group(), "01-01-12,04:00:00"), "10 fields"),
    ("C/A,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS", "11 fields"),
    (JUNK, "29 fields"),
    (line(group(DATE="01-07-12"), "x"), "9 fields"),  # the number of fields goes before the day
]


@pytest.mark.parametrize("block", [check.BLOCK, 600])
@pytest.mark.parametrize(("bad", "reason"), BAD_LINES)
def test_a_line_of_another_number_of_fields_is_one_bad_row(
    load_legacy: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: str, reason: str, block: int
) -> None:
    monkeypatch.setattr(check, "BLOCK", block)
    good = [line(*[group()] * groups) for groups in (8, 2, 8, 1)]
    body = published(*good[:3], "", bad, good[3])

    with pytest.raises(Refused, match=f"^1 bad row, 0 allowed; line 5: {reason}.*--allow-bad-rows 1 would"):
        load_legacy(body)
    known, unpacked = load_legacy(body, 1)

    assert (known.rows, known.bad_rows) == (19, 1)
    assert unpacked == unrolled(published(*good))
    ((number, why, text),) = rejected(tmp_path / "object.csv.gz")[1:]
    assert (number, text) == ("5", bad)
    assert why.startswith(reason)


@pytest.mark.parametrize("name", ["ENTRIES", "EXITS"])
@pytest.mark.parametrize("bad", COUNTERS)
@pytest.mark.parametrize("day", ["01-01-12", "01-07-12"])
def test_a_group_whose_counter_is_no_number_is_one_bad_row(
    load_legacy: Load, tmp_path: Path, name: str, bad: str, day: str
) -> None:
    odd = group(DATE=day, **{name: bad})
    body = published(GOOD, line(group(DESC="LOGON"), odd, group(DESC="DOOR OPEN"), keys="B1,R2,00-00-00"), GOOD)

    with pytest.raises(Refused, match=f"^1 bad row, 0 allowed; line 2: {name} .* is no whole number"):
        load_legacy(body)
    known, unpacked = load_legacy(body, 1)

    assert (known.rows, known.bad_rows) == (6, 1)
    kept = [GOOD, line(group(DESC="LOGON"), group(DESC="DOOR OPEN"), keys="B1,R2,00-00-00"), GOOD]
    assert unpacked == unrolled(published(*kept))
    assert rejected(tmp_path / "object.csv.gz")[1:] == [
        ["2", f"{name} {bad.strip()!r} is no whole number", line(odd, keys="B1,R2,00-00-00")]
    ]


def test_several_groups_of_a_line_are_several_bad_rows(load_legacy: Load, tmp_path: Path) -> None:
    odd = [group(EXITS="x"), group(ENTRIES="y")]
    body = published(GOOD, line(odd[0], group(), odd[1]) + "  ")

    with pytest.raises(Refused, match=r"^2 bad rows, 1 allowed; line 2: EXITS 'x'.*; line 2: ENTRIES 'y'"):
        load_legacy(body, 1)
    assert load_legacy(body, 2)[1] == unrolled(published(GOOD, line(group())))
    texts = [text for _, _, text in rejected(tmp_path / "object.csv.gz")[1:]]
    assert texts == [line(odd[0]), line(odd[1]) + "  "]


def test_a_file_that_opens_with_junk_is_refused_with_its_lines_or_loaded_without_them(
    load_legacy: Load, tmp_path: Path
) -> None:
    body = published(*[JUNK] * 10) + SMALL

    with pytest.raises(Refused, match=r"^10 bad rows, 9 allowed; line 1: 29 fields.*line 5: .*--allow-bad-rows 10"):
        load_legacy(body, 9)
    known, unpacked = load_legacy(body, 10)

    assert (known.rows, known.bad_rows) == (500, 10)
    assert unpacked == unrolled(SMALL)
    assert [(row[0], row[2]) for row in rejected(tmp_path / "object.csv.gz")[1:]] == [
        (str(number), JUNK) for number in range(1, 11)
    ]


def test_lines_are_numbered_as_published_across_blocks(
    load_legacy: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "BLOCK", 1_000)
    lines = SMALL.decode().splitlines()
    at = [1, 2, 30, 31, len(lines)]
    for number in at:
        lines[number - 1] = f"junk {number}"

    load_legacy(published(*lines), 5)

    assert [row[::2] for row in rejected(tmp_path / "object.csv.gz")[1:]] == [[str(n), f"junk {n}"] for n in at]


@pytest.mark.parametrize("day", ["01-07-12", "12-30-11"])
@pytest.mark.parametrize("allow_bad_rows", [0, 100])
def test_a_day_outside_the_week_is_refused_whatever_is_allowed(
    load_legacy: Load, day: str, allow_bad_rows: int
) -> None:
    body = published(GOOD, line(*[group()] * 8), line(group(), group(DATE=day), group()))

    with pytest.raises(Refused, match=f"^line 3: DATE '{day}' is not in the week, 12-31-11 to 01-06-12; nothing"):
        load_legacy(body, allow_bad_rows)


@pytest.mark.parametrize("day", ["01/01/2012", "01-01-2012", "1-1-12", "", "x"])
def test_a_day_that_is_written_otherwise_is_one_bad_row(load_legacy: Load, tmp_path: Path, day: str) -> None:
    body = published(GOOD, line(*[group()] * 8), line(group(), group(DATE=day), group()))

    with pytest.raises(Refused, match=f"^1 bad row, 0 allowed; line 3: DATE '{day}' is not written as MM-DD-YY"):
        load_legacy(body)
    assert load_legacy(body, 1)[1] == unrolled(published(GOOD, line(*[group()] * 8), line(group(), group())))
