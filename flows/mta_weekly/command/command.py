"""A command from its start to its exit code. Is handed the flow, and what prepares Prefect for it; knows no Prefect."""

import argparse
import gc
import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from mta_weekly.command.console import prepare_output, print_line, show_lines
from mta_weekly.command.flags import BAD_ARGUMENT, LANDED, NOT_LANDED, parse_flags
from mta_weekly.command.interrupts import ENDS, Interrupts
from mta_weekly.errors import BadArgument, EtlError, to_one_line
from mta_weekly.lake.objects import BLOCK
from mta_weekly.settings import read_settings

PARTS_GO_ON = "its parts go on in their work pool; the same command waits for them, and runs what is missing"


def begin_command(the_parser: argparse.ArgumentParser, arguments: Sequence[str]) -> dict[str, Any]:
    """What a command does first, before the modules load that take time; `run_command` ends it."""
    # Loading Prefect makes half a million objects that stay; not looking for garbage among them saves a second.
    gc.disable()
    prepare_output()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while modules load, Ctrl-C just ends it, without a traceback
    signal.signal(signal.SIGTERM, Interrupts().end_at_once)  # and this too where it is the first process of a container
    return parse_flags(the_parser, arguments)


def run_command(
    flow: Callable[..., Any],
    rehearse: Callable[..., Iterator[str]],
    prepare_prefect: Callable[[bool], None],
    parameters: dict[str, Any],
    by_others: bool = False,
) -> int:
    """Run the flow, or with `dry_run` print what `rehearse` says; return the exit code.

    Args:
        prepare_prefect: makes sure that Prefect's API answers, and that signals are left to us; is told whether it must
            be a server's.
        by_others: the flow only waits for work that a server's workers do.
    """

    def run(interrupts: Interrupts) -> int:
        if by_others:
            interrupts.farewell = PARTS_GO_ON
        if parameters["dry_run"]:
            return _print_lines(rehearse, prepare_prefect, parameters, by_others)
        prepare_prefect(by_others)
        return _run(flow, parameters, interrupts)

    return _end_well(run)


def print_report(
    report: Callable[..., Iterator[str]],
    parameters: dict[str, Any],
    prepare_prefect: Callable[[bool], None] | None = None,
) -> int:
    """Print what `report` says and does, line by line; return the exit code.

    Args:
        prepare_prefect: as for `run_command`; where there is none, the lake is no block.
    """

    def run(interrupts: Interrupts) -> int:
        interrupts.farewell = "what is done is said above, the next one does the rest"
        return _print_lines(report, prepare_prefect or _need_nothing, parameters)

    return _end_well(run)


def _end_well(run: Callable[[Interrupts], int]) -> int:
    """Run it, and end in an exit code whatever comes: a fault that is expected is one line."""
    interrupts = Interrupts()
    gc.freeze()
    gc.enable()
    for number in ENDS:
        signal.signal(number, interrupts)
    import httpx

    try:
        with show_lines(interrupts):
            return run(interrupts)
    except httpx.HTTPError as error:
        print(f"the Prefect API failed ({to_one_line(error)}); what has landed stays, run it again", file=sys.stderr)
        return NOT_LANDED
    except json.JSONDecodeError:
        print("the Prefect API failed: its answer is no JSON; look at PREFECT_API_URL", file=sys.stderr)
        return NOT_LANDED
    except EtlError as error:
        print(to_one_line(error), file=sys.stderr)
        return BAD_ARGUMENT if isinstance(error, BadArgument) else NOT_LANDED
    except KeyboardInterrupt:
        interrupts.end()
    finally:
        gc.freeze()  # everything ends with the process: no need to take it apart first, which takes another second


def _print_lines(
    report: Callable[..., Iterator[str]],
    prepare_prefect: Callable[[bool], None],
    parameters: dict[str, Any],
    by_others: bool = False,
) -> int:
    if by_others:
        prepare_prefect(True)
    elif may_be_a_block(parameters["lake"] or read_settings().lake):
        with suppress(EtlError):  # the listing says so itself
            prepare_prefect(False)
    for line in report(**parameters):
        print_line(line)
    return LANDED


def _run(flow: Callable[..., Any], parameters: dict[str, Any], interrupts: Interrupts) -> int:
    try:
        state = flow(**parameters, return_state=True)
    finally:
        if interrupts.came:  # whatever Prefect has made of it
            raise KeyboardInterrupt
    if "encountered an exception" in (state.message or ""):  # Prefect's words for one that nobody expected
        print(f"the run failed: {to_one_line(state.message)}", file=sys.stderr)
    if state.name == BadArgument.__name__:
        return BAD_ARGUMENT
    return LANDED if state.is_completed() else NOT_LANDED


def _need_nothing(_: bool) -> None:
    pass


def may_be_a_block(lake: str | None) -> bool:
    """Whether the lake of that name, or of none, may be a block, which Prefect has to tell."""
    return not lake or lake.startswith(BLOCK)
