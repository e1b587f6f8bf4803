"""The backfill flow without a server; and what is done with a run of a part that takes too long."""

import logging
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pendulum
import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.states import Cancelling, Pending, Running, Scheduled, State

import backfill
from conftest import ask, small_week
from flow_runs import JANUARY, WEEKS, Land
from mta_weekly.orchestration import deployment_runs as runs
from web import Answer, Web

pytest_plugins = ["flow_runs"]


def test_without_a_server_there_are_no_workers() -> None:
    state = backfill.backfill_flow(date(2015, 1, 1), date(2015, 1, 31), "any", return_state=True)
    assert state.is_failed()
    assert "a backfill needs a Prefect server" in str(state.message)
    run = ask(lambda client: client.read_flow_run(state.state_details.flow_run_id))
    assert (run.name, run.tags) == ("turnstile 150103 to 150131 by month", ["turnstile"])


NOBODY = (
    "no worker took it, and no other part ran, for 100 s; look whether the pool has a worker and a free place, "
    "and is not paused"
)


@pytest.mark.parametrize(
    ("state", "ago", "moved", "to", "says"),
    [
        (Scheduled(), 0, 99, None, ""),
        (
            Scheduled(),
            0,
            101,
            "Cancelled",
            NOBODY,
        ),
        (Pending(), 99, 0, None, ""),
        (Pending(), 101, 0, "Cancelling", "no final state after 100 s (part_timeout)"),
        (Running(), 99, 999, None, ""),
        (Running(), 101, 0, "Cancelling", "no final state after 100 s (part_timeout)"),
        (Cancelling(), 59, 0, None, ""),
        (Cancelling(), 61, 0, "Crashed", "no worker ended it within 60 s of being asked to; its worker is dead"),
    ],
)
def test_what_is_done_with_a_run_that_takes_too_long(
    state: State[Any], ago: float, moved: float, to: str | None, says: str
) -> None:
    now = datetime.now(UTC)
    state.timestamp = pendulum.instance(now - timedelta(seconds=ago))
    run = FlowRun(flow_id=uuid4(), state=state)
    verdict = runs.judge_overdue(run, now - timedelta(seconds=moved), timedelta(seconds=100))
    assert (verdict and (verdict[0].name, verdict[1], verdict[2])) == (to and (to, says, to == "Crashed"))


@pytest.fixture
def backfill_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A backfill into tmp_path/lake by a deployment with these parameters, whose server is not there."""

    def make(first: date, last: date, **parameters: Any) -> Any:
        weekly = DeploymentResponse(
            name="weekly", flow_id=uuid4(), parameters={"lake": str(tmp_path / "lake"), **parameters}
        )
        monkeypatch.setattr(backfill, "read_deployment", lambda name: weekly)
        return backfill._Parts.of(first, last, "weekly", "month", "auto", None)

    return make


def cut(saturday: date) -> Answer:
    """A week of which less than half is published."""
    return Answer(b"".join(small_week(saturday).splitlines(keepends=True)[:201]))


FEBRUARY = date(2024, 2, 1), date(2024, 2, 17)


def test_a_part_whose_weeks_are_held_is_named_with_them_and_why(
    backfill_of: Callable[..., Any], flow: Callable[..., State[Any]], january: Web
) -> None:
    assert flow(year=2024, month=1).is_completed()
    january.serve("/turnstile_240203.txt", cut(date(2024, 2, 3)))
    january.serve("/turnstile_240210.txt", cut(date(2024, 2, 10)))
    january.serve("/turnstile_240217.txt", Answer(small_week(date(2024, 2, 17))))
    ran = flow(start=FEBRUARY[0], end=FEBRUARY[1])
    parts = backfill_of(*FEBRUARY)
    part = parts.settle("2024-02", FlowRun(flow_id=uuid4(), state=ran), "")
    assert (part.state, part.weeks, part.missing) == ("failed", 3, 2)
    assert part.reason.startswith("turnstile 240203: held: ")
    for week in ("240203", "240210"):
        assert f"turnstile {week}: held: rows 200, its neighbours 500 (60 % fewer)" in part.reason
        assert f"kept as held/turnstile/{week}-" in part.reason
    lines = list(backfill.rehearse_backfill(*FEBRUARY, "weekly", "month", "auto", None))
    assert lines[1:] == ["2024-02  would run     2 of 3 weeks missing, 2 of them held"]


def test_weeks_that_stand_and_look_wrong_are_named_beside_neighbours_outside_the_range(
    backfill_of: Callable[..., Any],
    land: Land,
    january: Web,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    january.serve("/turnstile_240127.txt", cut(WEEKS["240127"]))
    assert land(*JANUARY).code == 1
    period = date(2024, 1, 20), date(2024, 1, 31)
    (suspect,) = backfill.list_suspects(backfill_of(*period).look())
    said = "is in the lake, and not like its neighbours: rows 200, its neighbours 500 (60 % fewer)"
    assert str(suspect).startswith(f"240127: {said}")
    assert suspect.missed
    lines = list(backfill.rehearse_backfill(*period, "weekly", "month", "auto", None))
    assert lines[1:] == ["2024-01  there before  0 of 2 weeks missing", f"240127   {suspect.reason}"]
    monkeypatch.setattr(logging.getLogger("mta"), "propagate", True)  # which a command turns off
    for judge, warned in (("warn", {"turnstile 240127: not like its neighbours: rows 200"}), ("off", set())):
        caplog.clear()
        assert backfill.list_suspects(backfill_of(*period, judge=judge).look()) == []
        assert {record.message[:51] for record in caplog.records} == warned  # by one handler, or two
    assert land(*JANUARY, "--accept", "a strike").code == 0
    assert backfill.list_suspects(backfill_of(*period).look()) == []
