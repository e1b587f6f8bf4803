"""Small turnstile weeks that look alike, and wrong copies of them; runs over weeks of a lake, without Prefect."""

import gzip
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from conftest import KEY, WEEK
from lake_objects import budget
from mta_weekly.content.convert import convert_week
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.client import open_client
from mta_weekly.lake.companions import HELD
from mta_weekly.lake.facts import CompanionFacts, Facts
from mta_weekly.lake.folder import FolderLake
from mta_weekly.lake.objects import Lake, StoredObject
from mta_weekly.lake_week import LakeWeek
from mta_weekly.load import Load
from mta_weekly.loads import find_suspects, prepare_loads
from mta_weekly.options import Options
from mta_weekly.outcomes import Outcome
from mta_weekly.settings import Settings
from web import Answer, Web
from weeks import make_week

BEFORE, AFTER = ("231223", "231230"), ("240113", "240120")
AROUND = (*BEFORE, *AFTER)  # the week that tests look at
LONG_AGO = "2024-01-06T12:00:00+00:00"
NEW_FIGURES = ("day_rows", "hour_rows", "series_rows", "keys", "doubled_keys")


@cache
def full_week(week: str = WEEK) -> bytes:
    """A published file of some 4,000 rows; no two weeks of a month have as many."""
    saturday = Week.named(week).saturday
    return make_week(saturday, rows=3990 + saturday.day)


def take_rows(published: bytes, part: float) -> bytes:
    """Its first rows, so large a part of all."""
    header, *rows = published.splitlines(keepends=True)
    return header + b"".join(rows[: int(part * len(rows))])


def repeat_rows(published: bytes, part: float = 1.0) -> bytes:
    """The file, and its first rows once more."""
    return published + take_rows(published, part).partition(b"\n")[2]


def list_held(lake: Lake) -> dict[str, StoredObject]:
    """The held companions of the week."""
    return lake.find_all(f"{HELD}/turnstile/{WEEK}-", budget())


def make_older(lake: Lake, key: str, when: str = LONG_AGO) -> None:
    """Let an object or a companion have come long ago."""
    (found,) = lake.find_all(key, budget()).values()
    names = ("landed_at", "loaded_at", "last_seen", "looked_at")
    assert found.facts
    known = {name: when for name in names if name in type(found.facts).model_fields}
    lake.set_facts(key, found, found.facts.model_copy(update=known), budget())


@dataclass
class Runs:
    """Runs over weeks of a lake, one week after another; as the flow makes them.

    Attributes:
        told: what the last one found of weeks that are in the lake.
    """

    lake: Lake
    web: Web
    client: Any
    settings: Settings
    folder: Path
    told: list[Outcome] = field(default_factory=list)

    def prepare(self, *weeks: str, run_id: str = "run", **options: Any) -> Sequence[Load]:
        """Loads of the weeks, with a work folder of their own; of the one week, unless they are named."""
        folder = self.folder / run_id
        folder.mkdir(exist_ok=True)
        feeds = {Week.named(week): TURNSTILE for week in weeks or (WEEK,)}
        return prepare_loads(
            feeds, self.lake, folder, Options(self.settings, date(2026, 11, 21), run_id=run_id, **options)
        )

    def finish(self, load: Load) -> Outcome:
        """Make and publish a week, or keep what is there."""
        return load.keep() if load.keeps else load.publish(load.make(self.client, lambda chunks, _, __: chunks))

    def __call__(self, *weeks: str, **options: Any) -> list[Outcome]:
        """What became of each week."""
        loads = self.prepare(*weeks, **options)
        outcomes = [self.finish(load) for load in loads]
        self.told = list(find_suspects(loads, outcomes))
        return outcomes

    def publish(self, published: bytes, week: str = WEEK) -> None:
        """Let the source have a week so."""
        self.web.serve(f"/turnstile_{week}.txt", Answer(published))

    def load(self, published: bytes | None = None, **options: Any) -> Outcome:
        """The outcome of the one week, as it is published now."""
        if published is not None:
            self.publish(published)
        (outcome,) = self(**options)
        return outcome

    @contextmanager
    def asking_nothing(self) -> Iterator[None]:
        """The source is asked for nothing meanwhile."""
        before = len(self.web.requests)
        yield
        assert len(self.web.requests) == before

    def find(self, key: str = KEY) -> StoredObject | None:
        """What is there by that name."""
        return self.lake.find([key], budget()).get(key)

    def unpack(self, key: str = KEY) -> bytes:
        """What it unpacks to."""
        found = self.find(key)
        assert found
        path = self.folder / "looked-at.csv.gz"
        self.lake.read(key, found, path, budget())
        return gzip.decompress(path.read_bytes())

    def see(self, key: str = KEY) -> tuple[StoredObject | None, bytes]:
        """All of it: generation, facts and content."""
        return self.find(key), self.unpack(key)

    def held_facts(self) -> CompanionFacts:
        """Of the one companion that there is."""
        (found,) = list_held(self.lake).values()
        assert isinstance(found.facts, CompanionFacts)
        return found.facts


@pytest.fixture
def lake_runs(lake: Lake, web: Web, tmp_path: Path) -> Iterator[Runs]:
    """Runs into an empty lake of each kind, with all weeks published."""
    settings = Settings(_env_file=None, turnstile_url=web.url, retry_base=0.001, retry_wait=2.0)
    with open_client(settings) as client:
        runs = Runs(lake, web, client, settings, tmp_path)
        for week in (*AROUND, WEEK):
            runs.publish(full_week(week), week)
        yield runs


@pytest.fixture(scope="session")
def weeks_around(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Facts]]:
    """The objects of the weeks around, made once."""
    folder, made = tmp_path_factory.mktemp("around"), list[tuple[Path, Facts]]()
    for label in AROUND:
        week, path = Week.named(label), folder / f"{label}.csv.gz"
        target = LakeWeek(week, TURNSTILE, FolderLake(folder), None, folder, budget(), "before")
        profile = convert_week([full_week(label)], TURNSTILE, week, path)
        made.append((path, target.make_facts(profile, source=TURNSTILE.sources[0].name)))
    return made


@pytest.fixture
def runs(lake_runs: Runs, weeks_around: list[tuple[Path, Facts]]) -> Runs:
    """Runs into a lake that has the weeks around the one."""
    for path, facts in weeks_around:
        lake_runs.lake.publish(path, f"turnstile/{facts.week}.csv.gz", facts, None, budget())
    return lake_runs
