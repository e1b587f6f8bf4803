"""The pipeline as its users deploy it, all of it run: an image, blocks, deployments, an agent, workers, containers."""

import base64
import gzip
import json
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import docker
import httpx
import pytest

from conftest import FILE, KEY, SHARED, WEEK, expected, real_week, small_week, wait_until
from engine import (
    BATCH,
    IMAGE,
    ROOT,
    UUID_OF,
    Machine,
    bare_repository,
    build,
    container_of,
    copy_of_project,
    docker_engine,
    environment,
    install_runner,
    prefect_server,
)
from gcs import Gcs
from mta_weekly.feeds.weeks import label
from mta_weekly.settings import VERSION
from web import Answer, Web

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]

AGENT = ("prefect", "agent", "start", "-q", "default", "--run-once")
DOCKER_WORKER = ("prefect", "worker", "start", "--pool", "pool-docker-mta", "--type", "docker", "--run-once")
PROCESS_WORKER = ("prefect", "worker", "start", "--pool", "pool-process-mta", "--type", "process", "--run-once")
BY_AGENT, BY_WORKER = "dep-docker-mta-de-101", "dep-pool-mta-de-101"
PLANTED = "planted-where-no-image-may-find-it"


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    with docker_engine() as engine:
        yield engine


@pytest.fixture(scope="module")
def installing(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[Path]]:
    """The environment of an agent or worker, which is installed while the image is built and the server starts."""
    with ThreadPoolExecutor() as pool:
        yield pool.submit(install_runner, tmp_path_factory.mktemp("runner"))


@pytest.fixture(scope="module")
def image(
    engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[docker.models.images.Image]:
    """The image, built where secrets lie about."""
    context = copy_of_project(tmp_path_factory.mktemp("context"))
    for name in (".env", "key.json", "flows/key.json", "flows/.env", "data/lake/key.json"):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text(PLANTED)
    build(context)
    yield engine.images.get(IMAGE)
    for container in engine.containers.list(all=True, ignore_removed=True, filters={"ancestor": IMAGE}):
        container.remove(force=True)
    engine.images.remove(IMAGE, force=True)


@pytest.fixture(scope="module")
def lake() -> Iterator[Gcs]:
    """A bucket that asks for the tokens of its service account."""
    with Gcs(buckets=("lake",)) as gcs:
        gcs.require_token = True
        yield gcs


@pytest.fixture(scope="module")
def source() -> Iterator[Web]:
    with Web() as web:
        yield web


@pytest.fixture(scope="module")
def machine(installing: Future[Path], image: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with a server of its own, and nothing on it but what prefect-requirements.txt lists."""
    home, folder = tmp_path_factory.mktemp("server"), tmp_path_factory.mktemp("elsewhere")
    with prefect_server(home) as api:
        yield Machine(installing.result(), api, tmp_path_factory.mktemp("home"), folder)


@pytest.fixture(scope="module")
def pretended(lake: Gcs, source: Web) -> list[str]:
    """Flags for a container to find Google and the MTA here."""
    variables = {
        "MTA_TURNSTILE_URL": source.url,
        "MTA_RETRY_BASE": "0.01",
        "STORAGE_EMULATOR_HOST": lake.url,
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    }
    return [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]


@pytest.fixture(scope="module")
def deployed(machine: Machine, lake: Gcs, pretended: list[str]) -> Machine:
    """Everything registered and deployed by the project's own scripts, as the README says."""
    machine.instead |= {"~/key.json": str(machine.folder / "key.json"), "my-bucket": "lake", "mta-etl:v1": IMAGE}
    (machine.folder / "key.json").write_text(json.dumps(lake.service_account()))
    machine.type("own server")
    bucket = ("blocks/gcs_block.py", "--gcs_bucket_name", "lake", "--check")
    assert "every permission" in machine.script(*bucket, STORAGE_EMULATOR_HOST=lake.url)
    machine.type("agent")
    machine.type("worker")
    where = ("--block_name", "blk-docker-mta", "--work_pool", "pool-docker-mta", "--image_name", IMAGE)
    machine.script("blocks/docker_block.py", *where, *pretended)
    return machine


both = pytest.mark.parametrize(
    ("deployment", "runner"),
    [pytest.param(BY_AGENT, AGENT, id="agent"), pytest.param(BY_WORKER, DOCKER_WORKER, id="worker")],
)


def saturday(week: str) -> date:
    return datetime.strptime(week, "%y%m%d").date()


@both
def test_a_week_lands_by_a_container_and_one_that_is_not_published_fails(
    deployed: Machine,
    engine: docker.DockerClient,
    lake: Gcs,
    source: Web,
    deployment: str,
    runner: tuple[str],
) -> None:
    lake.objects["lake"].clear()
    published, wanted = real_week(WEEK) if SHARED.is_dir() else (small_week(), expected(small_week()))
    missing = "231209"
    source.serve(FILE, Answer(published))
    lands, fails = deployed.ask_for(deployment, WEEK), deployed.ask_for(deployment, missing)
    said = deployed.ended(deployed.start(*runner))

    state = deployed.state_of(lands)
    assert (state["type"], state["message"]) == ("COMPLETED", "1 week: 1 landed"), said
    blob = lake.objects["lake"][KEY]
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
    assert f"turnstile/{missing}.csv.gz" not in lake.objects["lake"]
    assert container_of(engine, fails).id != container.id


@both
def test_a_container_killed_in_the_middle_leaves_a_failed_run_and_nothing_else(
    deployed: Machine, engine: docker.DockerClient, lake: Gcs, source: Web, deployment: str, runner: tuple[str]
) -> None:
    lake.objects["lake"].clear()
    killed = "240120" if deployment == BY_AGENT else "240127"
    published = small_week(saturday(killed))
    path = f"/turnstile_{killed}.txt"
    source.serve(path, Answer(published, pause_at=(len(published) // 2, 120.0)))
    flow_run = deployed.ask_for(deployment, killed)
    process = deployed.start(*runner)
    asked = "the container never asked for its week"
    wait_until(lambda: path in [seen.path for seen in source.requests], asked, 120)
    container_of(engine, flow_run).kill()
    deployed.ended(process)
    assert deployed.state_of(flow_run)["type"] in ("CRASHED", "FAILED")
    assert [name for name in lake.objects["lake"] if killed in name] == []

    source.serve(path, Answer(published))  # and the next run is none the worse for it
    again = deployed.ask_for(deployment, killed)
    deployed.ended(deployed.start(*runner))
    assert deployed.state_of(again)["type"] == "COMPLETED"
    assert gzip.decompress(lake.objects["lake"][f"turnstile/{killed}.csv.gz"].data) == expected(published)


@pytest.mark.parametrize(
    ("section", "deployment", "runner", "week"),
    [
        pytest.param("github agent", "dep-github-mta-de-101", AGENT, "240203", id="agent"),
        pytest.param("github worker", "dep-github-pool-mta-de-101", PROCESS_WORKER, "240210", id="worker"),
    ],
)
def test_a_week_lands_from_a_repository_without_docker(
    deployed: Machine,
    lake: Gcs,
    source: Web,
    tmp_path: Path,
    section: str,
    deployment: str,
    runner: tuple[str],
    week: str,
) -> None:
    published = small_week(saturday(week))
    source.serve(f"/turnstile_{week}.txt", Answer(published))
    deployed.instead["https://github.com/USER/mta-weekly-etl"] = bare_repository(tmp_path)
    deployed.type(section)
    flow_run = deployed.ask_for(deployment, week)
    # What a container is given by its block or pool, these machines have in their environment.
    said = deployed.run(*runner, MTA_TURNSTILE_URL=source.url, STORAGE_EMULATOR_HOST=lake.url)
    state = deployed.state_of(flow_run)
    assert (state["type"], state["message"]) == ("COMPLETED", "1 week: 1 landed"), said
    assert gzip.decompress(lake.objects["lake"][f"turnstile/{week}.csv.gz"].data) == expected(published)


def test_the_readmes_run_of_one_week(deployed: Machine, lake: Gcs, source: Web) -> None:
    published = small_week(date(2023, 3, 25))
    source.serve("/turnstile_230325.txt", Answer(published))
    deployed.type("run")
    deployed.ended(deployed.start(*AGENT))
    assert gzip.decompress(lake.objects["lake"]["turnstile/230325.csv.gz"].data) == expected(published)


def test_the_readmes_backfill(deployed: Machine, lake: Gcs, source: Web, pretended: list[str]) -> None:
    """A container that waits in a pool of its own for the container of its part."""
    month = [date(2023, 3, day) for day in (4, 11, 18, 25)]
    for week in month:
        source.serve(f"/turnstile_{label(week)}.txt", Answer(small_week(week)))
    deployed.type("backfill")
    flow_run = UUID_OF.search(deployed.printed[-1])[1]
    pool = ("--work_pool", "pool-backfill-mta", "--image_name", IMAGE)
    deployed.script("blocks/docker_block.py", *pool, *pretended)
    worker = ("prefect", "worker", "start", "--type", "docker", "--pool")
    workers = [deployed.start(*worker, name) for name in ("pool-backfill-mta", "pool-docker-mta")]
    try:
        final = ("COMPLETED", "FAILED", "CRASHED")
        wait_until(lambda: deployed.state_of(flow_run)["type"] in final, "the backfill never ended", 200)
    finally:
        for process in workers:
            process.kill()  # asked to end, a worker whose container has just exited may wait for ever
        said = [deployed.ended(process) for process in workers]
    state = deployed.state_of(flow_run)
    assert (state["type"], state["message"]) == ("COMPLETED", "1 part: 1 landed"), said
    for week in month:
        assert gzip.decompress(lake.objects["lake"][f"turnstile/{label(week)}.csv.gz"].data) == expected(
            small_week(week)
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


class TestImage:
    def test_it_is_what_it_says(self, engine: docker.DockerClient, image: docker.models.images.Image) -> None:
        config = image.attrs["Config"]
        variables = dict(pair.split("=", 1) for pair in config["Env"])
        assert variables["MTA_LAKE"] == "gcs-bucket/blk-gcs-name"
        assert variables["MTA_SPOOL"] == "/opt/prefect/data/spool"
        assert variables["PREFECT_HOME"].startswith("/opt/prefect/")
        assert config["WorkingDir"] == "/opt/prefect"
        assert config["Labels"]["org.opencontainers.image.version"] == VERSION
        code = (
            "import json, os, pathlib, prefect; here = pathlib.Path('/opt/prefect'); (here / 'probe').write_text('x')\n"
            "print(json.dumps([os.getuid(), prefect.__version__, sorted(map(str, here.rglob('*.py')))]))"
        )
        said = engine.containers.run(IMAGE, ["python", "-c", code], remove=True)
        user, version, files = json.loads(said.splitlines()[-1])
        assert user != 0
        assert version == re.search(r"^prefect==(\S+)", (ROOT / "prefect-requirements.txt").read_text(), re.M)[1]
        assert f"prefecthq/prefect:{version}-python3.11" in (ROOT / "Dockerfile").read_text()
        assert files == sorted(f"/opt/prefect/{path.relative_to(ROOT)}" for path in (ROOT / "flows").rglob("*.py"))

    def test_it_runs_the_command(self, engine: docker.DockerClient, image: object, source: Web) -> None:
        published = small_week()
        source.serve("/turnstile_240106.txt", Answer(published))
        load = "python flows/etl_web_to_gcs.py --year 2024 --month 1 --day 6 --lake data/lake"
        command = ["sh", "-c", f"{load} && base64 data/lake/*/*.gz"]
        pretended = {"MTA_TURNSTILE_URL": source.url}
        said = engine.containers.run(IMAGE, command, environment=pretended, network_mode="host", remove=True)
        assert gzip.decompress(base64.b64decode(said)) == expected(published)

    def test_no_broken_one_is_built(self, engine: docker.DockerClient, image: object, tmp_path: Path) -> None:
        context = copy_of_project(tmp_path)
        (context / "flows" / "mta_weekly" / "errors.py").write_text("import nothing_of_that_name\n")
        with pytest.raises(AssertionError, match="nothing_of_that_name"):
            build(context)

    def test_no_layer_holds_what_lay_about(self, image: docker.models.images.Image) -> None:
        rest = b""
        for chunk in image.save():
            assert PLANTED.encode() not in rest + chunk
            rest = chunk[-100:]
        assert rest


def test_all_of_it_in_one_command(engine: docker.DockerClient, image: object, tmp_path: Path) -> None:
    """compose.yaml, with a web server of the test's own beside it."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed")
    published, project = small_week(), copy_of_project(tmp_path / "project")
    (project / "web").mkdir()
    (project / "web" / "turnstile_240106.txt").write_bytes(published)
    (project / "web.yaml").write_text(
        "services: {web: {image: mta-etl:compose, command: python -m http.server 8000 --directory /web, "
        "volumes: ['./web:/web:ro']}}"
    )
    compose = ["docker", "compose", "-p", "mta-etl-test", "-f", "compose.yaml", "-f", "web.yaml"]
    own = environment(MTA_TURNSTILE_URL="http://web:8000")

    def run(*arguments: str) -> bytes:
        ran = subprocess.run(
            [*compose, *arguments], cwd=project, env=own, capture_output=True, check=False, timeout=300
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    week = ("-p", "year=2024", "-p", "month=1", "-p", "day=6", "--watch")
    try:
        for _ in range(2):  # the second time changes nothing
            run("up", "--build", "--detach")
        said = run("exec", "-T", "worker", "prefect", "deployment", "run", f"{BATCH}/saturday", *week)
        assert b"Completed" in said
        landed = run("exec", "-T", "worker", "cat", "data/lake/turnstile/240106.csv.gz")
        assert gzip.decompress(landed) == expected(published)
    finally:
        run("down", "--volumes")


def test_no_key_is_shown_anywhere(deployed: Machine, lake: Gcs) -> None:
    """Last: it reads what all the others printed."""
    for block in ("gcp-credentials/blk-gcp-svc-acc", "gcs-bucket/blk-gcs-name", "docker-container/blk-docker-mta"):
        deployed.run("prefect", "block", "inspect", block)
    deployed.run("prefect", "deployment", "inspect", f"{BATCH}/{BY_AGENT}")
    deployed.run("prefect", "work-pool", "inspect", "pool-docker-mta")
    logs = httpx.post(f"{deployed.api}/logs/filter", json={"limit": 200}).json()
    deployed.printed.append(json.dumps(logs))
    key = lake.service_account()["private_key"]
    secrets = [line for line in key.splitlines() if len(line) > 20] + [*lake.tokens]
    assert len(secrets) > 20
    everything = "\n".join(deployed.printed)
    assert "blk-gcp-svc-acc" in everything
    assert [secret for secret in secrets if secret in everything] == []
