"""The backfill flow without a server; and what is done with a run of a part that takes too long."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pendulum
import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling, Pending, Running, Scheduled, State

import backfill
from mta_weekly.orchestration import deployment_runs as runs


def test_without_a_server_there_are_no_workers() -> None:
    state = backfill.backfill_flow(date(2015, 1, 1), date(2015, 1, 31), "any", return_state=True)
    assert state.is_failed()
    assert "a backfill needs a Prefect server" in str(state.message)


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
