"""The dead man's switch: an address that hears how each run ends, and whose owner is told when it hears nothing.

In the manner of healthchecks.io: the address itself means that all is well, `/fail` after it that something is not.
It is a secret, for whoever knows it can say that all is well: no line of a log may show it.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from threading import Thread
from typing import Any

import httpx
from prefect.states import State
from pydantic import SecretStr

from mta_weekly.errors import BadArgument, EtlError, TryAgain
from mta_weekly.orchestration.prefect_api import read_secret
from mta_weekly.retry import RetryBudget
from mta_weekly.secrets import clean
from mta_weekly.settings import Settings, plain_address

log = logging.getLogger("mta.ping")
BLOCK = "mta-ping-url"  # the Secret block, where MTA_PING_URL is not set
TIMEOUT = 10.0  # seconds, of a whole try
TRIES = 2
LONGEST = 1000  # characters of a reason
SHOWS_ADDRESS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy")  # loggers that may


def ping_at_end(work: Callable[[], State[Any]], settings: Settings) -> State[Any]:
    """Do the work of a run and return its final state, once the address has heard of it.

    A state named BadArgument is a matter of who asked, and pings nobody. Nor does a run that is killed or interrupted:
    its silence is what is heard.
    """
    try:
        state = work()
    except Exception as error:
        send_ping(settings, str(error) or type(error).__name__)
        raise
    if state.name != BadArgument.__name__:
        send_ping(settings, "" if state.is_completed() else state.message or "no reason given")
    return state


def send_ping(settings: Settings, fault: str = "") -> None:
    """Tell the address that all is well, or the fault in one line; without an address, nothing.

    Never raises: a ping that fails is a warning, and changes nothing of the run.
    """
    budget = RetryBudget(TRIES, TIMEOUT, settings.retry_base, "ping")
    try:
        address = settings.ping_url or _read_address()
        while address:
            try:
                reason = clean(fault, LONGEST)
                return _in_time(partial(_call, address.get_secret_value(), reason))
            except TryAgain as error:
                budget.pause(error)
    except EtlError as error:
        log.warning("the ping did not arrive, so its receiver may raise a false alarm: %s", error)


def _read_address() -> SecretStr | None:
    try:
        return plain_address(SecretStr(read_secret(BLOCK) or ""))
    except ValueError as error:
        raise BadArgument(f"block secret/{BLOCK}: {error}.") from None


def _in_time(call: Callable[[], None]) -> None:
    """Make a call that is given up when its time is over: the timeouts of httpx are those of each read alone.

    Its thread is left behind, and ends with the process at the latest.
    """
    end = Future[None]()

    def make() -> None:
        try:
            call()
            end.set_result(None)
        except Exception as error:  # noqa: BLE001 - raised by who waits for it
            end.set_exception(error)

    Thread(target=make, daemon=True).start()
    try:
        end.result(TIMEOUT)
    except TimeoutError:
        raise TryAgain(f"no answer within {TIMEOUT:g} s") from None


def _call(address: str, fault: str) -> None:
    path, mark, query = address.partition("?")
    if fault:
        address = f"{path.rstrip('/')}/fail{mark}{query}"
    try:
        with (
            _unlogged(),
            httpx.Client(timeout=TIMEOUT) as client,
            client.stream("POST" if fault else "GET", address, content=fault.encode(errors="replace")) as answer,
        ):
            status = answer.status_code  # no redirect is followed: it would take the secret elsewhere
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise TryAgain(f"no answer ({type(error).__name__})") from None  # its own text may quote the address
    if not 200 <= status < 300:
        raise TryAgain(f"the answer was {status}, where 200 was expected; look at MTA_PING_URL or secret/{BLOCK}")


@contextmanager
def _unlogged() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in SHOWS_ADDRESS]

    def drop(_: logging.LogRecord) -> bool:  # of this call alone: one that was given up may go on beside the next
        return False

    for each in loggers:
        each.addFilter(drop)
    try:
        yield
    finally:
        for each in loggers:
            each.removeFilter(drop)
