"""The weeks generated for the pretend data.ny.gov have the form of what is published, and the same kinds of trouble."""

import re
import time
from collections import Counter
from datetime import date, datetime, timedelta

import pytest

from hourly import DAILY, FULL_WEEK, RIDERSHIP, TURNSTILE, daily_week, ridership_week, turnstile_rows
from queries import write_csv
from weeks import make_week

SATURDAY = date(2026, 9, 5)  # its week is 2026-08-29 to 09-04
COLUMNS = [name for name, _ in RIDERSHIP]


@pytest.mark.parametrize("rows", [0, 1, 100, 168, 300, 5000, 20_000])
def test_a_week_has_the_form_of_the_set(rows: int) -> None:
    made = ridership_week(SATURDAY, rows)
    assert len(made) == rows
    assert len({(row[0], row[2], row[5], row[6]) for row in made}) == rows
    start = datetime(2026, 8, 29)
    hours = {f"{start + timedelta(hours=n):%Y-%m-%dT%H:00:00.000}" for n in range(168)}
    seen = {row[0] for row in made}
    assert seen == hours if rows >= 168 else seen <= hours
    for row in made:
        _, mode, code, _, _, payment, fare, riders, transfers, *place = row
        assert len(row) == len(RIDERSHIP)
        assert re.fullmatch(r"[1-9]\d*(\.[05])?", riders)
        assert re.fullmatch(r"-?\d+", transfers)
        assert payment == fare.split()[0].lower()
        assert (mode == "tram") == code.startswith("TRAM")
        assert place == [None] * 3 or place[2] == f"POINT ({place[1]} {place[0]})"


def test_a_small_week_has_what_is_hard_to_read() -> None:
    assert sorted(Counter(row[2] for row in ridership_week(SATURDAY, 168)).values()) == [21] * 8
    made = ridership_week(SATURDAY, 1000)
    names = {row[3] for row in made}
    assert "Times Sq-42 St (N,Q,R,W,S,1,2,3,7)/42 St (A,C,E)" in names
    assert any('"' in name for name in names)
    assert not all(name.isascii() for name in names)
    assert {row[2] for row in made} >= {"TRAM1", "TRAM2", "611"}
    assert {row[5] for row in made} == {"omny", "metrocard"}
    written = Counter(row[7].partition(".")[2] for row in made)
    assert written[""] > 700 > written["0"] > 0
    assert written.keys() == {"", "0"}  # riders are whole, however they are written
    assert any(row[8].startswith("-") for row in made)
    assert any(row[9] is None for row in made)


def test_a_full_week_has_the_size_and_make_up_of_a_real_one() -> None:
    begun = time.process_time()
    made = ridership_week(SATURDAY)
    assert time.process_time() - begun < 5  # mostly half a second
    assert len(made) == FULL_WEEK == 348_440
    assert len({(row[0], row[2], row[5], row[6]) for row in made}) == FULL_WEEK
    assert len({row[2] for row in made}) == 424
    assert len({row[6] for row in made}) == 12
    sample = made[::100]
    size = sum(len(line.encode()) for line in write_csv(COLUMNS, sample)) / len(sample) * FULL_WEEK
    assert 60e6 < size < 110e6


def test_weeks_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="is a Friday"):
        ridership_week(date(2026, 9, 4), 10)
    with pytest.raises(ValueError, match="is a Friday"):
        daily_week(date(2026, 9, 4))
    with pytest.raises(ValueError, match="a week has 0 to 854784"):
        ridership_week(SATURDAY, 900_000)
    assert len(ridership_week(SATURDAY, 620_000)) == 620_000


def test_turnstile_rows_are_those_of_the_file() -> None:
    rows = turnstile_rows(make_week(date(2016, 3, 5), 500))
    lines = make_week(date(2016, 3, 5), 500).decode().splitlines()[1:]
    assert len(rows) == len(lines) == 500
    for row, line in zip(rows, lines, strict=True):
        cells = [cell.strip() for cell in line.split(",")]
        assert row[:6] == tuple(cells[:6])
        assert row[6] == f"{datetime.strptime(cells[6], '%m/%d/%Y'):%Y-%m-%dT00:00:00.000}"
        assert row[7:9] == tuple(cells[7:9])
        assert [float(cell) for cell in row[9:]] == [int(cell) for cell in cells[9:]]
        assert all(re.fullmatch(r"(0|[1-9]\d*)(\.0)?", cell) for cell in row[9:])
    assert 0 < sum(row[9].endswith(".0") for row in rows) < 250
    assert {len(row) for row in rows} == {len(TURNSTILE)}


def test_daily_rows() -> None:
    rows = daily_week(SATURDAY)
    assert rows == daily_week(SATURDAY) != daily_week(SATURDAY, seed=1)
    assert len({row[:2] for row in rows}) == 63
    assert {row[0] for row in rows} == {f"{date(2026, 8, 29) + timedelta(days=n)}T00:00:00.000" for n in range(7)}
    assert {len(row) for row in rows} == {len(DAILY)}
    assert all(row[2].isdecimal() for row in rows)
