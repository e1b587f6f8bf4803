"""The generated weeks have the published form: a benchmark on anything else would measure another job."""

import itertools
import re
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from weeks import make_week, write_big

SATURDAY = date(2024, 1, 6)  # its week holds a change of year
HEADER = re.compile(r"C/A,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS {63}")
ROW = re.compile(
    r"[A-Z]+\d+,R\d{3},(?:[0-9A-F]{2}-){2}[0-9A-F]{2},[^,]+,[A-Z0-9]+,(?:BMT|IRT|IND|PTH|SRT|RIT),"
    r"\d\d/\d\d/\d{4},\d\d:\d\d:00,(?:REGULAR|RECOVR AUD),\d{10},\d{10} {44}"
)


def lines_of(week: bytes) -> list[str]:
    """The lines of a file whose every line is ended by a line feed."""
    *lines, last = week.decode("ascii").split("\n")
    assert last == ""
    return lines


@pytest.mark.parametrize("rows", [0, 1, 42, 50, 300, 5000, 20_000])
def test_a_week_has_the_published_form(rows: int) -> None:
    header, *lines = lines_of(make_week(SATURDAY, rows))

    assert HEADER.fullmatch(header)
    assert len(lines) == rows
    assert [line for line in lines if not ROW.fullmatch(line)] == []

    fields = [line.split(",") for line in lines]
    assert {len(row) for row in fields} <= {11}
    keys = [(*row[:3], datetime.strptime(f"{row[6]} {row[7]}", "%m/%d/%Y %H:%M:%S")) for row in fields]
    assert keys == sorted(set(keys))
    days = {key[3].date() for key in keys}
    week = {SATURDAY - timedelta(days=back) for back in range(1, 8)}
    assert days == week if rows >= 42 else days <= week


def test_counters_grow() -> None:
    rows = [line.rstrip().split(",") for line in lines_of(make_week(SATURDAY, 5000))[1:]]
    pairs = [(a, b) for a, b in itertools.pairwise(rows) if a[:3] == b[:3]]

    assert all(int(b[9]) >= int(a[9]) and int(b[10]) >= int(a[10]) for a, b in pairs)
    assert sum(b[9] > a[9] for a, b in pairs) > len(pairs) / 2


def test_a_full_week_has_the_make_up_of_a_real_one() -> None:
    rows = [line.split(",") for line in lines_of(make_week(SATURDAY))[1:]]

    assert len(rows) == 250_000
    assert len({row[0] for row in rows}) == pytest.approx(750, rel=0.03)
    assert len({tuple(row[:3]) for row in rows}) == pytest.approx(5000, rel=0.03)
    assert {row[5] for row in rows} == {"BMT", "IND", "IRT", "PTH", "SRT", "RIT"}
    assert sum(row[8] == "RECOVR AUD" for row in rows) == pytest.approx(2500, rel=0.3)


def test_another_seed_or_saturday_is_another_week() -> None:
    bodies = {
        make_week(SATURDAY, 50),
        make_week(SATURDAY, 50, seed=1),
        make_week(SATURDAY + timedelta(days=7), 50),
    }

    assert len(bodies) == 3


def test_a_week_is_named_by_a_saturday() -> None:
    with pytest.raises(ValueError, match="2024-01-07 is a Sunday"):
        make_week(date(2024, 1, 7))


@pytest.mark.parametrize("size", [5_000_000, 40_000_000])  # less than a week, more than one
def test_a_big_file_is_whole_rows_and_just_big_enough(tmp_path: Path, size: int) -> None:
    path = tmp_path / "turnstile_240106.txt"

    rows = write_big(path, SATURDAY, size)

    header, *lines = lines_of(path.read_bytes())
    assert size <= path.stat().st_size < size + 200
    assert HEADER.fullmatch(header)
    assert len(lines) == rows
    assert [line for line in lines if not ROW.fullmatch(line)] == []
