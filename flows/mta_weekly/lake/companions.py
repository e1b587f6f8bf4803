"""Companions: side objects of a week, named by their content, created once, never written over.

Rows that were left out of an object, weeks that are held, and what was replaced. Knows no feed, no source and no work
folder but the file it is handed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from mta_weekly.errors import LakeFailed
from mta_weekly.lake.facts import COMPANION, DIGEST, CompanionFacts, Facts
from mta_weekly.lake.objects import Lake, StoredObject
from mta_weekly.retry import RetryBudget

REJECTED, HELD, HISTORY = "rejected", "held", "history"  # kinds
SEEN_ANEW = timedelta(days=1)  # after which it is noted that one was seen again; litter is older


@dataclass(frozen=True)
class Companion:
    """A companion's name, in its parts.

    Attributes:
        digest: the first digits of the sha256 of its content; of what cannot be unpacked, of the file.
        revision: of the object that was replaced; 0 for others.
    """

    kind: str
    feed: str
    week: str
    digest: str
    revision: int = 0

    @classmethod
    def of(cls, kind: str, facts: Facts, sha256: str, revision: int = 0) -> Self:
        """The companion of an object with these facts that holds content of that sum."""
        return cls(kind, facts.feed, facts.week, sha256[:DIGEST], revision)

    @classmethod
    def named(cls, key: str) -> Self | None:
        """The parts of a name; None where it is no companion's."""
        found = COMPANION.search(key)
        return found and cls(found["kind"], found["feed"], found["week"], found["digest"], int(found["revision"] or 0))

    @property
    def key(self) -> str:
        """The name of the object."""
        revision = f"{self.revision}-" if self.revision else ""
        return f"{self.kind}/{self.feed}/{self.week}-{revision}{self.digest}.csv.gz"


def publish_companion(lake: Lake, path: Path, companion: Companion, facts: CompanionFacts, budget: RetryBudget) -> str:
    """Create a companion, or note that a run has seen the same again; return its name.

    Raises:
        LakeFailed: something else stands under its name, or the lake did not take it.
    """
    key = companion.key
    published = lake.publish(path, key, facts, None, budget)
    if published.state == "there":
        _note_seen(lake, key, published.found, facts, budget)
    return key


def _note_seen(lake: Lake, key: str, found: StoredObject, facts: CompanionFacts, budget: RetryBudget) -> None:
    said = found.facts
    if not isinstance(said, CompanionFacts) or said.sha256 != facts.sha256:
        if not found.holds(facts):
            raise LakeFailed(f"{key}: something else stands under this name; look at it, move it away, run again")
        lake.set_facts(key, found, facts, budget)
    elif facts.looked_at:
        if facts.looked_at > said.looked_at:
            own = {"size": said.size, "crc32c": said.crc32c}  # of the file that stays
            lake.set_facts(key, found, facts.model_copy(update=own), budget)
    elif said.of != facts.of or is_older(said, SEEN_ANEW, datetime.fromisoformat(facts.last_seen)):
        again = {"of": facts.of, "why": facts.why, "last_seen": facts.last_seen}
        lake.set_facts(key, found, said.model_copy(update=again), budget)
    elif key.startswith(HISTORY) and said.model_copy(update={"why": facts.why, "last_seen": facts.last_seen}) != facts:
        lake.set_facts(key, found, facts, budget)  # a run died that kept it, and its facts were renewed since


def is_older(facts: CompanionFacts, than: timedelta, now: datetime) -> bool:
    """Whether nobody has seen a companion, or found a held week so at its source, for so long."""
    try:
        seen = datetime.fromisoformat(facts.looked_at or facts.last_seen)
    except ValueError:
        return False
    return now - seen.replace(tzinfo=seen.tzinfo or UTC) > than


def is_overtaken(held: CompanionFacts, stands: Facts) -> bool:
    """Whether a week has landed, or its source was found to have what stands, since it was held."""
    return held.looked_at < max(stands.landed_at, stands.loaded_at)


def find_own(lake: Lake, facts: Facts, budget: RetryBudget) -> Facts:
    """The facts of an object that were made anew, with the companions that lie in the lake: what they say of it."""
    update: dict[str, object] = {}
    history = lake.find_all(f"{HISTORY}/{facts.feed}/{facts.week}-", budget)
    for known in (found.facts for found in history.values()):
        if known and known.sha256 == facts.sha256:  # rows that were left out of it, and of a later one too
            update |= {"rejected": known.rejected, "bad_rows": known.bad_rows}
    standing = lake.find_all(f"{REJECTED}/{facts.feed}/{facts.week}", budget)
    for key, found in standing.items():
        if found.facts and _are_rows_of(found.facts, facts):
            update |= {"rejected": key, "bad_rows": found.facts.bad_rows}
    return _follow(history, facts.model_copy(update=update))


def follow_history(lake: Lake, facts: Facts, budget: RetryBudget) -> Facts:
    """The facts of an object that is to be kept, with a revision that no other content of its week has there.

    It has one already, unless somebody removed what stood, or put an earlier one back.
    """
    return _follow(lake.find_all(f"{HISTORY}/{facts.feed}/{facts.week}-", budget), facts)


def _follow(history: dict[str, StoredObject], facts: Facts) -> Facts:
    named = {key: companion for key in history if (companion := Companion.named(key))}
    keys = sorted(named, key=lambda key: named[key].revision)
    if not keys:
        return facts
    last = named[keys[-1]].revision
    if history[keys[-1]].holds(facts):  # kept by a run that died before it replaced it
        before = keys[-2] if len(keys) > 1 else ""
        return facts.model_copy(update={"revision": last, "replaces": facts.replaces or before})
    if last >= facts.revision:
        return facts.model_copy(update={"revision": last + 1, "replaces": keys[-1]})
    return facts


def _are_rows_of(rejected: Facts, facts: Facts) -> bool:
    if isinstance(rejected, CompanionFacts):
        return rejected.of == facts.sha256
    # Before 0.8.0 they had the facts of their object, but for the sums of the file.
    figures = ("rows", "first_day", "last_day", "empty", "sums")
    return all(getattr(rejected, name) == getattr(facts, name) for name in figures)
