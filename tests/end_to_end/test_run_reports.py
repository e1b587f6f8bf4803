"""What a person sees of deployed runs at a server: names, tags, the version; and the reason where they end to read."""

import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId, FlowRunFilterTags
from prefect.deployments import run_deployment

from conftest import HANGS
from fleet import Fleet
from mta_weekly.settings import VERSION
from web import Answer, Web

pytest_plugins = ["fleet"]
JANUARY = {"start": date(2015, 1, 1), "end": date(2015, 1, 31)}


def prefect(fleet: Fleet, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "prefect", *arguments]
    return subprocess.run(command, env=fleet.environment, capture_output=True, text=True, check=False)


def test_deployed_runs_say_what_they_are_and_end_in_the_reason(fleet: Fleet, year: Web) -> None:
    fleet.deploy("reports")
    year.serve("/turnstile_150117.txt", Answer(status=404))
    given = [flag for name, day in JANUARY.items() for flag in ("-p", f"{name}={day}")]

    async def run_by_name(client: Any) -> Any:
        parameters = {"year": 2015, "dry_run": True}
        name = "Look at the year"
        return await run_deployment("MTA Batch flow/reports", parameters=parameters, flow_run_name=name, timeout=HANGS)

    with fleet.worker("reports"):
        ran = prefect(fleet, "deployment", "run", "MTA Batch flow/reports", *given, "--tag", "winter", "--watch")
        named = fleet.ask(run_by_name)
    assert ran.returncode == 1
    assert ran.stdout.splitlines()[-1] == "Flow run finished in state 'Failed'."  # Prefect's command says no more
    assert (named.name, named.state.name, named.flow_version) == ("Look at the year", "Completed", VERSION)

    async def read(client: Any) -> tuple[Any, Any]:
        deployment = await client.read_deployment_by_name("MTA Batch flow/reports")
        ours = FlowRunFilterDeploymentId(any_=[deployment.id])
        winter = FlowRunFilter(deployment_id=ours, tags=FlowRunFilterTags(all_=["winter"]))
        (run,) = await client.read_flow_runs(flow_run_filter=winter)
        return deployment, run

    deployment, run = fleet.ask(read)
    assert (run.name, run.flow_version) == ("turnstile 150103 to 150131", VERSION)
    assert sorted(run.tags) == sorted({*deployment.tags, "turnstile", "winter"})
    shown = prefect(fleet, "flow-run", "logs", str(run.id)).stdout.splitlines()
    lines = [line for line in shown if "exited cleanly" not in line]  # the worker's own last word of its process
    reason = "turnstile 150117: not published (404"
    assert "Finished in state Failed('5 weeks: 4 landed, 1 failed. " + reason in lines[-1]
    assert [line.partition(" - ")[2].startswith(reason) for line in lines if reason in line] == [True, False]
    assert [line for line in lines if "turnstile 150110: landed, 500 rows" in line]
