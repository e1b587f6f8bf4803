"""The loads of a run: one look at the lake before all of them, and one at what stands after them."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from mta_weekly.acceptance import Acceptance, check_acceptances
from mta_weekly.feeds.catalog import Feed, list_distinct
from mta_weekly.feeds.weeks import Week
from mta_weekly.held import find_held
from mta_weekly.lake.objects import Lake, StoredObject
from mta_weekly.lake_week import LakeWeek
from mta_weekly.load import Load
from mta_weekly.neighbourhood import describe_unlike, is_told, judge_standing, list_around, read_all, read_figures
from mta_weekly.options import Options
from mta_weekly.outcomes import Outcome
from mta_weekly.retry import RetryBudget

log = logging.getLogger("mta.load")
HEALED = "if its source has mended it, --refresh; if it is right"  # what to do about one that is in the lake
NEW = ("landed", "replaced")  # outcomes of weeks that were judged when they landed


def find_present(lake: Lake, feeds: Mapping[Week, Feed], budget: RetryBudget) -> dict[str, StoredObject]:
    """What the lake has of some weeks, and of those around them, which are not read: a listing a feed."""
    keys = [feed.key(week) for week, feed in feeds.items()]
    around = [
        feed.key(week)
        for feed in list_distinct(feeds.values())
        for week in list_around([week for week, each in feeds.items() if each is feed], feed)
    ]
    return lake.find(keys, budget, around)


def prepare_loads(feeds: Mapping[Week, Feed], lake: Lake, folder: Path, options: Options) -> Sequence[Load]:
    """A load for each week, with what is in the lake of it and around it.

    Raises:
        BadArgument: a week is to be accepted that is not held.
        EtlError: the lake cannot be read.
    """
    budget = RetryBudget.of(options.settings, options.lake)
    present = find_present(lake, feeds, budget)
    # Of a dict, Prefect would look through every number each time a task is given it.
    known = {feed.name: MappingProxyType(read_all(feed, present)) for feed in list_distinct(feeds.values())}
    targets = {
        week: LakeWeek(
            week,
            feed,
            lake,
            present.get(feed.key(week)),
            folder,
            RetryBudget.of(options.settings, f"{feed.name} {week}"),
            options.run_id,
        )
        for week, feed in feeds.items()
    }
    held = find_held(lake, feeds, present, budget) if options.accept or options.refresh else {}
    parts = [(target, options, known[target.feed.name], held.get(week)) for week, target in targets.items()]
    if not options.accept:
        return [Load(*each) for each in parts]
    acceptances = [Acceptance(*each) for each in parts]
    check_acceptances(acceptances)
    return acceptances


def find_suspects(loads: Sequence[Load], outcomes: Sequence[Outcome]) -> Iterator[Outcome]:
    """Of the weeks that are in the lake now, those that do not look like their neighbours there.

    Weeks that were there before, and those that had too few neighbours to be judged by when they landed.
    """
    ended = {outcome.week: outcome for outcome in outcomes if outcome.facts}
    now = {load.target.feed.name: dict(load.known) for load in loads}
    for load in loads:
        if (outcome := ended.get(load.target.week.label)) and outcome.facts:
            now[load.target.feed.name][load.target.week] = read_figures(load.target.feed, outcome.facts)
    for load in loads:
        week, feed, judge = load.target.week, load.target.feed, load.options.judge
        outcome = ended.get(week.label)
        if outcome is None or judge == "off" or (outcome.state in NEW and is_told(now[feed.name][week], load.known)):
            continue
        if findings := judge_standing(feed, now[feed.name][week], now[feed.name]):
            if judge == "warn":
                log.warning("%s %s: %s", feed.name, week, describe_unlike(findings))
                continue
            command = load.options.write_command(feed, week, "--accept WHY")
            reason = f"is in the lake, and {describe_unlike(findings)}; {HEALED}: {command}"
            yield replace(outcome, state="suspect", reason=reason)
