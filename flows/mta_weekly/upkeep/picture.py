"""The weeks of a lake as one picture in SVG: squares, a year a row, and below them the rows of each week as a line.

Pure: from how a lake stands to text. It says nothing of single weeks: the page does.
"""

from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping
from html import escape
from itertools import groupby

from mta_weekly.feeds.weeks import Week
from mta_weekly.upkeep.rows_line import HIGH, Line, trace_rows
from mta_weekly.upkeep.squares import POSITIONS, SIDE, SIGNS, WORDS, Year, list_counts, list_years, sort_weeks
from mta_weekly.upkeep.status import LakeStatus

STEP = 14  # from a square to the next; all squares begin at a multiple of it, as the patterns that fill them do
LEFT = 4 * STEP  # where the squares and the line begin; years and figures stand left of it
WIDE, LINE_HIGH = POSITIONS * STEP, 5 * STEP  # of the line
_RULES = (
    "text{font:11px system-ui,sans-serif;fill:#33403f}.feed{font-weight:600}.grid{stroke:#dfe6e5}"
    ".rows{fill:none;stroke:#0d5c53;vector-effect:non-scaling-stroke}"
)
_STYLE = f"<style>{_RULES}</style>" + "".join(
    f"<pattern id='{state}' width='{STEP}' height='{STEP}' patternUnits='userSpaceOnUse'>{sign}</pattern>"
    for state, sign in SIGNS.items()
)


def draw_lake(status: LakeStatus) -> str:
    """The picture with its legend, as an address: `data:image/svg+xml;...`."""
    drawn, y, counts = [_STYLE], 0, Counter[str]()
    for feed in status.feeds:
        states = sort_weeks(feed)
        counts.update(states.values())
        drawn.append(_write(0, y, feed.feed.name, "class='feed'"))
        for year in list_years(states):
            y += STEP
            drawn += [_write(0, y, f"{year.year}"), *_draw_runs(year, states, y)]
        if line := trace_rows(feed, states):
            y += 3 * STEP
            drawn += _draw_line(line, y)
            y += LINE_HIGH
        y += 3 * STEP
    for state, count in list_counts(counts).items():
        drawn += [_draw_run(state, 0, y, 1), _write(2 * STEP, y, f"{count:,} {state}, {WORDS[state]}")]
        y += STEP
    wide, high = LEFT + WIDE + 2 * STEP, y + 2 * STEP
    frame = f"width='{wide}' height='{high}'"
    svg = f"<svg xmlns='http://www.w3.org/2000/svg' {frame} viewBox='-{STEP} -{STEP} {wide} {high}'>"
    svg += f"<rect x='-{STEP}' y='-{STEP}' {frame} rx='6' fill='#fff'/>{''.join(drawn)}</svg>"
    return f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}"


def _write(x: float, y: float, text: str, how: str = "") -> str:
    return f"<text x='{x:g}' y='{y + SIDE - 2:g}' {how}>{escape(text)}</text>"


def _draw_runs(year: Year, states: Mapping[Week, str], y: int) -> Iterator[str]:
    """The squares of a year, those of one state beside each other at once."""
    x = LEFT
    for state, group in groupby(states[week] if week else "" for week in year.places):
        count = len(list(group))
        if state:
            yield _draw_run(state, x, y, count)
        x += count * STEP


def _draw_run(state: str, x: int, y: int, count: int) -> str:
    return f"<rect x='{x}' y='{y}' width='{count * STEP}' height='{STEP}' fill='url(#{state})'/>"


def _draw_line(line: Line, y: int) -> Iterator[str]:
    """Rows a week between two figures, with the signs of the odd ones, and the names of accepted ones."""
    for rows in (0, line.ticks[-1]):
        at = y + LINE_HIGH * line.find_top(rows) / 100
        yield f"<path d='M{LEFT} {at}h{WIDE}' class='grid'/>"
        yield _write(LEFT - STEP / 2, at - SIDE / 2, f"{rows:,}", "text-anchor='end'")
    yield _write(LEFT, y - STEP, "rows a week")
    scale = f"translate({LEFT} {y}) scale({WIDE / line.wide:.4f} {LINE_HIGH / HIGH})"
    yield f"<path d='{line.path}' transform='{scale}' class='rows'/>"
    for each in line.odd:
        x, at = _place(line, each.week, each.rows, y)
        yield f"<g transform='translate({x - SIDE / 2:.1f} {at - SIDE / 2:.1f})'>{SIGNS[each.state]}</g>"
    for each in line.named:
        x, at = _place(line, each.week, each.rows, y)
        yield _write(x, at + SIDE / 2, f"{each.week}", "text-anchor='middle'")


def _place(line: Line, week: Week, rows: int, y: int) -> tuple[float, float]:
    return LEFT + WIDE * line.find_left(week) / 100, y + LINE_HIGH * line.find_top(rows) / 100
