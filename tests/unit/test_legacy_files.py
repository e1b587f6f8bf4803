"""Weeks up to 141011, without a header and with several rows on a line: in the lake like later ones."""

import csv
import gzip
import io
import itertools
import re
from datetime import date
from pathlib import Path

import pytest

from legacy_files import BIG, SATURDAY, SMALL, WEEK, group, line, published, unrolled
from mta_weekly.content import check
from mta_weekly.content.convert import convert_week, examine_object
from mta_weekly.errors import Refused
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.feeds.weeks import Week
from weekly_files import Load
from weeks import make_legacy_week, make_week

pytest_plugins = ["legacy_files"]

# What comes out


def test_a_line_of_the_source_becomes_these_rows(load_legacy: Load) -> None:
    """The line is one of 100508's form; the rows are written out by hand."""
    body = (
        b"A002,R051,02-00-00,12-31-11,00:00:00,REGULAR,002704717,000928793,01-01-12,04:00:00,DOOR OPEN,002704723,"
        b"000000000            \n"
        b"A002,R051,02-00-01,01-06-12,20:00:00,LOGON,000000007,100928795\n"
    )

    known, unpacked = load_legacy(body)

    assert unpacked == (
        b",CA,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS\n"
        b"0,A002,R051,02-00-00,,,,12/31/2011,00:00:00,REGULAR,2704717,928793\n"
        b"1,A002,R051,02-00-00,,,,01/01/2012,04:00:00,DOOR OPEN,2704723,0\n"
        b"2,A002,R051,02-00-01,,,,01/06/2012,20:00:00,LOGON,7,100928795\n"
    )
    assert (known.rows, known.first_day, known.last_day, known.day_rows) == (
        3, "2011-12-31", "2012-01-06", (1, 1, 0, 0, 0, 0, 1),
    )  # fmt: skip


@pytest.mark.parametrize("body", [SMALL, BIG], ids=["small", "big"])
def test_a_week_is_unrolled_in_its_order(load_legacy: Load, body: bytes) -> None:
    known, unpacked = load_legacy(body)

    assert unpacked == unrolled(body)
    assert (known.rows, known.bad_rows, sum(known.day_rows)) == (rows := unpacked.count(b"\n") - 1, 0, rows)
    assert all(known.day_rows)


def test_a_legacy_week_has_the_rows_of_the_same_week_as_published_later(load_legacy: Load, tmp_path: Path) -> None:
    """Both forms of the same audits: the same object, but for what was not published then."""
    dialect = TURNSTILE.sources[0].dialect
    convert_week([make_week(SATURDAY, 500)], TURNSTILE, Week.named(WEEK), tmp_path / "later.csv.gz", dialect=dialect)
    later = csv.reader(io.StringIO(gzip.decompress((tmp_path / "later.csv.gz").read_bytes()).decode()))

    rows = [[*row[:4], "", "", "", *row[7:]] for row in itertools.islice(later, 1, None)]
    assert list(csv.reader(io.StringIO(load_legacy(SMALL)[1].decode())))[1:] == rows


def test_lines_hold_one_to_eight_groups_and_short_ones_stand_anywhere(load_legacy: Load) -> None:
    body = published(
        *(line(*[group(EXITS=f"{n:09}")] * groups) for n, groups in enumerate([8, 3, 1, 8, 2, 7, 6, 5, 4, 8, 1]))
    )

    assert load_legacy(body)[1] == unrolled(body)
    assert load_legacy(body)[0].rows == 53


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(SMALL.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(SMALL.replace(b"\n", b"   \n"), id="padding"),
        pytest.param(SMALL.replace(b"\n", b"   \r\n"), id="padding and CRLF"),
        pytest.param(SMALL.replace(b",", b" ,\t"), id="padding everywhere"),
        pytest.param(SMALL.replace(b"\n", b"\r"), id="CR"),
        pytest.param(b"\n\r\n" + SMALL.replace(b"\n", b"\n\n"), id="blank lines"),
        pytest.param(b"\xef\xbb\xbf" + SMALL, id="BOM"),
        pytest.param(SMALL.removesuffix(b"\n"), id="no last line feed"),
        pytest.param(SMALL.replace(b"\n", b"   \n").removesuffix(b"\n"), id="padding and no last line feed"),
    ],
)
def test_the_same_content_is_the_same_object(load_legacy: Load, body: bytes) -> None:
    assert load_legacy(body) == load_legacy(SMALL)
    assert load_legacy(SMALL)[1] == unrolled(SMALL)


@pytest.mark.parametrize("block", [400, 1_000, 33_333, 5_000_000])
def test_an_object_does_not_depend_on_the_size_of_a_block(
    load_legacy: Load, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    body = BIG if block > 1_000 else SMALL
    whole = load_legacy(body)
    monkeypatch.setattr(check, "BLOCK", block)

    assert load_legacy(body) == whole


def test_the_generated_week_has_the_old_form() -> None:
    lines = BIG.decode("ascii").splitlines()
    form = r"[A-Z]+\d+,R\d{3},\w\w-\w\w-\w\w(,\d\d-\d\d-\d\d,\d\d:\d\d:00,(REGULAR|RECOVR AUD),\d{9},\d{9}){1,8}"

    assert [line for line in lines if not re.fullmatch(form, line)] == []
    assert sum(len(line.split(",")) // 5 for line in lines) == 60_000
    assert {len(line.split(",")) for line in lines} >= {13, 43}


# Which weeks


@pytest.mark.parametrize("saturday", [date(2010, 5, 8), date(2014, 10, 11)])
def test_the_old_form_is_that_of_the_weeks_up_to_141011(load_legacy: Load, saturday: date) -> None:
    week = f"{saturday:%y%m%d}"

    assert load_legacy(make_legacy_week(saturday, 100), week=week)[1] == unrolled(make_legacy_week(saturday, 100))
    with pytest.raises(
        Refused, match="101 bad rows, 0 allowed; line 1: 11 fields, expected 3 and 5 for each of 1 to 8 rows"
    ):
        load_legacy(make_week(saturday, 100), week=week)


@pytest.mark.parametrize("saturday", [date(2014, 10, 18), date(2024, 1, 6)])
@pytest.mark.parametrize("allow_bad_rows", [0, 1000])
def test_a_later_week_in_the_old_form_is_refused(load_legacy: Load, saturday: date, allow_bad_rows: int) -> None:
    week = f"{saturday:%y%m%d}"

    assert load_legacy(make_week(saturday, 100), week=week)[0].rows == 100
    with pytest.raises(Refused, match=r"the header has changed: missing CA.*found 43"):
        load_legacy(make_legacy_week(saturday, 100), allow_bad_rows, week=week)


# In the lake


def test_an_object_read_again_is_known_as_it_was(load_legacy: Load, tmp_path: Path) -> None:
    known, _ = load_legacy(BIG)
    assert examine_object(tmp_path / "object.csv.gz", TURNSTILE, Week.named(WEEK)) == known

    packed = gzip.compress(SMALL)
    (tmp_path / "object.csv.gz").write_bytes(packed)
    with pytest.raises(Refused, match="header"):
        examine_object(tmp_path / "object.csv.gz", TURNSTILE, Week.named(WEEK))
