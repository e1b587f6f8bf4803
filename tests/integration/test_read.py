"""Weeks of the lake as frames: value by value what was published, typed as the entries say, by folder and by bucket.

What they are compared with is pandas' own reading of the published file; that knows nothing of ours.
"""

import doctest
import io
import re
from datetime import date
from pathlib import Path

import google.cloud.storage
import pandas as pd
import pytest
from gcp_storage_emulator.server import create_server

import mta_weekly.read
from conftest import small_week
from hourly import daily_week, ridership_week
from landed_weeks import ANONYMOUS, land_week, name_lake, write_table
from mta_weekly.feeds.catalog import DAILY, RIDERSHIP, TURNSTILE, Feed
from mta_weekly.feeds.columns import Kind
from mta_weekly.feeds.weeks import Week
from mta_weekly.lake.folder import FolderLake
from mta_weekly.lake.gcs import BucketLake
from mta_weekly.lake.objects import Lake
from mta_weekly.read import list_weeks, read_week, read_weeks
from papers import PAGES
from real_weeks import real_week
from weeks import make_legacy_week

pytest_plugins = ["either_lake"]

DTYPES = dict(re.findall(r"^\| ([a-z ]+) \| .* \| `([\w\[\]]+)` \|$", PAGES["docs/lake.md"], re.M))
MOMENT = "%Y-%m-%dT%H:%M:%S.000"


def read_published(body: bytes, feed: Feed) -> pd.DataFrame:
    """A published file by pandas alone: every value as text, and then each column as the entry says it is."""
    texts = pd.read_csv(io.BytesIO(body), dtype=str, na_values=[""], keep_default_na=False)
    texts.columns = [name.strip().upper().replace("C/A", "CA") for name in texts.columns]
    frame = texts.copy()
    for column in feed.schema:
        values = texts[column.name].str.strip() if feed == TURNSTILE else texts[column.name]
        if column.kind == Kind.TIME:
            frame[column.name] = pd.to_datetime(values, format="%m/%d/%Y" if feed == TURNSTILE else MOMENT)
        elif column.kind == Kind.CLOCK:
            frame[column.name] = pd.to_timedelta(values)
        elif column.kind in (Kind.COUNTER, Kind.WHOLE):
            frame[column.name] = pd.to_numeric(values)
        else:
            frame[column.name] = values
    return frame.astype({column.name: DTYPES[column.kind] for column in feed.schema})


def assert_read(lake: Lake, feed: Feed, label: str, published: bytes) -> None:
    """The week is what was published, in dtypes, values and their order."""
    frame = read_week(name_lake(lake), feed.name, label, ANONYMOUS)
    assert list(map(str, frame.dtypes)) == [DTYPES[column.kind] for column in feed.schema]
    pd.testing.assert_frame_equal(frame, read_published(published, feed), check_exact=True)


def test_a_real_week_is_what_pandas_reads_in_the_published_file(lake: Lake, tmp_path: Path) -> None:
    published, _ = real_week("240106")
    land_week(lake, TURNSTILE, "240106", published, tmp_path)

    assert_read(lake, TURNSTILE, "240106", published)


def test_weeks_of_every_feed_are_what_was_published(lake: Lake, tmp_path: Path) -> None:
    saturday = date(2026, 11, 7)  # an hour of its week is there twice
    daily = [[*row[:2], None if n % 9 == 7 else row[2]] for n, row in enumerate(daily_week(saturday))]
    rows = [
        [*row[:3], f"{row[3]}\n of {'x' * 90}", *row[4:]] for row in ridership_week(saturday, 6000)
    ]  # of several blocks
    rows[5][4:7] = "NA", "null", "None"  # text, as any other
    weeks = [
        (RIDERSHIP, "261107", write_table(RIDERSHIP, rows)),
        (DAILY, "261107", write_table(DAILY, daily)),
        (TURNSTILE, "231111", small_week(date(2023, 11, 11))),
    ]
    for feed, label, published in weeks:
        land_week(lake, feed, label, published, tmp_path)
        assert_read(lake, feed, label, published)
    assert read_week(name_lake(lake), "daily", date(2026, 11, 7), ANONYMOUS)["COUNT"].isna().sum() == 7


def test_the_public_emulator_is_read_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket="lake")
    server.start()
    try:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://{}:{}".format(*server._api._httpd.server_address))
        lake = BucketLake(google.cloud.storage.Client(project="test"), "lake", "raw/")
        land_week(lake, TURNSTILE, "240106", small_week(), tmp_path)
        assert list_weeks("gs://lake/raw", "turnstile", ANONYMOUS) == [Week.named("240106")]
        assert_read(lake, TURNSTILE, "240106", small_week())
    finally:
        server.stop()


def test_weeks_of_both_forms_are_one_frame(lake: Lake, tmp_path: Path) -> None:
    older, newer = date(2014, 10, 11), date(2014, 10, 18)
    land_week(lake, TURNSTILE, "141011", make_legacy_week(older, rows=500), tmp_path)
    land_week(lake, TURNSTILE, "141018", small_week(newer), tmp_path)
    where, labels = name_lake(lake), ["141011", "141018"]

    assert [week.label for week in list_weeks(where, "turnstile", ANONYMOUS)] == labels
    parts = [read_week(where, "turnstile", label, ANONYMOUS) for label in labels]
    assert parts[0][["STATION", "LINENAME", "DIVISION"]].isna().all(axis=None)
    pd.testing.assert_frame_equal(parts[1], read_published(small_week(newer), TURNSTILE))

    both = read_weeks(where, "turnstile", date(2014, 10, 5), newer, ANONYMOUS)
    assert [str(dtype) for dtype in both.dtypes] == [str(dtype) for dtype in parts[0].dtypes]
    assert both.index.equals(pd.RangeIndex(1000))
    for at, part in enumerate(parts):
        piece = both[500 * at :][:500].reset_index(drop=True)
        pd.testing.assert_frame_equal(piece, part, check_categorical=False)
    for column in ("CA", "UNIT", "SCP"):
        assert list(both[column].cat.categories) == sorted(set(both[column]))


def test_the_examples_are_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = FolderLake(tmp_path / "data" / "lake")
    for label in ("231230", "240106"):
        land_week(lake, TURNSTILE, label, small_week(Week.named(label).saturday), tmp_path)
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(mta_weekly.read, extraglobs={"date": date}) == (0, 5)
