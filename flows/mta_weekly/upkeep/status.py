"""How a lake stands: of each feed which weeks are there, due and lacking, held, or not as they should be.

Looks by listings and facts alone and reads no object: one whose size is that of its facts is taken to be what they say.
Touches nothing; knows no source and no Prefect.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import TypeVar

from mta_weekly.content.judgement import Finding
from mta_weekly.feeds.catalog import FEEDS, Feed
from mta_weekly.feeds.plans import check_watch, newest_due
from mta_weekly.feeds.weeks import WEEK, Week, list_weeks
from mta_weekly.held import HeldWeek, find_held
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.objects import Lake, StoredObject
from mta_weekly.loads import HEALED
from mta_weekly.neighbourhood import describe_unlike, judge_all_standing, read_all
from mta_weekly.options import Options
from mta_weekly.outcomes import count_noun
from mta_weekly.retry import RetryBudget

FAULTS = ("empty", "lacking", "held", "suspect", "unproved", "unreadable")
Named = tuple[str, str]  # a feed and a week of it, yyMMdd
Known = TypeVar("Known")


@dataclass(frozen=True)
class Fault:
    """What is not as it should be with one week of a feed, or with several.

    Attributes:
        feed: its name; empty where the lake has nothing at all.
        state: one of FAULTS.
        weeks: yyMMdd, in order.
        reason: of which weeks, and what.
        command: what a person does about it, where a command does.
    """

    feed: str
    state: str
    weeks: tuple[str, ...]
    reason: str
    command: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.command}" if self.command else self.reason


@dataclass(frozen=True)
class FeedStatus:
    """How the weeks of a feed stand, from the first one in the lake on, or from a day that was named.

    Attributes:
        is_there: whether the lake has any of its weeks, those before that day too.
        due: the weeks that should be there, in order.
        objects: what is there, by week, in order.
        held: the weeks that wait, whether or not something else of them is there.
        findings: why weeks that are there do not look like their neighbours.
        today: New York's.
    """

    feed: Feed
    is_there: bool
    due: Sequence[Week]
    objects: Mapping[Week, StoredObject]
    held: Mapping[Week, HeldWeek]
    findings: Mapping[Week, Sequence[Finding]]
    today: date

    @property
    def lacking(self) -> list[Week]:
        """Those that are due, and neither there nor held."""
        return [week for week in self.due if week not in self.objects and week not in self.held]

    @property
    def facts(self) -> dict[Week, Facts]:
        """Those of the weeks that are there and have some that fit, in order."""
        return {week: found.facts for week, found in self.objects.items() if found.facts}

    @property
    def revised(self) -> list[Week]:
        """Those whose source has changed them since they landed first."""
        return self._select(lambda facts: facts.revision > 1)

    @property
    def rejected(self) -> list[Week]:
        """Those of which rows were left out."""
        return self._select(lambda facts: facts.bad_rows > 0)

    @property
    def accepted(self) -> list[Week]:
        """Those that somebody has accepted though they do not look like their neighbours."""
        return self._select(lambda facts: bool(facts.accepted))

    @property
    def unproved(self) -> list[Week]:
        """Those without facts that fit them."""
        return [week for week, found in self.objects.items() if not (found.facts or found.fault)]

    @property
    def unreadable(self) -> list[Week]:
        """Those of which it shows that they cannot be read."""
        return [week for week, found in self.objects.items() if found.fault]

    @property
    def newest(self) -> Week | None:
        """The newest week that is there."""
        return max(self.objects, default=None)

    @property
    def age(self) -> int | None:
        """Days from the last one that the newest week has data of to today; None where nobody knows."""
        facts = self.facts.get(self.newest) if self.newest else None
        try:
            days = (self.today - date.fromisoformat(facts.last_day)).days if facts else None
        except ValueError:  # facts of another hand
            return None
        return None if days is None or days < 0 else days

    @property
    def rows(self) -> int:
        """Of all weeks that are there, as far as facts tell."""
        return sum(facts.rows for facts in self.facts.values())

    @property
    def bytes(self) -> int:
        """Of all objects."""
        return sum(found.size for found in self.objects.values())

    def _select(self, is_such: Callable[[Facts], bool]) -> list[Week]:
        return [week for week, facts in self.facts.items() if is_such(facts)]


@dataclass(frozen=True)
class LakeStatus:
    """How a lake stands.

    Attributes:
        options: how a run would load into it; of these its name and today are used.
        feeds: those that it has weeks of, and the one that was asked for.
    """

    options: Options
    feeds: Sequence[FeedStatus]

    def list_faults(self, told: Container[Named] = ()) -> list[Fault]:
        """What is not as it should be, but for weeks that were `told` already."""
        if not self.feeds:
            load = "python flows/etl_web_to_gcs.py --help says how to load one"
            return [Fault("", "empty", (), f"{self.options.lake} has no week of any feed; check its name; {load}")]
        return [fault for status in self.feeds for fault in _list_faults(status, self.options, told)]


def look_at_lake(lake: Lake, options: Options, feed: str = "", since: date | None = None) -> LakeStatus:
    """How the weeks of a feed stand, or those of every feed that the lake has; two listings a feed.

    Args:
        since: the first day whose Saturday counts; else the first week that the lake has of a feed.

    Raises:
        BadArgument: there is no such feed, or no such time yet.
        LakeFailed: the lake cannot be read.
    """
    check_watch(feed, since, options.today)
    found = [_look_at_feed(each, lake, options, since) for each in ([FEEDS[feed]] if feed else FEEDS.values())]
    return LakeStatus(options, [status for status in found if status.is_there or feed])


def _look_at_feed(feed: Feed, lake: Lake, options: Options, since: date | None) -> FeedStatus:
    budget, today = RetryBudget.of(options.settings, f"{options.lake} {feed.name}"), options.today
    published = [week for week in list_weeks(feed.coverage.first.saturday, today + WEEK) if feed.coverage.holds(week)]
    present = lake.find_all(f"{feed.name}/", budget, unread=True)
    held = find_held(lake, dict.fromkeys(published, feed), present, budget, unread=True)
    objects = {week: present[feed.key(week)] for week in published if feed.key(week) in present}
    findings = judge_all_standing(feed, read_all(feed, {feed.key(week): found for week, found in objects.items()}))
    first = Week.on_or_after(since) if since else min([*objects, *held], default=None)
    due = list_weeks(first.saturday, newest_due(feed, today).saturday) if first else []

    def begin(known: Mapping[Week, Known]) -> dict[Week, Known]:
        return {week: each for week, each in known.items() if first and first <= week}

    return FeedStatus(
        feed,
        bool(objects or held),
        [week for week in due if feed.coverage.holds(week)],
        begin(objects),
        begin(held),
        begin(findings),
        today,
    )


def _list_faults(status: FeedStatus, options: Options, told: Container[Named]) -> Iterator[Fault]:
    feed = status.feed

    def list_untold(weeks: Iterable[Week]) -> list[Week]:
        return [week for week in sorted(weeks) if (feed.name, week.label) not in told]

    def say(state: str, weeks: Sequence[Week], reason: str, command: str = "") -> Fault:
        return Fault(feed.name, state, tuple(week.label for week in weeks), f"{feed.name}{reason}", command)

    if not (status.is_there or status.due):
        last = min(filter(None, [newest_due(feed, options.today), feed.coverage.last]))
        command = options.write_command(feed, feed.coverage.first, last=last)
        yield say("empty", [], f": the lake has none of its weeks; {feed.coverage.first} to {last}", command)
    for weeks in cut_runs(list_untold(status.lacking)):
        named = f"{count_noun(len(weeks), 'due week')} lacking, {name_run(weeks)}"
        yield say("lacking", weeks, f": {named}", options.write_command(feed, weeks[0], last=weeks[-1]))
    for week in list_untold(status.held):
        stays = ", what is in the lake stays" if week in status.objects else ""
        reason = f" {week}: held{stays}, {status.held[week].said}; if it is right"
        yield say("held", [week], reason, options.write_command(feed, week, "--accept WHY"))
    for week in list_untold(status.findings):
        reason = f" {week}: {describe_unlike(status.findings[week])}; {HEALED}"
        yield say("suspect", [week], reason, options.write_command(feed, week, "--accept WHY"))
    for weeks in cut_runs(list_untold(status.unproved)):
        named = f"{count_noun(len(weeks), 'week')} unproved, without facts that fit, {name_run(weeks)}; to examine"
        yield say("unproved", weeks, f": {named}", options.write_command(feed, weeks[0], last=weeks[-1]))
    for week in list_untold(status.unreadable):
        yield say("unreadable", [week], f" {week}: {status.objects[week].fault}")


def cut_runs(weeks: Sequence[Week]) -> list[list[Week]]:
    """Weeks, in order, cut where one does not follow the one before."""
    numbered = groupby(enumerate(weeks), key=lambda each: each[1].saturday - each[0] * WEEK)
    return [[week for _, week in run] for _, run in numbered]


def name_run(weeks: Sequence[Week]) -> str:
    """Weeks that follow each other, by the first and the last."""
    return f"{weeks[0]} to {weeks[-1]}" if len(weeks) > 1 else f"{weeks[0]}"
