"""What the tests of commands as processes wait for, and want in the lake."""

import subprocess
from pathlib import Path

from conftest import expected, small_week, wait_until
from mta_weekly.feeds.weeks import saturday
from web import Web


def wanted(path: Path) -> bytes:
    """What the object of a small week must hold."""
    return expected(small_week(saturday(path.name[:6])))


def wait_for_request(web: Web, process: subprocess.Popen[str] | None = None) -> None:
    """Until the command asks for a week, or has ended because there is none to ask for."""
    wait_until(lambda: web.requests or (process and process.poll() is not None), "the command never asked for the week")
