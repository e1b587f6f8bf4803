"""The recipes of docs/read.md, and a small lake to run them on, landed for real, with all that is hard to read.

What they must give is read by Python's csv module alone.
"""

import csv
import gzip
import io
import shutil
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

import papers
from hourly import DAILY as DAILY_COLUMNS
from hourly import RIDERSHIP as RIDERSHIP_COLUMNS
from hourly import daily_week, ridership_week
from mta_weekly.feeds.catalog import DAILY, RIDERSHIP, TURNSTILE, Feed
from mta_weekly.feeds.weeks import Week
from socrata_weeks import LIVE, Loads
from soda import Soda
from web import Answer, Web
from weeks import make_legacy_week, make_week

WEEKS = [date(2026, 9, 5), date(2026, 9, 12)]
LEGACY, LATER = date(2012, 1, 7), date(2024, 1, 6)
REVISED = {RIDERSHIP.name: "260912", TURNSTILE.name: "240106"}
NAMES = {"501": "007", "TRAM1": "NA"}  # ids that a reader that guesses takes for a number, or for none
Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data/lake`: two weeks of each feed; one of ridership and one of turnstile were revised."""
    folder = tmp_path_factory.mktemp("reader") / "data"
    folder.mkdir()
    with Soda() as site, Web() as web:
        site.put(LIVE, RIDERSHIP_COLUMNS, [row for week in WEEKS for row in _ride(week)])
        site.put("sayj-mze2", DAILY_COLUMNS, [row for week in WEEKS for row in _count(week)])
        published = make_week(LATER, 300)
        web.serve("/turnstile_120107.txt", Answer(make_legacy_week(LEGACY, 300)))
        web.serve("/turnstile_240106.txt", Answer(published))
        load = Loads(site, folder, turnstile_url=web.url)
        for week in WEEKS:
            load(RIDERSHIP, week)
            load(DAILY, week)
        load(TURNSTILE, LEGACY)
        load(TURNSTILE, LATER)
        site.revise(LIVE, "UPDATE {set} SET ridership = '99' WHERE transit_timestamp = '2026-09-08T09:00:00.000'")
        site.revise(LIVE, "DELETE FROM {set} WHERE transit_timestamp = '2026-09-09T10:00:00.000'")
        site.revise(LIVE, "UPDATE {set} SET payment_method = 'cash' WHERE transit_timestamp LIKE '2026-09-10T11%'")
        assert load(RIDERSHIP, WEEKS[1], refresh=True).state == "replaced"
        header, _, *rest = published.replace(b"REGULAR,", b"RECOVR AUD,", 9).splitlines(keepends=True)
        web.serve("/turnstile_240106.txt", Answer(b"".join([header, *rest])))
        assert load(TURNSTILE, LATER, refresh=True).state == "replaced"
    return folder


@pytest.fixture
def here(data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as the folder that a reader works in."""
    monkeypatch.chdir(data.parent)
    return data / "lake"


def run(recipe: str, **replaced: str) -> dict[str, Any]:
    """The names that a recipe in Python leaves behind."""
    code = papers.section(recipe, "python")
    for this, that in replaced.items():
        code = code.replace(this, that)
    names: dict[str, Any] = {"__name__": __name__}  # so that a warning is an error
    exec(compile(code, f"<{recipe}>", "exec"), names)
    return names


@pytest.fixture
def duck(here: Path) -> duckdb.DuckDBPyConnection:
    """DuckDB in the folder of the lake, which knows the macros and views of the page and asks nobody for extensions."""
    connection = duckdb.connect()
    connection.execute("SET autoinstall_known_extensions = false; SET autoload_known_extensions = false")
    connection.execute(papers.section("duckdb", "sql"))
    return connection


@pytest.fixture
def own(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the lake, to be changed, and its folder as that a reader works in."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(here, tmp_path / "data/lake"))


def read_texts(path: Path) -> list[list[str]]:
    """The rows of an object, without its header and row number."""
    header, *rows = csv.reader(io.StringIO(gzip.decompress(path.read_bytes()).decode(), newline=""))
    return [row[header[0] == "" :] for row in rows]


def read_rows(feed: Feed, path: Path) -> list[Row]:
    """What the rows of an object are, after the week."""
    kinds = [_find_kind(feed, name) for name in feed.columns]
    week = path.name[:6]
    return [
        (week, *(kind(text) if text else None for kind, text in zip(kinds, row, strict=True)))
        for row in read_texts(path)
    ]


def read_feed(feed: Feed, lake: Path) -> list[Row]:
    """Those of all its objects."""
    return [row for path in sorted((lake / feed.name).glob("*.gz")) for row in read_rows(feed, path)]


def as_doubles(feed: Feed, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows as DuckDB has them: numbers that are no counters are doubles."""
    doubles = {at for at, name in enumerate(feed.columns, start=1) if name in feed.numbers}
    return [
        tuple(float(value) if at in doubles and value is not None else value for at, value in enumerate(row))
        for row in rows
    ]


def in_any_order(rows: Iterable[Row]) -> list[Row]:
    """Rows, each value with its type, to be compared with others that have another order."""
    return sorted((tuple((type(value), value) for value in row) for row in rows), key=str)


def _find_kind(feed: Feed, name: str) -> Callable[[str], Any]:
    if name in feed.clocks:
        return lambda text: datetime.strptime(text, "%H:%M:%S").time()
    if name == feed.day[0]:
        moment = feed.day[1].endswith("%Y")
        return lambda text: datetime.strptime(text, "%m/%d/%Y").date() if moment else datetime.fromisoformat(text)
    if name in ("LATITUDE", "LONGITUDE"):
        return float
    return int if name in (*feed.counters, *feed.numbers) else str


def _ride(saturday: date) -> Iterator[Row]:
    """Ids and a name that a reader takes for something else."""
    for moment, mode, code, station, *rest in ridership_week(saturday, 600):
        yield moment, mode, NAMES.get(code, code), "null" if code == "TRAM2" else station, *rest


def _count(saturday: date) -> Iterator[Row]:
    """One count is not known."""
    for day, mode, count in daily_week(saturday):
        unknown = mode == "BT" and day.startswith(f"{Week(saturday).days[2]}")
        yield day, mode, None if unknown else count
