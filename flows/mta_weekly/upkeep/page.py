"""The page of a lake: one HTML file that shows how it stands, without scripts and with nothing from elsewhere.

Pure: from how a lake stands to text. What is said in facts may be of another hand: the template escapes all of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import quote

from rich.filesize import decimal

from mta_weekly.errors import to_one_line
from mta_weekly.feeds.weeks import Week
from mta_weekly.neighbourhood import describe_unlike
from mta_weekly.outcomes import count_noun
from mta_weekly.upkeep.report import GOOD, count_faults, describe_feed
from mta_weekly.upkeep.rows_line import HIGH, Line, trace_rows
from mta_weekly.upkeep.squares import POSITIONS, SIGNS, WORDS, Year, draw_sign, list_counts, list_years, sort_weeks
from mta_weekly.upkeep.status import Fault, FeedStatus, LakeStatus

TEMPLATE = Path(__file__).with_name("page.html.jinja")
SHOWN = 6  # faults or accepted weeks of a feed; those after them are folded
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class FeedSection:
    """What the page shows of a feed.

    Attributes:
        said: the feed in one line.
        states, titles: of each week that counts, in order.
        years: the rows of squares.
        line: rows a week; None of fewer than two weeks.
        sizes: of its objects, in words.
        faults: what is not as it should be.
        accepted: the weeks that somebody accepted, with why and when.
    """

    name: str
    said: str
    states: dict[Week, str]
    titles: dict[Week, str]
    years: Sequence[Year]
    line: Line | None
    sizes: str
    faults: Sequence[Fault]
    accepted: dict[Week, str]


def write_page(status: LakeStatus) -> str:
    """The page, as HTML."""
    from jinja2 import Environment, StrictUndefined

    faults = status.list_faults()
    feeds = [_show_feed(each, [fault for fault in faults if fault.feed == each.feed.name]) for each in status.feeds]
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    return template.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        lake=status.options.lake,
        today=status.options.today,
        good=GOOD,
        found=count_faults(faults),
        faults=[fault for fault in faults if not fault.feed],
        counts=list_counts(state for each in feeds for state in each.states.values()),
        feeds=feeds,
        words=WORDS,
        signs={state: quote(draw_sign(state), safe=" /:='()") for state in SIGNS},
        months=MONTHS,
        positions=POSITIONS,
        high=HIGH,
        shown=SHOWN,
    )


def _show_feed(status: FeedStatus, faults: Sequence[Fault]) -> FeedSection:
    states = sort_weeks(status)
    facts = status.facts
    titles = {week: to_one_line(", ".join(_say_week(status, week, state))) for week, state in states.items()}
    sizes = {week: found.size for week, found in status.objects.items()}
    return FeedSection(
        status.feed.name,
        describe_feed(status).partition(": ")[2],
        states,
        titles,
        list_years(states),
        trace_rows(status, states),
        _say_sizes(sizes),
        faults,
        {week: _say_accepted(facts[week].accepted) for week in status.accepted},
    )


def _say_week(status: FeedStatus, week: Week, state: str) -> Iterator[str]:
    """What is known of a week, part by part: its state, its figures, and why it is as it is."""
    yield f"{week}: {state}"
    if state == "lacking":
        yield f"due on {status.feed.coverage.due_on(week)}"
    found = status.objects.get(week)
    if found and found.facts:
        facts = found.facts
        is_whole = (facts.first_day, facts.last_day) == (f"{week.days[0]}", f"{week.days[-1]}")
        yield f"{facts.rows:,} rows"
        yield decimal(found.size)
        yield count_noun(len(week.days), "day") if is_whole else f"{facts.first_day} to {facts.last_day}"
        if facts.revision > 1:
            yield f"revision {facts.revision}"
        if facts.bad_rows:
            yield f"{count_noun(facts.bad_rows, 'row')} rejected"
        yield f"landed {(facts.landed_at or facts.loaded_at)[:10]}"
        if facts.accepted:
            yield f"accepted: {_say_accepted(facts.accepted)}"
    elif found:
        yield found.fault or f"{decimal(found.size)}, no facts that fit"
    if week in status.findings:
        yield describe_unlike(status.findings[week])
    if week in status.held:
        yield f"kept aside: {status.held[week].facts.rows:,} rows, {status.held[week].said}"


def _say_accepted(said: dict[str, str]) -> str:
    when = f" ({said['when'][:10]})" if said.get("when") else ""
    return to_one_line(said.get("why", "")) + when


def _say_sizes(sizes: dict[Week, int]) -> str:
    if not sizes:
        return ""
    largest = max(sizes, key=lambda week: sizes[week])
    middle = decimal(int(median(sizes.values())))
    said = f"{decimal(sum(sizes.values()))} in {count_noun(len(sizes), 'object')}; the median {middle}"
    return f"{said}, the largest {decimal(sizes[largest])} ({largest})"
