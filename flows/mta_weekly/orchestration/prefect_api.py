"""How the flows talk to Prefect's API: what it is asked, the log lines it is sent, and what is said when it fails."""

import asyncio
import json
import logging
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import prefect.engine
from filelock import FileLock
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import StateCreate
from prefect.client.schemas.objects import State
from prefect.client.utilities import inject_client
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import ObjectNotFound
from prefect.logging.handlers import APILogHandler
from prefect.settings import (
    PREFECT_API_DATABASE_CONNECTION_URL,
    PREFECT_API_DATABASE_MIGRATE_ON_START,
    PREFECT_API_KEY,
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_MEMO_STORE_PATH,
    temporary_settings,
)
from prefect.utilities.asyncutils import sync_compatible
from sqlalchemy.exc import SQLAlchemyError

from mta_weekly.errors import ApiFailed, EtlError, to_one_line
from mta_weekly.secrets import keep_login_secret, keep_secret, mask

LONGEST = 300  # characters of what somebody else says
NO_SERVER = "a backfill needs a Prefect server, whose workers take its parts; set PREFECT_API_URL"
NO_ADDRESS = (
    "PREFECT_API_URL is no address such as http://127.0.0.1:4200/api; in a password, # is written as %23, / as %2F, ? "
    "as %3F and @ as %40"
)


@contextmanager
def translate_faults(advice: str) -> Iterator[None]:
    """Prefect's API failing is a fault we expect; it has been tried again by Prefect's own client.

    Raises:
        ApiFailed: with what can be done.
    """
    if "#" in str(PREFECT_API_URL.value()):  # httpx would ask the address up to there
        raise ApiFailed(NO_ADDRESS)
    try:
        yield
    except httpx.HTTPError as error:
        raise ApiFailed(f"the Prefect API failed ({to_one_line(error, LONGEST)}); {advice}") from error
    except httpx.InvalidURL:
        raise ApiFailed(NO_ADDRESS) from None  # its words repeat a part of the password
    except json.JSONDecodeError as error:
        raise ApiFailed("the Prefect API failed: its answer is no JSON; look at PREFECT_API_URL") from error


def ask_api(question: Callable[[PrefectClient], Awaitable[Any]]) -> Any:
    """What the API answers, from code that is not async."""
    return _put(question)


@sync_compatible
@inject_client
async def _put(question: Callable[[PrefectClient], Awaitable[Any]], client: Any = None) -> Any:
    return await question(client)


def read_secret(name: str) -> str | None:
    """What a Secret block holds; None where there is no block of that name.

    Raises:
        ApiFailed: the API does not say.
    """

    async def read(client: PrefectClient) -> str | None:
        try:
            document = await client.read_block_document_by_name(name, block_type_slug="secret")
        except ObjectNotFound:
            return None
        return str(document.data["value"])

    with translate_faults("try again"):
        found: str | None = ask_api(read)
    return found


def keep_prefect_secrets() -> None:
    """Let nobody read how Prefect's API and its database are reached, wherever its settings come from."""
    keep_secret(PREFECT_API_KEY.value() or "")
    for address in (PREFECT_API_URL.value(), PREFECT_API_DATABASE_CONNECTION_URL.value()):
        keep_login_secret(address or "")


@cache
def _mask_states() -> None:
    """What a state says is masked on its way to the API: of an error that nobody expected Prefect says every word."""
    make = State.to_state_create

    def make_masked(state: State[Any]) -> StateCreate:
        made: StateCreate = make(state)  # type: ignore[no-untyped-call]
        made.message = mask(made.message) if made.message else made.message
        return made

    State.to_state_create = make_masked  # type: ignore[method-assign]


def log_to_api() -> None:
    """Let our lines go with the run to Prefect's API, as the lines of flows do; no secret goes there."""
    keep_prefect_secrets()
    _mask_states()
    log = logging.getLogger("mta")
    log.setLevel(logging.INFO)
    if not any(isinstance(handler, APILogHandler) for handler in log.handlers):
        handler = APILogHandler()
        handler.addFilter(lambda _: bool(TaskRunContext.get() or FlowRunContext.get()))  # only what belongs to a run
        log.addHandler(handler)


def prepare_prefect(server_needed: bool) -> None:
    """Make sure that Prefect's API answers, without one that its own database is there; leave signals to us.

    On a machine where Prefect has never run, runs that start together would each make the database and fail: under the
    lock one makes it. The second file is the last thing that making it writes. Its tables are made first and by
    themselves: they take most of the time, and Prefect's app has 30 s to start, too few on a busy machine.

    Raises:
        EtlError: the API cannot be reached, or there is none and it is needed.
    """
    # A flow run would take SIGTERM from the command, and end it with a traceback; runs of a deployment keep that.
    prefect.engine.capture_sigterm = nullcontext  # type: ignore[attr-defined,assignment]
    keep_prefect_secrets()
    home = Path(PREFECT_HOME.value())
    if PREFECT_API_URL.value():
        asyncio.run(_ask_prefect(server_needed))
    elif server_needed:
        raise EtlError(NO_SERVER)
    elif not ((home / "prefect.db").exists() and Path(PREFECT_MEMO_STORE_PATH.value()).exists()):
        try:
            home.mkdir(parents=True, exist_ok=True)
            with FileLock(home / "mta-etl.lock"), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the migrations of its database warn of SQLite's own limits
                asyncio.run(_make_database())
        except TimeoutError as error:
            raise EtlError("Prefect did not start within its 30 s, the machine may be busy; run it again") from error
        except (OSError, SQLAlchemyError) as error:
            raise EtlError(
                f"Prefect cannot make its database in PREFECT_HOME, {home} ({to_one_line(error, LONGEST)}); make room "
                "or give access there, or name another folder"
            ) from error


async def _make_database() -> None:
    from prefect.server.database.dependencies import provide_database_interface  # where there is a server: never needed

    await provide_database_interface().create_db()
    # The app would look at the tables again, in a thread that shows a traceback where its start is given up meanwhile.
    with temporary_settings({PREFECT_API_DATABASE_MIGRATE_ON_START: False}):
        await _ask_prefect(server_needed=False)


async def _ask_prefect(server_needed: bool) -> None:
    with translate_faults("start it"):
        client = get_client()
    async with client:
        fault = await client.api_healthcheck()
        if fault:
            url = httpx.URL(str(client.api_url)).copy_with(userinfo=b"")
            advice = "start it"
            if not server_needed:
                advice += (
                    ", or run 'prefect config unset PREFECT_API_URL' (and unset the variable) to do without a server"
                )
            raise EtlError(f"the Prefect API at {url} cannot be reached ({to_one_line(fault, LONGEST)}); {advice}")
