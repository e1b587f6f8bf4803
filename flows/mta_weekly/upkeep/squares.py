"""The weeks of a lake as squares, a year a row: the state of each, and the sign of a state.

Pure: from how a lake stands to values and text. Knows no page.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from mta_weekly.feeds.weeks import DAYS, Week
from mta_weekly.upkeep.status import FeedStatus

POSITIONS = 53  # of Saturdays in a year, at most
SIDE = 12  # of a square, in units of its sign
WORDS = {  # by state; of several that are true of a week the first counts
    "lacking": "due, and not there",
    "held": "waits to be accepted",
    "suspect": "not like its neighbours",
    "unreadable": "cannot be read",
    "unproved": "without facts that fit",
    "rejected": "without some of its rows",
    "revised": "changed by its source since",
    "accepted": "though unlike others",
    "early": "not due yet",
    "there": "as it should be",
}
_CALM, _DEEP = "#8bb5ae", "#0d3b36"
_PLAIN = f"<path d='M0 0h12v12H0z' fill='{_CALM}'/>"
SIGNS = {  # what is drawn in a square of 12 by 12; told apart by lightness and form alone, without colours too
    "lacking": "<path d='M1 1h10v10H1z' fill='#fff' stroke='#b3261e' stroke-width='2'/>",
    "held": "<path d='M0 0h12v12H0z' fill='#1f3a6e'/><path d='M4 3v6M8 3v6' stroke='#fff' stroke-width='2'/>",
    "suspect": "<path d='M.5.5h11v11H.5z' fill='#ffdc8a' stroke='#8a5a00'/>"
    "<path d='M6 2.2v4.6M6 8.4v2' stroke='#3d2800' stroke-width='2'/>",
    "unreadable": "<path d='M0 0h12v12H0z' fill='#1c1c1c'/>"
    "<path d='M3 3l6 6M9 3l-6 6' stroke='#fff' stroke-width='1.8'/>",
    "unproved": "<path d='M.5.5h11v11H.5z' fill='#fff' stroke='#555'/>"
    "<path d='M1 5l4-4M1 11L11 1M7 11l4-4' stroke='#555' stroke-width='1.3'/>",
    "rejected": f"{_PLAIN}<path d='M2 6h8' stroke='{_DEEP}' stroke-width='2.6'/>",
    "revised": f"{_PLAIN}<path d='M12 3v9H3z' fill='{_DEEP}'/>",
    "accepted": f"{_PLAIN}<circle cx='6' cy='6' r='3.2' fill='{_DEEP}'/>",
    "early": f"<path d='M3 3h6v6H3z' fill='{_CALM}'/>",
    "there": _PLAIN,
}


@dataclass(frozen=True)
class Year:
    """A row of squares.

    Attributes:
        places: by the position of its Saturdays in the year; None where the feed has no week that counts.
        states: of the weeks that count.
    """

    year: int
    places: Sequence[Week | None]
    states: Sequence[str]

    def __str__(self) -> str:
        return f"{self.year}: {count_squares(self.states)}"


def sort_weeks(status: FeedStatus) -> dict[Week, str]:
    """The state of each week that counts, in order of the weeks: one of WORDS, the first that is true."""
    of = {
        "lacking": status.lacking,
        "held": status.held,
        "suspect": status.findings,
        "unreadable": status.unreadable,
        "unproved": status.unproved,
        "rejected": status.rejected,
        "revised": status.revised,
        "accepted": status.accepted,
        "early": status.objects.keys() - set(status.due),
        "there": status.objects,
    }
    found = {week: state for state in reversed(WORDS) for week in of[state]}
    return {week: found[week] for week in sorted(found)}


def list_years(states: Mapping[Week, str]) -> list[Year]:
    """The rows of a feed, from its first week that counts to its last one."""
    years = []
    for year, group in groupby(states, key=lambda week: week.saturday.year):
        weeks = {_find_position(week): week for week in group}
        places = [weeks.get(position) for position in range(max(weeks) + 1)]
        years.append(Year(year, places, [states[week] for week in weeks.values()]))
    return years


def _find_position(week: Week) -> int:
    """The number of a Saturday in its year, from 0."""
    return (week.saturday.timetuple().tm_yday - 1) // DAYS


def count_squares(states: Iterable[str]) -> str:
    """How many weeks have which state: 3 lacking, 49 there."""
    return ", ".join(f"{count} {state}" for state, count in list_counts(states).items())


def list_counts(states: Iterable[str] | Counter[str]) -> dict[str, int]:
    """How many weeks have which state, in the order of WORDS, without those of none."""
    counts = Counter(states)
    return {state: counts[state] for state in WORDS if counts[state]}


def draw_sign(state: str) -> str:
    """The sign of a state as a picture of its own."""
    return f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {SIDE} {SIDE}'>{SIGNS[state]}</svg>"
