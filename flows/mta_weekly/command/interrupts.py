"""Ctrl-C and SIGTERM: a run ends within seconds, whatever its threads wait for, with one line that says what stays."""

import os
import signal
import sys
import threading
from typing import NoReturn

from mta_weekly.command.flags import INTERRUPTED, TERMINATED

GRACE = 3.0  # seconds
ENDS = {signal.SIGINT: ("interrupted", INTERRUPTED), signal.SIGTERM: ("terminated", TERMINATED)}


class Interrupts:
    """What the signals that end this process have come to; their handler.

    Attributes:
        came: whether there was one.
        farewell: what stays and what to do, as the last line says it.
    """

    def __init__(self) -> None:
        self.came = False
        self.farewell = "what has landed stays, the next run does the rest"
        self._word, self._code = ENDS[signal.SIGINT]

    def __call__(self, number: int, *_: object) -> None:
        """Let the flow end and say so to Prefect, for some seconds; the second one ends it at once."""
        if self.came:
            self.end()
        self.came = True
        self._word, self._code = ENDS[signal.Signals(number)]
        deadline = threading.Timer(GRACE, self.end)  # its task runner may wait for ever
        deadline.daemon = True
        deadline.start()
        raise KeyboardInterrupt

    def end(self) -> NoReturn:
        """End the process now."""
        print(f"{self._word}: {self.farewell}", file=sys.stderr, flush=True)
        os._exit(self._code)  # else Python would wait for the downloads that are under way

    def end_at_once(self, number: int, *_: object) -> NoReturn:
        """A handler for a time when there is nothing yet to end."""
        self._word, self._code = ENDS[signal.Signals(number)]
        self.end()
