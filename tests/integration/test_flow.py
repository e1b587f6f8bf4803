"""The flows as Prefect sees them: states, messages, task runs, artifacts, logs; and which lake a run takes."""

import asyncio
import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.states import State
from prefect_gcp import GcpCredentials
from prefect_gcp.cloud_storage import GcsBucket
from rich.console import Console

import etl_web_to_gcs as etl
from conftest import FILE, KEY, WEEK, Ran, content, expected, small_week
from gcs import Gcs
from mta_weekly.command import command as cli
from mta_weekly.command import progress
from mta_weekly.feeds.weeks import label, saturdays
from mta_weekly.orchestration import lake_blocks as lakes
from web import Answer, Web

Land = Callable[..., Ran]
JANUARY = ("--year", "2024", "--month", "1")
WEEKS = {
    "240106": date(2024, 1, 6),
    "240113": date(2024, 1, 13),
    "240120": date(2024, 1, 20),
    "240127": date(2024, 1, 27),
}


@pytest.fixture
def january(web: Web) -> Web:
    """A server with the four weeks of January 2024."""
    for week, saturday in WEEKS.items():
        web.serve(f"/turnstile_{week}.txt", Answer(small_week(saturday)))
    return web


@pytest.fixture
def flow(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., State[Any]]:
    """Run main_flow as code does, against `web`, into tmp_path/lake; gives its final state."""
    monkeypatch.setenv("MTA_TURNSTILE_URL", web.url)
    monkeypatch.setenv("MTA_SPOOL", str(tmp_path / "spool"))

    def run(**parameters: Any) -> State[Any]:
        return etl.main_flow(**{"lake": str(tmp_path / "lake"), **parameters}, return_state=True)

    return run


def asked(coroutine: Callable[[Any], Any]) -> Any:
    """Ask Prefect's API."""

    async def ask() -> Any:
        async with get_client() as client:
            return await coroutine(client)

    return asyncio.run(ask())


def test_the_tasks_answer_as_their_users_know_them() -> None:
    assert etl.get_file_date.fn(date(2023, 3, 28)) == "230325"
    assert etl.get_the_file_dates.fn(2023, 3, 1, False) == ["230304", "230311", "230318", "230325"]
    assert etl.get_the_file_dates.fn(2023, 3, 1) == ["230304"]
    assert etl.valid_task.fn(2023, 3, 28)
    assert not etl.valid_task.fn(2023, 2, 29)
    assert not etl.valid_task.fn(2100, 1, 1)
    assert not etl.valid_task.fn(2010, 5, 1)
    assert etl.main_flow.name == "MTA Batch flow"


def test_a_run_that_lands_its_weeks_is_completed(flow: Callable[..., State[Any]], january: Web, tmp_path: Path) -> None:
    state = flow(year=2024, month=1, day=10, limit_one=False)
    assert state.is_completed()
    assert state.message == "3 weeks: 3 landed"
    assert content(tmp_path / "lake", "turnstile/240127.csv.gz") == expected(small_week(WEEKS["240127"]))


def test_a_run_that_misses_a_week_is_failed_and_says_which_and_why(
    flow: Callable[..., State[Any]], january: Web, tmp_path: Path
) -> None:
    january.serve("/turnstile_240113.txt", Answer(status=404))
    january.serve("/turnstile_240120.txt", Answer(b"<html>"))
    state = flow(year=2024, month=1)
    assert state.is_failed()
    assert state.message is not None
    assert state.message.startswith("4 weeks: 2 landed, 2 failed. turnstile 240113: not published (404")
    assert "; turnstile 240120: an HTML page" in state.message
    landed = sorted(path.name for path in (tmp_path / "lake" / "turnstile").glob("*.gz"))
    assert landed == ["240106.csv.gz", "240127.csv.gz"]
    for week, saturday in WEEKS.items():
        january.serve(f"/turnstile_{week}.txt", Answer(small_week(saturday)))
    assert flow(year=2024, month=1).message == "4 weeks: 2 landed, 2 there"


def test_bad_arguments_of_a_deployed_run_fail_it_with_the_reason(flow: Callable[..., State[Any]]) -> None:
    state = flow(year=2024, month=13)
    assert state.is_failed()
    assert state.message is not None
    assert state.message.startswith("month 13: must be 1 to 12")
    assert flow(year=2024, concurrency=0).is_failed()


def test_the_table_names_every_week(flow: Callable[..., State[Any]], january: Web, tmp_path: Path) -> None:
    january.serve("/turnstile_240113.txt", Answer(status=404))
    state = flow(start=date(2024, 1, 1), end=date(2024, 1, 13))
    run = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    (artifact,) = asked(lambda client: client.read_artifacts(flow_run_filter=run))
    landed, failed, _ = json.loads(artifact.data)
    size = (tmp_path / "lake" / KEY).stat().st_size
    assert artifact.type == "table"
    assert [landed[name] for name in ("week", "state", "rows", "bytes", "object")] == [WEEK, "landed", 500, size, KEY]
    assert landed["seconds"] > 0
    assert (failed["week"], failed["state"]) == ("240113", "failed")
    assert failed["reason"].startswith("not published (404")


def test_a_week_shows_as_task_runs_named_by_it_and_its_lines_go_to_the_api(
    flow: Callable[..., State[Any]], web: Web
) -> None:
    web.serve(FILE, Answer(status=503), Answer(small_week()))
    state = flow(year=2024, month=1, day=6)
    run_id = state.state_details.flow_run_id
    task_runs = asked(
        lambda client: client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id])))
    )
    (subflow,) = [
        run for run in task_runs if "etl-web-to-local" in run.name or run.state.state_details.child_flow_run_id
    ]
    child = subflow.state.state_details.child_flow_run_id
    inner = asked(lambda client: client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[child]))))
    assert {run.name for run in inner} == {f"{WEEK} write_local", f"{WEEK} write_gcs"}
    assert {run.name for run in task_runs if run is not subflow} == {
        "is 2024-1-6 a date of the feed",
        "weeks of the period",
    }
    logs = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id, child]))
    messages = [line.message for line in asked(lambda client: client.read_logs(logs))]
    assert any(message.startswith("lake: ") for message in messages)
    assert any(
        message.startswith("turnstile 240106: 503 Service Unavailable from 127.0.0.1; trying again in")
        for message in messages
    )
    assert any(message.startswith(f"turnstile {WEEK}: landed, 500 rows") for message in messages)


def test_the_first_line_names_the_lake(land: Land, tmp_path: Path) -> None:
    ran = land()
    assert ran.lines[0] == f"INFO    lake: {tmp_path}/lake"
    assert ran.lines[1].startswith(f"INFO    turnstile {WEEK}: landed, 500 rows, ")
    assert ran.lines[2] == "INFO    1 week: 1 landed"
    assert len(ran.lines) == 3


def test_a_second_run_loads_nothing_and_writes_nothing(land: Land, january: Web, tmp_path: Path) -> None:
    assert land(*JANUARY).code == 0
    before = {
        path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in (tmp_path / "lake" / "turnstile").iterdir()
    }
    asked_before = len(january.requests)
    assert land(*JANUARY).lines[-1] == "INFO    4 weeks: 4 there"
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in before} == before
    assert len(january.requests) == asked_before
    assert len(before) == 8


def test_forcing_loads_again_and_replaces(land: Land, web: Web, tmp_path: Path) -> None:
    assert land().code == 0
    web.serve(FILE, Answer(small_week().replace(b"REGULAR", b"RECOVR AUD")))
    assert land().lines[-1] == "INFO    1 week: 1 there"
    assert land("--year", "2024", "--month", "1", "--day", "6", "--force").lines[-1] == "INFO    1 week: 1 replaced"
    assert b"REGULAR" not in content(tmp_path / "lake")


def test_facts_say_what_landed_and_are_made_anew_without_a_download(land: Land, web: Web, tmp_path: Path) -> None:
    web.serve(FILE, Answer(small_week(), etag='"v7"', last_modified="Sat, 06 Jan 2024 12:00:00 GMT"))
    assert land().code == 0
    file = tmp_path / "lake" / f"{KEY}.json"
    first = json.loads(file.read_text())
    assert first["source_url"] == web.url + FILE
    assert first["source_etag"] == '"v7"'
    assert first["source_bytes"] == len(small_week())
    assert first["source_last_modified"] == "Sat, 06 Jan 2024 12:00:00 GMT"
    assert abs(datetime.now(UTC) - datetime.fromisoformat(first["loaded_at"])) < timedelta(minutes=1)
    assert asked(lambda client: client.read_flow_run(first["flow_run_id"])).name
    assert (first["rows"], first["bad_rows"], first["first_day"], first["last_day"]) == (
        500,
        0,
        "2023-12-30",
        "2024-01-05",
    )
    requests = len(web.requests)
    for rot in ("", file.read_text().replace(first["crc32c"], "AAAAAA==")):
        file.write_text(rot)
        assert land().lines[-1] == "INFO    1 week: 1 there"
        again = json.loads(file.read_text())
        same = ("feed", "week", "rows", "first_day", "last_day", "size", "crc32c", "sha256", "version")
        assert {name: again[name] for name in same} == {name: first[name] for name in same}
    assert len(web.requests) == requests


def test_allowed_bad_rows_are_kept_aside(land: Land, web: Web, tmp_path: Path) -> None:
    lines = small_week().decode().splitlines(keepends=True)
    lines[3] = "x," + lines[3]
    web.serve(FILE, Answer("".join(lines).encode()))
    assert land().code == 1
    assert not (tmp_path / "lake" / "rejected").exists()
    assert land(*JANUARY, "--day", "6", "--allow-bad-rows", "1").code == 0
    assert json.loads((tmp_path / "lake" / f"{KEY}.json").read_text())["bad_rows"] == 1
    aside = gzip.decompress((tmp_path / "lake" / "rejected" / KEY).read_bytes()).decode()
    assert list(csv.reader(io.StringIO(aside))) == [
        ["line", "reason", "text"],
        ["4", "12 fields, expected 11", lines[3].rstrip("\n")],
    ]
    assert content(tmp_path / "lake") == expected("".join(lines[:3] + lines[4:]).encode())


def test_rows_left_out_belong_to_the_object_that_stands(land: Land, web: Web, tmp_path: Path) -> None:
    aside, lines = tmp_path / "lake" / "rejected" / KEY, small_week().decode().splitlines(keepends=True)
    web.serve(FILE, Answer("".join([*lines[:3], "x," + lines[3], *lines[4:]]).encode()))
    assert land(*JANUARY, "--day", "6", "--allow-bad-rows", "1").code == 0
    assert aside.exists()
    web.serve(FILE, Answer(small_week()))
    assert land(*JANUARY, "--day", "6", "--force").code == 0
    assert content(tmp_path / "lake") == expected(small_week())
    assert not list(aside.parent.iterdir())


def test_a_copy_of_another_week_is_not_taken_for_the_week(land: Land, january: Web, tmp_path: Path) -> None:
    assert land().code == 0
    folder = tmp_path / "lake" / "turnstile"
    for name in ("csv.gz", "csv.gz.json"):
        (folder / f"240113.{name}").write_bytes((folder / f"240106.{name}").read_bytes())
    ran = land(*JANUARY, "--day", "13")
    assert ran.code == 1
    assert "without facts that fit it, and: line 2: DATE '12/30/2023' is not in the week" in ran.err
    assert land(*JANUARY, "--day", "13", "--force").code == 0
    assert content(tmp_path / "lake", "turnstile/240113.csv.gz") == expected(small_week(WEEKS["240113"]))


def test_something_odd_in_the_place_of_an_object_stops_that_week_only(land: Land, january: Web, tmp_path: Path) -> None:
    (tmp_path / "lake" / KEY).mkdir(parents=True)
    ran = land(*JANUARY)
    assert ran.code == 1
    assert ran.lines[-1] == "INFO    4 weeks: 3 landed, 1 failed"
    assert "turnstile 240106: turnstile/240106.csv.gz is in the lake, without facts that fit it" in ran.err
    assert "Is a directory" in ran.err


def test_a_week_with_rows_of_some_days_only_says_so(land: Land, web: Web) -> None:
    lines = small_week().decode().splitlines(keepends=True)
    web.serve(FILE, Answer("".join(line for line in lines if "01/01/2024" not in line).encode()))
    assert land().lines[1].endswith(f"{KEY} (rows of 6 days only)")


def test_weeks_outside_the_coverage_fail_the_run_and_the_others_land(land: Land, web: Web, tmp_path: Path) -> None:
    web.serve("/turnstile_240217.txt", Answer(small_week(date(2024, 2, 17))))
    ran = land("--feed", "turnstile", "--start", "2024-02-17", "--end", "2024-03-02")
    assert ran.code == 1
    outside = [line for line in ran.lines if line.startswith("ERROR")]
    said = "outside what turnstile has published, 100508 to 240217"
    assert outside == [f"ERROR   turnstile 240224: {said}", f"ERROR   turnstile 240302: {said}"]
    assert content(tmp_path / "lake", "turnstile/240217.csv.gz") == expected(small_week(date(2024, 2, 17)))


@pytest.fixture
def in_january(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the tenth of January 2024."""
    for module in (cli, etl):
        monkeypatch.setattr(module, "new_york_today", lambda: date(2024, 1, 10))


@pytest.mark.usefixtures("in_january")
class TestInJanuary:
    def test_the_newest_due_week_is_the_default(self, land: Land) -> None:
        assert land("--feed", "turnstile").lines[-1] == "INFO    1 week: 1 landed"

    def test_weeks_not_due_are_named_in_one_line_and_are_no_failure(self, land: Land) -> None:
        ran = land(*JANUARY, "--feed", "turnstile")
        assert ran.code == 0
        due = "240113 due on 2024-01-13, 240120 due on 2024-01-20, 240127 due on 2024-01-27"
        assert f"INFO    turnstile not due yet: {due}" in ran.lines
        assert ran.lines[-1] == "INFO    4 weeks: 1 landed, 3 not due"

    def test_a_week_asked_for_by_day_must_be_due(self, land: Land) -> None:
        ran = land(*JANUARY, "--day", "9")
        assert ran.code == 2
        assert "week 240113 of turnstile is due on 2024-01-13; the nearest week that would work is 240106" in ran.err

    def test_catching_up_loads_what_is_missing(self, land: Land, web: Web) -> None:
        for saturday in (date(2023, 12, 23), date(2023, 12, 30)):
            web.serve(f"/turnstile_{saturday:%y%m%d}.txt", Answer(small_week(saturday)))
        assert land().code == 0
        assert land("--catch-up", "3").lines[-1] == "INFO    3 weeks: 2 landed, 1 there"

    def test_a_deployment_that_catches_up_still_takes_a_week_by_hand(
        self, flow: Callable[..., State[Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert flow(year=2024, month=1, day=6, catch_up=8).is_failed()
        monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "a-deployment")
        assert flow(year=2024, month=1, day=6, catch_up=8).is_completed()


def test_a_dry_run_lists_and_touches_nothing(land: Land, january: Web, tmp_path: Path) -> None:
    assert land().code == 0
    requests, files = len(january.requests), sorted(tmp_path.rglob("*"))
    ran = land("--year", "2024", "--month", "1", "--dry-run")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        f"lake: {tmp_path}/lake",
        f"240106  there            turnstile/240106.csv.gz  {january.url}/turnstile_240106.txt",
        f"240113  would load       turnstile/240113.csv.gz  {january.url}/turnstile_240113.txt",
        f"240120  would load       turnstile/240120.csv.gz  {january.url}/turnstile_240120.txt",
        f"240127  would load       turnstile/240127.csv.gz  {january.url}/turnstile_240127.txt",
    ]
    assert "240106  would replace " in land("--year", "2024", "--month", "1", "--force", "--dry-run").out
    assert (
        "240106  would load "
        in land("--year", "2024", "--month", "1", "--force", "--dry-run", lake=str(tmp_path / "new")).out
    )
    assert len(january.requests) == requests
    assert sorted(tmp_path.rglob("*")) == files


def test_a_dry_run_says_when_an_object_has_no_facts(land: Land, tmp_path: Path) -> None:
    assert land().code == 0
    (tmp_path / "lake" / f"{KEY}.json").unlink()
    assert "240106  there, unproved  turnstile/240106.csv.gz" in land(*JANUARY, "--day", "6", "--dry-run").out


def at_once(web: Web, seconds: float) -> int:
    """The most requests that were being answered at once, where each answer took so many seconds."""
    began = [seen.at for seen in web.requests]
    return max(sum(at <= moment < at + seconds for at in began) for moment in began)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_so_many_weeks_are_asked_for_at_once(land: Land, january: Web, tmp_path: Path, concurrency: int) -> None:
    for week, saturday in WEEKS.items():
        january.serve(f"/turnstile_{week}.txt", Answer(small_week(saturday), wait=1.0))
    assert land(*JANUARY, "--concurrency", str(concurrency)).code == 0
    assert at_once(january, 1.0) == concurrency
    assert all(seen.headers["user-agent"].startswith("mta-weekly-etl/") for seen in january.requests)
    landed = [(tmp_path / "lake" / f"turnstile/{week}.csv.gz").stat().st_mtime for week in WEEKS]
    assert max(landed) - min(landed) >= 0.9  # the first did not wait for the last


def test_a_slow_week_holds_up_no_other(land: Land, january: Web, tmp_path: Path) -> None:
    january.serve("/turnstile_240106.txt", Answer(small_week(), wait=4.0))
    ran = land(*JANUARY)
    assert ran.code == 0
    landed = [line.split()[2].rstrip(":") for line in ran.lines if ": landed," in line]
    assert landed == ["240113", "240120", "240127", "240106"]


def test_a_retry_after_holds_for_all_weeks_of_a_run(land: Land, january: Web) -> None:
    january.serve(
        "/turnstile_240106.txt",
        Answer(status=429, headers={"Retry-After": "2"}, wait=0.2),
        Answer(small_week()),
    )
    assert land(*JANUARY).code == 0
    refused = next(seen.at for seen in january.requests) + 0.2
    quiet = [seen.path for seen in january.requests if refused + 0.5 < seen.at < refused + 1.9]
    assert quiet == []  # 240113 was under way when it was said, and perhaps 240120 just began
    assert len(january.requests) == 5


def test_of_twenty_weeks_with_three_broken_ones_seventeen_land_and_the_next_run_does_the_rest(
    flow: Callable[..., State[Any]], land: Land, web: Web, tmp_path: Path
) -> None:
    weeks = saturdays(date(2016, 1, 1), date(2016, 5, 20))
    good = {f"/turnstile_{label(week)}.txt": Answer(small_week(week)) for week in weeks}
    for path, answer in good.items():
        web.serve(path, answer)
    web.serve("/turnstile_160123.txt", Answer(status=404))
    web.serve("/turnstile_160227.txt", Answer(small_week(date(2016, 2, 27)).replace(b"ENTRIES", b"ENTRY")))
    cut = small_week(date(2016, 4, 2))
    web.serve("/turnstile_160402.txt", Answer(cut, cut_at=len(cut) // 2))
    period = ("--start", "2016-01-01", "--end", "2016-05-20")

    state = flow(start=date(2016, 1, 1), end=date(2016, 5, 20))
    assert state.is_failed()
    missed = r"20 weeks: 17 landed, 3 failed. turnstile 160123: not published .*; turnstile 160227: the header has "
    missed += (
        "changed: missing ENTRIES; unexpected ENTRY; .*; turnstile 160402: the body from 127.0.0.1 broke off at .*"
    )
    assert re.fullmatch(missed, str(state.message))
    run = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    (artifact,) = asked(lambda client: client.read_artifacts(flow_run_filter=run))
    *rows, total = json.loads(artifact.data)
    failed = {row["week"]: row["reason"] for row in rows if row["state"] == "failed"}
    assert list(failed) == ["160123", "160227", "160402"]
    assert all(reason in str(state.message) for reason in failed.values())
    assert (total["week"], total["state"], total["rows"]) == ("total", "20 weeks: 17 landed, 3 failed", 17 * 500)
    assert total["bytes"] == sum(path.stat().st_size for path in (tmp_path / "lake" / "turnstile").glob("*.gz"))

    assert land(*period).code == 1
    for path, answer in good.items():
        web.serve(path, answer)
    web.requests.clear()
    ran = land(*period)
    assert ran.code == 0
    assert ran.lines[-1] == "INFO    20 weeks: 3 landed, 17 there"
    assert len(web.requests) == 3
    for week in weeks:
        assert content(tmp_path / "lake", f"turnstile/{label(week)}.csv.gz") == expected(small_week(week))


class TestWhichLake:
    @pytest.fixture
    def gcs(self, gcs: Gcs) -> Iterator[Gcs]:
        key = GcpCredentials(service_account_info=gcs.service_account(), project="test")
        GcsBucket(bucket="lake", gcp_credentials=key, bucket_folder="raw").save("blk-gcs-name", overwrite=True)
        yield gcs
        GcsBucket.delete("blk-gcs-name")

    def test_a_folder_relative_to_the_working_folder(
        self, land: Land, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("MTA_LAKE", "elsewhere")
        assert land(lake="here").code == 0
        assert content(tmp_path / "here") == expected(small_week())

    def test_the_variable_before_the_block(
        self, land: Land, gcs: Gcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MTA_LAKE", str(tmp_path / "named"))
        assert land(lake=None).code == 0
        assert content(tmp_path / "named") == expected(small_week())
        assert gcs.objects["lake"] == {}

    def test_the_registered_block_before_the_default_folder(self, land: Land, gcs: Gcs) -> None:
        ran = land(lake=None)
        assert ran.lines[0] == "INFO    lake: gcs-bucket/blk-gcs-name"
        assert ran.code == 0
        blob = gcs.objects["lake"][f"raw/{KEY}"]
        assert gzip.decompress(blob.data) == expected(small_week())
        assert blob.metadata["rows"] == "500"
        assert land(lake=None).lines[-1] == "INFO    1 week: 1 there"

    @pytest.mark.parametrize("rot", [{"private_key": "none"}, {"private_key": None}, {"client_email": None}])
    def test_a_key_that_is_none_is_said_and_not_shown(self, land: Land, gcs: Gcs, rot: dict[str, Any]) -> None:
        info = {name: value for name, value in {**gcs.service_account(), **rot}.items() if value}
        key = GcpCredentials.construct(service_account_info=info, project="test")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(GcpCredentials, "block_initialization", lambda self: None)
            GcsBucket.construct(bucket="lake", gcp_credentials=key, bucket_folder="").save("blk-rot", overwrite=True)
        ran = land(lake="gcs-bucket/blk-rot")
        assert ran.code == 1
        assert "the block or its credentials cannot be used" in ran.err
        assert "Traceback" not in ran.err
        assert "PRIVATE KEY" not in ran.err

    def test_a_dry_run_only_reads(self, land: Land, gcs: Gcs) -> None:
        assert land("--year", "2024", "--month", "1", "--dry-run", lake=None).code == 0
        assert {seen.method for seen in gcs.requests if "/token" not in seen.path} == {"GET"}

    def test_an_object_without_facts_gets_them(self, land: Land, gcs: Gcs, web: Web) -> None:
        assert land(lake=None).code == 0
        data = gcs.objects["lake"][f"raw/{KEY}"].data
        gcs.put("lake", f"raw/{KEY}", data)
        requests = len(web.requests)
        assert land(lake=None).lines[-1] == "INFO    1 week: 1 there"
        assert gcs.objects["lake"][f"raw/{KEY}"].metadata["rows"] == "500"
        assert len(web.requests) == requests

    def test_the_default_folder_for_the_command_line(
        self, land: Land, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lakes, "DEFAULT_FOLDER", tmp_path / "default")
        assert land(lake=None).code == 0
        assert content(tmp_path / "default") == expected(small_week())

    @pytest.mark.parametrize("lake", [None, "a/relative/folder"])
    def test_a_deployed_run_must_have_one_that_outlives_it(
        self, flow: Callable[..., State[Any]], monkeypatch: pytest.MonkeyPatch, lake: str | None, web: Web
    ) -> None:
        monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "a-deployment")
        state = flow(year=2024, month=1, day=6, lake=lake)
        assert state.is_failed()
        assert "a deployed run would lose its file" in str(state.message)
        assert web.requests == []


def test_a_bar_shows_a_speed_only_where_bytes_are_received() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)

    def weeks() -> str:
        with console.capture() as capture:
            console.print(progress._display.weeks)
        return capture.get()

    with progress.shown(console), progress.counting(2):
        progress.done(1, 500)  # as a backfill does, whose parts are loaded elsewhere
        assert "1 of 2 weeks" in weeks()
        assert "500 rows" in weeks()
        assert "MB/s" not in weeks()
        assert b"".join(progress.watched(iter([b"12", b"3"]), WEEK, SimpleNamespace(size=3))) == b"123"
        assert "MB/s" in weeks()
