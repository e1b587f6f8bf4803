"""What the set-up scripts of blocks/ and deployments/ share: steps that are said or done, one line where one fails.

Import it first: it lets a script reach the modules of flows/ from wherever it is started. Knows no block of its own.
"""

import argparse
import asyncio
import json
import logging
import os
import re
import sys
import warnings
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "flows"))  # where the package and the flows are

from mta_weekly.command.console import prepare_output, print_line
from mta_weekly.command.flags import BAD_ARGUMENT, INTERRUPTED, LANDED, NOT_LANDED, OneLineParser
from mta_weekly.environment import check_authorities
from mta_weekly.errors import BadArgument, EtlError, to_one_line

try:
    check_authorities()  # Prefect reads them while it loads
except BadArgument as error:
    print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
    sys.exit(BAD_ARGUMENT)

import httpx
from prefect._internal.compatibility.deprecated import PrefectDeprecationWarning
from prefect.exceptions import PrefectException, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL
from pydantic.v1 import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from mta_weekly.backfill_parts import is_plain_name
from mta_weekly.lake.objects import BLOCK_NAME
from mta_weekly.orchestration.prefect_api import NO_ADDRESS, keep_prefect_secrets, prepare_prefect
from mta_weekly.secrets import clean, keep_address_secret, keep_secret

DONE, FAILED = LANDED, NOT_LANDED  # exit codes
# What gives a secret away wherever it stands: keys, tokens of GitHub and Prefect, and user:password@ in an address.
SECRET_VALUE = re.compile(r"PRIVATE KEY|private_key|\bBearer |\bgh[pousr]_|github_pat_|\bpnu_|\bpnb_|://\S*@")
LONGEST_DETAIL = 200  # characters of an API's own words


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
    # A flag cut short might be another one tomorrow, and what follows it a secret in the wrong place.
    made = OneLineParser(prog=Path(file).name, description=description, allow_abbrev=False)
    made.add_argument("--dry-run", action="store_true", help="check the flags, say what would be done, touch nothing")
    return made


def run(
    the_parser: argparse.ArgumentParser,
    steps: Callable[[argparse.Namespace], list[Step]],
    arguments: Sequence[str] | None = None,
) -> int:
    """Do a script's steps, or with --dry-run say them; return the exit code: 0 done, 1 failed, 2 a bad flag."""
    prepare_output()
    keep_prefect_secrets()
    options = the_parser.parse_args(arguments)
    for chatty in ("urllib3", "google.auth"):
        logging.getLogger(chatty).setLevel(logging.ERROR)  # what went wrong in the end is said here, in one line
    try:
        with warnings.catch_warnings():
            # The blocks that agents run by are deprecated, and still a way of an own server; docs/deploy.md says whose.
            warnings.simplefilter("ignore", PrefectDeprecationWarning)
            warnings.simplefilter("ignore", UserWarning)  # of google-auth: a login without a project of its own
            planned = steps(options)
            if options.dry_run:
                for step in planned:
                    print_line(f"would {step.verb} {step.what}")
            else:
                prepare_prefect(False)
                asyncio.run(_do(planned))
    except KeyboardInterrupt:
        print("interrupted: what was said is done; run it again", file=sys.stderr)
        return INTERRUPTED
    except (
        EtlError, httpx.HTTPError, httpx.InvalidURL, PrefectException, ValidationError, json.JSONDecodeError,
        UnicodeDecodeError, SQLAlchemyError,
    ) as error:  # fmt: skip
        print(f"{the_parser.prog}: {_said(error)}", file=sys.stderr)
        return BAD_ARGUMENT if isinstance(error, BadArgument) else FAILED
    return DONE


def end(code: int) -> None:
    """End the program at once: what Prefect has started for a broken database would wait for ever."""
    for stream in filter(None, (sys.stdout, sys.stderr)):  # of one that is closed there is none
        try:
            stream.flush()
        except BrokenPipeError:
            continue
    os._exit(code)


async def _do(steps: Sequence[Step]) -> None:
    for step in steps:
        more = await step.do()
        print_line(f"{step.verb}ed {step.what}{f'; {more}' if more else ''}")
    if not PREFECT_API_URL.value() and any(step.writes for step in steps):
        print_line(
            "in the database of PREFECT_HOME, for PREFECT_API_URL is not set: a server elsewhere does not see it"
        )


def _said(error: Exception) -> str:
    """An error in one line. Of an API's answer only its own words: the rest may repeat what it was sent."""
    if isinstance(error, EtlError):
        return to_one_line(error)
    if isinstance(error, httpx.InvalidURL):
        return NO_ADDRESS
    if isinstance(error, SQLAlchemyError):
        return (
            f"Prefect's own database in PREFECT_HOME cannot be used ({type(error).__name__}); mend it, or name a server"
        )
    if isinstance(error, httpx.HTTPError) and not isinstance(error, PrefectHTTPStatusError):
        return f"the Prefect API failed ({to_one_line(error, LONGEST_DETAIL)}); try again"
    if not isinstance(error, PrefectHTTPStatusError):
        return f"the Prefect API's answer is not Prefect's ({type(error).__name__}); look at PREFECT_API_URL"
    try:
        detail = error.response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = ""
    shown = isinstance(detail, str) and bool(detail) and not re.search(r"\{|://", detail)
    shown = shown and not SECRET_VALUE.search(detail)
    words = f": {to_one_line(detail, LONGEST_DETAIL)}" if shown else ""
    phrase = clean(error.response.reason_phrase, LONGEST_DETAIL)
    return f"the Prefect API refused it with {error.response.status_code} {phrase}{words}"


def block_name(text: str) -> str:
    """A name Prefect takes for a block."""
    if not BLOCK_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no block's name: lowercase letters, digits and dashes only")
    return text


def plain_name(text: str) -> str:
    """A name Prefect takes for a work pool, a queue, a deployment or a tag, and that an address holds as it is."""
    if not is_plain_name(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name: it is empty, or has one of / % & < > ? # \\ ' \" ` $")
    return text


def image_name(text: str) -> str:
    """The name of an image: host and port, path, tag, digest, of which only the path must be there."""
    host, path, tag, digest = (
        r"(?:[a-z0-9.-]+(?::\d+)?/)?",
        r"[a-z0-9][a-z0-9._/-]*",
        r"(?::[\w.-]+)?",
        r"(?:@sha256:\w+)?",
    )
    if not re.fullmatch(host + path + tag + digest, text, re.ASCII):
        raise argparse.ArgumentTypeError("that is no image's name, such as user/mta-etl:v1")  # it may hold a password
    return text


def home(path: str) -> str:
    """The same path with `~` for what it stands for.

    Raises:
        BadArgument: there is no such home folder, or no path is written so.
    """
    if "\0" in path:
        raise BadArgument(f"{path!r}: there is no such path.")
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError:
        raise BadArgument(f"{path}: there is no such home folder.") from None


def secret_of(variable: str, flag: str = "--token-env") -> str:
    """A secret from the environment, so that it is in no shell's history and no list of processes; `flag` names it.

    Raises:
        BadArgument: the variable is not set. It is not named: it may be the secret itself, given by mistake.
    """
    if not (value := os.environ.get(variable, "").strip()):
        raise BadArgument(f"{flag}: the variable it names is not set, or empty; put the secret there.")
    (keep_address_secret if "://" in value else keep_secret)(value)
    return value
