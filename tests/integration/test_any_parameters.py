"""Parameters drawn by chance, of every flow as a deployment runs it: no traceback, and the end says why in one line."""

import json
import random
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect import Flow

from backfill import backfill_flow
from etl_web_to_gcs import main_flow
from mta_weekly.backfill_parts import WEEKLY_FLOW
from odd_words import ODD
from tries import ALL, tries
from watch import freshness_flow
from web import Web

DAYS = ["2023-12-30", "2024-01-06", "2024-01-13", None]
RIGHT: dict[str, list[Any]] = {
    "year": [0, 2024], "month": [0, 1], "day": [0, 1, 6], "limit_one": [True, False], "start": DAYS, "end": DAYS,
    "since": DAYS, "feed": ["auto", "turnstile", "daily", ""], "concurrency": [1, 2, 10**9], "catch_up": [1, 2],
    "force": [True, False], "refresh": [True, False], "allow_bad_rows": [0, 3, 10**9], "dry_run": [True, False],
    "accept": ["", "a strike"], "judge": ["hold", "warn", "off"], "deployment": ["weekly"], "by": ["month", "year"],
    "part_timeout": [60, 0.5],
}  # fmt: skip
WORDS = [word for word in ODD if not any("\ud800" <= letter <= "\udfff" for letter in word)]  # JSON has no half letters
OTHERS: list[Any] = [
    None, True, False, 0, -1, 1, 13, 9999, 10_000, 2**31, 2**63 - 1, -(2**63), 0.5, 1e308, -1e-9, float("nan"),
    float("inf"), [], [1], {}, {"a": 1}, [[[]]], "1", "2024", "yes", "2024-01-06", 1704499200, "2024-01-06T09:00:00Z",
]  # fmt: skip
VALIDATION = "Validation of flow parameters failed"


def draw_parameters(flow: Flow[..., Any], lake: Path, draw: random.Random) -> dict[str, Any]:
    """Some of the parameters of a flow: most values right, some odd."""
    given: dict[str, Any] = {}
    for name in flow.parameters.properties:
        if name not in (flow.parameters.required or ()) and draw.random() > 0.35:
            continue
        given[name] = draw.choice(RIGHT.get(name, [str(lake)]))
        if draw.random() < 0.15:
            given[name] = draw.choice([*OTHERS, *WORDS])
    wide = given.get("catch_up") not in RIGHT["catch_up"] or not given.get("month")
    wide = wide or any(given.get(name) not in DAYS for name in ("start", "end"))
    return given | ({"dry_run": True} if wide and "dry_run" in flow.parameters.properties else {})


def test_the_backfill_knows_the_weekly_flow_by_its_name() -> None:
    assert main_flow.name == WEEKLY_FLOW


@pytest.mark.parametrize(("flow", "count"), [(main_flow, 200), (freshness_flow, 50), (backfill_flow, 50)])
def test_a_flow(
    flow: Flow[..., Any],
    count: int,
    web: Web,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MTA_TURNSTILE_URL", web.url)
    monkeypatch.setenv("MTA_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("MTA_RETRY_ATTEMPTS", "1")
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", str(uuid4()))
    ends = set[str]()
    for number in range(tries(count)):
        draw = random.Random(f"{request.config.getoption('hypothesis_seed')} {flow.name} {number}")
        given = json.loads(json.dumps(draw_parameters(flow, tmp_path / "lake", draw)))
        caplog.clear()
        state = flow(**given, return_state=True)
        said = str(state.message or "")
        ends.add(str(state.name))
        assert state.is_completed() or state.is_failed(), given
        if VALIDATION in said:
            continue
        assert "encountered an exception" not in said, (given, said)
        assert said.isprintable(), (given, said)
        assert len(said) < 5000, (given, said)
        if flow is not backfill_flow and not str(given.get("lake")).isprintable():
            assert state.name == "BadArgument", (given, said)
        traced = [record.getMessage() for record in caplog.records if record.exc_info]
        assert traced == [], given
    assert not ALL or ends >= {"Failed", "BadArgument"}
