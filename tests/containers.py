"""The image, a bucket, a source and a machine on which all is deployed: made once for the tests with containers."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import docker
import pytest

from engine import IMAGE, Machine, build, docker_engine, install_runner
from gcs import Gcs
from repository import copy_of_project
from servers import prefect_server
from web import Web

BY_AGENT, BY_WORKER = "dep-docker-mta-de-101", "dep-pool-mta-de-101"
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
def pretended(cloud: Gcs, served: Web) -> list[str]:
    """Flags for a container to find Google and the MTA here."""
    variables = {
        "MTA_TURNSTILE_URL": served.url,
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
