"""Weeks of data.ny.gov, loaded from the pretend site without Prefect, and what they must become by the plain rule."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from hourly import RIDERSHIP as COLUMNS
from hourly import ridership_week
from mta_weekly.feeds.catalog import RIDERSHIP, Feed
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.client import Token, open_client
from mta_weekly.lake.folder import FolderLake
from mta_weekly.lake_week import LakeWeek
from mta_weekly.load import Load
from mta_weekly.options import Options
from mta_weekly.outcomes import Outcome
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import Settings
from soda import Soda
from web import Web
from weeks import HEADER, make_week

LIVE, MIDDLE, OLD = "5wq4-mkjj", "wujg-7c2s", "t69i-h2me"
SATURDAY, TODAY = date(2026, 9, 12), date(2026, 11, 21)
ROWS = 3000  # three times what the site sends where no limit is named
WEEK = ridership_week(SATURDAY, ROWS)
NAMES = [name for name, _ in COLUMNS]
KEY = [
    NAMES.index(name) for name in ("transit_timestamp", "station_complex_id", "payment_method", "fare_class_category")
]
SITE = "127.0.0.1"
Row = Sequence[str | None]


def in_order(rows: Sequence[Row], key: Sequence[int] = KEY) -> list[Row]:
    return sorted(rows, key=lambda row: [row[at] or "" for at in key])


AROUND = [row for n in (-1, 1) for row in ridership_week(SATURDAY + timedelta(weeks=n), 400)]
FIRST_DAY = [row for row in in_order(WEEK) if row[0] < "2026-09-06"]


def plain(number: str) -> str:
    """A whole number without a fraction, anything else as it is."""
    whole, point, fraction = number.partition(".")
    return whole if point and not fraction.strip("0") and whole.strip("-").isdecimal() else number


def expected(rows: Sequence[Row], columns: Sequence[tuple[str, str]] = COLUMNS) -> bytes:
    """What the object of rows in their order unpacks to, by design.md's words alone."""
    return _write(tuple(map(tuple, rows)), tuple(columns))


@lru_cache(maxsize=16)  # most tests want the same week
def _write(rows: Sequence[Row], columns: Sequence[tuple[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow(name.upper() for name, _ in columns)
    kinds = [kind for _, kind in columns]
    writer.writerows(
        [plain(cell or "") if kind == "number" else cell or "" for cell, kind in zip(row, kinds, strict=True)]
        for row in rows
    )
    return text.getvalue().encode()


@pytest.fixture
def site() -> Iterator[Soda]:
    """A data.ny.gov with the week, and with some of the weeks before and after it."""
    with Soda() as site:
        site.put(LIVE, COLUMNS, [*WEEK, *AROUND])
        yield site


class Loads:
    """Loads a week from the site into a folder, as a run does."""

    def __init__(self, site: Soda, folder: Path, **options: Any) -> None:
        self.settings = Settings(**{"socrata_url": site.url, "retry_base": 0.001, "retry_wait": 1.0, **options})
        self.lake, self.folder = FolderLake(folder / "lake"), folder
        token = options.get("token")
        self.client = open_client(self.settings, {site.url: Token(token, "MTA_SOCRATA_APP_TOKEN")} if token else None)
        self.lake.prepare()

    def __call__(
        self, feed: Feed = RIDERSHIP, saturday: date = SATURDAY, refresh: bool = False, allow_bad_rows: int = 0
    ) -> Outcome:
        load = self.begin(feed, saturday, refresh=refresh, allow_bad_rows=allow_bad_rows)
        return load.publish(load.make(self.client, lambda chunks, _, __: chunks))

    def begin(
        self, feed: Feed = RIDERSHIP, saturday: date = SATURDAY, budget: RetryBudget | None = None, **options: Any
    ) -> Load:
        week = Week(saturday)
        budget, key = budget or RetryBudget.of(self.settings, week.label), feed.key(week)
        existing = self.lake.find([key], budget).get(key)
        target = LakeWeek(week, feed, self.lake, existing, self.folder, budget, "run")
        return Load(target, Options(self.settings, TODAY, str(self.lake.folder), "run", **options))

    def content(self, feed: Feed = RIDERSHIP, saturday: date = SATURDAY) -> bytes:
        return gzip.decompress((self.lake.folder / feed.key(Week(saturday))).read_bytes())

    def facts(self, feed: Feed = RIDERSHIP, saturday: date = SATURDAY) -> dict[str, Any]:
        return json.loads((self.lake.folder / f"{feed.key(Week(saturday))}.json").read_bytes())

    @property
    def objects(self) -> list[Path]:
        return [path for path in self.lake.folder.rglob("*.gz*") if path.is_file() and path.suffix != ".lock"]


@pytest.fixture
def load(site: Soda, tmp_path: Path) -> Loads:
    return Loads(site, tmp_path)


def asked(site: Soda, what: str) -> list[dict[str, str]]:
    """The queries for rows (`.csv`) or for figures (`.json`)."""
    return [parameters for path, parameters in site.queries if path.endswith(what)]


def raise_ridership(site: Soda) -> Callable[[], object]:
    def revise() -> None:
        site.revise(LIVE, "UPDATE {set} SET ridership = '99' WHERE transit_timestamp = '2026-09-08T09:00:00.000'")

    return revise


REVISED = [row if row[0] != "2026-09-08T09:00:00.000" else (*row[:7], "99", *row[8:]) for row in WEEK]


def expected_lines(rows: Sequence[Row]) -> list[bytes]:
    """The site's own CSV, line by line."""
    cells = [NAMES, *rows]
    return [
        (",".join("" if c is None else '"' + c.replace('"', '""') + '"' for c in row) + "\n").encode() for row in cells
    ]


# The second source of the turnstile feed


def published(saturday: date, rows: int = 600) -> bytes:
    """A weekly file whose rows are in the order of their key."""
    lines = make_week(saturday, rows).decode().splitlines()[1:]
    return HEADER + "".join(f"{line}\n" for line in sorted(lines, key=turnstile_key)).encode()


def turnstile_key(line: str) -> list[str]:
    ca, unit, scp, *_, day, time, _, _, _ = line.split(",")
    return [ca, unit, scp, day[6:] + day[:5], time]


@pytest.fixture
def turnstile(site: Soda, web: Web, tmp_path: Path) -> Loads:
    return Loads(site, tmp_path, turnstile_url=web.url)


MARCH = date(2016, 3, 12)
