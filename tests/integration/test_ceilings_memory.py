"""Files made to fill memory: a process that converts one ends soon, and holds little more than with a small one."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from conftest import HANGS, ROOT

MEMORY_REACH = 80  # MiB
CONVERT = """
import sys
from datetime import date
from itertools import chain, repeat
from pathlib import Path

from mta_weekly.content.convert import convert_week
from mta_weekly.errors import Refused
from mta_weekly.feeds.catalog import DAILY, TURNSTILE
from mta_weekly.feeds.weeks import Week
from weeks import make_week

week, small, times = Week.named("240106"), make_week(date(2024, 1, 6), rows=60), 1 << 16
feed, chunks, allowed = {
    "a small file": (TURNSTILE, [small], 0),
    "newlines": (TURNSTILE, chain([small], repeat(b"\\n" * times)), 0),
    "bad rows of two bytes": (TURNSTILE, chain([small], repeat(b"x\\n" * times)), 0),
    "rows of commas": (DAILY, chain([b"date,mode,count\\n"], repeat(b",,\\n" * times)), 0),
    "bad rows of 300 KB": (TURNSTILE, chain([small], repeat(b"x" * 300_000 + b"\\n", 2000)), 2000),
}[sys.argv[1]]
try:
    print(convert_week(chunks, feed, week, Path(sys.argv[2]), allowed, most_rows=5_000_000).bad_rows)
except Refused as error:
    print(error)
print(*(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def convert(kind: str, path: Path) -> tuple[str, float]:
    """What is said at the end, and the most memory that was held, in MiB."""
    folders = os.pathsep.join(str(ROOT / each) for each in ("flows", "benchmarks"))
    said, peak = subprocess.run(
        [sys.executable, "-c", CONVERT, kind, str(path)], env=os.environ | {"PYTHONPATH": folders},
        stdout=subprocess.PIPE, text=True, check=True, timeout=HANGS,
    ).stdout.splitlines()  # fmt: skip
    return said, int(peak) / 1024


@cache
def measure_small(folder: Path) -> float:
    return convert("a small file", folder / "small.csv.gz")[1]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell what a process held")
@pytest.mark.parametrize(
    ("kind", "says"),
    {
        "newlines": "more than 5,000,000 rows or lines came (MTA_MAX_ROWS)",
        "bad rows of two bytes": "more than 1,000 bad rows, 0 allowed, reading stopped",
        "rows of commas": "more than 1,000 bad rows, 0 allowed, reading stopped",
        "bad rows of 300 KB": "2000",
    }.items(),
)
def test_a_file_made_to_fill_memory_does_not(
    kind: str, says: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    said, peak = convert(kind, tmp_path / "object.csv.gz")
    assert said.startswith(says)
    assert peak < measure_small(tmp_path_factory.getbasetemp()) + MEMORY_REACH
