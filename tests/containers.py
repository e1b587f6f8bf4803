"""The image, a bucket, a source and a machine on which all is deployed: made once for the tests with containers."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import docker
import pytest

from engine import IMAGE, Machine, build, docker_engine, install_runner
from gcs import Gcs
from hourly import RIDERSHIP as COLUMNS
from repository import bare_repository, copy_of_project
from servers import prefect_server
from socrata_weeks import LIVE
from socrata_weeks import WEEK as EXAMPLE
from soda import Soda
from web import Web

BY_AGENT, BY_WORKER, BY_PROCESS = "dep-docker-mta-de-101", "dep-pool-mta-de-101", "dep-github-pool-mta-de-101"
AGENTS_POOL, DOCKER_POOL, PROCESS_POOL = "default-agent-pool", "pool-docker-mta", "pool-process-mta"
# One run at a time each: of a container that says nothing for a minute, as where several load Prefect at once on two
# cores, an agent or a worker loses sight, and its run never ends.
TAKERS = {
    AGENTS_POOL: ("prefect", "agent", "start", "-p", AGENTS_POOL, "-q", "default", "--limit", "1"),
    DOCKER_POOL: ("prefect", "worker", "start", "--pool", DOCKER_POOL, "--type", "docker", "--limit", "1"),
    PROCESS_POOL: ("prefect", "worker", "start", "--pool", PROCESS_POOL, "--type", "process", "--limit", "1"),
}
UNPUBLISHED = "231209"
PLANTED = "planted-where-no-image-may-find-it"


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    with docker_engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def installing(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[Path]]:
    """The environment of an agent or worker, which is installed while the image is built and the server starts."""
    with ThreadPoolExecutor() as pool:
        yield pool.submit(install_runner, tmp_path_factory.mktemp("runner"))


@pytest.fixture(scope="session")
def image(
    engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[docker.models.images.Image]:
    """The image, built where secrets lie about."""
    context = copy_of_project(tmp_path_factory.mktemp("context"))
    for name in (".env", "key.json", "flows/key.json", "flows/mta_weekly/key.json", "flows/.env", "data/lake/key.json"):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text(PLANTED)
    build(context)
    yield engine.images.get(IMAGE)
    for container in engine.containers.list(all=True, ignore_removed=True, filters={"ancestor": IMAGE}):
        container.remove(force=True)
    engine.images.remove(IMAGE, force=True)


@pytest.fixture(scope="session")
def cloud() -> Iterator[Gcs]:
    """A bucket that asks for the tokens of its service account."""
    with Gcs(buckets=("lake",)) as gcs:
        gcs.require_token = True
        yield gcs


@pytest.fixture(scope="session")
def served() -> Iterator[Web]:
    with Web() as web:
        yield web


@pytest.fixture(scope="session")
def machine(installing: Future[Path], image: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with a server of its own, and nothing on it but what prefect-requirements.txt lists."""
    home, folder = tmp_path_factory.mktemp("server"), tmp_path_factory.mktemp("elsewhere")
    with prefect_server(home) as api:
        yield Machine(installing.result(), api, tmp_path_factory.mktemp("home"), folder)


@pytest.fixture(scope="session")
def tables() -> Iterator[Soda]:
    """A data.ny.gov with the week of the papers' examples."""
    with Soda() as site:
        site.put(LIVE, COLUMNS, EXAMPLE)
        yield site


@pytest.fixture(scope="session")
def pretended(cloud: Gcs, served: Web, tables: Soda) -> list[str]:
    """Flags for a container to find Google, the MTA and data.ny.gov here."""
    variables = {
        "MTA_TURNSTILE_URL": served.url,
        "MTA_SOCRATA_URL": tables.url,
        "MTA_RETRY_BASE": "0.01",
        "MTA_RETRY_WAIT": "9",
        "STORAGE_EMULATOR_HOST": cloud.url,
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    }
    return [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]


@pytest.fixture(scope="session")
def deployed(machine: Machine, cloud: Gcs, pretended: list[str]) -> Machine:
    """Everything registered and deployed by the project's own scripts, as the README says."""
    machine.instead |= {"~/key.json": str(machine.folder / "key.json"), "my-bucket": "lake", "mta-etl:v1": IMAGE}
    (machine.folder / "key.json").write_text(json.dumps(cloud.service_account()))
    machine.type("own server")
    bucket = ("blocks/gcs_block.py", "--gcs_bucket_name", "lake", "--check")
    assert "every permission" in machine.script(*bucket, STORAGE_EMULATOR_HOST=cloud.url)
    machine.type("agent")
    machine.type("worker")
    where = ("--block_name", "blk-docker-mta", "--work_pool", "pool-docker-mta", "--image_name", IMAGE)
    machine.script("blocks/docker_block.py", *where, *pretended)
    return machine


@pytest.fixture(scope="session")
def from_repository(deployed: Machine, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """Deployed from a repository too, for an agent and for a process worker."""
    deployed.instead["https://github.com/USER/mta-weekly-etl"] = bare_repository(tmp_path_factory.mktemp("repository"))
    deployed.type("github agent")
    deployed.type("github worker")
    return deployed


@pytest.fixture(scope="session")
def takers(from_repository: Machine, cloud: Gcs, served: Web) -> Iterator[dict[str, Path]]:
    """An agent, a docker worker and a process worker, all alive at once; where each prints, by its pool."""
    # What a container is given by its block or pool, those that start processes have in their environment.
    variables = {"MTA_TURNSTILE_URL": served.url, "STORAGE_EMULATOR_HOST": cloud.url}
    polls = {"PREFECT_AGENT_QUERY_INTERVAL": "2", "PREFECT_WORKER_QUERY_SECONDS": "2"}
    with ExitStack() as alive:
        start = partial(from_repository.working, **variables, **polls)
        yield {pool: alive.enter_context(start(*command)) for pool, command in TAKERS.items()}


@pytest.fixture(scope="session")
def unpublished(takers: dict[str, Path], deployed: Machine, served: Web) -> dict[str, str]:
    """Runs, by deployment, of a week that is not published: in a container each."""
    return {deployment: deployed.ask_for(deployment, UNPUBLISHED) for deployment in (BY_AGENT, BY_WORKER)}
