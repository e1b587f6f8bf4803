"""Weeks that are held, kept aside in the lake: which wait to be accepted, or for their source. Knows no source."""

from collections.abc import Mapping
from dataclasses import dataclass

from mta_weekly.feeds.catalog import Feed, list_distinct
from mta_weekly.feeds.weeks import Week
from mta_weekly.lake.companions import HELD, Companion, is_overtaken
from mta_weekly.lake.facts import CompanionFacts
from mta_weekly.lake.objects import Lake, StoredObject
from mta_weekly.retry import RetryBudget
from mta_weekly.secrets import clean

LONGEST = 600  # characters of what is said of a held week, whose facts may be of another hand


@dataclass(frozen=True)
class HeldWeek:
    """A week that is kept aside.

    Attributes:
        key: of its companion.
        found: that companion.
        facts: its own.
    """

    key: str
    found: StoredObject
    facts: CompanionFacts

    @property
    def said(self) -> str:
        """Why it is held, and since when that is known."""
        return clean(f"looked at {self.facts.looked_at}: {self.facts.why}", LONGEST)


def find_held(
    lake: Lake,
    feeds: Mapping[Week, Feed],
    present: Mapping[str, StoredObject],
    budget: RetryBudget,
    unread: bool = False,
) -> dict[Week, HeldWeek]:
    """Those of the weeks that are held, as they looked when a run last looked at their source; a listing a feed.

    Args:
        present: the objects of these weeks that are in the lake. A week that has landed since is held no longer.
        unread: see Lake.find_all.
    """
    held: dict[Week, HeldWeek] = {}
    for feed in list_distinct(feeds.values()):
        weeks = {week.label: week for week, each in feeds.items() if each is feed}
        for key, found in lake.find_all(f"{HELD}/{feed.name}/", budget, unread).items():
            named = Companion.named(key)
            week = weeks.get(named.week) if named and named.key == key else None  # such a name may be no week's
            if week is None or not isinstance(found.facts, CompanionFacts):
                continue
            now = HeldWeek(key, found, found.facts)
            if week in held and held[week].facts.looked_at > now.facts.looked_at:
                continue
            if _is_waiting(now.facts, present.get(feed.key(week))):
                held[week] = now
    return held


def _is_waiting(held: CompanionFacts, stands: StoredObject | None) -> bool:
    if stands is None or stands.facts is None:
        return True
    return held.sha256 != stands.facts.sha256 and not is_overtaken(held, stands.facts)
