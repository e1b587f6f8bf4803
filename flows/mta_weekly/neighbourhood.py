"""The weeks beside a week, as the facts in the lake tell of them: what it is compared with, and what is found.

Joins content and lake; knows no source but its name.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields

from mta_weekly.content.judgement import (
    ENOUGH,
    NEAR,
    Figures,
    Finding,
    describe_findings,
    find_neighbours,
    judge_week,
)
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.weeks import WEEK, Week
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.objects import StoredObject

FAR = NEAR // WEEK  # weeks to a neighbour, at most


def list_around(weeks: Iterable[Week], feed: Feed) -> list[Week]:
    """The weeks that may be neighbours of these, and are none of them."""
    given = set(weeks)
    steps = [n * WEEK for n in range(-FAR, FAR + 1)]
    near = {Week(week.saturday + step) for week in given for step in steps}
    return sorted(week for week in near - given if feed.coverage.holds(week))


def read_figures(feed: Feed, facts: Facts) -> Figures:
    """What an object can be compared by, of its facts."""
    week = Week.named(facts.week)
    source = next((each for each in feed.sources if each.name == facts.source), feed.sources[0])
    known = {field.name: getattr(facts, field.name) for field in fields(Figures) if field.name in Facts.model_fields}
    baseline = f"{source.name} {source.name_data(week)}"
    return Figures(**known | {"week": week, "baseline": baseline, "accepted": bool(facts.accepted)})


def read_all(feed: Feed, found: Mapping[str, StoredObject]) -> dict[Week, Figures]:
    """Those of all of a feed's objects that have facts."""
    facts = (each.facts for key, each in found.items() if key.startswith(f"{feed.name}/"))
    return {figures.week: figures for each in facts if each for figures in [read_figures(feed, each)]}


def judge_new(feed: Feed, facts: Facts, known: Mapping[Week, Figures], stands: Facts | None) -> list[Finding]:
    """What is wrong with a week that is to land.

    Args:
        known: the figures of the feed's weeks in the lake.
        stands: the facts of what it replaces, where it is compared with that too.
    """
    figures = read_figures(feed, facts)
    others = [each for week, each in known.items() if week != figures.week]
    before = read_figures(feed, stands) if stands else None
    return judge_week(figures, find_neighbours(figures, others), feed, before)


def judge_standing(feed: Feed, figures: Figures, known: Mapping[Week, Figures]) -> list[Finding]:
    """What is wrong with a week that is in the lake."""
    return judge_week(figures, find_neighbours(figures, known.values()), feed)


def judge_all_standing(feed: Feed, known: Mapping[Week, Figures]) -> dict[Week, list[Finding]]:
    """What is wrong with weeks that are in the lake, by week; of one with nothing wrong there is nothing."""
    weeks, found = sorted(known), dict[Week, list[Finding]]()
    for place, week in enumerate(weeks):
        around = weeks[max(place - FAR, 0) : place + FAR + 1]  # those further away are no neighbours
        if findings := judge_standing(feed, known[week], {each: known[each] for each in around}):
            found[week] = findings
    return found


def describe_unlike(findings: Sequence[Finding]) -> str:
    """What is wrong with a week, in one line."""
    return f"not like its neighbours: {describe_findings(findings)}"


def is_told(figures: Figures, known: Mapping[Week, Figures]) -> bool:
    """Whether a week has enough neighbours to be judged by."""
    return len(find_neighbours(figures, known.values())) >= ENOUGH
