"""What the set-up scripts of blocks/ and deployments/ share: steps that are said or done, one line where one fails.

Import it first: it lets a script reach the modules of flows/ from wherever it is started. Knows no block of its own.
"""

import argparse
import asyncio
import json
import os
import re
import sys
import warnings
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "flows"))  # its modules import each other as siblings

import httpx
from prefect._internal.compatibility.deprecated import PrefectDeprecationWarning
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL

import cli
from errors import BadArgument, EtlError, sentence

DONE, FAILED, BAD_ARGUMENT, INTERRUPTED = cli.LANDED, cli.NOT_LANDED, cli.BAD_ARGUMENT, cli.INTERRUPTED  # exit codes


@dataclass(frozen=True)
class Step:
    """One thing a script does.

    Attributes:
        verb: in its plain form, regular: "register".
        what: in words, without a secret.
        do: does it at Prefect's API; what it returns is said besides.
        writes: whether it changes anything there.
    """

    verb: str
    what: str
    do: Callable[[], Awaitable[str | None]]
    writes: bool = True


def parser(description: str, file: str) -> argparse.ArgumentParser:
    """The flags every script has. `file` is the script's own."""
    made = cli.OneLineParser(prog=Path(file).name, description=description)
    made.add_argument("--dry-run", action="store_true", help="check the flags, say what would be done, touch nothing")
    return made


def run(
    the_parser: argparse.ArgumentParser,
    steps: Callable[[argparse.Namespace], list[Step]],
    arguments: Sequence[str] | None = None,
) -> int:
    """Do a script's steps, or with --dry-run say them; return the exit code: 0 done, 1 failed, 2 a bad flag."""
    options = the_parser.parse_args(arguments)
    try:
        with warnings.catch_warnings():
            # The blocks that agents run by are deprecated, and still the way of an own server; the README says whose.
            warnings.simplefilter("ignore", PrefectDeprecationWarning)
            planned = steps(options)
            if options.dry_run:
                print(*(f"would {step.verb} {step.what}" for step in planned), sep="\n")
            else:
                cli.prepare_prefect()
                asyncio.run(_do(planned))
    except KeyboardInterrupt:
        print("interrupted: what was said is done; run it again", file=sys.stderr)
        return INTERRUPTED
    except (EtlError, httpx.HTTPError, json.JSONDecodeError) as error:
        print(f"{the_parser.prog}: {_said(error)}", file=sys.stderr)
        return BAD_ARGUMENT if isinstance(error, BadArgument) else FAILED
    return DONE


async def _do(steps: Sequence[Step]) -> None:
    for step in steps:
        more = await step.do()
        print(f"{step.verb}ed {step.what}{f'; {more}' if more else ''}", flush=True)
    if not PREFECT_API_URL.value() and any(step.writes for step in steps):
        print("in the database of PREFECT_HOME, for PREFECT_API_URL is not set: a server elsewhere does not see it")


def _said(error: Exception) -> str:
    """An error in one line. Of an API's answer only its own words: the rest may repeat what it was sent, a key."""
    if not isinstance(error, PrefectHTTPStatusError):
        return sentence(error) if isinstance(error, EtlError) else f"the Prefect API failed ({sentence(error)})"
    try:
        detail = error.response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = ""
    words = f": {sentence(detail)}" if detail and isinstance(detail, str) else ""
    return f"the Prefect API refused it with {error.response.status_code} {error.response.reason_phrase}{words}"


def block_name(text: str) -> str:
    """A name Prefect takes for a block."""
    if not re.fullmatch(r"[a-z0-9-]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no block's name: lowercase letters, digits and dashes only")
    return text


def plain_name(text: str) -> str:
    """A name Prefect takes for a work pool, a queue, a deployment or a tag."""
    if not text.strip() or re.search(r"[/%&<>]", text) or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is no name: it is empty or has one of / % & < >")
    return text


def home(path: str) -> str:
    """The same path with `~` for what it stands for.

    Raises:
        BadArgument: there is no such home folder.
    """
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError:
        raise BadArgument(f"{path}: there is no such home folder.") from None


def secret_of(variable: str) -> str:
    """A secret from the environment, so that it is in no shell's history and no list of processes.

    Raises:
        BadArgument: the variable is not set.
    """
    if not (value := os.environ.get(variable, "").strip()):
        raise BadArgument(f"variable {variable} is not set, or empty; put the secret there and run this again.")
    return value
