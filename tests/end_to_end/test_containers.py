"""The pipeline as its users deploy it, all of it run: blocks, deployments, an agent, workers, containers."""

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import docker
import httpx
import pytest

from conftest import FILE, KEY, WEEK, expected, small_week, wait_until
from containers import BY_AGENT, BY_WORKER
from engine import BATCH, IMAGE, UUID_OF, Machine, container_of
from gcs import Gcs
from mta_weekly.feeds.weeks import Week, list_weeks
from real_weeks import SHARED, real_week
from repository import bare_repository
from web import Answer, Web

pytest_plugins = ["containers"]
pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]


AGENT = ("prefect", "agent", "start", "-q", "default", "--run-once")
DOCKER_WORKER = ("prefect", "worker", "start", "--pool", "pool-docker-mta", "--type", "docker", "--run-once")
PROCESS_WORKER = ("prefect", "worker", "start", "--pool", "pool-process-mta", "--type", "process", "--run-once")
both = pytest.mark.parametrize(
    ("deployment", "runner"),
    [pytest.param(BY_AGENT, AGENT, id="agent"), pytest.param(BY_WORKER, DOCKER_WORKER, id="worker")],
)


@both
def test_a_week_lands_by_a_container_and_one_that_is_not_published_fails(
    deployed: Machine,
    engine: docker.DockerClient,
    cloud: Gcs,
    served: Web,
    deployment: str,
    runner: tuple[str],
) -> None:
    cloud.objects["lake"].clear()
    published, wanted = real_week(WEEK) if SHARED.is_dir() else (small_week(), expected(small_week()))
    missing = "231209"
    served.serve(FILE, Answer(published))
    lands, fails = deployed.ask_for(deployment, WEEK), deployed.ask_for(deployment, missing)
    said = deployed.ended(deployed.start(*runner))

    state = deployed.state_of(lands)
    assert (state["type"], state["message"]) == ("COMPLETED", "1 week: 1 landed"), said
    blob = cloud.objects["lake"][KEY]
    assert gzip.decompress(blob.data) == wanted
    assert blob.metadata["flow_run_id"] == lands
    container = container_of(engine, lands)
    container.wait()
    assert container.attrs["Config"]["Image"] == IMAGE
    assert engine.containers.get(container.id).attrs["State"]["ExitCode"] == 0
    logs = container.logs().decode()
    deployed.printed += [logs, json.dumps(container.attrs)]
    rows = wanted.count(b"\n") - 1
    assert f"turnstile {WEEK}: landed, {rows:,} rows" in logs

    state = deployed.state_of(fails)
    assert state["type"] == "FAILED"
    assert f"turnstile {missing}: not published" in state["message"]
    assert f"turnstile/{missing}.csv.gz" not in cloud.objects["lake"]
    assert container_of(engine, fails).id != container.id


@both
def test_a_container_killed_in_the_middle_leaves_a_failed_run_and_nothing_else(
    deployed: Machine, engine: docker.DockerClient, cloud: Gcs, served: Web, deployment: str, runner: tuple[str]
) -> None:
    cloud.objects["lake"].clear()
    killed = "240120" if deployment == BY_AGENT else "240127"
    published = small_week(Week.named(killed).saturday)
    path = f"/turnstile_{killed}.txt"
    served.serve(path, Answer(published, pause_at=(len(published) // 2, 120.0)))
    flow_run = deployed.ask_for(deployment, killed)
    process = deployed.start(*runner)
    asked = "the container never asked for its week"
    wait_until(lambda: path in [seen.path for seen in served.requests], asked)
    container_of(engine, flow_run).kill()
    deployed.ended(process)
    assert deployed.state_of(flow_run)["type"] in ("CRASHED", "FAILED")
    assert [name for name in cloud.objects["lake"] if killed in name] == []

    served.serve(path, Answer(published))  # and the next run is none the worse for it
    again = deployed.ask_for(deployment, killed)
    deployed.ended(deployed.start(*runner))
    assert deployed.state_of(again)["type"] == "COMPLETED"
    assert gzip.decompress(cloud.objects["lake"][f"turnstile/{killed}.csv.gz"].data) == expected(published)


@pytest.mark.parametrize(
    ("section", "deployment", "runner", "week"),
    [
        pytest.param("github agent", "dep-github-mta-de-101", AGENT, "240203", id="agent"),
        pytest.param("github worker", "dep-github-pool-mta-de-101", PROCESS_WORKER, "240210", id="worker"),
    ],
)
def test_a_week_lands_from_a_repository_without_docker(
    deployed: Machine,
    cloud: Gcs,
    served: Web,
    tmp_path: Path,
    section: str,
    deployment: str,
    runner: tuple[str],
    week: str,
) -> None:
    published = small_week(Week.named(week).saturday)
    served.serve(f"/turnstile_{week}.txt", Answer(published))
    deployed.instead["https://github.com/USER/mta-weekly-etl"] = bare_repository(tmp_path)
    deployed.type(section)
    flow_run = deployed.ask_for(deployment, week)
    # What a container is given by its block or pool, these machines have in their environment.
    said = deployed.run(*runner, MTA_TURNSTILE_URL=served.url, STORAGE_EMULATOR_HOST=cloud.url)
    state = deployed.state_of(flow_run)
    assert (state["type"], state["message"]) == ("COMPLETED", "1 week: 1 landed"), said
    assert gzip.decompress(cloud.objects["lake"][f"turnstile/{week}.csv.gz"].data) == expected(published)


def test_the_readmes_run_of_one_week(deployed: Machine, cloud: Gcs, served: Web) -> None:
    published = small_week(date(2023, 3, 25))
    served.serve("/turnstile_230325.txt", Answer(published))
    deployed.type("run")
    deployed.ended(deployed.start(*AGENT))
    assert gzip.decompress(cloud.objects["lake"]["turnstile/230325.csv.gz"].data) == expected(published)


def test_the_readmes_backfill(deployed: Machine, cloud: Gcs, served: Web, pretended: list[str]) -> None:
    """A container that waits in a pool of its own for the container of its part."""
    month = list_weeks(date(2023, 3, 1), date(2023, 3, 31))
    for week in month:
        served.serve(f"/turnstile_{week}.txt", Answer(small_week(week.saturday)))
    deployed.type("backfill")
    flow_run = UUID_OF.search(deployed.printed[-1])[1]
    pool = ("--work_pool", "pool-backfill-mta", "--image_name", IMAGE)
    deployed.script("blocks/docker_block.py", *pool, *pretended)
    worker = ("prefect", "worker", "start", "--type", "docker", "--pool")
    workers = [deployed.start(*worker, name) for name in ("pool-backfill-mta", "pool-docker-mta")]
    try:
        final = ("COMPLETED", "FAILED", "CRASHED")
        wait_until(lambda: deployed.state_of(flow_run)["type"] in final, "the backfill never ended")
    finally:
        for process in workers:
            process.kill()  # asked to end, a worker whose container has just exited may wait for ever
        said = [deployed.ended(process) for process in workers]
    state = deployed.state_of(flow_run)
    assert (state["type"], state["message"]) == ("COMPLETED", "1 part: 1 landed"), said
    for week in month:
        assert gzip.decompress(cloud.objects["lake"][f"turnstile/{week}.csv.gz"].data) == expected(
            small_week(week.saturday)
        )


def test_prefects_own_command_makes_the_same_deployment(deployed: Machine) -> None:
    def stands() -> dict[str, Any]:
        found = httpx.get(f"{deployed.api}/deployments/name/{BATCH}/{BY_AGENT}").json()
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
    deployment = httpx.get(f"{deployed.api}/deployments/name/{BATCH}/{BY_AGENT}").json()
    assert len(deployment["schedules"]) == 1
    named = httpx.post(f"{deployed.api}/deployments/filter", json={}).json()
    assert sorted(each["name"] for each in named).count(BY_AGENT) == 1
    until = (datetime.now(UTC) + timedelta(weeks=60)).isoformat()
    ordered = httpx.post(
        f"{deployed.api}/deployments/{deployment['id']}/schedule",
        json={"min_runs": 53, "max_runs": 53, "end_time": until},
    )
    assert ordered.is_success
    wanted = {
        "deployments": {"id": {"any_": [deployment["id"]]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
        "limit": 200,
    }
    runs = httpx.post(f"{deployed.api}/flow_runs/filter", json=wanted).json()
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
    logs = httpx.post(f"{deployed.api}/logs/filter", json={"limit": 200}).json()
    deployed.printed.append(json.dumps(logs))
    key = cloud.service_account()["private_key"]
    secrets = [line for line in key.splitlines() if len(line) > 20] + [*cloud.tokens]
    assert len(secrets) > 20
    everything = "\n".join(deployed.printed)
    assert "blk-gcp-svc-acc" in everything
    assert [secret for secret in secrets if secret in everything] == []
