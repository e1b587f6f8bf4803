"""The pretend data.ny.gov as a process of its own, as the benchmarks start it; its rows are the same in every one."""

import csv
import hashlib
import io
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import httpx

import hourly
import soda
from command_runs import said_by_processes
from conftest import HANGS
from hourly import ridership_week

SATURDAY = date(2026, 9, 5)
ROWS = 2500
WEEK = ridership_week(SATURDAY, ROWS)
KEY = "transit_timestamp,station_complex_id,payment_method,fare_class_category"


def test_the_site_serves_its_weeks_and_ends_with_its_standard_input() -> None:
    command = [sys.executable, soda.__file__, "300", "200"]
    where = "transit_timestamp >= '2026-08-29T00:00:00' AND transit_timestamp < '2026-09-12T00:00:00'"
    asked = {"$where": where, "$order": f"{KEY},:id", "$limit": "9999"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().strip()
        text = httpx.get(f"{url}/resource/{soda.RIDERSHIP_SET}.csv", params=asked, timeout=HANGS).text
        process.stdin.close()
        assert process.wait(HANGS) == 0
    both = ridership_week(SATURDAY, 300) + ridership_week(SATURDAY + timedelta(weeks=1), 200)
    expected = sorted(both, key=lambda row: (row[0], row[2], row[5], row[6]))
    _, *rows = csv.reader(io.StringIO(text))
    assert rows == [[cell or "" for cell in row] for row in expected]


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
