"""What the tests of commands as processes wait for, and want in the lake."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import COMMAND, expected, small_week, wait_until
from mta_weekly.feeds.weeks import Week
from web import Web


def wanted(path: Path) -> bytes:
    """What the object of a small week must hold."""
    return expected(small_week(Week.named(path.name[:6]).saturday))


def wait_for_request(web: Web, process: Any = None) -> None:
    """Until the command asks for a week, or has ended because there is none to ask for."""
    wait_until(lambda: web.requests or (process and process.poll() is not None), "the command never asked for the week")


def said_by_processes(code: str, folder: Path) -> set[bytes]:
    """What a piece of code prints in two processes that hash texts differently."""
    seeds = ({"PYTHONHASHSEED": seed} for seed in ("1", "2"))
    return {subprocess.check_output([sys.executable, "-c", code], cwd=folder, env=os.environ | seed) for seed in seeds}


READY = """
import json, os, runpy, sys

command = sys.argv[1]
sys.path.insert(0, os.path.dirname(command))
import prefect.artifacts, prefect.server.api.server
import mta_weekly.load, mta_weekly.orchestration.lake_blocks, prefect_gcp

for line in sys.stdin:
    child = os.fork()
    if not child:
        sys.argv[1:] = json.loads(line)
        runpy.run_path(command, run_name="__main__")
        sys.exit()
    print(child, flush=True)
    print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@dataclass
class Fork:
    """A run of the command; as much of Popen as its tests use."""

    pid: int
    parent: subprocess.Popen[str]

    def poll(self) -> int | None:
        """None while it runs."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return 0
        return None

    def kill(self) -> int:
        """kill -9, and wait for its end; its exit code, where it had come to that."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        return self.wait()

    def wait(self) -> int:
        """Its exit code; that of a killed one is below 0."""
        assert self.parent.stdout is not None
        ended, code = self.parent.stdout.readline().split()
        assert ended == "ended"
        return int(code)


@contextmanager
def ready_command(environment: dict[str, str], log: Path) -> Iterator[Callable[[Sequence[str]], Fork]]:
    """The command in a process that has loaded Prefect, which takes seconds, and forks for every run.

    What the runs say goes to `log`.
    """
    with (
        log.open("w") as said,
        subprocess.Popen(
            [sys.executable, "-c", READY, COMMAND[1]], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,
        ) as parent,
    ):  # fmt: skip

        def run(arguments: Sequence[str]) -> Fork:
            print(json.dumps([*arguments]), file=parent.stdin, flush=True)
            assert parent.stdout is not None
            return Fork(int(parent.stdout.readline()), parent)

        yield run
