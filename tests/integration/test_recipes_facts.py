"""Which weeks a lake has, what is known of them and what a revision changed, by the recipes of docs/read.md."""

import gzip
import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

import papers
from mta_weekly.feeds.catalog import RIDERSHIP, TURNSTILE, Feed
from mta_weekly.lake.folder import FolderLake
from mta_weekly.options import Options
from mta_weekly.settings import Settings
from mta_weekly.upkeep.report import write_json
from mta_weekly.upkeep.status import look_at_lake
from recipe_lake import REVISED, as_doubles, in_any_order, read_rows, read_texts, run

pytest_plugins = ["recipe_lake"]

revised = pytest.mark.parametrize("feed", [RIDERSHIP, TURNSTILE], ids=lambda feed: feed.name)


# Weeks and facts


def test_the_facts_are_a_table(here: Path, duck: duckdb.DuckDBPyConnection) -> None:
    duck.execute(papers.section("facts in duckdb", "sql"))
    found = duck.sql("SELECT feed, week, rows, sha256, revision, replaces, last_day, sums FROM facts").fetchall()
    said = [json.loads(path.read_text()) for path in here.glob("*/*.json")]
    assert in_any_order(found) == in_any_order(
        (
            *(each[name] for name in ("feed", "week", "rows", "sha256", "revision", "replaces")),
            date.fromisoformat(each["last_day"]),
            each["sums"],
        )
        for each in said
    )
    assert duck.sql("SELECT DISTINCT loaded_at >= landed_at FROM facts").fetchall() == [(True,)]


def test_the_proof_finds_a_week_that_is_not_as_its_facts_say(duck: duckdb.DuckDBPyConnection, own: Path) -> None:
    proof = papers.section("proof in duckdb", "sql")
    duck.execute(papers.section("facts in duckdb", "sql"))
    assert duck.sql(proof).fetchall() == []
    path = own / "ridership/260905.csv.gz"
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(lines[:-1])))
    assert [row[0] for row in duck.sql(proof).fetchall()] == ["260905"]
    path.unlink()
    assert [row[0] for row in duck.sql(proof).fetchall()] == ["260905"]


def test_what_is_new_or_revised_is_unread_until_it_is_seen(duck: duckdb.DuckDBPyConnection) -> None:
    duck.execute(papers.section("facts in duckdb", "sql"))
    table, find, question, note = duck.extract_statements(papers.section("newer in duckdb", "sql"))
    duck.execute(table)
    duck.execute(find)
    assert len(duck.execute(question).fetchall()) == 6
    duck.execute(note)
    duck.execute(find)
    assert duck.execute(question).fetchall() == []
    duck.execute("UPDATE seen SET sha256 = 'another' WHERE week = '240106'")
    duck.execute(find)
    assert duck.execute(question).fetchall() == [("turnstile", "240106", 2)]
    duck.execute(note)
    duck.execute(find)
    assert duck.execute(question).fetchall() == []


def test_the_status_is_a_table(
    here: Path, tmp_path: Path, duck: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = look_at_lake(
        FolderLake(here), Options(Settings(_env_file=None), date(2026, 10, 10), "data/lake"), "", date(2026, 9, 5)
    )
    (tmp_path / "status.json").write_text(write_json(status))
    monkeypatch.chdir(tmp_path)
    found = {row[0]: row[1:] for row in duck.sql(papers.section("status in duckdb", "sql")).fetchall()}
    assert found["ridership"] == (2, "260912", "260926", ["260919", "260926"], [])


# Revisions


@revised
def test_duckdb_says_what_a_revision_changed(here: Path, duck: duckdb.DuckDBPyConnection, feed: Feed) -> None:
    before, now = (as_doubles(feed, read_rows(feed, path)) for path in _find_revisions(here, feed))
    script = (
        papers.section("revision in duckdb", "sql")
        .replace("ridership", feed.name)
        .replace("260912", REVISED[feed.name])
    )
    gone, new = Counter(before) - Counter(now), Counter(now) - Counter(before)
    assert len(gone) > len(new) > 0
    wanted = [("-", *row) for row in gone.elements()] + [("+", *row) for row in new.elements()]
    assert in_any_order(duck.execute(script).fetchall()) == in_any_order(wanted)


def test_pandas_says_what_a_revision_changed(here: Path) -> None:
    changed = run("revision in pandas")["changed"]
    before, now = (
        {tuple(row[at] for at in (0, 2, 5, 6)): (row[7], row[8]) for row in read_texts(path)}
        for path in _find_revisions(here, RIDERSHIP)
    )
    differ = {key: (before.get(key), now.get(key)) for key in before | now if before.get(key) != now.get(key)}
    found = {
        tuple(row[:4]): (_pair(row[4:6]), _pair(row[6:8]))
        for row in changed.drop(columns="CHANGE").itertuples(index=False)
    }
    assert found == differ
    assert {None in pair for pair in differ.values()} == {True, False}
    assert set(changed["CHANGE"]) == {"both", "left_only", "right_only"}


def _find_revisions(lake: Path, feed: Feed) -> tuple[Path, Path]:
    now = lake / feed.name / f"{REVISED[feed.name]}.csv.gz"
    return lake / json.loads(Path(f"{now}.json").read_text())["replaces"], now


def _pair(values: Any) -> tuple[Any, ...] | None:
    return None if pd.isna(values[0]) else tuple(values)
