"""Ctrl-C: a run ends within seconds, whatever its threads wait for, with one line that says what stays."""

import os
import sys
import threading
from typing import NoReturn

from mta_weekly.command.flags import INTERRUPTED

GRACE = 3.0  # seconds


class Interrupts:
    """What Ctrl-C has come to, of this process; a signal handler.

    Attributes:
        came: whether there was one.
        farewell: what stays and what to do, as the last line says it.
    """

    def __init__(self) -> None:
        self.came = False
        self.farewell = "what has landed stays, the next run does the rest"

    def __call__(self, *_: object) -> None:
        """Let the flow end and say so to Prefect, for some seconds; the second one ends it at once."""
        if self.came:
            self.end()
        self.came = True
        deadline = threading.Timer(GRACE, self.end)  # its task runner may wait for ever
        deadline.daemon = True
        deadline.start()
        raise KeyboardInterrupt

    def end(self) -> NoReturn:
        """End the process now."""
        print(f"interrupted: {self.farewell}", file=sys.stderr, flush=True)
        os._exit(INTERRUPTED)  # else Python would wait for the downloads that are under way
