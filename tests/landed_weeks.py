"""Weeks of any feed as a run lands them, from what was published; and what a reader calls the lake they are in."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from lake_objects import budget
from mta_weekly.content.convert import convert_week
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.weeks import Week
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.folder import FolderLake
from mta_weekly.lake.gcs import BucketLake
from mta_weekly.lake.objects import Lake
from mta_weekly.lake_week import LakeWeek

ANONYMOUS = {"token": "anon"}  # a folder has no use for it


def land_week(lake: Lake, feed: Feed, label: str, published: bytes, folder: Path) -> Facts:
    """Let a week be in the lake, in place of one that is there."""
    path, week, key = folder / "landing.csv.gz", Week.named(label), f"{feed.name}/{label}.csv.gz"
    profile = convert_week([published], feed, week, path)
    facts = LakeWeek(week, feed, lake, None, folder, budget(), "run").make_facts(profile)
    lake.publish(path, key, facts, lake.find([key], budget()).get(key), budget())
    return facts


def write_table(feed: Feed, rows: Iterable[Sequence[str | None]]) -> bytes:
    """Rows as a table's source writes them; None is nothing, not even quotes."""
    names = [name.lower() for name in feed.columns]
    quoted = [["" if cell is None else '"' + cell.replace('"', '""') + '"' for cell in row] for row in [names, *rows]]
    return "".join(",".join(row) + "\n" for row in quoted).encode()


def name_lake(lake: Lake) -> str:
    """What `mta_weekly.read` takes as the name of a lake."""
    if isinstance(lake, BucketLake):
        return f"gs://{lake.bucket}/{lake.folder}"
    assert isinstance(lake, FolderLake)
    return str(lake.folder)
