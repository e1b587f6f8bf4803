"""How long to go on after a fault that may pass: the one retry policy, for the source and for the lake alike.

A retry library owns the call it repeats; a broken download goes on in the middle of its stream, so what is shared
here is only the decision: pause, or give up. Knows no HTTP and no storage.
"""

import logging
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import inf
from typing import Self

from mta_weekly.errors import Busy, GaveUp, NoAnswer, OutOfDate, TryAgain, Unreachable
from mta_weekly.settings import Settings

log = logging.getLogger("mta.retry")

BUSY_FIRST, BUSY_LONGEST = 5.0, 120.0  # pauses for a busy host, in those for a broken connection
MOST_DOUBLED = 20  # times
SAID_EVERY = 60.0  # seconds; a longer wait is said again
LONGEST = 9  # digits of a number of seconds
REST = 0.25  # of the patience, left for what comes after a wait that is no fault


class Patience:
    """How long a host may bring nothing that is kept; all weeks of a run share it.

    Trouble with the host ends with the rows it brings; data that changes is steady when a week of it has been kept.

    Attributes:
        wait: seconds.
        asked_not_before: until when the host wants no request, on the monotonic clock.
        over: why it is over, for every week that would ask; None while it lasts.
        has_old: whether it has answered, in this trouble, with what is out of date.
        takes_old: whether such answers are taken, for fresh ones did not come in time.
    """

    def __init__(self, wait: float) -> None:
        self.wait = wait
        self.asked_not_before = 0.0
        self.over: GaveUp | None = None
        self.has_old = self.takes_old = False
        self._since: dict[bool, float] = {}  # when the trouble began, with the host and with its data

    def note_trouble(self, error: TryAgain, began: float) -> float:
        """Count from when a request began that failed, unless trouble is counted already; return the seconds left."""
        self.has_old |= isinstance(error, OutOfDate)
        return self._since.setdefault(error.is_of_host, began) + self.wait - time.monotonic()

    def note_progress(self) -> None:
        """The host brought more than there was."""
        self._since.pop(True, None)
        self.over, self.has_old = None, False

    def note_kept(self) -> None:
        """A week of its data is whole, and as it was said to be."""
        self.note_progress()
        self._since.pop(False, None)

    def spend(self, seconds: float) -> None:
        """Count a wait that was no fault, but for a rest that is left for what comes after it."""
        self._since[True] = time.monotonic() - min(seconds, self.wait * (1 - REST))


class RetryBudget:
    """What one week may spend on faults that pass.

    Args:
        attempts: how often the week, or a question about it, may be tried without getting on, the first time included;
            a busy host does not count.
        wait: seconds of waiting allowed in all, where no host's patience is asked.
        base: seconds of the first pause; it doubles each time, with jitter so that many runs do not come back at once.
        subject: what is tried, for the log.
        limit: seconds that all of it may take.
    """

    def __init__(self, attempts: int, wait: float, base: float, subject: str = "", limit: float = inf) -> None:
        self.attempts, self.wait, self.base, self.subject, self.limit = attempts, wait, base, subject, limit
        self.start()
        self.failures = self.busy = 0
        self.waited = 0.0
        self.most = 0  # bytes of a file that have ever come
        self.began = time.monotonic()  # the request under way, or what it brought last

    @classmethod
    def of(cls, settings: Settings, subject: str) -> Self:
        """As much as the settings allow."""
        return cls(settings.retry_attempts, settings.retry_wait, settings.retry_base, subject, settings.week_timeout)

    def start(self) -> None:
        """Its time begins now: a week may have stood in line."""
        self.ends = time.monotonic() + self.limit

    def check_time(self, doing: str) -> None:
        """Make sure that there is time left.

        Raises:
            GaveUp: all of it has gone by.
        """
        if time.monotonic() >= self.ends:
            raise GaveUp(self._say_over(doing))

    def _say_over(self, what: str) -> str:
        return f"{what}; gave up: it may take {self.limit:g} s in all (MTA_WEEK_TIMEOUT), try again later"

    def renew(self) -> None:
        """Begin again, with another source."""
        self.note_progress()
        self.waited, self.most = 0.0, 0

    def note_progress(self) -> None:
        """The last try brought more than there ever was."""
        self.failures = self.busy = 0
        self.began = time.monotonic()

    @contextmanager
    def count_apart(self) -> Iterator[None]:
        """Count the tries of a question by themselves: those that came before, or come after, are of others."""
        before, self.failures = self.failures, 0
        try:
            yield
        finally:
            self.failures = before

    def pause(self, error: TryAgain, patience: Patience | None = None) -> None:
        """Wait before the next try.

        Args:
            patience: with the host that failed; without it, only the tries and the waiting of the week count.

        Raises:
            GaveUp: the attempts are used up, or there is no waiting left; Unreachable, where nobody answers.
        """
        seconds, asked = self._count(error, patience), error.retry_after or 0.0
        left = patience.note_trouble(error, self.began) if patience else self.wait - self.waited
        if patience and left <= 0 and error.is_of_host and patience.has_old and not patience.takes_old:
            log.warning("%s: nothing but what is out of date came for %g s; taking that, if it is whole (%s)",
                        self.subject, patience.wait, error)  # fmt: skip
            patience.takes_old = True
            patience.spend(patience.wait)
            self.busy = 0
            return
        if patience:  # the last pause is as long as there is left
            is_over = left <= 0 or asked > left + time.monotonic() - self.began
            seconds = min(seconds, left)
        else:
            is_over = max(seconds, asked) > left
        if is_over:
            self._give_up(error, patience)
        seconds = max(seconds, asked)
        if time.monotonic() + seconds > self.ends:
            raise (Unreachable if isinstance(error, NoAnswer) else GaveUp)(self._say_over(str(error))) from error
        log.warning("%s: %s; trying again in %.1f s", self.subject, error, seconds)
        self.waited += seconds
        sleep_aloud(seconds, f"{self.subject}: waiting to try again")

    def _count(self, error: TryAgain, patience: Patience | None) -> float:
        """Count the failure; return the seconds of its pause."""
        if patience and isinstance(error, Busy):
            self.busy += 1
            doubled = BUSY_FIRST * 2.0 ** min(self.busy - 1, MOST_DOUBLED)
            return self.base * min(BUSY_LONGEST, doubled * random.uniform(1.0, 1.5))
        self.failures += 1
        if self.failures >= self.attempts:
            gave_up = Unreachable if isinstance(error, NoAnswer) else GaveUp
            raise gave_up(f"{error}; gave up after {self.attempts} attempts, try again later") from error
        return self.base * 2.0 ** min(self.failures - 1, MOST_DOUBLED) * random.uniform(0.5, 1.0)

    def _give_up(self, error: TryAgain, patience: Patience | None) -> None:
        wait = patience.wait if patience else self.wait
        if error.retry_after:
            why = f"was asked to wait {error.retry_after:.0f} s and may wait {wait:g} s in all"
        elif patience:
            why = f"nothing came that could be kept for {wait:g} s"
        else:
            why = f"had waited {self.waited:.0f} s and may wait {wait:g} s in all"
        said = f"{error}; gave up: {why} (MTA_RETRY_WAIT), try again later"
        gave_up = Unreachable(said) if isinstance(error, NoAnswer) else GaveUp(said)
        if patience and error.is_of_host:
            patience.over = gave_up
        raise gave_up from error

    def sit_out(self, seconds: float, host: str) -> None:
        """Wait as long as a host wants no request, as it told a week of the run; no fault of this one, so not counted.

        Raises:
            GaveUp: that is longer than a week may wait.
        """
        if seconds > self.wait:
            raise GaveUp(
                f"{host} wants no request for {seconds:.0f} s more, and a week may wait {self.wait:g} s "
                "(MTA_RETRY_WAIT), try again later"
            )
        if time.monotonic() + seconds > self.ends:
            raise GaveUp(self._say_over(f"{host} wants no request for {seconds:.0f} s more"))
        if seconds > self.base:  # else it is the rest of a pause of its own
            log.info("%s: %s wants no request now, going on in %.1f s", self.subject, host, seconds)
        sleep_aloud(seconds, f"{self.subject}: {host} wants no request now")


def sleep_aloud(seconds: float, what: str) -> None:
    """Sleep, and say again every minute what for; the first time is for who sleeps to say."""
    while seconds > 0:
        time.sleep(min(seconds, SAID_EVERY))
        seconds -= SAID_EVERY
        if seconds > 0:
            log.info("%s, %.0f s more", what, seconds)


def seconds_to_wait(retry_after: str) -> float | None:
    """What a Retry-After header asks for: a number or a date (RFC 9110, 10.2.3); None where it says neither."""
    value = retry_after.strip()
    if value.isascii() and value.isdecimal():
        return float(value[:LONGEST])
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
