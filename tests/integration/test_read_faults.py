"""What is not proven is no frame: damaged objects, values of another kind, gaps, lakes that are not there or refuse."""

import asyncio
import gzip
import hashlib
import json
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import gcsfs.retry
import google.cloud.storage
import pandas as pd
import pytest

from conftest import KEY, WEEK, small_week
from either_lake import Put
from gcs import Gcs
from gcs_calls import Fault
from hourly import daily_week
from landed_weeks import ANONYMOUS, land_week, name_lake, write_table
from mta_weekly.checksums import crc32c_of
from mta_weekly.errors import BadArgument, EtlError, LakeFailed
from mta_weekly.feeds.catalog import DAILY, TURNSTILE
from mta_weekly.feeds.weeks import Week
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.folder import FolderLake
from mta_weekly.lake.gcs import BucketLake
from mta_weekly.lake.objects import Lake
from mta_weekly.read import list_weeks, read_week, read_weeks
from mta_weekly.reading.frames import make_frame
from standing_weeks import hold_week

pytest_plugins = ["either_lake"]

SATURDAY = date(2024, 1, 6)
OTHER = small_week(date(2024, 1, 13))
Say = Callable[[Any], None]


def read_stored(lake: Lake, key: str, gcs: Gcs) -> bytes:
    return gcs.objects["lake"][key].data if isinstance(lake, BucketLake) else (lake.folder / key).read_bytes()


@pytest.fixture
def say(lake: Lake, gcs: Gcs) -> Say:
    """Let other facts, or none, be with the week's object."""

    def say(facts: dict[str, Any] | None) -> None:
        if isinstance(lake, FolderLake):
            (lake.folder / f"{KEY}.json").write_text(json.dumps(facts))
        else:
            texts = {name: one if isinstance(one, str) else json.dumps(one) for name, one in (facts or {}).items()}
            gcs.put("lake", KEY, gcs.objects["lake"][KEY].data, metadata=texts)

    return say


def read(lake: Lake) -> int:
    return len(read_week(name_lake(lake), "turnstile", WEEK, ANONYMOUS))


def refuse(lake: Lake, *said: str) -> None:
    """It is not read; the sentence has these parts."""
    with pytest.raises(LakeFailed) as error:
        read(lake)
    assert [part for part in said if part not in str(error.value)] == [], str(error.value)


FORCE = "python flows/etl_web_to_gcs.py --year 2024 --month 1 --day 6 --feed turnstile"


def test_an_object_that_is_damaged_is_no_frame(lake: Lake, put: Put, gcs: Gcs, tmp_path: Path) -> None:
    facts = land_week(lake, TURNSTILE, WEEK, small_week(), tmp_path)
    whole = read_stored(lake, KEY, gcs)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damaged in (bytes(flipped), whole[:-9], whole + b"\0", b""):
        put(damaged)
        refuse(lake, "it is damaged", f"crc32c {facts.crc32c}", f"{len(damaged):,} bytes", FORCE, "--force")
    put(whole)
    assert read(lake) == 500


def test_facts_that_do_not_prove_it_are_told_apart(lake: Lake, put: Put, gcs: Gcs, say: Say, tmp_path: Path) -> None:
    own = land_week(lake, TURNSTILE, WEEK, small_week(), tmp_path).model_dump(mode="json")
    other = land_week(lake, TURNSTILE, "240113", OTHER, tmp_path).model_dump(mode="json")
    sums = {name: other[name] for name in ("size", "crc32c", "sha256")}
    say(None)
    refuse(lake, "it has no facts that prove it; load the week, which examines what is there", FORCE)
    if isinstance(lake, FolderLake):
        (lake.folder / f"{KEY}.json").write_text("{")
        refuse(lake, "it has no facts that prove it")
    say(own | {"sha256": "0" * 64})
    refuse(lake, "its content has another sha256", "--force")
    say(own)
    assert read(lake) == 500

    put(read_stored(lake, "turnstile/240113.csv.gz", gcs))
    refuse(lake, "it is damaged")
    say(other)
    refuse(lake, "its facts are those of turnstile 240113", "--force")
    say(own | sums)
    refuse(lake, "rows from 2024-01-06 00:00:00 to 2024-01-12 00:00:00, and the week is from 2023-12-30", "--force")

    path = tmp_path / "forged.csv.gz"
    lines = gzip.decompress(read_stored(lake, "turnstile/240113.csv.gz", gcs)).replace(b"UNIT", b"UNITS", 1)
    whole = gzip.compress(lines)
    for content, packed, fault in [
        (lines, whole, "it has another header than those of turnstile: ',CA,UNITS,SCP"),
        (b"", gzip.compress(b""), "it has another header"),
        (lines, whole + whole, "it is no whole gzip file (something follows its end)"),
        (lines, whole[:-1], "it is no whole gzip file (it is cut)"),
    ]:
        put(packed)
        path.write_bytes(packed)
        sha256 = hashlib.sha256(content).hexdigest()
        say(own | {"size": len(packed), "crc32c": crc32c_of(path), "sha256": sha256})
        refuse(lake, fault, "--force")


def test_a_part_where_none_can_be_is_said_and_not_guessed(lake: Lake, tmp_path: Path) -> None:
    rows = [list(row) for row in daily_week(SATURDAY)]
    rows[40][2] = "12.5"
    land_week(lake, DAILY, WEEK, write_table(DAILY, rows), tmp_path)
    with pytest.raises(LakeFailed, match=r"daily 240106: '12.5' in COUNT, which is of kind whole number; .* dtype=str"):
        read_week(name_lake(lake), "daily", WEEK, ANONYMOUS)


HEADER = ",CA,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS\n"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("0,A,R,S,,,,01/05/2024,03:00:00,NA,7.0,8", "'7.0' in ENTRIES, which is of kind counter"),
        ("0,A,R,S,,,,01/05/2024,03:00:00,NA,,8", "an empty value in ENTRIES, which is of kind counter"),
        ("0,A,R,S,,,,01/05/2024,03:00:00,NA,7,NA", "'NA' in EXITS, which is of kind counter"),
        ("0,A,R,S,,,,01/05/2024,25:00:00,NA,7,8", "'25:00:00' in TIME, which is of kind clock"),
        ("0,A,R,S,,,,2024-01-05,03:00:00,NA,7,8", "'2024-01-05' in DATE, which is of kind time"),
        ("0,A,R,S,,,,,03:00:00,NA,7,8", "an empty value in DATE"),
        ("0,A,R,S,,,,12/29/2023,03:00:00,NA,7,8", "the week is from 2023-12-30 to 2024-01-05"),
        ("0,A,R,S,,,,01/06/2024,03:00:00,NA,7,8", "the week is from 2023-12-30 to 2024-01-05"),
        ("0,A,R,S,,,,01/05/2024,03:00:00,NA,7,8,9", "its rows cannot be read: .*Expected 12 columns, got 13"),
        ("0,A\xff,R,S,,,,01/05/2024,03:00:00,NA,7,8", "its rows cannot be read: .*UTF8"),
    ],
)
def test_a_value_that_is_none_of_its_kind_is_not_cast(row: str, said: str) -> None:
    good = "0,A,R,S,,,,01/05/2024,03:00:00,NA,7,8\n"
    with pytest.raises(LakeFailed, match=f"turnstile 240106: .*{said}"):
        make_frame(f"{HEADER}{good}{row}\n{good}".encode("latin-1"), TURNSTILE, Week.named(WEEK))
    assert list(make_frame(f"{HEADER}{good}".encode(), TURNSTILE, Week.named(WEEK))["DESC"]) == ["NA"]


def test_an_object_that_is_replaced_meanwhile_is_read_again(lake: Lake, gcs: Gcs, tmp_path: Path) -> None:
    """In a bucket between its listing and its reading; in a folder between its file and the facts beside it."""
    old = land_week(lake, TURNSTILE, WEEK, small_week(), tmp_path)
    new = small_week().replace(b"REGULAR", b"RECOVR AUD", 1)
    if isinstance(lake, BucketLake):
        gcs.faults.append(Fault(on="media", before=lambda _: land_week(lake, TURNSTILE, WEEK, new, tmp_path)))
    else:
        land_week(lake, TURNSTILE, WEEK, new, tmp_path)
        beside = lake.folder / f"{KEY}.json"
        beside.rename(lake.folder / ".mta-etl" / f"{KEY.replace('/', '-')}.json.part")
        beside.write_text(old.model_dump_json())
    frame = read_week(name_lake(lake), "turnstile", WEEK, ANONYMOUS)
    assert frame["DESC"][0] == "RECOVR AUD"


def test_weeks_that_lack_are_named_with_the_command_that_loads_them(lake: Lake, put: Put, tmp_path: Path) -> None:
    """What is kept aside, or has no Saturday's name, is no week."""
    for label in ("231223", "240113"):
        land_week(lake, TURNSTILE, label, small_week(Week.named(label).saturday), tmp_path)
    hold_week(lake, tmp_path, WEEK)
    put(b"of a Sunday", "turnstile/240114.csv.gz")
    where = name_lake(lake)
    assert [week.label for week in list_weeks(where, "turnstile", ANONYMOUS)] == ["231223", "240113"]
    assert list_weeks(where, "daily", ANONYMOUS) == []

    named = f"--lake {where}" if isinstance(lake, FolderLake) else "--lake gcs-bucket/BLOCK (BLOCK: that of the bucket)"
    command = f"python flows/etl_web_to_gcs.py --start 2023-12-30 --end 2024-01-06 --feed turnstile {named}"
    with pytest.raises(LakeFailed) as error:
        read_weeks(where, "turnstile", "231223", date(2024, 1, 13), ANONYMOUS)
    assert str(error.value) == f"lake {where}: it lacks turnstile 231230, 240106; load what lacks: {command}"
    refuse(lake, f"it lacks turnstile 240106; load what lacks: {FORCE}")


@pytest.mark.parametrize(
    ("feed", "week", "said"),
    [
        ("auto", "240106", "choose one of turnstile, ridership, daily"),
        ("turnstile", "240107", "2024-01-07 is a Sunday.* those to 2024-01-12 are in week 240113"),
        ("turnstile", date(2024, 1, 5), "is a Friday.* in week 240106"),
        ("turnstile", "2024-01-06", "as yyMMdd or as a date"),
        ("turnstile", "240132", "as yyMMdd or as a date"),
        ("turnstile", 240106, "as yyMMdd or as a date"),
        ("turnstile", date.max, "as yyMMdd or as a date"),
        ("turnstile", date.min, "as yyMMdd or as a date"),
        ("turnstile", pd.NaT, "as yyMMdd or as a date"),
        ("turnstile", "240224", "turnstile has published weeks 100508 to 240217"),
        ("ridership", "100508", "ridership has published week 170114 and those after it"),
    ],
)
def test_a_week_that_cannot_be_is_a_bad_argument(feed: str, week: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match=said):
        read_week(tmp_path, feed, week)


def test_of_more_weeks_than_anybody_reads_the_first_are_named(tmp_path: Path) -> None:
    with pytest.raises(LakeFailed, match=r"200314, 200321, .* and 2,251 more; load what lacks: ") as error:
        read_weeks(tmp_path, "daily", "200314", date(2082, 7, 1))
    assert len(str(error.value)) < 10_000


def test_a_period_that_holds_no_week_is_a_bad_argument(tmp_path: Path) -> None:
    nothing: Any = pd.NaT  # what the latest of no dates is
    with pytest.raises(BadArgument, match="end 2024-01-05: the end is before the start"):
        read_weeks(tmp_path, "turnstile", SATURDAY, date(2024, 1, 5))
    with pytest.raises(BadArgument, match=r"there is no week in it: .* weeks 100508 to 240217"):
        read_weeks(tmp_path, "turnstile", date(2024, 1, 7), date(2024, 1, 12))
    with pytest.raises(BadArgument, match="there is no week in it"):
        read_weeks(tmp_path, "turnstile", "240224", "240302")
    with pytest.raises(BadArgument, match="week NaT: name a week"):
        read_weeks(tmp_path, "turnstile", SATURDAY, nothing)


@pytest.mark.parametrize(
    ("lake", "options", "said"),
    [
        ("not/there", {}, "no such folder; name one, or gs://BUCKET"),
        ("a\0b", {}, "name a folder, or gs://BUCKET"),
        ("a\x1b[31m", {}, "name a folder, or gs://BUCKET"),
        ("~nobody-here/lake", {}, "no folder has such a name"),
        ("x" * 300, {}, "cannot be looked at .File name too long"),
        ("x/" * 501, {}, "name a folder, or gs://BUCKET"),
        ("", {}, "name a folder, or gs://BUCKET"),
        ("gs://", {}, "name the bucket"),
        ("gs://another", ANONYMOUS, "there is nothing of that name"),
        ("gs://lake/folder", ANONYMOUS, "there is nothing of that name"),
        ("nothing://there", {}, "Protocol not known: nothing; name a folder, or gs://BUCKET"),
        ("gs://lake", {"token": "SECRET"}, "its credentials cannot be used"),  # whose name is asked, in an address
        ("gs://lake", {"token": {"private_key": "SECRET"}}, "its credentials cannot be used .*; sign in: gcloud auth"),
    ],
)
def test_a_lake_that_is_not_there_is_said(lake: str, options: dict[str, Any], said: str, gcs: Gcs) -> None:
    for ask in (
        lambda: list_weeks(lake, "turnstile", options),
        lambda: read_week(lake, "turnstile", WEEK, options),
        lambda: read_weeks(lake, "turnstile", WEEK, WEEK, options),
    ):
        with pytest.raises(EtlError, match=said) as error:
            ask()
        assert "SECRET" not in repr((error.value, error.value.__cause__))


def test_a_bucket_that_refuses_or_fails_is_said(gcs: Gcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = asyncio.sleep
    monkeypatch.setattr(gcsfs.retry.asyncio, "sleep", lambda _: sleep(0))  # it waits up to half a minute
    lake = BucketLake(google.cloud.storage.Client(project="test"), "lake")
    land_week(lake, TURNSTILE, WEEK, small_week(), tmp_path)
    refused = ("access refused", "needs the role Storage Object Viewer", "gcloud auth application-default login")
    for permission in ("storage.objects.list", "storage.objects.get"):
        gcs.forbid = {permission}
        refuse(lake, permission, *refused[1:])
    gcs.forbid, gcs.require_token = set(), True
    refuse(lake, "Invalid Credentials", *refused[1:])
    gcs.require_token = False
    for fault in (Fault(status=503, times=99), Fault(lost=True, times=99), Fault(body=b"<html>", times=99)):
        gcs.faults = [fault]
        refuse(lake, "it cannot be read (", "try again")
    gcs.faults = [Fault(status=503), Fault(on="media", cut=True)]
    assert read(lake) == 500


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all")
def test_a_folder_that_may_not_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "turnstile").mkdir(mode=0)
    with pytest.raises(LakeFailed, match=r"it cannot be read .*Permission denied.*look what is there"):
        list_weeks(tmp_path, "turnstile")


def test_facts_of_older_versions_prove_as_well(lake: Lake, say: Say, tmp_path: Path) -> None:
    own = land_week(lake, TURNSTILE, WEEK, small_week(), tmp_path)
    newer = {name for name, field in Facts.model_fields.items() if not field.is_required()}
    say(own.model_dump(mode="json", exclude=newer))
    assert read(lake) == 500


def test_a_link_to_a_file_is_the_week_and_one_to_nowhere_is_none(tmp_path: Path) -> None:
    """As for the lake, which reads through it."""
    lake = FolderLake(tmp_path / "lake")
    land_week(lake, TURNSTILE, WEEK, small_week(), tmp_path)
    (lake.folder / KEY).rename(tmp_path / "elsewhere")
    (lake.folder / KEY).symlink_to(tmp_path / "elsewhere")
    (lake.folder / "turnstile" / "231230.csv.gz").symlink_to(tmp_path / "nowhere")
    assert list_weeks(lake.folder, "turnstile") == [Week.named(WEEK)]
    assert read(lake) == 500
