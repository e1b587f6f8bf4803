"""The freshness flow: Failed with what to do, unless all is there, or the weekly run has said the same."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.states import Completed, Crashed, Failed, Running, State

import watch
from conftest import ask
from mta_weekly.lake.folder import FolderLake
from mta_weekly.orchestration import told_runs
from mta_weekly.orchestration.run_tags import ALERT_TAG
from mta_weekly.settings import VERSION
from standing_weeks import hold_week, land_weeks

Freshness = Callable[..., State[Any]]
Ran = Callable[..., str]
LACKING = "turnstile: 2 due weeks lacking, 240120 to 240127: python flows/etl_web_to_gcs.py --start 2024-01-20 --end "
SAID = "8 weeks: 6 there, 2 failed. turnstile 240120, 240127: not published (404 from web.mta.info)"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A lake that lacks two due weeks."""
    lake = FolderLake(tmp_path / "lake")
    lake.prepare()
    land_weeks(lake, tmp_path, "240106", "240113", "240203")
    return lake.folder


@pytest.fixture
def freshness(place: Path, monkeypatch: pytest.MonkeyPatch) -> Freshness:
    """The flow, on the third of February 2024."""
    monkeypatch.setattr(watch, "new_york_today", lambda: date(2024, 2, 3))

    def run(**parameters: Any) -> State[Any]:
        return watch.freshness_flow(**{"lake": str(place), **parameters}, return_state=True)

    return run


@pytest.fixture
def ran(place: Path, clean_api: None) -> Ran:
    """Let a run of a deployment of the weekly flow have ended so; its name."""

    def let(
        state: State[Any], tags: tuple[str, ...] = (ALERT_TAG,), flow: str = "MTA Batch flow", to: str = "", **more: Any
    ) -> str:
        async def make(client: Any) -> str:
            flow_id = await client.create_flow_from_name(flow)
            deployment = await client.create_deployment(flow_id, to or f"d-{uuid4()}", tags=[*tags])
            parameters = {"lake": str(place), "catch_up": 8, **more}
            made = await client.create_flow_run_from_deployment(deployment, parameters=parameters)
            for each in (Running(), state):
                await client.set_flow_run_state(made.id, each, force=True)
            return str(made.name)

        return str(ask(make))

    return let


def read_artifacts(state: State[Any]) -> dict[str, str]:
    run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[state.state_details.flow_run_id]))
    return {each.key: each.data for each in ask(lambda client: client.read_artifacts(artifact_filter=run))}


def test_weeks_that_lack_fail_it_with_the_command_and_a_page(freshness: Freshness, place: Path) -> None:
    state = freshness()
    assert state.is_failed()
    assert state.message == f"2 lacking. {LACKING}2024-01-27 --feed turnstile --lake {place}"
    page = read_artifacts(state)["mta-freshness"]
    assert "| turnstile | 3 | 2 | 0 | 0 | 0 | 0 | 0 | 240203 | 1 day |" in page.splitlines()
    assert "](data:image/svg+xml;base64," in page
    run = ask(lambda client: client.read_flow_run(state.state_details.flow_run_id))
    assert (run.name, run.flow_version) == ("freshness", VERSION)


def test_it_completes_where_all_is_there(freshness: Freshness, place: Path) -> None:
    state = freshness(feed="turnstile", since=date(2024, 2, 1))
    assert state.is_completed()
    assert state.message is not None
    assert state.message.startswith("turnstile: 1 of 1 due week there; newest 240203, its data 1 day old; ")
    assert ask(lambda client: client.read_flow_run(state.state_details.flow_run_id)).name == "freshness of turnstile"


@pytest.mark.parametrize("parameters", [{"feed": "auto"}, {"since": date(2024, 2, 4)}, {"lake": "gs://lake"}])
def test_a_bad_argument_is_said_as_one(freshness: Freshness, parameters: dict[str, Any]) -> None:
    state = freshness(**parameters)
    assert (state.name, state.is_failed()) == ("BadArgument", True)


def test_what_the_weekly_run_has_said_is_not_said_again(freshness: Freshness, place: Path, ran: Ran) -> None:
    name = ran(Failed(message=SAID))
    state = freshness()
    assert state.is_completed()
    assert state.message is not None
    assert LACKING in state.message
    assert state.message.endswith(f", as {name!r} has said")
    assert "2 due weeks lacking" in read_artifacts(state)["mta-freshness"]
    hold_week(FolderLake(place), place.parent, "231230")
    state = freshness()
    assert state.is_failed()
    assert state.message is not None
    assert state.message.startswith("1 held. turnstile 231230: held, looked at ")
    assert "240120" not in state.message


@pytest.mark.parametrize(("weekly", "watched"), [("", None), (None, "{}"), ("{}/", "{}"), ("{}", "")])
def test_a_lake_is_the_same_by_another_name(
    freshness: Freshness,
    place: Path,
    ran: Ran,
    monkeypatch: pytest.MonkeyPatch,
    weekly: str | None,
    watched: str | None,
) -> None:
    monkeypatch.setenv("MTA_LAKE", str(place))
    ran(Failed(message=SAID), lake=weekly and weekly.format(place))
    assert freshness(lake=watched and watched.format(place)).is_completed()


def test_of_two_weeks_the_one_that_was_not_named_fails_it(freshness: Freshness, ran: Ran) -> None:
    ran(Failed(message="2 weeks: 1 there, 1 failed. turnstile 240120: not published (404 from web.mta.info)"))
    state = freshness()
    assert state.is_failed()
    assert state.message is not None
    assert state.message.startswith("1 lacking. turnstile: 1 due week lacking, 240127: ")


@pytest.mark.parametrize(
    "other",
    [
        {"tags": ()},
        {"tags": ("mta-backfill",)},
        {"flow": "MTA Backfill flow"},
        {"year": 2024, "month": 1, "catch_up": 1},
        {"lake": "/another"},
        {"dry_run": True},
        {"state": Crashed(message=SAID)},
        {"state": Completed(message=SAID)},
    ],
)
def test_what_other_runs_have_said_does_not_count(freshness: Freshness, ran: Ran, other: dict[str, Any]) -> None:
    ran(**{"state": Failed(message=SAID), **other})
    assert freshness().is_failed()


def test_the_last_run_of_a_deployment_counts_and_that_of_each(freshness: Freshness, ran: Ran) -> None:
    ran(Failed(message=SAID), to="weekly")
    ran(Completed(message="8 weeks: 8 there"), to="weekly")
    assert freshness().is_failed()
    first = ran(Failed(message="1 week: 1 failed. turnstile 240120: not published"), to="weekly")
    second = ran(Failed(message="1 week: 1 failed. turnstile 240127: not published"), to="another")
    state = freshness()
    assert state.is_completed()
    assert str(state.message).endswith(f", as {' and '.join(map(repr, sorted([first, second])))} have said")


def test_what_was_said_more_than_a_week_ago_is_said_again(place: Path, ran: Ran) -> None:
    name = ran(Failed(message=SAID))
    now = datetime.now(UTC)
    assert set(told_runs.find_told_weeks(lambda lake: lake == str(place), now).values()) == {name}
    assert told_runs.find_told_weeks(lambda lake: lake == str(place), now + timedelta(days=8)) == {}
