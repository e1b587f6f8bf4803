"""Weekly files of the form up to 141011, several rows on a line and no header, written line by line."""

import re
from datetime import date
from functools import partial

import pytest

from weekly_files import Load
from weeks import make_legacy_week

pytest_plugins = ["weekly_files"]

WEEK, SATURDAY = "120107", date(2012, 1, 7)  # its week holds a change of year
DAYS = ["12-31-11", "01-01-12", "01-02-12", "01-03-12", "01-04-12", "01-05-12", "01-06-12"]
NAMES = b",CA,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS\n"
SMALL = make_legacy_week(SATURDAY, rows=500)
BIG = make_legacy_week(SATURDAY, rows=60_000)  # several blocks
JUNK = (
    "NUMBER,OF,ENTRIES,2,NUMBER,,07-07-12,11:18:30,002918817,OF,,07-07-12,11:19:55,002918828,EXITS,,07-07-12,,"
    "002918839,3,,07-07-12,,,000000022,000995988,,,"
)


def group(**values: str) -> str:
    good = {"DATE": "01-01-12", "TIME": "04:00:00", "DESC": "REGULAR", "ENTRIES": "002704723", "EXITS": "000928795"}
    return ",".join((good | values).values())


def line(*groups: str, keys: str = "A002,R051,02-00-00") -> str:
    return ",".join([keys, *groups])


def published(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def unrolled(body: bytes) -> bytes:
    """What an object of a good legacy file unpacks to."""
    rows = []
    for line in re.split(r"[\r\n]+", body.decode().strip("\r\n")):
        fields = [field.strip() for field in line.split(",")]
        while len(fields) > 3:
            day, time, desc, entries, exits = fields[3:8]
            month, day, year = day.split("-")
            when = f"{month}/{day}/20{year},{time}"
            rows.append(f"{len(rows)},{','.join(fields[:3])},,,,{when},{desc},{int(entries)},{int(exits)}\n")
            del fields[3:8]
    return NAMES + "".join(rows).encode()


GOOD = line(group(), group())


@pytest.fixture
def load_legacy(load_file: Load) -> Load:
    """Convert a published file of the older form."""
    return partial(load_file, week=WEEK)
