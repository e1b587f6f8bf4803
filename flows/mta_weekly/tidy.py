"""Litter: what runs that died or were overtaken left in a lake and in the work folder, that nothing names or needs.

Lists it, and removes what was listed. Knows no source and no Prefect.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rich.filesize import decimal

from mta_weekly.feeds.catalog import Feed
from mta_weekly.lake.companions import HISTORY, REJECTED, Companion, is_older
from mta_weekly.lake.facts import CompanionFacts
from mta_weekly.lake.objects import Lake, StoredObject
from mta_weekly.retry import RetryBudget
from mta_weekly.spool import list_dead, remove_dead

LEFT = ("a work file of a run that died", "facts without their object, as a run that died leaves them")
OLD = timedelta(days=2)  # younger, and a run that is under way may be about to name it


@dataclass(frozen=True)
class Litter:
    """Something that can go.

    Attributes:
        name: in the lake, or the path of a work folder.
        found: the companion, where it is one; only that very one is removed.
    """

    name: str
    why: str
    found: StoredObject | None = None
    folder: Path | None = None

    def __str__(self) -> str:
        size = f", {decimal(self.found.size)}" if self.found else ""
        return f"{self.name}: {self.why}{size}"


def list_litter(
    lake: Lake, feeds: Iterable[Feed], spool: Path | None, now: datetime, budget: RetryBudget
) -> Iterator[Litter]:
    """What can go: rejected rows that nothing names, work files of runs that died; never what was replaced.

    Args:
        spool: the work folder to look through, if any.

    Raises:
        LakeFailed: the lake cannot be read.
    """
    leftovers = lake.list_leftovers()  # first: it says where there is no such lake
    for feed in feeds:
        yield from _list_unnamed(lake, feed, now, budget)
        own = (name for name, key in leftovers.items() if f"/{feed.name}/" in f"/{key}")
        yield from (Litter(name, LEFT[name.endswith(".gz.json")]) for name in own)
    if spool:
        yield from (Litter(str(each), "the work folder of a run that died", folder=each) for each in list_dead(spool))


def remove_litter(lake: Lake, litter: Litter, budget: RetryBudget) -> bool:
    """Remove it, unless it is no longer what was listed; whether it is gone.

    Raises:
        LakeFailed: the lake cannot be written.
    """
    if litter.found:
        return lake.remove(litter.name, litter.found, budget)
    return remove_dead(litter.folder) if litter.folder else lake.remove_leftover(litter.name)


def _list_unnamed(lake: Lake, feed: Feed, now: datetime, budget: RetryBudget) -> Iterator[Litter]:
    """Rejected rows whose week has landed with other content, for two days at least, that no revision of it names."""
    rejected: dict[str, dict[str, StoredObject]] = {}  # by week
    for key, found in lake.find_all(f"{REJECTED}/{feed.name}/", budget).items():
        companion = Companion.named(key)
        if companion and companion.key == key and isinstance(found.facts, CompanionFacts):
            rejected.setdefault(companion.week, {})[key] = found
    if not rejected:
        return
    objects = {week: f"{feed.name}/{week}.csv.gz" for week in rejected}  # such a name may be no week's
    standing = lake.find(objects.values(), budget)
    history = lake.find_all(f"{HISTORY}/{feed.name}/", budget)
    for week, companions in sorted(rejected.items()):
        stands = standing.get(objects[week])
        if stands is None or stands.facts is None:  # its week may still land; or nobody knows what it names
            continue
        replaced = [found.facts for key, found in history.items() if _is_of(key, week)]
        if None in replaced:
            continue
        revisions = [facts for facts in [stands.facts, *replaced] if facts]
        named = {facts.rejected for facts in revisions}
        contents = {facts.sha256 for facts in revisions}  # facts that were renewed may name other rows, or none
        for key, found in sorted(companions.items()):
            own = found.facts
            lost = isinstance(own, CompanionFacts) and own.of not in contents and is_older(own, OLD, now)
            if lost and key not in named:
                yield Litter(key, "rejected rows that no object and no history names", found)


def _is_of(key: str, week: str) -> bool:
    companion = Companion.named(key)
    return companion is not None and companion.week == week
