"""Weeks in a lake as their facts tell of them, of any feed and without a source; for tests of how a lake stands."""

from pathlib import Path
from typing import Any

from lake_objects import budget, made
from mta_weekly.feeds.weeks import Week
from mta_weekly.lake.companions import HELD, Companion, publish_companion
from mta_weekly.lake.facts import CompanionFacts, Facts
from mta_weekly.lake.objects import Lake

LOOKED_AT = "2024-01-06T14:00:00+00:00"


def make_standing(folder: Path, feed: str, label: str, **more: Any) -> tuple[Path, Facts]:
    """A file of a week of 1,000 rows, with its facts."""
    path, facts = made(folder, f"{feed} {label} {more}".encode())
    last = str(Week.named(label).days[-1])
    return path, facts.model_copy(update={"feed": feed, "week": label, "rows": 1000, "last_day": last, **more})


def land_weeks(lake: Lake, folder: Path, *labels: str, feed: str = "turnstile", **more: Any) -> None:
    """Let weeks be in the lake, with facts that fit."""
    for label in labels:
        path, facts = make_standing(folder, feed, label, **more)
        lake.publish(path, f"{feed}/{label}.csv.gz", facts, None, budget())


def hold_week(lake: Lake, folder: Path, label: str, why: str = "rows 3", feed: str = "turnstile") -> str:
    """Let a week be held; the name of its companion."""
    path, facts = make_standing(folder, feed, label, rows=3)
    own = CompanionFacts(**vars(facts), of=facts.sha256, why=why, last_seen=LOOKED_AT, looked_at=LOOKED_AT)
    return publish_companion(lake, path, Companion.of(HELD, facts, facts.sha256), own, budget())
