"""The rows of a feed's weeks as a line: where it runs, what its axes say, which weeks stand out of it.

Pure geometry; knows no page.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil, floor, log10

from mta_weekly.feeds.weeks import WEEK, Week
from mta_weekly.upkeep.status import FeedStatus

HIGH = 200  # units of the drawing, in which a week is one unit wide
TICKS, YEARS = 4, 8  # figures beside it and years below it, at most
EDGE, APART = 8, 17  # percent of a phone's width from a name of a week to either end, and to the next one, at least


@dataclass(frozen=True)
class OddWeek:
    """A week that stands out: its state and its rows."""

    week: Week
    state: str
    rows: int


@dataclass(frozen=True)
class Line:
    """A line of rows a week, from the first to the last week; places on it are percent of its width and height.

    Attributes:
        rows: of the weeks that are there and known, in order.
        odd: those that are marked, whether they are there or not.
    """

    first: Week
    last: Week
    rows: Mapping[Week, int]
    odd: Sequence[OddWeek]

    @property
    def wide(self) -> int:
        """Units: weeks from the first to the last."""
        return max(self._count(self.last), 1)

    @property
    def step(self) -> int:
        """Rows from one figure to the next: 1, 2 or 5 with noughts."""
        most = max([*self.rows.values(), *(each.rows for each in self.odd), 1])
        least = most / TICKS
        power = 10 ** max(floor(log10(least)), 0)
        return int(next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least))

    @property
    def ticks(self) -> list[int]:
        """Round figures, from 0 to one that nothing is above."""
        most = max([*self.rows.values(), *(each.rows for each in self.odd), 1])
        return [self.step * n for n in range(ceil(most / self.step) + 1)]

    @property
    def dates(self) -> dict[str, Week]:
        """Some years with the first week of each, where there is room for its name beside it; else the first week."""
        numbers = range(self.first.saturday.year + 1, self.last.saturday.year + 1)
        shown = numbers[:: ceil(len(numbers) / YEARS) or 1]
        weeks = {year: Week.on_or_after(date(year, 1, 1)) for year in shown}
        years = {f"{year}": week for year, week in weeks.items() if self.find_left(week) <= 100 - EDGE}
        return years or {self.first.label: self.first}

    @property
    def named(self) -> list[OddWeek]:
        """Accepted weeks that have room for their names, the first ones."""
        shown: list[OddWeek] = []
        for each in self.odd:
            far = not shown or self._find_name(each.week) - self._find_name(shown[-1].week) >= APART
            if each.state == "accepted" and far:
                shown.append(each)
        return shown

    @property
    def path(self) -> str:
        """Of an SVG path: a point a week, broken where weeks lack, a dot where both beside one do."""
        return "".join(self._list_points())

    def find_left(self, week: Week) -> float:
        """Where a week is."""
        return round(100 * self._count(week) / self.wide, 2)

    def find_top(self, rows: int) -> float:
        """How far below the top so many rows are."""
        return round(100 * (1 - rows / self.ticks[-1]), 2)

    def _find_name(self, week: Week) -> float:
        return min(max(self.find_left(week), EDGE), 100 - EDGE)

    def _count(self, week: Week) -> int:
        return (week.saturday - self.first.saturday) // WEEK

    def _list_points(self) -> Iterator[str]:
        top, before = self.ticks[-1], -2
        for week, rows in self.rows.items():
            at = self._count(week)
            point = f"{at},{round(HIGH * (1 - rows / top))}"
            yield f" {point}" if at == before + 1 else f"M{point}L{point}"
            before = at


def trace_rows(status: FeedStatus, states: Mapping[Week, str]) -> Line | None:
    """Rows a week, held weeks at the rows that are held of them; None of fewer than two weeks of which they are known.

    Args:
        states: of each week that counts.
    """
    rows = {week: facts.rows for week, facts in status.facts.items()}
    held = {week: found.facts.rows for week, found in status.held.items()}
    if len(rows | held) < 2:
        return None
    marked = {week: state for week, state in states.items() if state in ("held", "suspect", "accepted")}
    odd = [OddWeek(week, state, (rows | held)[week]) for week, state in marked.items()]
    return Line(min(states), max(states), rows, odd)
