"""A run in a process of its own, forked of the tests: it goes on when told to, and may be killed at any moment."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress

from mta_weekly.errors import EtlError

WRONG = 70  # the exit code after a fault that nobody expects


class Forked:
    """The process; its exit code is 0, or 1 after a fault that is expected, as a command's.

    Args:
        run: what it does, and what it says then; it is handed a function that waits until it may go on.
    """

    def __init__(self, run: Callable[[Callable[[], object]], str]) -> None:
        told, self._tell = os.pipe()
        self._hear, say = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            code, said = WRONG, ""
            try:
                code, said = 0, run(lambda: os.read(told, 1))
            except EtlError as error:
                code, said = 1, str(error)
            except BaseException:  # noqa: BLE001 - whatever it is, the fork must not go on as the tests
                traceback.print_exc()
            finally:
                os.write(say, said.encode())
                os._exit(code)
        os.close(told)
        os.close(say)

    def go(self) -> None:
        """Let it go on."""
        os.write(self._tell, b"1")

    def kill(self) -> None:
        """kill -9."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> tuple[int, str]:
        """Its exit code, below 0 where a signal ended it, and what it said."""
        with os.fdopen(self._hear) as hear:
            said = hear.read()
        os.close(self._tell)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        assert code != WRONG, "a fault that nobody expects"
        return code, said
