"""What Prefect's API takes as parameters of the deployments, and what it refuses before a run is made."""

from typing import Any

import pytest
from prefect.exceptions import PrefectHTTPStatusError

from conftest import ask
from deploy_scripts import BY, DOCKER, NAME, Script, deployment

pytest_plugins = ["deploy_scripts"]
pytestmark = pytest.mark.usefixtures("clean_api")


ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("MTA Batch flow", {"year": 2024, "month": 1, "day": 6}),
    ("MTA Batch flow", {"start": "2024-01-06", "end": "2024-01-13", "lake": None, "allow_bad_rows": 3}),
    (
        "MTA Batch flow",
        {"year": 2024, "month": 12, "day": 31, "feed": "turnstile", "judge": "off", "accept": "a strike"},
    ),
    ("MTA Batch flow", {"start": None, "end": None, "catch_up": 5200, "concurrency": 1}),
    ("MTA Freshness flow", {"feed": "", "since": None}),
    ("MTA Freshness flow", {"feed": "daily", "since": "2024-01-06"}),
    ("MTA Backfill flow", {"start": "2024-01-06", "end": "2024-01-13", "by": "year", "part_timeout": 0.5}),
]
REFUSED: list[tuple[str, dict[str, Any]]] = [
    *(
        ("MTA Batch flow", given)
        for given in (
            {"year": "soon"}, {"limit_one": 3}, {"start": 20240106}, {"yaer": 2023}, {"year": -1}, {"year": 9999},
            {"month": 13}, {"day": 32}, {"day": -1}, {"feed": "bus"}, {"feed": ""}, {"feed": None}, {"judge": "maybe"},
            {"concurrency": 0}, {"catch_up": 0}, {"catch_up": 5201}, {"allow_bad_rows": -1}, {"accept": 201 * "a"},
        )
    ),
    ("MTA Freshness flow", {"feed": "auto"}),
    ("MTA Freshness flow", {"sinse": "2024-01-06"}),
    ("MTA Backfill flow", {}),
    *(
        ("MTA Backfill flow", {"start": "2024-01-06", "end": "2024-01-13"} | given)
        for given in ({"by": "week"}, {"part_timeout": -1}, {"part_timeout": 2_592_001}, {"feed": "bus"}, {"dry": True})
    ),
]  # fmt: skip


def test_parameters_are_held_to_their_types_and_limits(script: Script, default_lake: None, box: None) -> None:
    assert script("docker_block", "--work_pool", "pool-q", "--image_name", "mta:v1").code == 0
    assert script(DOCKER, *BY[1], *NAME, "--backfill_pool", "pool-q").code == 0
    flows = ("MTA Batch flow", "MTA Freshness flow", "MTA Backfill flow")
    identities = {flow: deployment(flow=flow).id for flow in flows}

    def run_with(flow: str, given: dict[str, Any]) -> Any:
        return ask(lambda client: client.create_flow_run_from_deployment(identities[flow], parameters=given))

    for flow, given in REFUSED:
        with pytest.raises(PrefectHTTPStatusError, match=r"409|422"):
            pytest.fail(f"taken: {run_with(flow, given).parameters}")
    for flow, given in ACCEPTED:
        assert run_with(flow, given).parameters.items() >= given.items()
