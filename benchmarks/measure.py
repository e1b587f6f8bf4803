"""What the benchmarks share: a process's cost, a line of the table, and the plain way through a shell.

Knows nothing of what is measured.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from mta_weekly.settings import ROOT

MEMORY_REACH = 80  # MiB over an empty flow
PEER = "curl | gzip -6"
PEER_IS_HERE = bool(shutil.which("curl") and shutil.which("gzip"))


@dataclass(frozen=True)
class Cost:
    """What a process took: wall time in seconds, peak memory in MiB."""

    seconds: float
    memory: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s, {self.memory:.0f} MiB"


@dataclass(frozen=True)
class Row:
    """A line of the table; one without a reach is there to compare with."""

    what: str
    value: str = ""
    reach: str = ""
    met: bool | None = None

    def __str__(self) -> str:
        verdict = {True: "met", False: "NOT MET", None: ""}[self.met]
        return f"{self.what:<42}{self.value:>18}   {self.reach:<12}{verdict}".rstrip()


def curl_gzip(url: str, path: Path) -> None:
    """Fetch and pack an address, unchecked."""
    subprocess.run(["sh", "-c", 'curl -q -s "$0" | gzip -6 > "$1"', url, path], check=True)


def middle(costs: list[Cost]) -> Cost:
    """The median of each."""
    return Cost(median(cost.seconds for cost in costs), median(cost.memory for cost in costs))


def memory_row(what: str, cost: Cost, empty: Cost) -> Row:
    """What a process held at its peak, beyond an empty flow."""
    over = cost.memory - empty.memory
    return Row(what, f"{over:+.0f} MiB", f"<= +{MEMORY_REACH} MiB", over <= MEMORY_REACH)


def run(command: list[str], root: Path = ROOT, **variables: str) -> Cost:
    """Run one of a checkout's scripts to its end, by default of this one, with some variables of its own.

    Raises:
        SystemExit: it failed, so that there is nothing to measure; with what it said.
    """
    print(f"  {command[0]} ...", file=sys.stderr, flush=True)
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        own = {**os.environ, **variables}
        process = subprocess.Popen([sys.executable, *command], cwd=root, env=own, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)  # the one wait that tells what this child took, and no other
        took = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{said.read().decode()}\n{command[0]} ended with {process.returncode}: nothing to measure")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes
    return Cost(took, usage.ru_maxrss * unit / 2**20)


def seconds(work: Callable[[], None]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def speed(size: int, took: float) -> str:
    """Seconds, and published megabytes a second."""
    return f"{took:.3f} s, {size / took / 1e6:.0f} MB/s"
