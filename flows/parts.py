"""The parts of a backfill: a range cut into months or years, and what became of each. Knows no Prefect."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from itertools import groupby

NAMES = {"month": "%Y-%m", "year": "%Y"}  # how a range can be cut, and what its parts are called
STATES = ("landed", "there before", "failed")


@dataclass(frozen=True)
class Part:
    """A part of a backfill: a row of its table."""

    part: str  # 2015-03, or 2015, or total
    state: str  # one of STATES, or how many parts ended so
    weeks: int
    missing: int  # weeks that are not in the lake, whole and with their facts
    seconds: float = 0.0  # of its run
    flow_run: str = ""
    reason: str = ""

    @property
    def missed(self) -> bool:
        """Whether a week of it is not in the lake."""
        return self.state == "failed"

    def __str__(self) -> str:
        weeks = f"{self.weeks} week{'s' * (self.weeks != 1)}"
        if self.missed:
            return f"{self.part}: {self.missing} of {weeks} not in the lake, {self.reason}"
        took = f", {self.seconds:.0f} s" if self.flow_run else ""
        return f"{self.part}: {self.state}, {weeks}{took}{f' ({self.reason})' if self.reason else ''}"


def cut(weeks: Iterable[date], by: str) -> dict[str, tuple[date, ...]]:
    """Saturdays that are in order, by their `month` or `year`.

    >>> list(cut([date(2015, 3, 28), date(2015, 4, 4), date(2015, 4, 11)], "month"))
    ['2015-03', '2015-04']
    """
    return {name: tuple(part) for name, part in groupby(weeks, lambda week: f"{week:{NAMES[by]}}")}


def counted(parts: list[Part]) -> str:
    """The parts of a backfill in one line."""
    states = [part.state for part in parts]
    counts = ", ".join(f"{states.count(state)} {state}" for state in STATES if state in states)
    return f"{len(states)} part{'s' * (len(states) != 1)}: {counts}"


def total(parts: list[Part]) -> Part:
    """The last row of the table: all of them together."""
    weeks, missing = sum(part.weeks for part in parts), sum(part.missing for part in parts)
    return Part("total", counted(parts), weeks, missing, round(sum(part.seconds for part in parts), 1))
