"""The flow as Prefect sees it: states, messages, task runs, artifacts, logs."""

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.states import State

import etl_web_to_gcs as etl
from conftest import FILE, KEY, WEEK, ask, content, expected, small_week
from flow_runs import WEEKS, Land
from mta_weekly.feeds.weeks import list_weeks
from web import Answer, Web

pytest_plugins = ["flow_runs"]


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
    (artifact,) = ask(lambda client: client.read_artifacts(flow_run_filter=run))
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
    task_runs = ask(
        lambda client: client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id])))
    )
    (subflow,) = [
        run for run in task_runs if "etl-web-to-local" in run.name or run.state.state_details.child_flow_run_id
    ]
    child = subflow.state.state_details.child_flow_run_id
    inner = ask(lambda client: client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[child]))))
    assert {run.name for run in inner} == {f"{WEEK} write_local", f"{WEEK} write_gcs"}
    assert {run.name for run in task_runs if run is not subflow} == {
        "is 2024-1-6 a date of the feed",
        "weeks of the period",
    }
    logs = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id, child]))
    messages = [line.message for line in ask(lambda client: client.read_logs(logs))]
    assert any(message.startswith("lake: ") for message in messages)
    assert any(
        message.startswith("turnstile 240106: 503 Service Unavailable from 127.0.0.1; trying again in")
        for message in messages
    )
    assert any(message.startswith(f"turnstile {WEEK}: landed, 500 rows") for message in messages)


def test_of_twenty_weeks_with_three_broken_ones_seventeen_land_and_the_next_run_does_the_rest(
    flow: Callable[..., State[Any]], land: Land, web: Web, tmp_path: Path
) -> None:
    weeks = list_weeks(date(2016, 1, 1), date(2016, 5, 20))
    good = {f"/turnstile_{week}.txt": Answer(small_week(week.saturday)) for week in weeks}
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
    (artifact,) = ask(lambda client: client.read_artifacts(flow_run_filter=run))
    *rows, total = json.loads(artifact.data)
    failed = {row["week"]: row["reason"] for row in rows if row["state"] == "failed"}
    assert list(failed) == ["160123", "160227", "160402"]
    assert all(reason in str(state.message) for reason in failed.values())
    assert (total["week"], total["state"], total["rows"]) == ("total", "20 weeks: 17 landed, 3 failed", 17 * 500)
    landed = {path.name[:6] for path in (tmp_path / "lake" / "turnstile").glob("*.gz")}
    assert landed == {week.label for week in weeks} - set(failed)
    assert total["bytes"] == sum(path.stat().st_size for path in (tmp_path / "lake" / "turnstile").glob("*.gz"))

    for path, answer in good.items():
        web.serve(path, answer)
    web.requests.clear()
    ran = land(*period)
    assert ran.code == 0
    assert ran.lines[-1] == "INFO    20 weeks: 3 landed, 17 there"
    assert len(web.requests) == 3
    for week in weeks:
        assert content(tmp_path / "lake", f"turnstile/{week}.csv.gz") == expected(small_week(week.saturday))
