"""The faults this project expects. Each message is a whole sentence: what was found, what was expected, what to do.

An expected fault ends a week or a run with its message and no traceback; anything else is a bug and shows one.
"""

import sys

from mta_weekly.secrets import clean, mask


def to_one_line(error: object, most: int = sys.maxsize) -> str:
    """An error of somebody else in one line of so many characters at most, without secrets."""
    return clean(error, most) or type(error).__name__


class EtlError(Exception):
    """Any expected fault; `str(error)` is what a person reads, without secrets."""

    def __init__(self, *said: object) -> None:
        super().__init__(*(mask(one) if isinstance(one, str) else one for one in said))


class BadArgument(EtlError):
    """Before any request: a parameter, flag or variable that names no work that can be done. Exit 2."""


class TryAgain(EtlError):
    """From a source or a lake: a fault that may pass. Only `retry.RetryBudget` decides whether it is tried again."""

    is_of_host = True  # whether other weeks would meet it at the same host

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds the other side asked for


class Busy(TryAgain):
    """From `fetch`: the site is there and has no time now, or not the newest data."""


class OutOfDate(Busy):
    """From `fetch`: the answer comes from a copy of the data that is behind."""


class BrokenBody(TryAgain):
    """From `content`: the rows break off, or something else follows them, though the body came to its end."""


class NoAnswer(TryAgain):
    """From `fetch`: nobody answers at the address at all: not a byte has come."""


class Silent(Busy, NoAnswer):
    """From `fetch`: somebody listens there and says nothing, for as long as an answer may take."""


class GaveUp(EtlError):
    """From `retry.RetryBudget`: the fault did not pass within the attempts, or the patience with its host."""


class Unreachable(GaveUp):
    """From `retry.RetryBudget` and `load`: nobody has answered at the address, however often it was asked."""


class NotPublished(EtlError):
    """From `fetch`: the source has no such week, or not all of it."""

    status, answer = 0, ""  # of the answer that said so, where it was one: its code, and what it said


class Unchanged(EtlError):
    """From `fetch`: the source is what it was when the week was loaded. No fault: it was asked."""


class SourceFailed(EtlError):
    """From `fetch`: the source answered in a way that no retry mends."""

    status, answer = 0, ""  # of the answer, where it was one: its code, and what it said


class Refused(EtlError):
    """From `content`: the content is not what the feed promises; nothing of it is published."""


class Foreign(Refused):
    """From `content`: it is something else: rows of another week, another header, a page."""


class PartialWeek(Refused):
    """From `content`: the rows are right, and some of the week's days have none."""


class TooManyBadRows(Refused):
    """From `content`: more rows are bad than may be left out; `count` of them."""

    def __init__(self, message: str, count: int) -> None:
        super().__init__(message)
        self.count = count


class SpoolFailed(EtlError):
    """From `spool` and `content`: the work folder cannot be written."""


class PageFailed(EtlError):
    """From `upkeep`: the file of a lake's page cannot be written."""


class ApiFailed(EtlError):
    """From `orchestration`: Prefect's API did not answer, or not in its own words."""


class LakeFailed(EtlError):
    """From the lakes and the flow that opens one: it cannot be reached, read or written, or holds no whole object."""


class ObjectChanged(LakeFailed):
    """From the lakes: what was seen is no longer there; another run changed it, or another hand."""
