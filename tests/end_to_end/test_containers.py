"""The pipeline as its users deploy it, all of it run: blocks, deployments, an agent, workers, containers."""

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import docker
import pytest

from conftest import FILE, KEY, WEEK, expected, small_week, wait_until
from containers import BY_AGENT, BY_PROCESS, BY_WORKER, UNPUBLISHED
from engine import BATCH, IMAGE, UUID_OF, Machine, container_of
from gcs import Gcs
from mta_weekly.feeds.weeks import Week, list_weeks
from real_weeks import SHARED, real_week
from socrata_weeks import WEEK as EXAMPLE
from socrata_weeks import expected as expected_table
from socrata_weeks import in_order
from web import Answer, Web

pytest_plugins = ["containers"]
pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]


by_each = pytest.mark.parametrize(
    "deployment", [pytest.param(BY_AGENT, id="agent"), pytest.param(BY_WORKER, id="worker")]
)


@by_each
def test_a_week_lands_by_a_container_though_the_one_before_was_killed(
    deployed: Machine,
    unpublished: dict[str, str],
    engine: docker.DockerClient,
    cloud: Gcs,
    served: Web,
    deployment: str,
) -> None:
    cloud.objects["lake"].clear()
    published, wanted = real_week(WEEK) if SHARED.is_dir() else (small_week(), expected(small_week()))
    served.serve(FILE, Answer(published, pause_at=(len(published) // 2, 120.0)))
    before = len(served.requests)
    killed = deployed.ask_for(deployment, WEEK)
    asked = "the container never asked for its week"
    wait_until(lambda: FILE in [seen.path for seen in served.requests[before:]], asked)
    container_of(engine, killed).kill()
    assert deployed.ended(killed)["type"] in ("CRASHED", "FAILED")
    assert [name for name in cloud.objects["lake"] if WEEK in name] == []

    served.serve(FILE, Answer(published))  # and the next run is none the worse for it
    lands = deployed.ask_for(deployment, WEEK)
    state = deployed.ended(lands)
    assert (state["type"], state["message"]) == ("COMPLETED", "1 week: 1 landed"), deployed.said()
    blob = cloud.objects["lake"][KEY]
    assert gzip.decompress(blob.data) == wanted
    assert blob.metadata["flow_run_id"] == lands
    container = container_of(engine, lands)
    container.wait()
    assert container.attrs["Config"]["Image"] == IMAGE
    ended = engine.containers.get(container.id).attrs
    assert ended["State"]["ExitCode"] == 0
    assert deployment != BY_WORKER or "no-new-privileges" in str(ended["HostConfig"]["SecurityOpt"])
    logs = container.logs().decode()
    deployed.printed += [logs, json.dumps(container.attrs)]
    rows = wanted.count(b"\n") - 1
    assert f"turnstile {WEEK}: landed, {rows:,} rows" in logs


@by_each
def test_a_week_that_is_not_published_fails(
    deployed: Machine, unpublished: dict[str, str], engine: docker.DockerClient, cloud: Gcs, deployment: str
) -> None:
    state = deployed.ended(unpublished[deployment])
    assert state["type"] == "FAILED"
    assert f"turnstile {UNPUBLISHED}: not published" in state["message"]
    assert f"turnstile/{UNPUBLISHED}.csv.gz" not in cloud.objects["lake"]
    assert container_of(engine, unpublished[deployment]).attrs["Config"]["Image"] == IMAGE


@pytest.mark.parametrize(
    ("deployment", "week"),
    [
        pytest.param("dep-github-mta-de-101", "240203", id="agent"),
        pytest.param(BY_PROCESS, "240210", id="worker"),
    ],
)
def test_a_week_lands_from_a_repository_without_docker(
    deployed: Machine, takers: object, cloud: Gcs, served: Web, deployment: str, week: str
) -> None:
    published = small_week(Week.named(week).saturday)
    served.serve(f"/turnstile_{week}.txt", Answer(published))
    state = deployed.ended(deployed.ask_for(deployment, week))
    assert (state["type"], state["message"]) == ("COMPLETED", "1 week: 1 landed"), deployed.said()
    assert gzip.decompress(cloud.objects["lake"][f"turnstile/{week}.csv.gz"].data) == expected(published)


def test_the_readmes_runs(deployed: Machine, takers: object, cloud: Gcs, served: Web, pretended: list[str]) -> None:
    """Of one week, and of a month: a container that waits in a pool of its own for the container of its part."""
    deployed.type("run")
    assert deployed.ended(asked_for(deployed))["type"] == "COMPLETED", deployed.said()
    landed = cloud.objects["lake"]["ridership/260912.csv.gz"]
    assert gzip.decompress(landed.data) == expected_table(in_order(EXAMPLE))

    month = list_weeks(date(2019, 3, 1), date(2019, 3, 31))
    for week in month:
        served.serve(f"/turnstile_{week}.txt", Answer(small_week(week.saturday)))
    deployed.type("backfill")
    flow_run = asked_for(deployed)
    pool = ("--work_pool", "pool-backfill-mta", "--image_name", IMAGE)
    deployed.script("blocks/docker_block.py", *pool, *pretended)
    with deployed.working("prefect", "worker", "start", "--pool", "pool-backfill-mta", "--type", "docker"):
        state = deployed.ended(flow_run)
    assert (state["type"], state["message"]) == ("COMPLETED", "1 part: 1 landed"), deployed.said()
    for week in month:
        assert gzip.decompress(cloud.objects["lake"][f"turnstile/{week}.csv.gz"].data) == expected(
            small_week(week.saturday)
        )


def asked_for(machine: Machine) -> str:
    """The flow run that was last asked for by a command."""
    return UUID_OF.findall("".join(machine.printed))[-1]


def test_prefects_own_command_makes_the_same_deployment(deployed: Machine) -> None:
    def stands() -> dict[str, Any]:
        found = deployed.ask("GET", f"deployments/name/{BATCH}/{BY_AGENT}")
        kept = "id path entrypoint parameters tags work_pool_name work_queue_name infrastructure_document_id"
        return {name: found[name] for name in kept.split()} | {"schedules": [s["schedule"] for s in found["schedules"]]}

    by_script = stands()
    deployed.type("by hand")
    assert stands() == by_script
    deployed.type("agent")
    assert stands() == by_script


def test_the_next_year_of_saturdays_at_nine_in_new_york(deployed: Machine) -> None:
    deploy = (
        "deployments/docker_deploy_etl_web_to_gcs.py",
        "--block_name",
        "blk-docker-mta",
        "--deploy_name",
        BY_AGENT,
    )
    assert "; updated" in deployed.script(*deploy)
    deployment = deployed.ask("GET", f"deployments/name/{BATCH}/{BY_AGENT}")
    assert len(deployment["schedules"]) == 1
    named = deployed.ask("POST", "deployments/filter", {})
    flows = [each["flow_id"] for each in named if each["name"] == BY_AGENT]
    assert len(flows) == len(set(flows)) == 2  # the weekly flow and the watch, once each
    until = (datetime.now(UTC) + timedelta(weeks=60)).isoformat()
    deployed.ask(
        "POST", f"deployments/{deployment['id']}/schedule", {"min_runs": 53, "max_runs": 53, "end_time": until}
    )
    wanted = {
        "deployments": {"id": {"any_": [deployment["id"]]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
        "limit": 200,
    }
    runs = deployed.ask("POST", "flow_runs/filter", wanted)
    moments = sorted(datetime.fromisoformat(run["expected_start_time"]) for run in runs)[:53]
    local = [moment.astimezone(ZoneInfo("America/New_York")) for moment in moments]
    assert len(local) == 53
    assert {(f"{moment:%A}", moment.hour, moment.minute) for moment in local} == {("Saturday", 9, 0)}
    assert {moment.utcoffset() for moment in local} == {timedelta(hours=-4), timedelta(hours=-5)}
    assert sum(a.utcoffset() != b.utcoffset() for a, b in pairwise(local)) == 2
    assert {b.date() - a.date() for a, b in pairwise(local)} == {timedelta(weeks=1)}


def test_no_key_is_shown_anywhere(deployed: Machine, cloud: Gcs) -> None:
    """Last: it reads what all the others printed."""
    for block in ("gcp-credentials/blk-gcp-svc-acc", "gcs-bucket/blk-gcs-name", "docker-container/blk-docker-mta"):
        deployed.run("prefect", "block", "inspect", block)
    deployed.run("prefect", "deployment", "inspect", f"{BATCH}/{BY_AGENT}")
    deployed.run("prefect", "work-pool", "inspect", "pool-docker-mta")
    logs = deployed.ask("POST", "logs/filter", {"limit": 200})
    deployed.printed.append(json.dumps(logs))
    key = cloud.service_account()["private_key"]
    secrets = [line for line in key.splitlines() if len(line) > 20] + [*cloud.tokens]
    assert len(secrets) > 20
    everything = deployed.said()
    assert "blk-gcp-svc-acc" in everything
    assert [secret for secret in secrets if secret in everything] == []
