"""How long to go on after a fault that may pass: the one retry policy, for the source and for the lake alike.

A retry library owns the call it repeats; a broken download goes on in the middle of its stream, so what is shared
here is only the decision: pause, or give up. Knows no HTTP and no storage.
"""

import logging
import random
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self

from mta_weekly.errors import GaveUp, NoAnswer, TryAgain, Unreachable
from mta_weekly.settings import Settings

log = logging.getLogger("mta.retry")


class RetryBudget:
    """What one week may spend on faults that pass: tries in all, and seconds of waiting in all.

    Args:
        attempts: how often the week may be tried, the first time included.
        wait: seconds of waiting allowed in all.
        base: seconds of the first pause; it doubles each time, with jitter so that many runs do not come back at once.
        subject: what is tried, for the log.
    """

    def __init__(self, attempts: int, wait: float, base: float, subject: str = "") -> None:
        self.attempts, self.wait, self.base, self.subject = attempts, wait, base, subject
        self.failures = 0
        self.waited = 0.0

    @classmethod
    def of(cls, settings: Settings, subject: str) -> Self:
        """As much as the settings allow."""
        return cls(settings.retry_attempts, settings.retry_wait, settings.retry_base, subject)

    def renew(self) -> None:
        """Begin again, with another source."""
        self.failures, self.waited = 0, 0.0

    def pause(self, error: TryAgain) -> None:
        """Wait before the next try.

        Raises:
            GaveUp: the attempts are used up, or the pause would not fit in what is left of the waiting; Unreachable,
                where nobody answers.
        """
        self.failures += 1
        gave_up = Unreachable if isinstance(error, NoAnswer) else GaveUp
        if self.failures >= self.attempts:
            raise gave_up(f"{error}; gave up after {self.attempts} attempts, try again later") from error
        seconds = error.retry_after
        if seconds is None:
            seconds = self.base * 2 ** (self.failures - 1) * random.uniform(0.5, 1.0)
        if self.waited + seconds > self.wait:
            asked = f"was asked to wait {seconds:g} s" if error.retry_after else f"had waited {self.waited:.0f} s"
            raise gave_up(
                f"{error}; gave up: {asked} and may wait {self.wait:g} s in all (MTA_RETRY_WAIT), try again later"
            ) from error
        log.warning(
            "%s: %s; trying again in %.1f s (%d of %d)", self.subject, error, seconds, self.failures + 1, self.attempts
        )
        time.sleep(seconds)
        self.waited += seconds

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
        if seconds > self.base:  # else it is the rest of a pause of its own
            log.info("%s: %s wants no request now, going on in %.1f s", self.subject, host, seconds)
        time.sleep(seconds)


def seconds_to_wait(retry_after: str) -> float | None:
    """What a Retry-After header asks for: a number or a date (RFC 9110, 10.2.3); None where it says neither."""
    value = retry_after.strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
