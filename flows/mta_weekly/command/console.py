"""What a person sees: lines on stdout; of a run's log ours and real errors, on a terminal above the bars of `progress`.

Prefect's loggers are known by their names alone.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import TextIOWrapper

from mta_weekly.command import progress
from mta_weekly.command.interrupts import Interrupts
from mta_weekly.environment import keep_environment_secret
from mta_weekly.errors import EtlError
from mta_weekly.secrets import mask, show_error


def prepare_output() -> None:
    """Let nothing that is printed, tracebacks too, show a secret of the environment, or end for a letter in it."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as on stderr: a name that cannot be shown ends nothing
    keep_environment_secret()
    sys.excepthook = show_error


def print_line(line: str) -> None:
    """Print a line without secrets; where nobody reads any more, as of `| head`, what is under way still goes on.

    Raises:
        EtlError: it cannot be written, as where a disk is full.
    """
    try:
        print(mask(line), flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left of it would fail once more
        if not isinstance(error, BrokenPipeError):
            said = f"stdout cannot be written ({error.strerror}); what it had to say is lost"
            raise EtlError(f"{said}, run it again where there is room") from error


@contextmanager
def show_lines(interrupts: Interrupts) -> Iterator[None]:
    """Show our lines and real errors; keep Prefect's own book-keeping lines for its API.

    On a terminal with bars, in a log plain lines with their time.
    """
    bars: AbstractContextManager[None] = nullcontext()
    shown = logging.getLogger("mta")
    shown.setLevel(logging.INFO)
    shown.propagate = False
    handler: logging.Handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    if sys.stderr and sys.stderr.isatty():
        from rich.console import Console
        from rich.highlighter import NullHighlighter
        from rich.logging import RichHandler

        console = Console(stderr=True, highlight=False, soft_wrap=True)
        handler = RichHandler(
            console=console, highlighter=NullHighlighter(), show_time=False, show_path=False, show_level=False
        )
        bars = progress.show_bars(console)
    # What an interrupted run's downloads say of their client, which the end has closed, is no news of the source.
    handler.addFilter(lambda record: not interrupts.came or record.levelno < logging.WARNING)
    shown.addHandler(handler)
    raising, logging.raiseExceptions = logging.raiseExceptions, False  # a log line its API refuses is no traceback

    def is_for_people(record: logging.LogRecord) -> bool:
        return not interrupts.came and _is_no_book_keeping(record)  # nor what libraries say of being interrupted

    others = [other for other in logging.getLogger().handlers if not other.filters]
    for other in others:
        other.addFilter(is_for_people)
    try:
        with bars:
            yield
    finally:
        logging.raiseExceptions = raising
        shown.removeHandler(handler)
        for other in others:
            other.removeFilter(is_for_people)


def _is_no_book_keeping(record: logging.LogRecord) -> bool:
    if not record.name.startswith(("prefect.", "urllib3.")):
        return True
    # A real error of ours shows its traceback; an API that is gone is a fault we expect, and is said in one line.
    from httpx import HTTPError

    error = record.exc_info[1] if record.exc_info else None
    return error is not None and not isinstance(error, HTTPError | EtlError)
