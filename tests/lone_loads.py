"""Loads of weeks in a process of their own, several at once, through the code that a run uses, but for Prefect.

Reads its loads from stdin and writes to stdout what became of them, in JSON. `run_alone` starts it.
"""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

from mta_weekly.errors import EtlError
from mta_weekly.feeds.catalog import feed_named
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.client import open_client
from mta_weekly.lake.folder import FolderLake
from mta_weekly.loads import prepare_loads
from mta_weekly.options import Options
from mta_weekly.settings import Settings

SPACING = 0.03  # seconds between the beginnings of two loads
SAID_EVERY = 1.0  # seconds; a minute in a run


@dataclass
class Told:
    """What became of a load.

    Attributes:
        state: of its outcome; "hangs" where it had none in time, "traceback" after a fault that nobody expects.
        reason: its one line.
        seconds: it took.
        silent: the longest time in which it wrote no line.
        lines: of the log.
        left: work files.
    """

    state: str = "hangs"
    reason: str = ""
    seconds: float = 0.0
    silent: float = 0.0
    lines: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def run_alone(loads: dict[str, dict[str, Any]], within: float) -> tuple[dict[str, Any], int, str]:
    """What became of each load, as `Told` has it, how many MiB the process grew by, and what it wrote to stderr.

    Args:
        loads: by name, the feed, the week, the folder and the settings.
        within: seconds that the last one may take.
    """
    tests = Path(__file__).resolve().parent
    own = {**os.environ, "PYTHONPATH": f"{tests.parent / 'flows'}"}
    asked = json.dumps({"loads": loads, "within": within})
    command = [sys.executable, __file__]
    ran = subprocess.run(command, input=asked, env=own, capture_output=True, text=True, timeout=within + 120)
    assert ran.stdout, ran.stderr
    told, grown = json.loads(ran.stdout)
    return told, grown, ran.stderr


class _Lines(logging.Handler):
    """The lines of the log, by the thread that wrote them."""

    def __init__(self) -> None:
        super().__init__()
        self.of: dict[str, list[tuple[float, str]]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        said = time.monotonic(), self.format(record)
        self.of.setdefault(str(record.threadName), []).append(said)


def _load(feed: str, week: str, folder: str, settings: dict[str, Any]) -> tuple[str, str]:
    where, named = Path(folder), feed_named(feed)
    options = Options(Settings(_env_file=None, **settings), date(2026, 11, 21), str(where / "lake"), "run")
    lake, work, each = FolderLake(where / "lake"), where / "work", Week.named(week)
    work.mkdir(parents=True)
    lake.prepare()
    try:
        with open_client(options.settings) as client:
            [load] = prepare_loads({each: named.feed_of(each)}, lake, work, options)
            outcome = load.publish(load.make(client, lambda chunks, _, __: chunks))
    except EtlError as error:
        return "failed", str(error)
    except Exception as error:
        logging.getLogger("mta").exception("nobody expects it")
        return "traceback", repr(error)[:2000]
    return outcome.state, outcome.reason


def _tell(told: Told, asked: dict[str, Any]) -> None:
    began = time.monotonic()
    told.state, told.reason = _load(**asked)
    told.seconds = time.monotonic() - began
    told.left = [str(path) for path in (Path(asked["folder"]) / "work").rglob("*")]


def _main() -> None:
    asked = json.load(sys.stdin)
    for module in [each for each in sys.modules.values() if hasattr(each, "SAID_EVERY")]:
        module.SAID_EVERY = SAID_EVERY
    lines = _Lines()
    logging.getLogger("mta").setLevel(logging.INFO)
    logging.getLogger("mta").addHandler(lines)
    logging.getLogger("mta").propagate = False
    before = _measure_peak()
    told, begun = dict[str, Told](), dict[str, float]()
    threads = []
    for name, each in asked["loads"].items():
        told[name], begun[name] = Told(), time.monotonic()
        threads.append(threading.Thread(target=_tell, args=(told[name], each), name=name, daemon=True))
        threads[-1].start()
        time.sleep(SPACING)
    end = time.monotonic() + asked["within"]
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    for name, one in told.items():
        said = lines.of.get(name, [])
        one.seconds = one.seconds or time.monotonic() - begun[name]
        times = [begun[name], *(at for at, _ in said), begun[name] + one.seconds]
        one.silent = max(after - at for at, after in pairwise(times))
        one.lines = [line for _, line in said]
    sys.stdout.write(json.dumps([{name: asdict(one) for name, one in told.items()}, _measure_peak() - before]))
    sys.stdout.flush()
    os._exit(0)  # those that hang are not waited for


def _measure_peak() -> int:
    """The most memory of this process so far, in MiB; that of getrusage is also of who started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


if __name__ == "__main__":
    _main()
