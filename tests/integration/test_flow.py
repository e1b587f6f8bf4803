"""The flow as Prefect sees it: states, messages, task runs, artifacts, logs."""

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect import Flow, tags
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, LogFilter, LogFilterFlowRunId
from prefect.client.schemas.sorting import LogSort
from prefect.states import State
from prefect.utilities.callables import parameter_schema
from rich.filesize import decimal

import backfill
import etl_web_to_gcs as etl
from conftest import FILE, KEY, WEEK, ask, content, expected, small_week
from flow_runs import WEEKS, Land
from mta_weekly.feeds.weeks import list_weeks
from mta_weekly.settings import VERSION
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
    total, landed, failed = json.loads(artifact.data)
    path = tmp_path / "lake" / KEY
    size = decimal(path.stat().st_size)
    assert (artifact.type, artifact.key) == ("table", "mta-weeks-turnstile")
    assert artifact.description == f"2 weeks: 1 landed, 1 failed. Lake: `{tmp_path / 'lake'}`"
    assert list(total) == ["week", "state", "reason", "rows", "size", "seconds", "object"]
    assert [total[name] for name in ("week", "rows", "size")] == ["total", "500", size]
    assert [landed[name] for name in ("week", "state", "rows", "size")] == [WEEK, "landed", "500", size]
    assert landed["object"].replace("\\", "") == str(path)
    assert landed["seconds"] > 0
    assert (failed["week"], failed["state"], failed["object"]) == ("240113", "failed", "turnstile/240113.csv.gz")
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
    messages, inside = read_log(run_id), read_log(child)
    assert any(message.startswith("lake: ") for message in messages)
    assert any(
        message.startswith("turnstile 240106: 503 Service Unavailable from 127.0.0.1; trying again in")
        for message in inside
    )
    landed = [message for message in messages + inside if message.startswith(f"turnstile {WEEK}: landed, 500 rows")]
    assert [message in messages for message in landed] == [True], "once, on the run that was asked for it"


def read_log(run: Any) -> list[str]:
    """The lines of a flow run at the API, in their order, as `prefect flow-run logs` shows them."""
    which = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run]))
    return [line.message for line in ask(lambda client: client.read_logs(which, sort=LogSort.TIMESTAMP_ASC))]


def read_run(state: State[Any]) -> Any:
    return ask(lambda client: client.read_flow_run(state.state_details.flow_run_id))


def test_a_run_and_the_one_inside_it_bear_names_tags_and_the_version(
    flow: Callable[..., State[Any]], january: Web
) -> None:
    run = read_run(flow(year=2024, month=1))
    assert (run.name, run.tags, run.flow_version) == ("turnstile 2024-01", ["turnstile"], VERSION)
    parent = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
    (child,) = [
        task.state.state_details.child_flow_run_id
        for task in ask(lambda client: client.read_task_runs(flow_run_filter=parent))
        if task.state.state_details.child_flow_run_id
    ]
    inside = ask(lambda client: client.read_flow_run(child))
    assert (inside.name, inside.tags, inside.flow_version) == ("turnstile 240106 to 240127", ["turnstile"], VERSION)


def test_a_name_and_tags_that_a_person_gave_a_run_stay(tmp_path: Path) -> None:
    mended = etl.main_flow.with_options(flow_run_name="Mend the snow days")
    with tags("winter"):
        state = mended(year=2024, month=1, lake=str(tmp_path), dry_run=True, return_state=True)
    run = read_run(state)
    assert (run.name, run.tags) == ("Mend the snow days", ["turnstile", "winter"])


def test_an_api_that_fails_to_name_a_run_costs_it_nothing_else(
    flow: Callable[..., State[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise httpx.ConnectError("away")

    monkeypatch.setattr(PrefectClient, "update_flow_run", refuse)
    state = flow(year=2024, month=1, dry_run=True)
    assert state.is_completed()
    said = "the Prefect API failed (away); the run goes on without its name and tags"
    assert said in read_log(state.state_details.flow_run_id)


@pytest.mark.parametrize("the_flow", [etl.main_flow, backfill.backfill_flow])
def test_the_form_says_what_every_parameter_is(the_flow: Flow[..., Any]) -> None:
    parameters = parameter_schema(the_flow).dict()["properties"]
    assert len(parameters) >= 10
    assert [name for name, each in parameters.items() if len(each.get("description", "")) < 15] == []


def test_bad_arguments_have_a_name_and_their_reason_ends_the_log(flow: Callable[..., State[Any]]) -> None:
    state = flow(year=2024, month=13, feed="daily")
    run = read_run(state)
    assert (run.name, run.tags) == ("daily year 2024, month 13", ["daily"])
    lines = read_log(run.id)
    assert [line for line in lines if "must be 1 to 12" in line] == [lines[-1]]
    assert lines[-1].startswith("Finished in state BadArgument(")


def test_a_failed_run_ends_its_log_in_weeks_and_reasons(flow: Callable[..., State[Any]], january: Web) -> None:
    january.serve("/turnstile_240113.txt", Answer(status=404))
    lines = read_log(flow(year=2024, month=1).state_details.flow_run_id)
    assert lines[-1].startswith("Finished in state Failed('4 weeks: 3 landed, 1 failed. turnstile 240113: not publ")
    own, last = (line for line in lines if "240113: not published" in line)
    assert (own.startswith("turnstile 240113: not published (404"), last) == (True, lines[-1])


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
    total, *rows = json.loads(artifact.data)
    failed = {row["week"]: row["reason"] for row in rows if row["state"] == "failed"}
    assert list(failed) == ["160123", "160227", "160402"]
    said = [reason.removesuffix(" ...").replace("\\", "") for reason in failed.values()]
    assert all(reason in str(state.message) for reason in said)
    assert [*total.values()][:4] == ["total", "20 weeks", "17 landed, 3 failed", "8,500"]
    landed = {path.name[:6] for path in (tmp_path / "lake" / "turnstile").glob("*.gz")}
    assert landed == {week.label for week in weeks} - set(failed)
    size = sum(path.stat().st_size for path in (tmp_path / "lake" / "turnstile").glob("*.gz"))
    assert total["size"] == decimal(size)

    for path, answer in good.items():
        web.serve(path, answer)
    web.requests.clear()
    ran = land(*period)
    assert ran.code == 0
    assert ran.lines[-1] == "INFO    20 weeks: 3 landed, 17 there"
    assert len(web.requests) == 3
    for week in weeks:
        assert content(tmp_path / "lake", f"turnstile/{week}.csv.gz") == expected(small_week(week.saturday))
