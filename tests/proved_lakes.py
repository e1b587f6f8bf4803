"""Lakes of small weeks with all that belongs to them, and what `verify` says of them; folders and buckets alike."""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from either_lake import Put
from gcs import Gcs
from hourly import daily_week, ridership_week
from lake_objects import budget
from mta_weekly.content.convert import convert_week, describe_file
from mta_weekly.errors import LakeFailed
from mta_weekly.feeds.catalog import DAILY, TURNSTILE, Feed
from mta_weekly.feeds.weeks import Week, list_weeks
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.folder import FolderLake
from mta_weekly.lake.objects import Lake, StoredObject
from mta_weekly.lake_week import LakeWeek
from mta_weekly.options import Options
from mta_weekly.settings import Settings
from mta_weekly.upkeep.proof import STATES
from mta_weekly.upkeep.verify import verify_lake
from weeks import make_legacy_week, make_week

TODAY = date(2026, 11, 21)
NEW = ("day_rows", "hour_rows", "keys", "doubled_keys", "series_rows")  # facts of 0.9.0
BEFORE_9 = (*NEW, "ended", "accepted")  # facts that versions before 0.9.0, 0.8.0 and 0.4.0 did not write
BEFORE_8 = (*BEFORE_9, "rejected", "replaces", "revision", "landed_at")
BEFORE_4 = (*BEFORE_8, "unknown_columns", "out_of_date", "source", "empty", "sums")


def publish_rows(feed: Feed, week: Week, seed: int = 1) -> bytes:
    """A small week as its first source writes it; another seed is another one of as many rows."""
    if feed == TURNSTILE:
        make = make_legacy_week if week <= Week.named("141011") else make_week
        return make(week.saturday, rows=60, seed=seed)
    made = daily_week(week.saturday, seed) if feed == DAILY else ridership_week(week.saturday, rows=200, seed=seed)
    text = io.StringIO()
    rows = sorted([cell or "" for cell in row] for row in made)
    csv.writer(text, lineterminator="\n").writerows([[name.lower() for name in feed.columns], *rows])
    return text.getvalue().encode()


@dataclass
class ProvedLake:
    """A lake that is filled with small weeks, and told what it should not be."""

    lake: Lake
    gcs: Gcs
    put: Put
    folder: Path

    @property
    def options(self) -> Options:
        """How it is verified."""
        settings = Settings(_env_file=None, retry_base=0.001, retry_wait=2.0, spool=self.folder / "spool")
        return Options(settings, TODAY, "/lake")

    def land(self, feed: Feed, week: Week, seed: int = 1, bad: bool = False, hold: bool = False) -> str:
        """Let a week land as a load would let it, or be held; the name of what is there then."""
        target = LakeWeek(week, feed, self.lake, self.find(feed.key(week)), self.folder, budget(), "run")
        published = publish_rows(feed, week, seed)
        if bad:
            published += b"x,y\n"
        profile = convert_week([published], feed, week, target.path, allow_bad_rows=1)
        facts = target.make_facts(profile, source=feed.sources[0].name)
        if hold:
            return target.hold(target.path, facts, "rows 3")
        target.publish(target.path, facts, None, "a forced load")
        return target.key

    def find(self, key: str) -> StoredObject | None:
        """What is there."""
        return self.lake.find([key], budget()).get(key)

    def facts(self, key: str) -> Any:
        """The facts there."""
        found = self.find(key)
        assert found
        assert found.facts
        return found.facts

    def read(self, key: str) -> bytes:
        """The bytes of a file."""
        if isinstance(self.lake, FolderLake):
            return (self.lake.folder / key).read_bytes()
        return self.gcs.objects["lake"][key].data

    def remove(self, key: str) -> None:
        """Move a file away, with its facts."""
        found = self.find(key)
        assert found
        assert self.lake.remove(key, found, budget())

    def tell(self, key: str, facts: Facts | None, without: Iterable[str] = ()) -> None:
        """Give a file facts, as another hand or an older version would."""
        if isinstance(self.lake, FolderLake):
            said = facts.model_dump(mode="json") if facts else {}
            text = json.dumps({name: value for name, value in said.items() if name not in without})
            (self.lake.folder / f"{key}.json").write_text(text)
        else:
            blob = self.gcs.objects["lake"][key]
            metadata = facts.as_metadata() if facts else {}
            blob.properties["metadata"] = {name: value for name, value in metadata.items() if name not in without}
            blob.metageneration += 1

    def verify(self, **asked: Any) -> list[str]:
        """All lines, that of the end where it is a fault among them."""
        lines = self.verify_only(**asked)
        assert not list((self.folder / "spool").glob("mta-etl-run-*"))
        return lines

    def verify_only(self, **asked: Any) -> list[str]:
        """The same, while others may be at it."""
        lines = []
        try:
            for line in verify_lake(self.lake, self.options, **asked):
                lines.append(line)
        except LakeFailed as error:
            lines.append(str(error))
        return lines

    def find_states(self, **asked: Any) -> dict[str, str]:
        """What each fault is called, by the name of its file."""
        found = [line.split(":", 1)[0].rsplit(" ", 1) for line in self.verify(**asked)]
        return {each[0]: each[1] for each in found if len(each) == 2 and each[1] in STATES}


@pytest.fixture
def proved(lake: Lake, gcs: Gcs, put: Put, tmp_path: Path) -> ProvedLake:
    """An empty lake of each kind."""
    return ProvedLake(lake, gcs, put, tmp_path)


def list_last(feed: Feed, count: int) -> list[Week]:
    """The last weeks of a feed, up to today."""
    last = feed.coverage.last.saturday if feed.coverage.last else TODAY
    return list_weeks(feed.coverage.first.saturday, last)[-count:]


def fit(facts: Facts, data: Path, **more: Any) -> Facts:
    """Facts that are made to fit a file."""
    sums = describe_file(data)
    return facts.model_copy(update={"size": sums.size, "crc32c": sums.crc32c, **more})
