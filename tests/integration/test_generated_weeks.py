"""The rows generated for the pretend data.ny.gov are the same in every process."""

import hashlib
from datetime import date, timedelta
from pathlib import Path

import hourly
from conftest import said_by_processes
from hourly import ridership_week

SATURDAY = date(2026, 9, 5)
ROWS = 2500
WEEK = ridership_week(SATURDAY, ROWS)


def test_the_same_week_is_the_same_rows_in_every_process() -> None:
    code = (
        "import hashlib, datetime; from hourly import ridership_week;"
        "print(hashlib.sha256(repr(ridership_week(datetime.date(2026, 9, 5), 2500)).encode()).hexdigest())"
    )
    hashes = said_by_processes(code, Path(hourly.__file__).parent)
    assert hashes == {f"{hashlib.sha256(repr(WEEK).encode()).hexdigest()}\n".encode()}
    assert ridership_week(SATURDAY, ROWS, seed=1) != WEEK
    later = ridership_week(SATURDAY + timedelta(weeks=1), ROWS)
    assert [row[1:] for row in later] != [row[1:] for row in WEEK]
