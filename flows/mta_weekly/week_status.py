"""How weeks stand before a run loads any: what is in the lake, what is held, what does not look like its neighbours.

Looks by the lake's listings and facts alone, and touches nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mta_weekly.acceptance import Acceptance
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.weeks import Week
from mta_weekly.held import HeldWeek, find_held
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.objects import Lake, StoredObject
from mta_weekly.load import Load
from mta_weekly.loads import find_suspects, prepare_loads
from mta_weekly.options import Options
from mta_weekly.outcomes import Outcome
from mta_weekly.retry import RetryBudget


@dataclass(frozen=True)
class WeekStatus:
    """How a week stands.

    Attributes:
        load: what a run would load it by.
        held: None where none is held.
        suspect: the outcome of a run that leaves it as it is, where it does not look like its neighbours.
    """

    load: Load
    held: HeldWeek | None
    suspect: Outcome | None

    @property
    def existing(self) -> StoredObject | None:
        """What is in the lake, with facts or without."""
        return self.load.target.existing

    @property
    def facts(self) -> Facts | None:
        """Those of a week that is in the lake, and fit it."""
        return self.existing.facts if self.existing else None

    @property
    def state(self) -> str:
        """What a run would do, or what waits for a person, in two words."""
        options = self.load.options
        if self.existing and self.existing.fault:
            return "unreadable"
        if isinstance(self.load, Acceptance) and (self.held or self.load.is_suspect):
            return "would accept"
        if self.existing and (options.force or options.refresh):
            return "would replace" if options.force else "would compare"
        if self.existing is None:
            return "held" if self.held else "would load"
        if self.suspect:
            return "suspect"
        return "there" if self.facts else "there, unproved"

    @property
    def reason(self) -> str:
        """Why it is held or suspect, and how it is accepted; empty where it is neither."""
        if self.held is None:
            return self.suspect.reason if self.suspect else ""
        target = self.load.target
        command = self.load.options.write_command(target.feed, target.week, "--accept WHY")
        stands = "held, what is in the lake stays, " if self.existing else ""
        said = f"{stands}{self.held.said}"
        return said if self.load.options.accept else f"{said}; if it is right: {command}"


def look_at_weeks(feeds: Mapping[Week, Feed], lake: Lake, options: Options) -> dict[Week, WeekStatus]:
    """How each week stands; two listings a feed.

    Raises:
        BadArgument: a week is to be accepted that is not held.
        EtlError: the lake cannot be read.
    """
    if not feeds:
        return {}
    loads = prepare_loads(feeds, lake, options.settings.spool, options)
    suspects = {outcome.week: outcome for outcome in find_suspects(loads, list(_list_standing(loads)))}
    held = {load.target.week: load.held for load in loads if load.held}
    if not (options.accept or options.refresh):  # else they have been looked for
        present = {load.target.key: load.target.existing for load in loads if load.target.existing}
        held = find_held(lake, feeds, present, RetryBudget.of(options.settings, options.lake))
    return {
        load.target.week: WeekStatus(
            load,
            held.get(load.target.week),
            suspects.get(load.target.week.label),
        )
        for load in loads
    }


def _list_standing(loads: Sequence[Load]) -> Iterator[Outcome]:
    """The outcomes of a run that leaves all as it is, of the weeks whose facts fit them."""
    for load in loads:
        key, existing = load.target.key, load.target.existing
        if existing and existing.facts:
            facts = existing.facts
            yield Outcome(load.target.week.label, "there", key, facts.rows, existing.size, facts=facts)
