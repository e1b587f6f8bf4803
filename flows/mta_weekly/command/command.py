"""The command line: flags to parameters, bad ones refused at once; a console for people; exit codes.

Imports no Prefect at its top, so that --help and a bad argument answer before Prefect is loaded, which takes seconds.
Is handed the flow; knows nothing of how a week is loaded.
"""

import argparse
import asyncio
import gc
import json
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

from mta_weekly import backfill_parts as parts
from mta_weekly.command import progress
from mta_weekly.errors import BadArgument, EtlError, sentence
from mta_weekly.feeds.catalog import AUTO, CHOICES, feed_named
from mta_weekly.feeds.weeks import Asked, plan
from mta_weekly.lake.objects import BLOCK, DEFAULT_BLOCK, check_name
from mta_weekly.settings import LONGEST, VERSION, new_york_today, read_settings

INTERRUPT_GRACE = 3.0  # seconds
NO_SERVER = "a backfill needs a Prefect server, whose workers take its parts; set PREFECT_API_URL"
LANDED, NOT_LANDED, BAD_ARGUMENT, INTERRUPTED = 0, 1, 2, 130  # exit codes


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong with a flag in one line, and ends with exit code 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_argument("--version", action="version", version=VERSION)

    def error(self, message: str) -> NoReturn:
        """See ArgumentParser."""
        self.exit(BAD_ARGUMENT, f"{self.prog}: {message}\n")  # without the usage


def parser() -> argparse.ArgumentParser:
    """The flags of the weekly flow, as `--help` shows them."""
    parser = OneLineParser(
        prog="etl_web_to_gcs.py",
        description="Land weekly public data in the lake. Without a period: the newest week.",
        epilog="Exit code 0: every due week asked for is in the lake. 1: some is not. 2: bad arguments.",
    )
    week = parser.add_argument_group("which weeks")
    week.add_argument("--year", type=int, default=0, metavar="Y", help="every due Saturday of the year")
    week.add_argument("--month", type=int, default=0, metavar="M", help="of that month")
    week.add_argument("--day", type=int, default=0, metavar="D", help="the first Saturday on or after that day")
    week.add_argument("--start", type=_day, metavar="DATE", help="every due Saturday from here, as 2023-03-25 ...")
    week.add_argument("--end", type=_day, metavar="DATE", help="... to here, both included")
    week.add_argument(
        "--catch-up", type=_at_least(1), default=1, metavar="N", help="the newest week and the N-1 before it"
    )
    week.add_argument("--feed", choices=list(CHOICES), default=AUTO, help=f"default {AUTO}: the week decides")
    how = parser.add_argument_group("how")
    _add_how(
        how,
        lake=f"MTA_LAKE, else {DEFAULT_BLOCK} where it is registered, else data/lake in the project",
        concurrency="weeks at once",
        dry_run="list week, state, object and source; touch nothing",
    )
    again = how.add_mutually_exclusive_group()
    again.add_argument(
        "--refresh", action="store_true", help="load weeks that are in the lake again, and replace those that differ"
    )
    again.add_argument("--force", action="store_true", help="load weeks that are in the lake again, and replace them")
    return parser


def backfill_parser() -> argparse.ArgumentParser:
    """The flags of the backfill, as `--help` shows them."""
    parser = OneLineParser(
        prog="backfill.py",
        description="Land years of weeks by many machines: runs of a deployment of the weekly flow, one a month or a "
        "year, which the workers of its pool share. Parts whose weeks are in the lake are not run.",
        epilog="Exit code 0: every due week of the range is in the lake. 1: some is not. 2: bad arguments.",
    )
    what = parser.add_argument_group("which weeks")
    what.add_argument(
        "--start", type=_day, required=True, metavar="DATE", help="every due Saturday from here, as 2023-03-25 ..."
    )
    what.add_argument("--end", type=_day, required=True, metavar="DATE", help="... to here, both included")
    what.add_argument("--by", choices=list(parts.NAMES), default="month", help="what is one run, default %(default)s")
    what.add_argument("--feed", choices=list(CHOICES), default=AUTO, help=f"default {AUTO}: the week decides")
    how = parser.add_argument_group("how")
    how.add_argument("--deployment", required=True, metavar="NAME", help="the deployment of the weekly flow")
    _add_how(
        how,
        lake="that of the deployment",
        concurrency="weeks at once in each run",
        dry_run="list the parts and what they lack; start nothing",
    )
    how.add_argument(
        "--part-timeout", type=_seconds, default=7200.0, metavar="SECONDS",
        help="how long a part may run, or wait while no other runs, default 7200; then it is ended, and named",
    )  # fmt: skip
    return parser


def _add_how(how: Any, lake: str, concurrency: str, dry_run: str) -> None:
    """The flags that both commands have, and what they say of themselves."""
    how.add_argument("--lake", metavar="WHERE", help=f"a folder, or {BLOCK}NAME of a block; default: {lake}")
    how.add_argument(
        "--concurrency", type=_at_least(1), default=2, metavar="N", help=f"{concurrency}, default %(default)s"
    )
    how.add_argument(
        "--allow-bad-rows", type=_at_least(0), default=0, metavar="N", help="leave out up to N bad rows a week"
    )
    how.add_argument("--dry-run", action="store_true", help=dry_run)


def begin(the_parser: argparse.ArgumentParser, arguments: Sequence[str]) -> dict[str, Any]:
    """What a command does first, before the modules load that take time; `run` ends it."""
    # Loading Prefect makes half a million objects that stay; not looking for garbage among them saves a second.
    gc.disable()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while modules load, Ctrl-C just ends it, without a traceback
    return parse(the_parser, arguments)


def parse(the_parser: argparse.ArgumentParser, arguments: Sequence[str]) -> dict[str, Any]:
    """The flow's parameters. Bad ones end the program with one line and exit code 2, before any request."""
    given = vars(the_parser.parse_args(arguments))
    try:
        settings = read_settings()
        check_name(given["lake"] or settings.lake)
        plan(Asked.among(given), feed_named(given["feed"]), new_york_today())
    except BadArgument as error:
        the_parser.error(str(error))
    return given


def run(
    flow: Callable[..., Any],
    rehearse: Callable[..., Iterator[str]],
    parameters: dict[str, Any],
    by_others: bool = False,
) -> int:
    """Run the flow, or with `dry_run` print what `rehearse` says; return the exit code.

    `by_others`: the flow only waits for work that a server's workers do.
    """
    global _farewell
    if by_others:
        _farewell = "its parts go on in their work pool; the same command waits for them, and runs what is missing"
    gc.freeze()
    gc.enable()
    signal.signal(signal.SIGINT, _interrupt)
    import httpx

    try:
        with _console():
            if by_others or not parameters["dry_run"]:
                prepare_prefect(by_others)
            else:
                lake = parameters["lake"] or read_settings().lake
                if not lake or lake.startswith(BLOCK):
                    with suppress(EtlError):  # the listing says so itself
                        prepare_prefect()
            if parameters["dry_run"]:
                for line in rehearse(**parameters):
                    print(line, flush=True)
                return LANDED
            try:
                state = flow(**parameters, return_state=True)
            finally:
                if _interrupted:  # whatever Prefect has made of it
                    raise KeyboardInterrupt
            if "encountered an exception" in (state.message or ""):  # Prefect's words for one that nobody expected
                print(f"the run failed: {sentence(state.message)}", file=sys.stderr)
            return LANDED if state.is_completed() else NOT_LANDED
    except httpx.HTTPError as error:
        print(f"the Prefect API failed ({sentence(error)}); what has landed stays, run it again", file=sys.stderr)
        return NOT_LANDED
    except json.JSONDecodeError:
        print("the Prefect API failed: its answer is no JSON; look at PREFECT_API_URL", file=sys.stderr)
        return NOT_LANDED
    except EtlError as error:
        print(sentence(error), file=sys.stderr)
        return NOT_LANDED
    except BrokenPipeError:  # the reader of a listing has seen enough, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return LANDED
    except KeyboardInterrupt:
        _end_interrupted()
    finally:
        gc.freeze()  # everything ends with the process: no need to take it apart first, which takes another second


_interrupted = False
_farewell = "what has landed stays, the next run does the rest"


def _interrupt(*_: object) -> None:
    """Ctrl-C: let the flow end and say so to Prefect, for some seconds; the second one ends it at once."""
    global _interrupted
    if _interrupted:
        _end_interrupted()
    _interrupted = True
    deadline = threading.Timer(INTERRUPT_GRACE, _end_interrupted)  # its task runner may wait for ever
    deadline.daemon = True
    deadline.start()
    raise KeyboardInterrupt


def _end_interrupted() -> NoReturn:
    print(f"interrupted: {_farewell}", file=sys.stderr, flush=True)
    os._exit(INTERRUPTED)  # else Python would wait for the downloads that are under way


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date such as 2023-03-25") from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds, more than 0 and up to 30 days")
    return seconds


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) >= least):
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number of {least} or more, below a billion")
        return int(text)

    return number


@contextmanager
def _console() -> Iterator[None]:
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
        bars = progress.shown(console)
    shown.addHandler(handler)
    raising, logging.raiseExceptions = logging.raiseExceptions, False  # a log line its API refuses is no traceback
    others = [other for other in logging.getLogger().handlers if not other.filters]
    for other in others:
        other.addFilter(_is_no_book_keeping)
    try:
        with bars:
            yield
    finally:
        logging.raiseExceptions = raising
        shown.removeHandler(handler)
        for other in others:
            other.removeFilter(_is_no_book_keeping)


def _is_no_book_keeping(record: logging.LogRecord) -> bool:
    if _interrupted:
        return False  # nor what its libraries say of being interrupted
    if not record.name.startswith(("prefect.", "urllib3.")):
        return True
    # A real error of ours shows its traceback; an API that is gone is a fault we expect, and is said in one line.
    from httpx import HTTPError

    error = record.exc_info[1] if record.exc_info else None
    return bool(error) and not any(isinstance(each, HTTPError) for each in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__


def prepare_prefect(server_needed: bool = False) -> None:
    """Make sure that Prefect's API answers; without one, that its own database is there.

    On a machine where Prefect has never run, runs that start together would each make the database and fail: under the
    lock one makes it. The second file is the last thing that making it writes.

    Raises:
        EtlError: the API cannot be reached, or there is none and it is needed.
    """
    from filelock import FileLock
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, PREFECT_MEMO_STORE_PATH

    home = Path(PREFECT_HOME.value())
    if PREFECT_API_URL.value():
        asyncio.run(_ask_prefect(server_needed))
    elif server_needed:
        raise EtlError(NO_SERVER)
    elif not ((home / "prefect.db").exists() and Path(PREFECT_MEMO_STORE_PATH.value()).exists()):
        from sqlalchemy.exc import SQLAlchemyError

        try:
            home.mkdir(parents=True, exist_ok=True)
            with FileLock(home / "mta-etl.lock"), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the migrations of its database warn of SQLite's own limits
                asyncio.run(_ask_prefect(server_needed))
        except (OSError, SQLAlchemyError) as error:
            raise EtlError(
                f"Prefect cannot make its database in PREFECT_HOME, {home} ({sentence(error)[:200]}); make room or "
                "give access there, or name another folder"
            ) from error


async def _ask_prefect(server_needed: bool) -> None:
    import httpx
    from prefect.client.orchestration import get_client

    async with get_client() as client:
        fault = await client.api_healthcheck()
        if fault:
            url = httpx.URL(str(client.api_url)).copy_with(userinfo=b"")
            alone = ", or run 'prefect config unset PREFECT_API_URL' (and unset the variable) to do without a server"
            raise EtlError(
                f"the Prefect API at {url} cannot be reached ({sentence(fault)}); start it{alone * (not server_needed)}"
            )
