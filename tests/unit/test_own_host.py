"""A weekly file on a host of its own, plain or packed, is a feed by its entry alone."""

import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from made_feeds import LATER
from mta_weekly.errors import EtlError
from mta_weekly.feeds.catalog import Coverage, Feed
from mta_weekly.feeds.columns import COUNTER, TEXT, TIME, Column
from mta_weekly.feeds.sources import CsvDialect, WeeklyFile
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.client import open_client
from mta_weekly.fetch.from_source import find_address
from mta_weekly.lake.folder import FolderLake
from mta_weekly.lake_week import LakeWeek
from mta_weekly.load import Load
from mta_weekly.options import Options
from mta_weekly.outcomes import Outcome
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import Settings
from web import Answer, Web
from weekly_files import packed

FIRST = Week.named("240106")
ROWS = [(f"{day}", station, str(n)) for day in FIRST.days for n, station in enumerate(("Main St", "Ferry, north"))]
PUBLISHED = '"day","station name","riders"\n' + "".join(f'"{day}","{name}","{n}"\n' for day, name, n in ROWS)
LANDED = "DAY,STATIONNAME,RIDERS\n" + "".join(
    f"{day},{json.dumps(name) if ',' in name else name},{n}\n" for day, name, n in ROWS
)


def counts(web: Web, file: str) -> Feed:
    return Feed(
        name="counts",
        schema=(
            Column("DAY", TIME, "day"),
            Column("STATIONNAME", TEXT, "station"),
            Column("RIDERS", COUNTER, "riders"),
        ),
        day=("DAY", "%Y-%m-%d"),
        coverage=Coverage(FIRST),
        sources=(
            WeeklyFile(base=f"{web.url}/open", file=file, dialect=CsvDialect("%Y-%m-%d", upper=True, quoted=True)),
        ),
    )


ZIP = packed(("counts/", b""), ("counts/week.csv", PUBLISHED.encode()), ("__MACOSX/counts/._week.csv", b"junk"))
GZ = gzip.compress(PUBLISHED.encode(), mtime=0)
HALVES = gzip.compress(PUBLISHED[:100].encode()) + gzip.compress(PUBLISHED[100:].encode())
Begin = Callable[[Feed], Outcome]


@pytest.fixture
def land(tmp_path: Path) -> Begin:
    def run(feed: Feed) -> Outcome:
        settings, budget, lake = (
            Settings(retry_base=0.001, retry_wait=2.0),
            RetryBudget(2, 1, 0.001),
            FolderLake(tmp_path / "lake"),
        )
        lake.prepare()
        (tmp_path / "work").mkdir()
        load = Load(LakeWeek(FIRST, feed, lake, None, tmp_path / "work", budget, "run"), Options(settings, LATER))
        with open_client(settings) as client:
            return load.publish(load.make(client, lambda chunks, _, __: chunks))

    return run


@pytest.mark.parametrize(
    ("file", "path", "body"),
    [
        ("counts_{week:%Y-%m-%d}.csv", "/open/counts_2024-01-06.csv", PUBLISHED.encode()),
        ("{week:%Y}/counts_{week:%d%m}.csv.gz", "/open/2024/counts_0601.csv.gz", GZ),
        ("counts_{week:%y%m%d}.CSV.GZ", "/open/counts_240106.CSV.GZ", HALVES),
        ("counts_{week:%y%m%d}.gz", "/open/counts_240106.gz", GZ + bytes(500)),
        ("counts_{week:%y%m%d}.zip", "/open/counts_240106.zip", ZIP),
        ("counts_{week:%y%m%d}.zip", "/open/counts_240106.zip", packed(("a.txt", PUBLISHED.encode()), method=0)),
    ],
    ids=["plain", "gz", "gz of two members", "padded gz", "zip", "zip without compression"],
)
def test_it_lands(file: str, path: str, body: bytes, web: Web, tmp_path: Path, land: Begin) -> None:
    feed = counts(web, file)
    web.serve(path, Answer(body, etag='"1"', ranges=True, cut_at=len(body) // 2), Answer(body, etag='"1"', ranges=True))
    outcome = land(feed)
    assert (outcome.state, outcome.rows, outcome.object) == ("landed", len(ROWS), "counts/240106.csv.gz")
    assert gzip.decompress((tmp_path / "lake" / outcome.object).read_bytes()).decode() == LANDED
    facts = json.loads((tmp_path / "lake" / f"{outcome.object}.json").read_bytes())
    assert facts["source_url"] == web.url + path == find_address(feed, feed.sources[0], FIRST, Settings())
    assert facts["source_bytes"] == len(body)


def test_the_facts_name_the_address_that_sent_the_week(web: Web, tmp_path: Path, land: Begin) -> None:
    feed = counts(web, "counts_{week:%y%m%d}.csv")
    web.serve("/open/counts_240106.csv", Answer(status=302, headers={"Location": "/moved.csv"}))
    web.serve("/moved.csv", Answer(PUBLISHED.encode()))
    facts = json.loads((tmp_path / "lake" / f"{land(feed).object}.json").read_bytes())
    assert facts["source_url"] == f"{web.url}/moved.csv"
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("ending", "body", "says"),
    [
        ("zip", ZIP[:-30], "no whole zip file"),
        ("zip", ZIP.replace(ZIP[60:70], bytes(10)), "no whole zip file"),
        ("zip", b"<html>busy</html>", "no whole zip file"),
        ("zip", packed(("a.csv", b"a"), ("b.csv", b"b")), "must hold one file, and holds 2: 'a.csv', 'b.csv'"),
        ("zip", packed(), "must hold one file, and holds 0: none"),
        ("zip", b"", "an empty body"),
        ("zip", packed(("a.csv", b"a"), method=zipfile.ZIP_LZMA), "in another way than deflate"),
        ("zip", packed(("a.csv", b"a"), method=zipfile.ZIP_BZIP2), "in another way than deflate"),
        ("zip", ZIP.replace(b"PK\1\2", b"PK\1\3"), "no whole zip file"),
        ("zip", packed(("\x1b[31m" + "a" * 60_000, b"a"), ("b", b"b")), r"'\\x1b\[31ma{35}', 'b'"),
        ("gz", GZ[:-9], "no whole gzip file: it is cut"),
        ("gz", b"<html>busy</html>", "no whole gzip file"),
        ("gz", b"", "an empty body"),
        ("gz", gzip.compress(b"<html>busy</html>", mtime=0), "an HTML page"),
    ],
)
def test_one_that_is_none_is_refused(
    ending: str, body: bytes, says: str, web: Web, tmp_path: Path, land: Begin
) -> None:
    web.serve(f"/open/240106.{ending}", Answer(body))
    with pytest.raises(EtlError, match=says):
        land(counts(web, "{week:%y%m%d}." + ending))
    assert list((tmp_path / "work").iterdir()) == list((tmp_path / "lake").glob("counts/*")) == []
