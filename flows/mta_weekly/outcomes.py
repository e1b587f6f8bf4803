"""What became of each week, in words: for the log, the run's table and the message of its end. Knows no Prefect."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

from rich.filesize import decimal

from mta_weekly.feeds.catalog import FEEDS, Feed, FeedSequence
from mta_weekly.feeds.plans import Plan
from mta_weekly.feeds.weeks import Week
from mta_weekly.lake.facts import Facts

STATES = ("landed", "replaced", "unchanged", "there", "held", "suspect", "failed", "outside", "not due")
Judging = Literal["hold", "warn", "off"]  # what becomes of a week that does not look like its neighbours
JUDGING: tuple[Judging, ...] = get_args(Judging)


@dataclass(frozen=True)
class Outcome:
    """What became of a week: a row of the run's table."""

    week: str  # yyMMdd, or total
    state: str  # one of STATES, or how many weeks ended so
    object: str
    rows: int = 0
    bytes: int = 0  # of the object
    seconds: float = 0.0
    reason: str = ""
    facts: Facts | None = field(default=None, repr=False)  # of the object, where the week is in the lake

    @property
    def missed(self) -> bool:
        """Whether the week was asked for and is not in the lake, or does not look like one, as it should."""
        return self.state in ("held", "suspect", "failed", "outside")

    def __str__(self) -> str:
        name = self.object.removesuffix(".csv.gz").replace("/", " ")
        if self.reason and (self.missed or not self.rows):
            return f"{name}: {self.reason}"
        size = f"{self.rows:,} rows, {decimal(self.bytes)}, {self.seconds:.1f} s"
        reason = f" ({self.reason})" if self.reason else ""
        return f"{name}: {self.state}, {size}: {self.object}{reason}"


def count_noun(count: int, noun: str) -> str:
    """So many of a thing: 1 week, 2 weeks."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*_<\[~|])", r"\\\1", text)


def count_states(states: list[str], order: tuple[str, ...]) -> str:
    """How often each state is there: 3 landed, 1 failed."""
    return ", ".join(f"{states.count(state)} {state}" for state in order if state in states)


def summarize_outcomes(outcomes: list[Outcome]) -> str:
    """The outcomes of a run in one line."""
    return f"{count_noun(len(outcomes), 'week')}: {count_states([outcome.state for outcome in outcomes], STATES)}"


def describe_missing(outcomes: list[Outcome]) -> str:
    """The weeks that are not in the lake as they should be, with their reasons; weeks with one reason together."""
    weeks: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        if outcome.missed:
            weeks.setdefault((outcome.object.partition("/")[0], outcome.reason), []).append(outcome.week)
    return "; ".join(f"{feed} {', '.join(named)}: {reason}" for (feed, reason), named in weeks.items())


def read_missing(message: str) -> set[tuple[str, str]]:
    """The feeds and weeks that `describe_missing` has named in the message of a run."""
    found = re.finditer(
        rf"(?:^|[.;] )(?P<feed>{'|'.join(FEEDS)}) (?P<weeks>\d{{6}}(?:, \d{{6}})*): ", message, re.ASCII
    )
    return {(each["feed"], week) for each in found for week in each["weeks"].split(", ")}


def sum_outcomes(outcomes: list[Outcome], seconds: float) -> Outcome:
    """The last row of the run's table: all weeks together, and how long the run took."""
    rows, size = sum(each.rows for each in outcomes), sum(each.bytes for each in outcomes)
    return Outcome("total", summarize_outcomes(outcomes), "", rows, size, round(seconds, 2))


def describe_not_due(outcomes: list[Outcome]) -> str:
    """The weeks that are not due yet, in one line however many they are."""
    due = ", ".join(f"{outcome.week} {outcome.reason}" for outcome in outcomes if outcome.state == "not due")
    return f"not due yet: {due}" if due else ""


def describe_differences(before: Facts, now: Facts) -> str:
    """What a revision has changed: rows and sums, before and after."""
    pairs = {"rows": (before.rows, now.rows)} | {name: (before.sums.get(name, 0), now.sums[name]) for name in now.sums}
    return ", ".join(f"{name} {_figure(was)} before, {_figure(becomes)} now" for name, (was, becomes) in pairs.items())


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.3f}".rstrip("0")


def list_failed(weeks: Iterable[str], feed: Feed | FeedSequence, reason: str) -> list[Outcome]:
    """Weeks, yyMMdd, that could not be loaded for one reason."""
    keys = {week: feed.feed_of(Week.named(week)).key(Week.named(week)) for week in weeks}
    return [Outcome(week, "failed", key, reason=reason) for week, key in keys.items()]


def list_not_loaded(plan: Plan, feed: Feed | FeedSequence) -> list[Outcome]:
    """The weeks of a plan that are not due yet, or that the feed never published."""
    coverage = feed.coverage
    last = coverage.last or "today"
    reasons = {week: ("not due", f"due on {feed.feed_of(week).coverage.due_on(week)}") for week in plan.not_due}
    span = f"outside what {feed.name} has published, {coverage.first} to {last}"
    reasons |= dict.fromkeys(plan.outside, ("outside", span))
    return [
        Outcome(week.label, state, feed.feed_of(week).key(week), reason=reason)
        for week, (state, reason) in reasons.items()
    ]
