"""The flags of the commands, as `--help` shows them, and what they come to: a flow's parameters.

Imports nothing that takes time to load: --help and a bad argument answer at once.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

from mta_weekly import backfill_parts
from mta_weekly.environment import check_authorities
from mta_weekly.errors import BadArgument
from mta_weekly.feeds.catalog import AUTO, CHOICES, FEEDS, feed_named
from mta_weekly.feeds.plans import PeriodRequest, check_accept, check_watch, plan_weeks
from mta_weekly.lake.objects import BLOCK, DEFAULT_BLOCK, check_name
from mta_weekly.outcomes import JUDGING
from mta_weekly.secrets import clean
from mta_weekly.settings import LONGEST, VERSION, new_york_today, read_settings

LAKE = f"a folder, or {BLOCK}NAME of a block"
DEFAULT_LAKE = f"MTA_LAKE, else {DEFAULT_BLOCK} where it is registered, else data/lake in the project"
LONGEST_MESSAGE = 2000  # characters
LANDED, NOT_LANDED, BAD_ARGUMENT, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143  # exit codes


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong with a flag in one line, and ends with exit code 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_argument("--version", action="version", version=VERSION)

    def error(self, message: str) -> NoReturn:
        """See ArgumentParser."""
        self.exit(BAD_ARGUMENT, f"{self.prog}: {clean(message, LONGEST_MESSAGE)}\n")  # without the usage

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """See ArgumentParser, which would take `--year=--` for one that is not given."""
        for each in sys.argv[1:] if args is None else args:
            if each.startswith("-") and each.endswith("=--"):
                self.error(f"argument {each.removesuffix('=--')}: '--' is no value")
        return super().parse_known_args(args, namespace)


def weekly_parser() -> argparse.ArgumentParser:
    """The flags of the weekly flow, as `--help` shows them."""
    parser = OneLineParser(
        prog="etl_web_to_gcs.py",
        description="Land weekly public data in the lake. Without a period: the newest week.",
        epilog="Exit code 0: every due week asked for is in the lake. 1: some is not, or does not look like its "
        "neighbours. 2: bad arguments.",
    )
    week = parser.add_argument_group("which weeks")
    week.add_argument("--year", type=int, default=0, metavar="Y", help="every due Saturday of the year")
    week.add_argument("--month", type=int, default=0, metavar="M", help="of that month")
    week.add_argument("--day", type=int, default=0, metavar="D", help="the first Saturday on or after that day")
    week.add_argument("--start", type=_day, metavar="DATE", help="every due Saturday from here, as 2026-09-12 ...")
    week.add_argument("--end", type=_day, metavar="DATE", help="... to here, both included")
    week.add_argument(
        "--catch-up", type=_at_least(1), default=1, metavar="N", help="the newest week and the N-1 before it"
    )
    week.add_argument("--feed", choices=list(CHOICES), default=AUTO, help=f"default {AUTO}: the week decides")
    how = parser.add_argument_group("how")
    _add_how(
        how,
        lake=DEFAULT_LAKE,
        concurrency="weeks at once",
        dry_run="list week, state, object and source; touch nothing",
    )
    again = how.add_mutually_exclusive_group()
    again.add_argument(
        "--refresh",
        action="store_true",
        help="load weeks that are there again where their source has changed, and replace those that differ",
    )
    again.add_argument(
        "--force",
        action="store_true",
        help="load weeks that are there again, damaged ones too, and replace them; they go to history/",
    )
    again.add_argument(
        "--accept",
        type=lambda text: text or " ",  # nothing is no reason
        default=argparse.SUPPRESS,
        metavar="WHY",
        help="land weeks that are held as they are, and keep why; asks nothing of a source",
    )
    how.add_argument(
        "--judge",
        choices=JUDGING,
        default="hold",
        help="what becomes of a week that does not look like its neighbours: held, landed with a warning, or nothing; "
        "default %(default)s",
    )
    return parser


def backfill_parser() -> argparse.ArgumentParser:
    """The flags of the backfill, as `--help` shows them."""
    parser = OneLineParser(
        prog="backfill.py",
        description="Land years of weeks by many machines: runs of a deployment of the weekly flow, one a month or a "
        "year, which the workers of its pool share. Parts whose weeks are in the lake are not run.",
        epilog="Exit code 0: every due week of the range is in the lake. 1: some is not, or does not look like its "
        "neighbours. 2: bad arguments.",
    )
    what = parser.add_argument_group("which weeks")
    what.add_argument(
        "--start", type=_day, required=True, metavar="DATE", help="every due Saturday from here, as 2026-09-12 ..."
    )
    what.add_argument("--end", type=_day, required=True, metavar="DATE", help="... to here, both included")
    what.add_argument(
        "--by", choices=list(backfill_parts.NAMES), default="month", help="what is one run, default %(default)s"
    )
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


def watch_parser() -> argparse.ArgumentParser:
    """The flags of the watch, as `--help` shows them."""
    parser = OneLineParser(prog="watch.py", description="Look after a lake, without loading anything.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    tidy = commands.add_parser(
        "tidy",
        help="list what nothing names or needs; with --yes remove it",
        description="List held weeks that have landed with other content since, rejected rows that no object, no "
        "history and no held week names, both where no run has had them for two days, and what runs that died left in "
        "the lake and, without --feed, in the work folder; with --yes, remove it. What was replaced is never removed, "
        "nor what is held of a week that the lake lacks.",
        epilog="Exit code 0: all is listed, or removed. 1: the lake failed, or something stays. 2: bad arguments.",
    )
    _add_lake(tidy, "all of them")
    tidy.add_argument("--yes", action="store_true", help="remove what is listed")
    status = commands.add_parser(
        "status",
        help="say which weeks are there, lacking, held, or not as they should be",
        description="Say of each feed which weeks are there, due and lacking, held, revised, without some rows, or "
        "without facts that prove them, and how old its data is; then each fault in a line, with the command for it. "
        "Looks at listings and facts alone, and reads no object.",
        epilog="Exit code 0: nothing due is lacking, and all that is there is as it should be. 1: something is not, or "
        "the lake failed. 2: bad arguments.",
    )
    _add_lake(status, "those that the lake has weeks of")
    status.add_argument(
        "--since", type=_day, metavar="DATE", help="what is due from here on; default: from the feed's first week there"
    )
    status.add_argument("--json", action="store_true", help="one JSON document in place of lines")
    status.add_argument(
        "--html", type=_file, metavar="FILE", help="also write a page that shows each week, one file without scripts"
    )
    verify = commands.add_parser(
        "verify",
        help="read all that is there back, and prove it",
        description="Read every object and companion back, and compare it with its facts and its name: size, "
        "checksums, one whole gzip file, every row, every figure. Says each fault in a line, with what heals it: "
        "damaged, partial, forged, foreign, lacking, unproved, unreadable; then a line a feed. Fills in the figures "
        "that facts of older versions lack, and changes nothing else.",
        epilog="Exit code 0: all that is there is what its facts and its name say. 1: something is not, or the lake "
        "failed. 2: bad arguments.",
    )
    _add_lake(verify, "all of them")
    verify.add_argument("--since", type=_day, metavar="DATE", help="weeks from here on; default: all of them")
    verify.add_argument(
        "--concurrency", type=_at_least(1), default=2, metavar="N", help="files read at once, default %(default)s"
    )
    return parser


def _add_lake(command: argparse.ArgumentParser, feeds: str) -> None:
    """The flags that say which lake is looked after, and which feeds of it: without one, `feeds` says."""
    command.add_argument("--lake", type=_lake, metavar="WHERE", help=f"{LAKE}; default: {DEFAULT_LAKE}")
    command.add_argument("--feed", choices=list(FEEDS), default="", help=f"default: {feeds}")


def _add_how(how: Any, lake: str, concurrency: str, dry_run: str) -> None:
    """The flags that both commands have, and what they say of themselves."""
    how.add_argument("--lake", type=_lake, metavar="WHERE", help=f"{LAKE}; default: {lake}")
    how.add_argument(
        "--concurrency", type=_at_least(1), default=2, metavar="N", help=f"{concurrency}, default %(default)s"
    )
    how.add_argument(
        "--allow-bad-rows", type=_at_least(0), default=0, metavar="N", help="leave out up to N bad rows a week"
    )
    how.add_argument("--dry-run", action="store_true", help=dry_run)


def parse_flags(the_parser: argparse.ArgumentParser, arguments: Sequence[str]) -> dict[str, Any]:
    """The flow's parameters. Bad ones end the program with one line and exit code 2, before any request."""
    given = vars(the_parser.parse_args(arguments))
    try:
        settings = read_settings()
        check_authorities()
        check_name(given["lake"] or settings.lake)
        if "deployment" in given:
            backfill_parts.name_deployment(given["deployment"])
            if given["lake"]:
                backfill_parts.check_shared(given["lake"])
        if "command" not in given:
            request = PeriodRequest.among(given)
            check_accept(request, given.get("accept", ""))
            plan_weeks(request, feed_named(given["feed"]), new_york_today())
        elif given["command"] in ("status", "verify"):
            check_watch(given["feed"], given["since"], new_york_today())
    except BadArgument as error:
        the_parser.error(str(error))
    return given


def _lake(text: str) -> str:
    if not text:  # as by a variable of a shell that is not set
        raise argparse.ArgumentTypeError("'' names no lake; leave the flag out for the default")
    return text


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date such as 2026-09-12") from None


def _file(text: str) -> Path:
    if not text or "\0" in text or text.endswith("/") or os.path.isdir(text):  # noqa: PTH112 - of what nobody may look at too
        raise argparse.ArgumentTypeError(f"{text!r} is {'a folder' if text else 'no name'}; name a file, as lake.html")
    if not os.path.isdir(os.path.dirname(text) or "."):  # noqa: PTH112, PTH120
        raise argparse.ArgumentTypeError(f"{text!r}: there is no such folder; make it, or name another one")
    return Path(text)


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
