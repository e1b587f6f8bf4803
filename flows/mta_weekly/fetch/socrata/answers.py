"""One answer of a Socrata site: from the copy of its data that is wanted, in the form that was asked for."""

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from mta_weekly.errors import Busy, NotPublished, OutOfDate, SourceFailed, TryAgain
from mta_weekly.fetch.body import Body
from mta_weekly.fetch.client import Web
from mta_weekly.fetch.http import receive_answer
from mta_weekly.retry import RetryBudget
from mta_weekly.secrets import clean

LONGEST = 1 << 16  # bytes of a row
LARGEST = 1 << 22  # bytes of an answer in JSON
OUT_OF_DATE = "X-SODA2-Data-Out-Of-Date"
# A cache on the way could repeat what it said before; gzip is a fifteenth of the bytes.
ASKING = {"Cache-Control": "no-cache", "Accept-Encoding": "gzip"}
CLOSED = {401, 403, 410}
CLOSED_SAYS = (
    "the site may have closed this way in (SODA 2.1): see https://dev.socrata.com/docs, "
    "and whether there is a newer version of this program"
)
OTHERS = 3  # answers in a row from another copy of the data, until it is that copy which is asked for figures
Result = TypeVar("Result")


class DataChanged(TryAgain):
    """A piece of what has come is worth nothing: it is of another release, as far as that can be told."""

    is_of_host = False


class Unsteady(DataChanged, Busy):
    """The data changes now, or rows are missing and nobody knows which: that may take a while."""


class OtherCopy(Busy):
    """The answer comes from another copy of the data than the one before."""


def is_behind(headers: Mapping[str, str]) -> bool:
    """Whether the copy that answered is behind: any word but these says so."""
    return headers.get(OUT_OF_DATE, "").strip().lower() not in ("", "false", "[]")


def receive_copy(
    client: Web, body: Body, budget: RetryBudget, behind: bool | None = None
) -> Generator[bytes, None, None]:
    """One answer, in its turn, from a copy that has the newest data, or from any where none has in time.

    Args:
        behind: whether it must be from a copy that is, or is not, behind, as another answer was.

    Raises:
        EtlError: as `http.receive_answer`.
    """
    body.counted, checked = True, False
    try:
        with client.take_turn(body.url), closing(receive_answer(client, body, budget, ASKING)) as chunks:
            for chunk in chunks:
                if not checked:
                    _check_copy(client, body, behind)
                    checked = True
                yield chunk
    except (SourceFailed, NotPublished) as error:
        if error.status in CLOSED:
            error.args = (f"{error.answer}: {CLOSED_SAYS}",)
        raise


def _check_copy(client: Web, body: Body, behind: bool | None) -> None:
    host = urlsplit(body.url).hostname
    body.out_of_date = is_behind(body.headers)
    if body.out_of_date and not client.patience_with(body.url).takes_old:
        raise OutOfDate(f"{host} answered from a copy that is out of date")
    if behind is not None and body.out_of_date != behind:
        raise OtherCopy(f"{host} answered from another copy of its data than before")


def ask(
    client: Web,
    url: str,
    budget: RetryBudget,
    read: Callable[[Any], Result],
    behind: bool | None = None,
) -> tuple[Result, Body]:
    """What `read` makes of what the site answers in JSON, and what it says of it; tried again until it makes sense.

    Raises:
        EtlError: as `http.fetch_body`, and what `read` raises; a ValueError of its is no answer to the question.
    """
    others = 0
    with budget.count_apart():
        while True:
            body = Body(url)
            try:
                return _receive_json(client, body, budget, read, behind), body
            except TryAgain as error:
                others = count_others(error, others)
                client.pause(url, budget, error)


def _receive_json(
    client: Web, body: Body, budget: RetryBudget, read: Callable[[Any], Result], behind: bool | None
) -> Result:
    text = b""
    with closing(receive_copy(client, body, budget, behind)) as chunks:
        for chunk in chunks:
            text += chunk
            if len(text) > LARGEST:
                break
    try:
        return read(json.loads(text))
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
        host = urlsplit(body.url).hostname
        raise TryAgain(f"{host} was asked for figures and answered {quote_start(text)}") from error


def count_others(error: TryAgain, others: int) -> int:
    """How many answers in a row came from another copy.

    Raises:
        Unsteady: so many that it is the one which answers now.
    """
    others = others + 1 if isinstance(error, OtherCopy) else 0
    if others == OTHERS:
        raise Unsteady(str(error)) from error
    return others


def read_objects(said: Any) -> list[dict[str, Any]]:
    """The rows of an answer in JSON.

    Raises:
        ValueError: it is none.
    """
    if not (isinstance(said, list) and all(isinstance(each, dict) for each in said)):
        raise ValueError("no list of objects")
    return said


def read_time(said: Any) -> datetime | None:
    """A time as the site writes it, for New York's wall clock; None where it has none.

    Raises:
        ValueError, TypeError: it is no time.
    """
    return datetime.fromisoformat(said).replace(tzinfo=None) if said else None


def quote_start(text: bytes) -> str:
    """What an answer begins with, for a person."""
    return repr(clean(text[:4096].decode(errors="replace"), 200))
