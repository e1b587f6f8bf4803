"""How the flows talk to Prefect's API: what it is asked, the log lines it is sent, and what is said when it fails."""

import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.utilities import inject_client
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import ObjectNotFound
from prefect.logging.handlers import APILogHandler
from prefect.utilities.asyncutils import sync_compatible

from mta_weekly.errors import ApiFailed, sentence


@contextmanager
def faults(advice: str) -> Iterator[None]:
    """Prefect's API failing is a fault we expect; it has been tried again by Prefect's own client.

    Raises:
        ApiFailed: with what can be done.
    """
    try:
        yield
    except httpx.HTTPError as error:
        raise ApiFailed(f"the Prefect API failed ({sentence(error)}); {advice}") from error
    except json.JSONDecodeError as error:
        raise ApiFailed("the Prefect API failed: its answer is no JSON; look at PREFECT_API_URL") from error


def ask(question: Callable[[PrefectClient], Awaitable[Any]]) -> Any:
    """What the API answers, from code that is not async."""
    return _put(question)


@sync_compatible
@inject_client
async def _put(question: Callable[[PrefectClient], Awaitable[Any]], client: Any = None) -> Any:
    return await question(client)


def secret(name: str) -> str | None:
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

    with faults("try again"):
        found: str | None = ask(read)
    return found


def log_to_api() -> None:
    """Let the lines of all rooms go with the run to Prefect's API, as the lines of flows do."""
    log = logging.getLogger("mta")
    log.setLevel(logging.INFO)
    if not any(isinstance(handler, APILogHandler) for handler in log.handlers):
        handler = APILogHandler()
        handler.addFilter(lambda _: bool(TaskRunContext.get() or FlowRunContext.get()))  # only what belongs to a run
        log.addHandler(handler)
