"""What an answer of a bucket means that is not the right one. Knows Google's client; no object and no Prefect."""

import json
import re
import traceback
from typing import Any

from mta_weekly.errors import LakeFailed, TryAgain
from mta_weekly.retry import seconds_to_wait
from mta_weekly.secrets import clean

OF_OBJECT = " of an object"  # how what is asked ends, where an answer may be that the object is another, or gone
UPLOAD = f"the upload{OF_OBJECT}"
LISTING = "storage#objects"  # what a page of a listing calls itself
NEEDED = ("generation", "metageneration", "size")  # numbers of an object, as text
REQUEST_TIMEOUT, TOO_MANY = 408, 429  # those of its own faults that a client may try again
ERRORS, SERVER_ERRORS = 400, 500  # and above
LONGEST = 300  # characters of what somebody else says
LOOKED_AT = 4096  # of which so many may be of it
OAUTH = "google.oauth2._client"  # the module that reads what a token endpoint answers
CREDENTIALS = ("google.oauth2", "google.auth.compute_engine")  # those that ask for a token
ENDPOINT = "the token endpoint of its credentials answered with"


def explain_error(error: Exception, lake: object, asked: str) -> LakeFailed | TryAgain | None:
    """What an error of Google's client means: TryAgain where it may pass, LakeFailed where it stays.

    Returns:
        None where only the one who asked can say it: a precondition failed, or the object is not there.

    Args:
        asked: for what, such as "a listing" or `UPLOAD`.
    """
    # Here and not at the top: a folder needs none of these, and they take time to load.
    import requests
    import urllib3
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError

    if isinstance(error, LakeFailed | TryAgain):  # of `gcs_transport`
        return type(error)(f"{lake}: {error}")
    if isinstance(error, GoogleAPICallError):
        return _explain_status(error, lake, asked)
    if isinstance(error, GoogleAuthError):
        return _explain_refusal(error, lake)
    broken = (
        ConnectionError,
        TimeoutError,
        requests.ConnectionError,
        requests.Timeout,
        requests.TooManyRedirects,
        requests.exceptions.ChunkedEncodingError,
        urllib3.exceptions.HTTPError,
    )
    if isinstance(error, broken):
        return TryAgain(f"{lake}: {_first_line(error)}")
    packed = requests.exceptions.ContentDecodingError
    odd = (
        packed,
        requests.exceptions.InvalidJSONError,
        requests.exceptions.InvalidHeader,
    )  # the last one shows the token
    if isinstance(error, OSError) and not isinstance(
        error, odd
    ):  # of this machine: a work file, a file of certificates
        return LakeFailed(f"{lake}: {_quote(error)}")
    came = "packed otherwise than it says" if isinstance(error, packed) else _describe(getattr(error, "doc", None))
    if any(module.startswith(CREDENTIALS) for module in _modules_of(error)):
        return TryAgain(f"{lake}: {ENDPOINT} {came}, not with a token")
    return TryAgain(f"{lake}: {say_odd(asked, came)}")


def _explain_status(error: Any, lake: object, asked: str) -> LakeFailed | TryAgain | None:
    """What an answer means that came with the status of an error, or with one that does not fit."""
    code, text, wait = int(error.code or 0), getattr(error.response, "text", None) or "", _retry_after(error)
    said = _say(error, text)
    names_bucket = re.search("bucket (does not exist|is not found)|no such bucket", said, re.IGNORECASE)
    if code in (403, TOO_MANY) and re.search(r'"reason":\s*"\w*(limit|quota)_?exceeded', text, re.IGNORECASE):
        return TryAgain(f"{lake}: more was asked of it or of its project than its limits allow ({said})", wait)
    if code in (REQUEST_TIMEOUT, TOO_MANY) or code >= SERVER_ERRORS:
        return TryAgain(f"{lake}: {said}", wait)
    if code < ERRORS:
        return TryAgain(f"{lake}: {say_odd(asked, said)}")
    if code == 400 and re.search(r"(crc32c|md5).* match", said, re.IGNORECASE):
        return TryAgain(f"{lake}: what was sent is not what came ({said})")
    if code in (404, 410) and asked == UPLOAD and not names_bucket:
        return TryAgain(f"{lake}: it knows nothing of the upload that was under way ({said})")
    if code in (404, 412) and asked.endswith(OF_OBJECT) and not names_bucket:
        return None
    if code == 404:
        return LakeFailed(f"{lake}: the bucket is not there; check its name")
    return _refused(lake, said) if code in (401, 403) else LakeFailed(f"{lake}: {said}")


def _explain_refusal(error: Any, lake: object) -> LakeFailed | TryAgain:
    """What an error of the credentials means: an answer that is none of OAuth's is no refusal."""
    from google.auth.exceptions import InvalidValue, RefreshError, TransportError

    if isinstance(error, TransportError) or isinstance(error.__cause__, TransportError) or error.retryable:
        return TryAgain(f"{lake}: {_first_line(error)}")
    text, answer = (*error.args, "", None)[:2]
    own = isinstance(answer, dict) and isinstance(answer.get("error"), str)
    if isinstance(error, InvalidValue) or (
        isinstance(error, RefreshError) and _modules_of(error)[-1] == OAUTH and not own
    ):
        came = _describe(text if isinstance(error, RefreshError) and answer is None else None)
        return TryAgain(f"{lake}: {ENDPOINT} {came}, not with a token")
    return _refused(lake, _first_line(error))


def _refused(lake: object, said: str) -> LakeFailed:
    return LakeFailed(
        f"{lake}: access refused ({said}); the service account needs the role Storage Object User on the bucket, and "
        "its key in the block must be a live one"
    )


def find_fault_in_listing(pages: list[Any]) -> str | None:
    """What is wrong with the pages of a listing, where one is no such page: it is not a bucket without objects."""
    for page in pages:
        if page.get("kind") != LISTING or not all(_is_object(item) for item in page.get("items", ())):
            return say_odd("a listing")
    return None


def say_odd(asked: str, came: str = "JSON of another shape") -> str:
    """What to say of an answer that is none."""
    return f"the answer to {asked} is {came}, not the bucket's own"


def _is_object(item: Any) -> bool:
    return (
        isinstance(item, dict)
        and isinstance(item.get("name"), str)
        and isinstance(item.get("crc32c", ""), str)
        and all(re.fullmatch("[0-9]{1,19}", str(item.get(number))) for number in NEEDED)
    )


def _say(error: Any, text: str) -> str:
    """An error answer in one line: its code and message; of a page no more than that it is one."""
    try:
        message = json.loads(text)["error"]["message"]
    except (ValueError, LookupError, TypeError, RecursionError):
        message = None
    if not isinstance(message, str):
        message = f"{getattr(error.response, 'reason', '')} ({_describe(text)})".strip()
    return f"{int(error.code or 0)} {_quote(message)}"


def _describe(text: str | None) -> str:
    """What came, without showing it; None where it was JSON, or nothing."""
    if text is None:
        return "JSON of another shape, or nothing"
    return "a page" if text.lstrip().startswith("<") else "no JSON" if text.strip() else "nothing"


def _modules_of(error: Exception) -> list[str]:
    """The modules an error came through, the one that raised it last."""
    return [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]


def _first_line(error: Exception) -> str:
    """What happened, without the client's own nesting of it."""
    import http.client

    import urllib3

    inner: BaseException = error
    while causes := [each for each in inner.args if isinstance(each, Exception)]:
        inner = causes[-1]
    text = str(error).partition("\n")[0]
    if "Connection broken" in text:  # in the middle of a body
        return f"its answer broke off ({_quote(inner)})"
    if isinstance(inner, http.client.HTTPException | urllib3.exceptions.ProtocolError) and not isinstance(
        inner, ConnectionError
    ):
        return f"its answer is no HTTP ({_quote(inner)})"
    system = re.search(r"\[Errno -?\d+\] [\w ]+|timed out|Remote end closed connection", text)
    return f"no answer, {system[0]}" if system else _quote(text) or type(error).__name__


def _quote(said: object) -> str:
    """What somebody else says, in one short line."""
    return clean(str(said)[:LOOKED_AT], LONGEST)


def _retry_after(error: Any) -> float | None:
    headers = getattr(error.response, "headers", None) or {}
    return seconds_to_wait(headers.get("Retry-After", ""))
