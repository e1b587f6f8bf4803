"""A published weekly file and its object: right to the byte however it is written, and known when it is read again."""

import csv
import gzip
import hashlib
import io
import zlib
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from conftest import expected
from mta_weekly.checksums import crc32c_of
from mta_weekly.content.convert import convert_week, examine_object, rejected_path
from mta_weekly.content.profile import WeekProfile
from mta_weekly.errors import Refused
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.feeds.weeks import Week
from real_weeks import real_week
from weekly_files import BIG, PAGE, SMALL, WEEK, Load, blank_lines, published, read, row
from weeks import make_week

pytest_plugins = ["weekly_files"]

# What comes out


@pytest.mark.parametrize("week", ["240106", "240113"])
def test_a_real_week_becomes_its_known_good_load(week: str, tmp_path: Path) -> None:
    body, good = real_week(week)
    path = tmp_path / f"{week}.csv.gz"

    content = convert_week([body], TURNSTILE, Week.named(week), path)

    assert gzip.decompress(path.read_bytes()) == good
    assert content.rows == good.count(b"\n") - 1
    assert content.size <= 1.1 * len(gzip.compress(good, 6))


def test_what_is_known_of_an_object_is_true(tmp_path: Path) -> None:
    path = tmp_path / "object.csv.gz"
    content = convert_week([BIG], TURNSTILE, Week.named(WEEK), path)
    packed = path.read_bytes()
    unpacked = gzip.decompress(packed)
    rows = list(csv.DictReader(io.StringIO(unpacked.decode())))
    days, hours = Counter(row["DATE"] for row in rows), Counter(row["TIME"][:2] for row in rows)

    assert unpacked == expected(BIG)
    assert content == WeekProfile(
        rows=25_000,
        bad_rows=0,
        first_day="2023-12-30",
        last_day="2024-01-05",
        day_rows=tuple(days[f"{day:%m/%d/%Y}"] for day in Week.named(WEEK).days),
        hour_rows=tuple(hours[f"{hour:02}"] for hour in range(24)),
        keys=len({(row["CA"], row["UNIT"], row["SCP"]) for row in rows}),
        doubled_keys=0,
        series_rows={},
        size=len(packed),
        crc32c=crc32c_of(path),
        sha256=hashlib.sha256(unpacked).hexdigest(),
        empty={},
        sums={name: float(sum(int(row[name]) for row in rows)) for name in ("ENTRIES", "EXITS")},
    )
    assert content.size <= 1.1 * len(gzip.compress(unpacked, 6))
    assert not rejected_path(path).exists()


def test_first_and_last_day_are_those_of_the_rows(load_file: Load) -> None:
    content, _ = load_file(published(row(DATE="01/03/2024"), row(DATE="12/31/2023"), row(DATE="01/02/2024")))

    assert (content.first_day, content.last_day) == ("2023-12-31", "2024-01-03")


@pytest.mark.parametrize("body", [SMALL, BIG], ids=["small", "big"])
def test_a_file_is_one_gzip_member_without_time_or_name_and_the_same_every_time(body: bytes, tmp_path: Path) -> None:
    packed = []
    for name in ("first.csv.gz", "second.csv.gz"):
        convert_week([body], TURNSTILE, Week.named(WEEK), tmp_path / name)
        packed.append((tmp_path / name).read_bytes())

    member = zlib.decompressobj(wbits=31)
    content = member.decompress(packed[0])
    assert packed[0][:4] == b"\x1f\x8b\x08\x00"  # gzip, deflate, no flag: no name, no comment, nothing extra
    assert packed[0][4:8] == bytes(4)  # no time stamp
    assert (member.eof, member.unused_data) == (True, b"")
    assert gzip.decompress(packed[0]) == content == expected(body)
    assert packed[0] == packed[1]


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
    plain = convert_week([SMALL], TURNSTILE, Week.named(WEEK), tmp_path / "plain.csv.gz")

    assert convert_week([body], TURNSTILE, Week.named(WEEK), tmp_path / "other.csv.gz") == plain
    assert (tmp_path / "other.csv.gz").read_bytes() == (tmp_path / "plain.csv.gz").read_bytes()


@pytest.mark.parametrize(
    ("counter", "written"),
    [
        ("0000102019", "102019"),
        ("0000000000", "0"),
        ("0", "0"),
        (" 12 ", "12"),
        ("\t0012 \r", "12"),
        ("9" * 18, "9" * 18),
        ("0" * 30 + "7", "7"),
    ],
)
def test_a_counter_is_a_plain_integer(load_file: Load, counter: str, written: str) -> None:
    _, content = load_file(published(row(EXITS=counter)))

    assert read(content)[1][-1] == written


@pytest.mark.parametrize(
    "value",
    [
        *('59 "ST"', '"59 ST', '59 ST"', '"', '""', "L'ENFANT", "ÉCOLE \uff11", "a\\b", "#", "NULL", "", "nan"),
        *("=1+1", "+1", "-1", "@SUM(A1)"),  # which a spreadsheet may compute, and the lake does not
    ],
)
def test_a_text_survives_as_it_is(load_file: Load, value: str) -> None:
    _, content = load_file(published(row(), row(STATION=f"  {value} "), row()))

    assert [fields[4] for fields in read(content)] == ["STATION", "59 ST", value, "59 ST"]
    assert content.count(b'"') == 0 or '"' in value


# An object read again


@pytest.mark.parametrize("body", [BIG, published(row(), row(STATION='59 "ST"'), row(STATION="ÉCOLE"))])
def test_a_good_object_read_again_is_known_as_it_was(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "object.csv.gz"
    content = convert_week([body], TURNSTILE, Week.named(WEEK), path)

    assert examine_object(path, TURNSTILE, Week.named(WEEK)) == content


def test_rows_left_out_are_not_seen_when_an_object_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "object.csv.gz"
    content = convert_week([published(row(), row(EXITS="x"))], TURNSTILE, Week.named(WEEK), path, 1)

    assert examine_object(path, TURNSTILE, Week.named(WEEK)) == replace(content, bad_rows=0)


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
        examine_object(path, TURNSTILE, Week.named(WEEK))


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
        examine_object(path, TURNSTILE, Week.named(WEEK))
