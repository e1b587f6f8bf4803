"""How a lake stands, by its listings and facts alone; a folder and a bucket alike."""

import json
from datetime import date
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from either_lake import Put
from gcs import Fault, Gcs
from lake_objects import budget
from mta_weekly.errors import BadArgument
from mta_weekly.feeds.catalog import FEEDS, RIDERSHIP, TURNSTILE, Feed
from mta_weekly.feeds.weeks import Week, list_weeks
from mta_weekly.lake.folder import FolderLake
from mta_weekly.lake.objects import Lake
from mta_weekly.options import Options
from mta_weekly.outcomes import Outcome, describe_missing, read_missing
from mta_weekly.settings import Settings
from mta_weekly.upkeep.report import describe_faults, describe_feed, list_lines, write_json, write_markdown
from mta_weekly.upkeep.status import LakeStatus, look_at_lake
from standing_weeks import LOOKED_AT, hold_week, land_weeks, make_standing

pytest_plugins = ["either_lake"]

TODAY = date(2024, 2, 3)  # a Saturday
COMMAND = "python flows/etl_web_to_gcs.py"
HERE = "--feed turnstile --lake /lake"


def look(lake: Lake, feed: str = "", since: date | None = None, today: date = TODAY) -> LakeStatus:
    options = Options(Settings(_env_file=None, retry_base=0.001, retry_wait=2.0), today, "/lake")
    return look_at_lake(lake, options, feed, since)


def fill(lake: Lake, folder: Path, put: Put) -> None:
    """Ten due weeks of turnstile, in every state."""
    land_weeks(lake, folder, "231202")
    land_weeks(lake, folder, "231216", revision=2)
    land_weeks(lake, folder, "231223", bad_rows=3)
    land_weeks(lake, folder, "231230")
    put(b"of another hand", "turnstile/240106.csv.gz")
    hold_week(lake, folder, "240113", "rows 3, its neighbours 1,000")
    land_weeks(lake, folder, "240120", rows=100)
    land_weeks(lake, folder, "240127", rows=90, accepted={"why": "a storm"})


FAULTS = [
    f"turnstile: 1 due week lacking, 231209: {COMMAND} --start 2023-12-09 --end 2023-12-09 {HERE}",
    f"turnstile: 1 due week lacking, 240203: {COMMAND} --start 2024-02-03 --end 2024-02-03 {HERE}",
    f"turnstile 240113: held, looked at {LOOKED_AT}: rows 3, its neighbours 1,000; if it is right: {COMMAND} --year "
    f"2024 --month 1 --day 13 {HERE} --accept WHY",
    "turnstile 240120: not like its neighbours: rows 100, its neighbours 1,000 (90 % fewer); if its source has mended "
    f"it, --refresh; if it is right: {COMMAND} --year 2024 --month 1 --day 20 {HERE} --accept WHY",
    "turnstile: 1 week unproved, without facts that fit, 240106; to examine: "
    f"{COMMAND} --start 2024-01-06 --end 2024-01-06 {HERE}",
]


def test_every_week_is_said_as_it_stands(lake: Lake, put: Put, tmp_path: Path) -> None:
    fill(lake, tmp_path, put)
    status = look(lake)
    assert [str(fault) for fault in status.list_faults()] == FAULTS
    told = json.loads(write_json(status))
    assert told["ok"] is False
    assert [fault["state"] for fault in told["faults"]] == ["lacking", "lacking", "held", "suspect", "unproved"]
    (feed,) = told["feeds"]
    assert feed.pop("bytes") == sum(found.size for found in lake.find_all("turnstile/", budget()).values())
    assert feed == {
        "feed": "turnstile",
        "there": 7,
        "due": 10,
        "newest": "240127",
        "newest_due": "240203",
        "age_days": 8,
        "rows": 4190,
        "lacking": ["231209", "240203"],
        "held": ["240113"],
        "suspect": ["240120"],
        "unproved": ["240106"],
        "unreadable": [],
        "revised": ["231216"],
        "rejected": ["231223"],
        "accepted": ["240127"],
    }


def test_the_report_is_a_line_a_feed_and_a_line_a_fault(lake: Lake, put: Put, tmp_path: Path) -> None:
    fill(lake, tmp_path, put)
    status = look(lake)
    first, *others = list_lines(status)
    assert first.startswith(
        "turnstile: 7 of 10 due weeks there, 2 lacking, 1 held, 1 suspect, 1 unproved, 1 revised, "
        "1 with rejected rows, 1 accepted; newest 240127, its data 8 days old; 4,190 rows, "
    )
    assert others == FAULTS
    page = write_markdown(status).splitlines()
    assert page[2] == "| turnstile | 7 | 2 | 1 | 1 | 1 | 1 | 1 | 240127 | 8 days |"
    assert f"- turnstile: 1 due week lacking, 231209: `{COMMAND} --start 2023-12-09 --end 2023-12-09 {HERE}`" in page


def test_a_lake_that_has_all_has_no_fault(lake: Lake, tmp_path: Path) -> None:
    land_weeks(lake, tmp_path, "240113", "240120", "240127", "240203")
    land_weeks(lake, tmp_path, "240113", "240120", "240127", feed="ridership")  # due are those to 240120
    status = look(lake)
    assert status.list_faults() == []
    assert [describe_feed(each).partition(";")[0] for each in status.feeds] == [
        "turnstile: 4 of 4 due weeks there",
        "ridership: 2 of 2 due weeks there, 1 not due yet",
    ]
    assert json.loads(write_json(status))["ok"] is True


def test_weeks_that_lack_are_said_in_runs_from_the_first_there_on(lake: Lake, tmp_path: Path) -> None:
    land_weeks(lake, tmp_path, "240106", "240203")
    status = look(lake)
    (fault,) = status.list_faults()
    assert fault.weeks == ("240113", "240120", "240127")
    load = f"{COMMAND} --start 2024-01-13 --end 2024-01-27 {HERE}"
    assert str(fault) == f"turnstile: 3 due weeks lacking, 240113 to 240127: {load}"
    before, after = status.list_faults({("turnstile", "240120")})  # one of them is told already
    assert (before.weeks, after.weeks) == (("240113",), ("240127",))
    assert status.list_faults({("turnstile", week) for week in fault.weeks}) == []
    since = look(lake, since=date(2024, 1, 21))
    assert [fault.weeks for fault in since.list_faults()] == [("240127",)]
    assert describe_feed(since.feeds[0]).startswith("turnstile: 1 of 2 due weeks there, 1 lacking")
    earlier = look(lake, "turnstile", date(2023, 12, 25))
    assert [fault.weeks for fault in earlier.list_faults()] == [("231230",), fault.weeks]


def test_a_feed_that_the_lake_does_not_have_counts_where_it_is_asked_for(lake: Lake, tmp_path: Path) -> None:
    land_weeks(lake, tmp_path, "240203")
    assert [each.feed for each in look(lake).feeds] == [TURNSTILE]
    none = "ridership: the lake has none of its weeks; 170114 to 240120: "
    load = f"{COMMAND} --start 2017-01-14 --end 2024-01-20 --feed ridership --lake /lake"
    assert [str(fault) for fault in look(lake, "ridership").list_faults()] == [none + load]
    (fault,) = look(lake, "ridership", date(2024, 1, 7)).list_faults()
    assert (fault.state, fault.weeks) == ("lacking", ("240113", "240120"))
    after_its_end = look(lake, "turnstile", date(2024, 2, 20), today=date(2024, 3, 1))
    assert after_its_end.list_faults() == []


def test_a_lake_without_a_week_is_no_good_lake(lake: Lake) -> None:
    (fault,) = look(lake).list_faults()
    assert str(fault).startswith("/lake has no week of any feed; check its name; ")


def test_what_a_week_that_is_there_waits_for_is_said(lake: Lake, tmp_path: Path) -> None:
    land_weeks(lake, tmp_path, "240203", loaded_at="2024-01-01T00:00:00+00:00")
    hold_week(lake, tmp_path, "240203")
    (fault,) = look(lake).list_faults()
    assert str(fault).startswith("turnstile 240203: held, what is in the lake stays, looked at ")


def test_a_reason_of_another_hand_is_one_line_and_no_markdown(lake: Lake, tmp_path: Path) -> None:
    hold_week(lake, tmp_path, "240203", why="a | b `c`\n\n# *d*")
    status = look(lake)
    assert "00: a | b `c` # *d*; if it is right: " in str(status.list_faults()[0])
    assert r"00: a \| b \`c\` # \*d\*; if it is right: `python " in write_markdown(status).splitlines()[-1]


@pytest.mark.parametrize("last_day", ["yesterday", "9999-12-31"])
def test_facts_of_another_hand_leave_the_age_unknown(lake: Lake, tmp_path: Path, last_day: str) -> None:
    land_weeks(lake, tmp_path, "240203", last_day=last_day)
    assert "newest 240203, age not known; " in describe_feed(look(lake).feeds[0])


def test_what_cannot_be_asked_for_is_refused(lake: Lake) -> None:
    with pytest.raises(BadArgument, match=r"feed 'auto': there is no such feed; choose one of turnstile, ridership, "):
        look(lake, "auto")
    with pytest.raises(BadArgument, match=r"since 2024-02-04: in the future, today is 2024-02-03"):
        look(lake, since=date(2024, 2, 4))


def test_an_object_is_proved_by_its_size_and_not_read(lake: Lake, put: Put, gcs: Gcs, tmp_path: Path) -> None:
    key = "turnstile/240203.csv.gz"
    land_weeks(lake, tmp_path, "240203")
    size = lake.find([key], budget())[key].size
    put(b"x" * size, key)  # damaged; a bucket's listing shows that, and of a folder's nothing but reading does
    is_folder = isinstance(lake, FolderLake)
    assert [fault.state for fault in look(lake).list_faults()] == ([] if is_folder else ["unproved"])
    assert lake.find([key], budget())[key].facts is None
    held = hold_week(lake, tmp_path, "240127")
    put(b"x" * lake.find([held], budget())[held].size, held)
    assert [fault.state for fault in look(lake).list_faults()] == (["held"] if is_folder else ["unproved"])
    put(b"x" * (size + 1), key)
    assert [fault.state for fault in look(lake).list_faults()] == ["held", "unproved"][not is_folder :]


def test_an_object_that_cannot_be_read_is_a_fault(gcs: Gcs, tmp_path: Path) -> None:
    from google.cloud.storage import Client

    from mta_weekly.lake.gcs import BucketLake

    item = {"name": "turnstile/240203.csv.gz", "size": "7", "generation": "1", "metageneration": "1"}
    gcs.faults.append(Fault(on="list", body=json.dumps({"kind": "storage#objects", "items": [item]}).encode()))
    (fault,) = look(BucketLake(Client(project="test"), "lake")).list_faults()
    assert fault.state == "unreadable"
    assert str(fault).startswith("turnstile 240203: the bucket shows no crc32c of it")


def list_years(feed: Feed, count: int, last: date) -> list[Week]:
    return list_weeks(feed.coverage.first.saturday, last)[-count:]


@pytest.mark.parametrize("lake", ["bucket"], indirect=True)
def test_years_of_weeks_take_one_listing_a_prefix(lake: Lake, gcs: Gcs, tmp_path: Path) -> None:
    for feed, weeks in ((TURNSTILE, list_years(TURNSTILE, 700, TODAY)), (RIDERSHIP, list_years(RIDERSHIP, 50, TODAY))):
        for week in weeks:
            path, facts = make_standing(tmp_path, feed.name, week.label)
            gcs.put("lake", feed.key(week), path.read_bytes(), metadata=facts.as_metadata())
    gcs.requests.clear()
    status = look(lake)
    assert [len(each.objects) for each in status.feeds] == [700, 50]
    assert status.list_faults() == []
    asked = [(each.method, urlsplit(each.path).path, parse_qs(urlsplit(each.path).query)) for each in gcs.requests]
    assert {(method, path) for method, path, _ in asked} == {("GET", "/storage/v1/b/lake/o")}
    wanted = sorted(f"{kind}{feed}/" for feed in FEEDS for kind in ("", "held/"))
    assert sorted(query["prefix"][0] for *_, query in asked) == wanted


def test_what_a_failed_run_has_named_is_read_from_its_message() -> None:
    outcomes = [
        Outcome("240106", "failed", "turnstile/240106.csv.gz", reason="not published (404); try again: later"),
        Outcome("240113", "failed", "turnstile/240113.csv.gz", reason="not published (404); try again: later"),
        Outcome("260905", "held", "ridership/260905.csv.gz", reason="held: rows 3; of 240120: 9"),
        Outcome("260912", "landed", "ridership/260912.csv.gz"),
    ]
    named = {("turnstile", "240106"), ("turnstile", "240113"), ("ridership", "260905")}
    assert read_missing(describe_missing(outcomes)) == named
    assert read_missing(f"4 weeks: 1 landed, 1 held, 2 failed. {describe_missing(outcomes)}") == named
    assert read_missing("the Prefect API failed") == set()


def test_of_many_faults_the_first_are_said(lake: Lake, tmp_path: Path) -> None:
    land_weeks(lake, tmp_path, *(week.label for week in list_years(TURNSTILE, 25, TODAY)[::2]))
    faults = look(lake).list_faults()
    assert len(faults) == 12
    said = describe_faults(faults)
    assert said.count("lacking") == 10
    assert said.endswith("; and 2 more, which the artifact names")
