"""Bad rows of weekly files: each is shown with its line, reason and text; as many as allowed are left out and kept."""

import re
from pathlib import Path

import pytest

from mta_weekly.content import check
from mta_weekly.content.convert import rejected_path
from mta_weekly.errors import Refused
from weekly_files import Load, published, read, rejected, row

pytest_plugins = ["weekly_files"]


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
BAD_DAYS = [
    "1/1/2024",
    "2024-01-01",
    "01-01-2024",
    "13/01/2024",
    "02/2/2024",
    "x",
    "",
    "01/01/2024 00:00",
    '"01/01/2024"',
]
BAD_TIMES = ["noon", "3:00:00", "24:00:00", "03:60:00", "03:00", "", "03:00:00.0"]
ODD_BYTES = ["\0", "a\0b", "a\vb", "a\fb", "\x1c", "\x7f", "\x85", "5\t9"]
BAD_ROWS = [
    pytest.param(",".join(row()[:-1]), "10 fields, expected 11", id="10 fields"),
    pytest.param(",".join([*row(), "1"]), "12 fields, expected 11", id="12 fields"),
    pytest.param(",".join(row()) + ",", "12 fields, expected 11", id="a comma too many"),
    pytest.param(",".join(row(STATION='"5,9 ST"')), "12 fields, expected 11", id="a comma in quotes"),
    pytest.param("<br>", "1 fields, expected 11", id="one field"),
    pytest.param("   ", "1 fields, expected 11", id="a line of blanks"),
    *(pytest.param(",".join(row(ENTRIES=bad)), "ENTRIES .* is no", id=f"ENTRIES {bad!a}") for bad in BAD_COUNTERS),
    *(pytest.param(",".join(row(EXITS=bad)), "EXITS .* is no", id=f"EXITS {bad!a}") for bad in BAD_COUNTERS),
    *(
        pytest.param(
            ",".join(row(EXITS=bad)), f"EXITS '{bad[:100]}' has more than 18 digits", id=f"EXITS {len(bad)} digits"
        )
        for bad in ["1" * 19, "9" * 110, "0" + "1" * 19]
    ),
    *(
        pytest.param(",".join(row(DATE=bad)), f"DATE '{bad}' is not written as MM/DD/YYYY", id=f"DATE {bad!a}")
        for bad in [*BAD_DAYS, "\uff101/01/2024"]
    ),
    *(
        pytest.param(",".join(row(TIME=bad)), f"TIME '{bad}' is not written as HH:MM:SS", id=f"TIME {bad!a}")
        for bad in BAD_TIMES
    ),
    *(
        pytest.param(",".join(row(**{name: bad})), f"{clean} '' is empty", id=f"{clean} {bad!a}")
        for name, clean in {"C/A": "CA", "UNIT": "UNIT", "SCP": "SCP"}.items()
        for bad in ["", "  "]
    ),
    *(
        pytest.param(",".join(row(STATION=f"5{bad}9")), "STATION .* holds a control character", id=f"STATION {bad!a}")
        for bad in ODD_BYTES
    ),
    pytest.param(",".join(row(**{"C/A": "\ufeffA002"})), "CA .* holds a byte order mark", id="a byte order mark"),
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

    packed = rejected_path(tmp_path / "object.csv.gz").read_bytes()
    assert packed[:8] == b"\x1f\x8b\x08\x00" + bytes(4)
    assert rejected(tmp_path / "object.csv.gz")[1][2] == line


def test_a_file_of_bad_rows_alone_has_no_rows(load_file: Load) -> None:
    with pytest.raises(Refused, match="no rows"):
        load_file(published(row(EXITS="x"), row(EXITS="y")), 2)
