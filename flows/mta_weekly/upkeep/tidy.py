"""Litter: what runs that died or were overtaken left in a lake and in the work folder, that nothing names or needs.

Lists it, and removes what was listed. Knows no source and no Prefect.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rich.filesize import decimal

from mta_weekly.feeds.catalog import Feed
from mta_weekly.lake.companions import HELD, HISTORY, REJECTED, Companion, is_older, is_overtaken
from mta_weekly.lake.facts import CompanionFacts, Facts
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
    """What can go: held weeks that landed otherwise, rejected rows that nothing names, work files of runs that died.

    Never what was replaced, nor what is held of a week that the lake lacks.

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
    """Held weeks and rejected rows whose week has landed, and that no revision of it has or names; two days old."""
    held, rejected = (_find_companions(lake, kind, feed, budget) for kind in (HELD, REJECTED))
    objects = {week: f"{feed.name}/{week}.csv.gz" for week in sorted({*held, *rejected})}  # may be no week's name
    if not objects:
        return
    standing = lake.find(objects.values(), budget)
    history = _find_companions(lake, HISTORY, feed, budget)
    for week, key in objects.items():
        stands = standing.get(key)
        if stands is None or stands.facts is None:  # its week may still land; or nobody knows what it names
            continue
        replaced = [found.facts for found in history.get(week, {}).values()]
        if None in replaced:
            continue
        revisions = [facts for facts in [stands.facts, *replaced] if facts]
        overtaken = _list_overtaken(held.get(week, {}), stands.facts, {facts.sha256 for facts in revisions}, now)
        yield from overtaken
        gone = {litter.name for litter in overtaken}
        kept = [found.facts for name, found in held.get(week, {}).items() if name not in gone]
        if None not in kept:
            revisions += [facts for facts in kept if facts]
            yield from _list_rejected(rejected.get(week, {}), revisions, now)


def _list_overtaken(held: dict[str, StoredObject], stands: Facts, contents: set[str], now: datetime) -> list[Litter]:
    """Of the held objects of a week those that are of no use: it has landed since, and never had their content."""
    litter = []
    for key, found in held.items():
        own = _read_old(key, found, now)
        if own and own.looked_at and is_overtaken(own, stands) and own.sha256 not in contents:
            litter.append(Litter(key, "a held week, which has landed with other content since", found))
    return litter


def _list_rejected(rejected: dict[str, StoredObject], revisions: list[Facts], now: datetime) -> Iterator[Litter]:
    """Of the rejected rows of a week those that nothing names, and that are of nothing we have."""
    named = {facts.rejected for facts in revisions}
    contents = {facts.sha256 for facts in revisions}  # facts that were renewed may name other rows, or none
    for key, found in rejected.items():
        own = _read_old(key, found, now)
        if own and own.of not in contents and key not in named:
            yield Litter(key, "rejected rows that no object, no history and no held week names", found)


def _read_old(key: str, found: StoredObject, now: datetime) -> CompanionFacts | None:
    """The facts of a companion that a run of ours has made, and none has seen for two days."""
    companion, own = Companion.named(key), found.facts
    is_ours = companion is not None and companion.key == key
    return own if is_ours and isinstance(own, CompanionFacts) and is_older(own, OLD, now) else None


def _find_companions(lake: Lake, kind: str, feed: Feed, budget: RetryBudget) -> dict[str, dict[str, StoredObject]]:
    """All companions of a kind that a feed has, by the labels of their weeks, in order."""
    companions: dict[str, dict[str, StoredObject]] = {}
    for key, found in sorted(lake.find_all(f"{kind}/{feed.name}/", budget).items()):
        if companion := Companion.named(key):
            companions.setdefault(companion.week, {})[key] = found
    return companions
