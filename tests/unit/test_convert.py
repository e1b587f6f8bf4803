"""From published bytes to the object: right to the byte however it arrives, or refused with the line and the reason."""

import csv
import gzip
import hashlib
import io
import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conftest import converted_as_ruled, expected, real_week
from mta_weekly.checksums import crc32c_of
from mta_weekly.content import check
from mta_weekly.content.check import Content
from mta_weekly.content.convert import convert, examine, rejects
from mta_weekly.errors import GaveUp, Refused, SpoolFailed
from mta_weekly.feeds.catalog import TURNSTILE
from weeks import make_week

WEEK, SATURDAY = "240106", date(2024, 1, 6)
HEADER = "C/A,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS"
NAMES = HEADER.split(",")
DAYS = ["12/30/2023", "12/31/2023", *(f"01/0{n}/2024" for n in range(1, 6))]
SMALL = make_week(SATURDAY, rows=60)
BIG = make_week(SATURDAY, rows=60_000)  # several slices of gzip, several blocks

Load = Callable[..., tuple[Content, bytes]]


def row(**values: str) -> list[str]:
    good = ["A002", "R051", "02-00-00", "59 ST", "NQR456W", "BMT", "01/01/2024", "03:00:00", "REGULAR"]
    return [values.get(name, value) for name, value in zip(NAMES, [*good, "0000102019", "0000073801"], strict=True)]


def published(*rows: list[str] | str, header: str = HEADER) -> bytes:
    lines = [header, *(line if isinstance(line, str) else ",".join(line) for line in rows)]
    return "".join(f"{line}\n" for line in lines).encode()


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Convert a published file, and give back what is known of the object and what it unpacks to."""

    def run(body: bytes | Iterable[bytes], allow_bad_rows: int = 0) -> tuple[Content, bytes]:
        path = tmp_path / "object.csv.gz"
        chunks = [body] if isinstance(body, bytes) else body
        return convert(chunks, TURNSTILE, WEEK, path, allow_bad_rows), gzip.decompress(path.read_bytes())

    return run


def read(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))


def rejected(path: Path) -> list[list[str]]:
    return read(gzip.decompress(rejects(path).read_bytes()))


# What comes out


@pytest.mark.parametrize("week", ["240106", "240113"])
def test_a_real_week_becomes_its_known_good_load(week: str, tmp_path: Path) -> None:
    body, good = real_week(week)
    path = tmp_path / f"{week}.csv.gz"

    content = convert([body], TURNSTILE, week, path)

    assert gzip.decompress(path.read_bytes()) == good
    assert content.rows == good.count(b"\n") - 1
    assert content.size <= 1.1 * len(gzip.compress(good, 6))


def test_what_is_known_of_an_object_is_true(tmp_path: Path) -> None:
    path = tmp_path / "object.csv.gz"
    content = convert([BIG], TURNSTILE, WEEK, path)
    packed = path.read_bytes()
    unpacked = gzip.decompress(packed)
    rows = list(csv.DictReader(io.StringIO(unpacked.decode())))

    assert unpacked == expected(BIG)
    assert content == Content(
        rows=60_000,
        bad_rows=0,
        first_day="2023-12-30",
        last_day="2024-01-05",
        days=7,
        size=len(packed),
        crc32c=crc32c_of(path),
        sha256=hashlib.sha256(unpacked).hexdigest(),
        empty={},
        sums={name: float(sum(int(row[name]) for row in rows)) for name in ("ENTRIES", "EXITS")},
    )
    assert content.size <= 1.1 * len(gzip.compress(unpacked, 6))
    assert not rejects(path).exists()


def test_first_and_last_day_are_those_of_the_rows(load: Load) -> None:
    content, _ = load(published(row(DATE="01/03/2024"), row(DATE="12/31/2023"), row(DATE="01/02/2024")))

    assert (content.first_day, content.last_day) == ("2023-12-31", "2024-01-03")


@pytest.mark.parametrize("body", [SMALL, BIG], ids=["small", "big"])
def test_a_file_is_one_gzip_member_without_time_or_name_and_the_same_every_time(body: bytes, tmp_path: Path) -> None:
    packed = []
    for name in ("first.csv.gz", "second.csv.gz"):
        convert([body], TURNSTILE, WEEK, tmp_path / name)
        packed.append((tmp_path / name).read_bytes())

    member = zlib.decompressobj(wbits=31)
    content = member.decompress(packed[0])
    assert packed[0][:4] == b"\x1f\x8b\x08\x00"  # gzip, deflate, no flag: no name, no comment, nothing extra
    assert packed[0][4:8] == bytes(4)  # no time stamp
    assert (member.eof, member.unused_data) == (True, b"")
    assert gzip.decompress(packed[0]) == content == expected(body)
    assert packed[0] == packed[1]


def blank_lines(body: bytes, end: bytes) -> bytes:
    return b"".join(line + end * (1 + n % 3) for n, line in enumerate(body.splitlines()))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(SMALL.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(b"\xef\xbb\xbf" + SMALL, id="BOM"),
        pytest.param(b"\xef\xbb\xbf" + SMALL.replace(b"\n", b"\r\n"), id="BOM and CRLF"),
        pytest.param(blank_lines(SMALL, b"\n"), id="blank lines"),
        pytest.param(blank_lines(SMALL, b"\r\n"), id="blank lines in CRLF"),
        pytest.param(SMALL.removesuffix(b"\n"), id="no last line feed"),
        pytest.param(SMALL.replace(b"\n", b"\r\n").removesuffix(b"\n"), id="a last CR alone"),
        pytest.param(SMALL + b"\n\r\n\n", id="blank lines at the end"),
        pytest.param(SMALL.replace(b" " * 44, b"").replace(b" " * 63, b""), id="no padding"),
        pytest.param(SMALL.replace(b",", b" ,\t "), id="padding everywhere"),
        pytest.param(SMALL.replace(b"ENTRIES", b" EN TRIES "), id="spaces in a name"),
        pytest.param(SMALL.replace(b"C/A", b"CA"), id="a name that is clean already"),
    ],
)
def test_the_same_content_is_the_same_object(body: bytes, tmp_path: Path) -> None:
    plain = convert([SMALL], TURNSTILE, WEEK, tmp_path / "plain.csv.gz")

    assert convert([body], TURNSTILE, WEEK, tmp_path / "other.csv.gz") == plain
    assert (tmp_path / "other.csv.gz").read_bytes() == (tmp_path / "plain.csv.gz").read_bytes()


@pytest.mark.parametrize(
    ("counter", "written"),
    [
        ("0000102019", "102019"),
        ("0000000000", "0"),
        ("0", "0"),
        (" 12 ", "12"),
        ("\t0012 \r", "12"),
        ("9" * 30, "9" * 30),
        ("0" * 30 + "7", "7"),
    ],
)
def test_a_counter_is_a_plain_integer(load: Load, counter: str, written: str) -> None:
    _, content = load(published(row(EXITS=counter)))

    assert read(content)[1][-1] == written


@pytest.mark.parametrize(
    "value", ['59 "ST"', '"59 ST', '59 ST"', '"', '""', "L'ENFANT", "ÉCOLE \uff11", "a\\b", "#", "NULL", "", "nan"]
)
def test_a_text_survives_as_it_is(load: Load, value: str) -> None:
    _, content = load(published(row(), row(STATION=f"  {value} "), row()))

    assert [fields[4] for fields in read(content)] == ["STATION", "59 ST", value, "59 ST"]
    assert content.count(b'"') == 0 or '"' in value


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
    load: Load, header: str, named: list[str], allow_bad_rows: int
) -> None:
    with pytest.raises(Refused, match="header") as fault:
        load(published(row(), row(), header=header), allow_bad_rows)

    found = str(fault.value).split("expected 11 columns")[0]
    assert [name for name in named if name not in found] == []


PAGE = b"<!DOCTYPE html>\n<html><head><title>Error 404</title></head><body>Not here</body></html>\n"


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
def test_what_is_no_week_at_all_is_refused(load: Load, body: bytes, reason: str | None) -> None:
    with pytest.raises(Refused, match=reason):
        load(body, 100)


def test_no_chunk_is_an_empty_body(load: Load) -> None:
    with pytest.raises(Refused, match="empty"):
        load([])


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
    load: Load, tmp_path: Path, line: str, reason: str
) -> None:
    body = published(row(SCP="02-00-00"), "", line, row(SCP="02-00-01"))

    with pytest.raises(Refused, match=f"^1 bad row, 0 allowed; line 4: {reason}") as fault:
        load(body)
    content, unpacked = load(body, 1)

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
    load: Load, monkeypatch: pytest.MonkeyPatch, block: int, bad: int
) -> None:
    monkeypatch.setattr(check, "BLOCK", block)
    body = published(*(row(EXITS=f"bad{n}" if n % 2 else "1") for n in range(2 * bad)))

    with pytest.raises(Refused) as fault:
        load(body)

    message = str(fault.value)
    assert message.startswith(f"{bad} bad row{'s' * (bad > 1)}, 0 allowed")
    assert re.findall(r"line (\d+):", message) == [str(3 + 2 * n) for n in range(min(bad, 5))]
    assert [f"bad{2 * n + 1}'" in message for n in range(bad)] == [n < 5 for n in range(bad)]


@pytest.mark.parametrize("block", [check.BLOCK, 200])
def test_as_many_bad_rows_as_allowed_are_left_out_and_not_one_more(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(check, "BLOCK", block)
    lines = [",".join(row(SCP=f"{n:02}-00-00", EXITS="x" if n % 5 == 2 else f"{n}")) for n in range(40)]
    body = published(*lines)

    with pytest.raises(Refused, match=r"^8 bad rows, 7 allowed.*--allow-bad-rows 8"):
        load(body, 7)
    content, unpacked = load(body, 8)

    assert (content.rows, content.bad_rows) == (32, 8)
    assert [fields[0] for fields in read(unpacked)[1:]] == [str(n) for n in range(32)]
    assert [fields[-1] for fields in read(unpacked)[1:]] == [str(n) for n in range(40) if n % 5 != 2]
    kept = rejected(tmp_path / "object.csv.gz")[1:]
    assert [(int(number), text) for number, _, text in kept] == [(n + 2, lines[n]) for n in range(40) if n % 5 == 2]
    assert load(body, 1000)[0] == content


def test_rejects_are_one_gzip_member_that_a_csv_reader_understands(load: Load, tmp_path: Path) -> None:
    line = ",".join(row(STATION='59 "ST"', EXITS="x"))
    load(published(row(), line), 1)

    packed = rejects(tmp_path / "object.csv.gz").read_bytes()
    assert packed[:8] == b"\x1f\x8b\x08\x00" + bytes(4)
    assert rejected(tmp_path / "object.csv.gz")[1][2] == line


def test_a_file_of_bad_rows_alone_has_no_rows(load: Load) -> None:
    with pytest.raises(Refused, match="no rows"):
        load(published(row(EXITS="x"), row(EXITS="y")), 2)


FOREIGN_DAYS = ["01/06/2024", "12/29/2023", "01/01/2023", "1/1/2024", "2024-01-01", "01-01-2024", "13/01/2024", "x", ""]


@pytest.mark.parametrize("day", [*FOREIGN_DAYS, "\uff101/01/2024", "01/01/2024 00:00", '"01/01/2024"'])
@pytest.mark.parametrize("allow_bad_rows", [0, 100])
def test_a_day_outside_the_week_is_refused_whatever_is_allowed(load: Load, day: str, allow_bad_rows: int) -> None:
    with pytest.raises(Refused, match=r"line 4.*DATE.*12/30/2023 to 01/05/2024") as fault:
        load(published(row(), row(EXITS="x" if allow_bad_rows else "1"), row(DATE=day)), allow_bad_rows)

    assert repr(day) in str(fault.value)


@pytest.mark.parametrize("day", DAYS)
def test_each_of_the_seven_days_is_in_the_week(load: Load, day: str) -> None:
    assert load(published(row(DATE=f" {day}  ")))[0].rows == 1


@pytest.mark.parametrize("broken", [b"\xff", b"\xc3\x28", b"\xed\xa0\x80"])
@pytest.mark.parametrize("allow_bad_rows", [0, 100])
def test_what_is_not_utf_8_is_refused_with_its_line(load: Load, broken: bytes, allow_bad_rows: int) -> None:
    body = published(row(), row(STATION="broken")).replace(b"broken", broken)

    with pytest.raises(Refused, match=r"line 3.*UTF-8"):
        load(body, allow_bad_rows)


@pytest.mark.parametrize("at", ["header", "row", "last row"])
def test_a_line_longer_than_a_block_is_refused(load: Load, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    monkeypatch.setattr(check, "BLOCK", 300)
    long = row(STATION="x" * 300)
    header = HEADER + " " * 300 if at == "header" else HEADER

    with pytest.raises(Refused, match="more than 300 bytes"):
        load(published(row(), *([] if at == "header" else [long]), *([row()] if at == "row" else []), header=header), 9)


def test_a_wrong_file_is_refused_before_its_end(load: Load) -> None:
    line = published(row(), header=without("DESC"))

    with pytest.raises(Refused, match="missing DESC"):
        load(itertools.repeat(line * 1000))  # without end


def test_a_fault_of_the_source_stays_what_it_is(load: Load) -> None:
    def chunks() -> Iterator[bytes]:
        yield BIG[:3_000_000]
        raise GaveUp("the source is gone")

    with pytest.raises(GaveUp, match="the source is gone"):
        load(chunks())


@pytest.mark.parametrize("path", ["absent/object.csv.gz", "/dev/full"])
def test_a_work_folder_that_cannot_be_written_is_named(tmp_path: Path, path: str) -> None:
    where = tmp_path / path
    if path == "/dev/full" and not where.exists():
        pytest.skip("this system has no device that is always full")

    with pytest.raises(SpoolFailed, match="MTA_SPOOL"):
        convert([BIG], TURNSTILE, WEEK, where)


# An object read again


@pytest.mark.parametrize("body", [BIG, published(row(), row(STATION='59 "ST"'), row(STATION="ÉCOLE"))])
def test_a_good_object_read_again_is_known_as_it_was(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "object.csv.gz"
    content = convert([body], TURNSTILE, WEEK, path)

    assert examine(path, TURNSTILE, WEEK) == content


def test_rows_left_out_are_not_seen_when_an_object_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "object.csv.gz"
    content = convert([published(row(), row(EXITS="x"))], TURNSTILE, WEEK, path, 1)

    assert examine(path, TURNSTILE, WEEK) == replace(content, bad_rows=0)


PACKED = gzip.compress(expected(SMALL), mtime=0)
LINES = expected(SMALL).splitlines(keepends=True)


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(b"", id="empty"),
        *(pytest.param(PACKED[:end], id=f"cut at {end}") for end in (1, 5, 10, 11, len(PACKED) // 2, -9, -8, -4, -1)),
        pytest.param(PACKED + b"junk", id="junk after it"),
        pytest.param(PACKED[:-8] + bytes(8), id="a wrong sum"),
        pytest.param(PACKED[:300] + b"\x00\xff\x00" + PACKED[303:], id="a broken middle"),
        pytest.param(expected(SMALL), id="not packed"),
        pytest.param(PAGE, id="a page"),
    ],
)
def test_a_file_that_is_no_whole_gzip_is_refused(tmp_path: Path, packed: bytes) -> None:
    path = tmp_path / "object.csv.gz"
    path.write_bytes(packed)

    with pytest.raises(Refused):
        examine(path, TURNSTILE, WEEK)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(LINES[0], id="a header alone"),
        pytest.param(b"".join(LINES[1:]), id="no header"),
        pytest.param(SMALL, id="as published"),
        pytest.param(expected(make_week(date(2024, 1, 13), 60)), id="another week"),
        pytest.param(expected(SMALL).replace(b",EXITS", b",EXITS,FARE"), id="another column"),
        pytest.param(expected(SMALL).replace(b"REGULAR", b"REG,ULAR", 1), id="a field too many"),
        pytest.param(expected(SMALL)[:-30], id="half a last row"),
        pytest.param(expected(SMALL) + LINES[0], id="the header again"),
        pytest.param(b"".join(LINES[:20] + LINES[21:]), id="a row missing"),
        pytest.param(b"".join(LINES[:1] + LINES[2:]), id="the first row missing"),
        pytest.param(expected(SMALL) + LINES[-1], id="a row twice"),
        pytest.param(expected(SMALL) + b"".join(LINES[1:]), id="all rows twice"),
    ],
)
def test_an_object_with_other_content_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "object.csv.gz"
    path.write_bytes(gzip.compress(content))

    with pytest.raises(Refused):
        examine(path, TURNSTILE, WEEK)


# Any content, cut anywhere


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


def pieces(body: bytes, cuts: list[int]) -> list[bytes]:
    at = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(at)]


def longest(body: bytes) -> int:
    return max(map(len, body.splitlines(keepends=True)))


FEW = make_week(SATURDAY, rows=20)
ODD = published(*(row(STATION=text, EXITS=str(n)) for n, text in enumerate(['"', "É" * 9, "\ufeff", "", "a"] * 4)))


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from([FEW, ODD, blank_lines(FEW, b"\r\n"), b"\xef\xbb\xbf" + ODD]),
    st.lists(st.integers(0, 3_000), max_size=30),
    st.integers(64, 3_000),
)
def test_an_object_does_not_depend_on_how_its_body_was_cut(
    folder: Path, body: bytes, cuts: list[int], block: int
) -> None:
    whole = convert([body], TURNSTILE, WEEK, folder / "whole.csv.gz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "BLOCK", max(block, longest(body) + 1))
        cut = convert(pieces(body, cuts), TURNSTILE, WEEK, folder / "cut.csv.gz")
        again = examine(folder / "cut.csv.gz", TURNSTILE, WEEK)

    assert cut == again == whole
    assert (folder / "cut.csv.gz").read_bytes() == (folder / "whole.csv.gz").read_bytes()


@pytest.mark.parametrize("block", [100_000, 333_333, 5_000_000])
def test_a_big_object_does_not_depend_on_the_size_of_a_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    whole = convert([BIG], TURNSTILE, WEEK, tmp_path / "whole.csv.gz")
    monkeypatch.setattr(check, "BLOCK", block)

    assert convert([BIG], TURNSTILE, WEEK, tmp_path / "cut.csv.gz") == whole
    assert (tmp_path / "cut.csv.gz").read_bytes() == (tmp_path / "whole.csv.gz").read_bytes()


def by_the_rule(body: bytes) -> tuple[list[list[str]], list[tuple[int, str]]] | None:
    """The rows and the bad rows of a published file, line by line; None where it must be refused whole."""
    rows, bad = [], []
    lines = [(number, part) for number, line in enumerate(body.split(b"\n"), start=1) for part in line.split(b"\r")]
    for number, line in lines:
        if number == 1 or not line:
            continue
        fields = [field.strip(" \t\v\f") for field in line.decode().split(",")]
        if len(fields) != 11 or not all(re.fullmatch("[0-9]+", counter) for counter in fields[9:]):
            bad.append((number, line.decode()))
        elif fields[6] not in DAYS:
            return None
        else:
            rows.append([str(len(rows)), *fields[:9], *(counter.lstrip("0") or "0" for counter in fields[9:])])
    return rows, bad


def by_the_csv_module(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["", "CA", *NAMES[1:]], *rows])
    return text.getvalue().encode()


ODD_TEXTS = [
    "",
    " ",
    '"',
    '5"9',
    "5,9",
    "\ufeff",
    "\0",
    "é",
    "\uff11",
    "\t9\v",
    "\x1c",
    "\x85",
    "\u2028",
    "\\",
    "'",
    "NULL",
]
texts = st.sampled_from(["59 ST", "A002", "R051", "REGULAR", "0000102019"])
odd = st.sampled_from([*ODD_TEXTS, "\r", "a\rb", "\n", "-5", "1.0", "0x1A", " 12 ", "007"]) | st.text(max_size=3)
fields = st.one_of(*[texts] * 5, odd)
counters = st.one_of(*[st.from_regex(r"[ \t]?[0-9]{1,10} ?", fullmatch=True)] * 5, odd)
dates = st.one_of(*[st.sampled_from(DAYS)] * 40, st.sampled_from([f" {DAYS[0]}\t", f"\f{DAYS[1]}"]), odd)
good_lines = st.builds(
    lambda texts, day, rest, counts: ",".join([*texts, day, *rest, *counts]),
    st.lists(texts | st.sampled_from(ODD_TEXTS[:2]), min_size=6, max_size=6),
    st.sampled_from(DAYS),
    st.lists(texts, min_size=2, max_size=2),
    st.lists(st.sampled_from(["0000102019", " 7 ", "0"]), min_size=2, max_size=2),
)
odd_lines = st.builds(
    lambda texts, day, rest, counts: ",".join([*texts, day, *rest, *counts]),
    st.lists(fields, min_size=6, max_size=6),
    dates,
    st.lists(fields, min_size=2, max_size=2),
    st.lists(counters, min_size=2, max_size=2),
)
lines = st.one_of(good_lines, good_lines, odd_lines, odd_lines, odd_lines, st.lists(fields, max_size=14).map(",".join))
ends = st.sampled_from(["\n"] * 5 + ["\r\n", "\r\n", "\n\n", "\r\n\r\n", "\r", "\r\r\n", "\n\r"])
bodies = st.builds(
    lambda parts, last, start: (start + HEADER + "\n" + "".join(itertools.chain(*parts)) + last).encode(),
    st.lists(st.tuples(lines, ends), min_size=1, max_size=12),
    good_lines | st.just(""),
    st.sampled_from(["", "", "", "\ufeff"]),
)


@settings(max_examples=300, deadline=None)
@given(bodies, st.sampled_from([0, 1, 3, 100, 100, 100]), st.integers(64, 2_000))
@example(published(row(), "\r" + ",".join(row(EXITS="x"))), 1, 1_000)
@example(published(row(), row(EXITS="x")), 1, 1)
@example(published(row(**{"C/A": "\ufeffA002"}), row()), 0, 1)
@example(published(row(DATE="\f01/01/2024\v", EXITS="\v12\f"), row(EXITS="x")), 1, 1_000)
def test_fast_and_slow_look_agree_with_the_rule(folder: Path, body: bytes, allowed: int, block: int) -> None:
    path = folder / "any.csv.gz"
    ruled = by_the_rule(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "BLOCK", max(block, *(len(line) + 2 for line in body.split(b"\n"))))
        content = converted_as_ruled(body, WEEK, path, allowed, ruled)
    if content is None:
        return

    assert ruled
    rows, bad = ruled
    assert gzip.decompress(path.read_bytes()) == by_the_csv_module(rows)
    assert (content.rows, content.bad_rows) == (len(rows), len(bad))
    assert examine(path, TURNSTILE, WEEK) == replace(content, bad_rows=0)
    if bad:
        assert [(int(number), text) for number, _, text in rejected(path)[1:]] == bad
    else:
        assert not rejects(path).exists()


def test_a_cut_is_seen_across_blocks_and_counters_without_padding_are_no_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = published(row(), row(EXITS="0000073801")).rstrip(b" \n")
    monkeypatch.setattr(check, "BLOCK", whole.rindex(b"\n") + 1)
    with pytest.raises(Refused, match="the last one, is cut in its value '00'"):
        convert([whole[:-8]], TURNSTILE, WEEK, tmp_path / "cut.csv.gz")
    assert convert([whole], TURNSTILE, WEEK, tmp_path / "whole.csv.gz").rows == 2
    bare = published(row(EXITS="1000"), row(EXITS="999")).rstrip(b" \n")
    assert convert([bare], TURNSTILE, WEEK, tmp_path / "bare.csv.gz").rows == 2
