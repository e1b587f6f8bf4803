"""The DDL of docs/read.md for BigQuery, which nothing here can run: by sqlglot, beside the feeds and over a lake."""

from pathlib import Path

import duckdb
import pytest
import sqlglot
from sqlglot import exp

import papers
from mta_weekly.feeds.catalog import DAILY, FEEDS, TURNSTILE, Feed
from recipe_lake import in_any_order, read_feed

pytest_plugins = ["recipe_lake"]

feeds = pytest.mark.parametrize("feed", FEEDS.values(), ids=lambda feed: feed.name)


def test_the_tables_of_bigquery_are_those_of_the_feeds() -> None:
    statements = _parse_bigquery()
    assert list(statements) == [
        *(f"{name}_files" for name in ("ridership", "daily", "turnstile")),
        "ridership",
        "daily",
        "turnstile",
    ]
    for feed in FEEDS.values():
        columns = {
            each.name: each.kind.sql("bigquery") for each in statements[f"{feed.name}_files"].find_all(exp.ColumnDef)
        }
        first = {"ROW_NUMBER": "INT64"} if feed.tidied else {}
        assert list(columns.items()) == [*first.items(), *((name, _bigquery_type(feed, name)) for name in feed.columns)]
        assert f"'gs://BUCKET/{feed.name}/*.csv.gz'" in statements[f"{feed.name}_files"].sql("bigquery")


@feeds
def test_the_views_of_bigquery_give_every_row(here: Path, feed: Feed) -> None:
    """As sqlglot writes them for DuckDB, over a table with the columns and the types of theirs."""
    statements = _parse_bigquery()
    columns = list(statements[f"{feed.name}_files"].find_all(exp.ColumnDef))
    types = ", ".join(f"'{each.name}': '{each.kind.sql('duckdb')}'" for each in columns)
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA lake")
    how = f"header = true, nullstr = '', filename = '_FILE_NAME', columns = {{{types}}}"
    connection.execute(f"CREATE TABLE lake.{feed.name}_files AS FROM read_csv('data/lake/{feed.name}/*.gz', {how})")
    connection.execute(statements[feed.name].sql("duckdb"))
    found = connection.sql(f"SELECT * EXCLUDE (_FILE_NAME) FROM lake.{feed.name}")
    assert found.columns == ["WEEK", *feed.columns]
    rows = read_feed(feed, here)
    if feed == DAILY:
        rows = [(week, moment.date(), *rest) for week, moment, *rest in rows]
    assert in_any_order(found.fetchall()) == in_any_order(rows)


def _parse_bigquery() -> dict[str, exp.Expression]:
    parsed = sqlglot.parse(papers.section("bigquery", "sql"), dialect="bigquery", error_level=sqlglot.ErrorLevel.RAISE)
    assert all(isinstance(each, exp.Create) for each in parsed)
    return {each.find(exp.Table).name: each for each in parsed}


def _bigquery_type(feed: Feed, name: str) -> str:
    if name == feed.day[0]:
        return "STRING" if feed == TURNSTILE else "DATETIME"
    if name in feed.clocks:
        return "TIME"
    if name in ("LATITUDE", "LONGITUDE"):
        return "FLOAT64"
    return "INT64" if name in (*feed.counters, *feed.numbers) else "STRING"
