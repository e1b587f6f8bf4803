"""The parts of a backfill: a range cut into months or years, which deployment runs them, what became of each.

Knows no Prefect.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from rich.filesize import decimal

from mta_weekly.errors import BadArgument
from mta_weekly.feeds.weeks import Week
from mta_weekly.lake.objects import BLOCK, SHOWN
from mta_weekly.outcomes import count_noun, count_states

WEEKLY_FLOW = "MTA Batch flow"
NO_NAME = re.compile(r"[/%&<>?#\\'\"`$]|^\.{1,2}$")  # Prefect forbids some; others it would read as part of an address
NAMES = {"month": "%Y-%m", "year": "%Y"}  # how a range can be cut, and what its parts are called
STATES = ("landed", "there before", "failed", "suspect", "outside", "not due")
OF_WEEKS = ("suspect", "outside", "not due")  # those of a week by itself


def is_plain_name(text: str) -> bool:
    """Whether Prefect takes it for the name of a deployment or a pool, and an address holds it as it is."""
    return text == text.strip() != "" and text.isprintable() and not NO_NAME.search(text)


def name_deployment(named: str) -> str:
    """The full name of a deployment of the weekly flow, which may be left out.

    Raises:
        BadArgument: it is of another flow, or no name.
    """
    flow, _, name = named.rpartition("/")
    if flow not in ("", WEEKLY_FLOW):
        raise BadArgument(f"deployment {named[:SHOWN]!r}: must be one of the flow {WEEKLY_FLOW!r}.")
    if not is_plain_name(name):
        raise BadArgument(f"deployment {named[:SHOWN]!r}: is no name; see 'prefect deployment ls'.")
    return f"{WEEKLY_FLOW}/{name}"


def check_shared(lake: str) -> None:
    """Refuse a lake that may be another one on each machine.

    Raises:
        BadArgument: it is a folder, and not from the root.
    """
    if not lake.startswith((BLOCK, "/")):
        raise BadArgument(f"lake {lake!r}: give {BLOCK}NAME, or a folder from the root that all machines share.")


@dataclass(frozen=True)
class Part:
    """A part of a backfill: a row of its table."""

    part: str  # 2015-03, or 2015, or a week by itself: one that is none to load, or looks wrong; or total
    state: str  # one of STATES, or how many parts ended so
    weeks: int
    missing: int  # weeks that are not in the lake, whole and with their facts
    rows: int = 0  # of its weeks in the lake
    bytes: int = 0  # of their objects
    seconds: float = 0.0  # of its run
    flow_run: str = ""
    reason: str = ""

    @property
    def missed(self) -> bool:
        """Whether a week of it is not in the lake, or does not look like one, as it should."""
        return self.state in ("failed", "suspect", "outside")

    def __str__(self) -> str:
        weeks = count_noun(self.weeks, "week")
        if self.state in OF_WEEKS:
            return f"{self.part}: {self.reason}"
        if self.missed:
            return f"{self.part}: {self.missing} of {weeks} not in the lake: {self.reason}"
        took = f", {self.rows:,} rows, {decimal(self.bytes)}" + (f", {self.seconds:.0f} s" if self.flow_run else "")
        return f"{self.part}: {self.state}, {weeks}{took}{f' ({self.reason})' if self.reason else ''}"


def cut_weeks(weeks: Iterable[Week], by: str) -> dict[str, tuple[Week, ...]]:
    """Weeks that are in order, by the `month` or `year` of their Saturdays.

    >>> list(cut_weeks(map(Week.named, ["150328", "150404", "150411"]), "month"))
    ['2015-03', '2015-04']
    """
    return {name: tuple(part) for name, part in groupby(weeks, lambda week: f"{week.saturday:{NAMES[by]}}")}


def count_parts(parts: list[Part]) -> str:
    """The parts of a backfill, and its weeks that are none to load or look wrong, in one line."""
    states = [part.state for part in parts]
    count = sum(state not in OF_WEEKS for state in states)
    return f"{count_noun(count, 'part')}: {count_states(states, STATES)}"


def sum_parts(parts: list[Part], seconds: float) -> Part:
    """The last row of the table: all of them together, and how long the backfill took."""
    others = [part for part in parts if part.state != "suspect"]  # whose weeks their parts have counted
    weeks, missing = sum(part.weeks for part in others), sum(part.missing for part in others)
    rows, size = sum(part.rows for part in others), sum(part.bytes for part in others)
    return Part("total", count_parts(parts), weeks, missing, rows, size, round(seconds, 1))
