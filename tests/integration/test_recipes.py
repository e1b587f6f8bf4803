"""The recipes of docs/read.md, each taken from the page and run on a lake: they give what Python's csv module gives."""

import csv
import gzip
import io
import json
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest

import papers
from gcs import Gcs
from mta_weekly.feeds.catalog import DAILY, FEEDS, RIDERSHIP, Feed
from real_weeks import real_week
from recipe_lake import REVISED, as_doubles, in_any_order, read_feed, read_rows, read_texts, run

pytest_plugins = ["recipe_lake"]

feeds = pytest.mark.parametrize("feed", FEEDS.values(), ids=lambda feed: feed.name)


# The rows


@feeds
def test_duckdb_gives_every_row(here: Path, duck: duckdb.DuckDBPyConnection, feed: Feed) -> None:
    found = duck.sql(f"FROM {feed.name}")
    assert found.columns == ["WEEK", *feed.columns]
    assert in_any_order(found.fetchall()) == in_any_order(as_doubles(feed, read_feed(feed, here)))


@feeds
def test_polars_gives_every_row(here: Path, feed: Feed) -> None:
    found = run("polars")[feed.name].collect().select("WEEK", *feed.columns)
    assert in_any_order(found.rows()) == in_any_order(read_feed(feed, here))


@feeds
def test_pandas_alone_gives_the_rows_of_a_week(here: Path, feed: Feed) -> None:
    found = run("pandas alone")[feed.name]
    assert tuple(found.columns) == feed.columns
    days = [name for name, dtype in found.dtypes.items() if dtype == "datetime64[us]"]
    assert days == [feed.day[0]]
    texts = {name for name, dtype in found.dtypes.items() if dtype == "category"}
    assert texts == set(feed.columns) - {*days, *feed.counters, *feed.numbers, *feed.clocks}
    rows = read_rows(feed, here / feed.name / f"{REVISED.get(feed.name, '260912')}.csv.gz")
    for at, name in enumerate(feed.columns, start=1):
        values = [None if pd.isna(value) else value for value in found[name]]
        assert values == [_as_pandas(row[at]) for row in rows], name


def test_this_project_gives_every_row(here: Path) -> None:
    names = run("pandas")
    assert [week.label for week in names["weeks"]] == ["260905", "260912"]
    for frame, rows in (
        (names["newest"], read_rows(RIDERSHIP, here / "ridership/260912.csv.gz")),
        (names["all_of_them"], read_feed(RIDERSHIP, here)),
    ):
        for at, name in enumerate(RIDERSHIP.columns, start=1):
            assert [None if pd.isna(value) else value for value in frame[name]] == [row[at] for row in rows], name


def test_the_lake_has_what_is_hard_to_read(here: Path) -> None:
    """Else the tests above would say little."""
    ridership, daily, turnstile = (
        {text for path in (here / name).glob("*.gz") for row in read_texts(path) for text in row}
        for name in ("ridership", "daily", "turnstile")
    )
    assert ridership >= {"007", "NA", "null", "TRAM2", 'Beach 105 St "Seaside" (A,S)', "-1", ""}
    assert "" in daily
    assert "" in turnstile


def test_a_reader_that_guesses_takes_ids_for_numbers_and_names_for_none(tmp_path: Path) -> None:
    """As the page says it was tried."""
    path = tmp_path / "made.csv.gz"
    path.write_bytes(gzip.compress(b"STATION_COMPLEX_ID,STATION_COMPLEX,RIDERSHIP\n007,NA,12.5\n611,NA,12.5\n"))
    assert pd.read_csv(path)["STATION_COMPLEX_ID"].tolist() == [7, 611]
    assert pd.read_csv(path)["STATION_COMPLEX"].isna().all()
    assert pl.read_csv(path)["STATION_COMPLEX_ID"].to_list() == [7, 611]
    whole = "header = true, columns = {ID: 'VARCHAR', NAME: 'VARCHAR', RIDERSHIP: 'BIGINT'}"
    assert duckdb.sql(f"SELECT RIDERSHIP FROM read_csv('{path}', {whole})").fetchall() == [(13,), (13,)]
    path.write_bytes(gzip.compress(b"STATION_COMPLEX_ID,STATION_COMPLEX\n611,49 St\n"))
    assert duckdb.sql(f"SELECT STATION_COMPLEX_ID FROM '{path}'").fetchall() == [(611,)]


@pytest.mark.parametrize(("feed", "name"), [(RIDERSHIP, "RIDERSHIP"), (DAILY, "COUNT")], ids=["ridership", "daily"])
def test_a_fraction_is_refused_or_kept_and_never_rounded(own: Path, feed: Feed, name: str) -> None:
    path = own / feed.name / "260912.csv.gz"
    header, *rows = csv.reader(io.StringIO(gzip.decompress(path.read_bytes()).decode()))
    rows[0][header.index(name)] = "1234.5"
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])  # its lines end otherwise than those of the other file
    path.write_bytes(gzip.compress(text.getvalue().encode()))
    connection = duckdb.connect()
    connection.execute(papers.section("duckdb", "sql"))
    assert (1234.5,) in connection.sql(f"SELECT {name} FROM {feed.name}").fetchall()
    with pytest.raises(pl.exceptions.ComputeError, match=r"could not parse `1234\.5`"):
        run("polars")[feed.name].collect()
    with pytest.raises(TypeError, match="cannot safely cast"):
        run("pandas alone")


def test_a_real_week_is_read_to_the_last_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, wanted = real_week("240106")
    path = tmp_path / "data/lake/turnstile/240106.csv.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(wanted, 1))
    monkeypatch.chdir(tmp_path)
    polars = run("polars")["scan"]("turnstile").collect()
    connection = duckdb.connect()
    connection.execute(papers.section("duckdb", "sql").partition("CREATE OR REPLACE VIEW")[0])
    duck = connection.sql("FROM read_turnstile('data/lake/turnstile/240106.csv.gz')").pl()
    assert polars.drop("WEEK").write_csv(time_format="%H:%M:%S").removeprefix('""').encode() == wanted
    dated = polars.drop("").with_columns(pl.col("DATE").str.to_date("%m/%d/%Y"))
    assert duck.equals(dated.select(duck.columns))


def test_what_the_page_says_of_duckdb(tmp_path: Path) -> None:
    """It leaves out a file where it may guess, and reads one whose checksum is wrong; the others refuse that."""
    first, second = (tmp_path / f"{name}.csv.gz" for name in ("1", "2"))
    first.write_bytes(gzip.compress(b"DAY,COUNT\n1,1\n2,2\n"))
    second.write_bytes(gzip.compress(b"DAY,COUNT\r\n3,3\r\n4,4\r\n"))
    columns = "header = true, columns = {DAY: 'VARCHAR', COUNT: 'BIGINT'}"
    guessed = duckdb.sql(f"SELECT DAY FROM read_csv('{tmp_path}/*.gz', {columns})").fetchall()
    assert guessed == [("1",), ("2",)]
    told = f"auto_detect = false, {columns}"
    assert len(duckdb.sql(f"FROM read_csv('{tmp_path}/*.gz', {told})").fetchall()) == 4
    damaged = bytearray(first.read_bytes())
    damaged[-8] ^= 1  # the first byte of the checksum
    first.write_bytes(damaged)
    assert len(duckdb.sql(f"FROM read_csv('{first}', {told})").fetchall()) == 2
    with pytest.raises(OSError, match="checksum"):
        pl.read_csv(first)
    with pytest.raises(OSError, match="CRC"):
        pd.read_csv(first)


# Of a bucket


def test_a_bucket_is_read_by_gcsfs(here: Path, gcs: Gcs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # else it asks by gRPC, which this bucket has not
    for path in here.glob("*/*.gz"):
        facts = json.loads(Path(f"{path}.json").read_text())
        said = {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()}
        gcs.put("lake", f"{path.relative_to(here)}", path.read_bytes(), metadata=said)
    connection = run("duckdb and gcsfs")["lake"]
    connection.execute(papers.section("duckdb", "sql").replace("data/lake", "gs://lake"))
    assert in_any_order(connection.sql("FROM daily").fetchall()) == in_any_order(
        as_doubles(DAILY, read_feed(DAILY, here))
    )
    of_bucket, of_folder = run("pandas alone", **{"data/lake": "gs://lake"}), run("pandas alone")
    for name in FEEDS:
        pd.testing.assert_frame_equal(of_bucket[name], of_folder[name])
    facts = run("facts in a bucket", BUCKET="lake")["facts"]
    assert facts["week"].tolist() == ["260905", "260912"]
    assert facts["revision"].tolist() == ["1", "2"]


def _as_pandas(value: Any) -> Any:
    if isinstance(value, time):
        return timedelta(hours=value.hour, minutes=value.minute, seconds=value.second)
    return datetime.combine(value, time()) if type(value) is date else value
