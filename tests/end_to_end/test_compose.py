"""The services of compose.yaml, each confined as it says there, on an engine without compose: a week lands."""

import gzip
import io
import shlex
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import docker
import pytest
import yaml
from docker.models.containers import Container

from conftest import HANGS, expected, small_week, wait_until
from engine import BATCH, IMAGE, ROOT

pytest_plugins = ["containers"]
pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]

SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
CONFINED = ("read_only", "cap_drop", "security_opt", "mem_limit", "pids_limit")  # named alike by compose and the engine
HEALTH = "import urllib.request as web; web.urlopen('http://127.0.0.1:4200/api/health')"
PAGES = HEALTH.replace("api/health", "dashboard")

Start = Callable[..., Container]


@pytest.fixture
def start(engine: docker.DockerClient, image: object, tmp_path: Path) -> Iterator[Start]:
    """Starts a service of compose.yaml: all of them are one machine to each other, and reach nothing else."""
    mark, started, volumes = uuid4().hex[:8], [], set()

    def place(volume: str) -> str:
        if volume.startswith("./"):
            return f"{ROOT}/{volume.removeprefix('./')}"
        volumes.add(f"{mark}-{volume.partition(':')[0]}")
        return f"{mark}-{volume}"

    def begin(name: str, command: str = "", **more: str) -> Container:
        service = SERVICES[name]
        own, variables = service["image"], service["environment"] | more
        made = engine.containers.run(
            IMAGE if own == "mta-etl:compose" else own,
            shlex.split(command or service["command"]),
            environment={
                name: value.replace("//server:", "//127.0.0.1:")
                for name, value in variables.items()
                if "$" not in value
            },
            volumes=[*map(place, service["volumes"]), f"{tmp_path}:/web:ro"],
            tmpfs=dict(mount.split(":", 1) for mount in service["tmpfs"]),
            network_mode=f"container:{started[0].id}" if started else "none",
            detach=True,
            **{limit: service[limit] for limit in CONFINED},
        )
        started.append(made)
        return made

    yield begin
    for container in reversed(started):
        container.remove(force=True)
    for volume in volumes:
        engine.volumes.get(volume).remove(force=True)


def ask(container: Container, *command: str) -> tuple[int, bytes]:
    """The exit code of a command in a container, and what it said."""
    # Of a command that ends as soon as it has spoken, podman may lose the end.
    return tuple(container.exec_run(["sh", "-c", '"$@"; code=$?; sleep 1; exit $code', "sh", *command]))


def test_every_service_does_its_work_as_confined_as_it_is(start: Start, tmp_path: Path) -> None:
    published = small_week()
    (tmp_path / "turnstile_240106.txt").write_bytes(published)
    tmp_path.chmod(0o755)  # the image has a user of its own
    server = start("server")
    wait_until(lambda: ask(server, "python", "-c", HEALTH)[0] == 0, "the server never answered")
    assert ask(server, "python", "-c", PAGES)[0] == 0
    deploy = start("deploy")
    assert deploy.wait(timeout=HANGS)["StatusCode"] == 0, deploy.logs().decode()
    start("worker", "python -m http.server 8000 --directory /web")
    worker = start("worker", MTA_TURNSTILE_URL="http://server:8000")
    week = ("-p", "year=2024", "-p", "month=1", "-p", "day=6", "--watch")
    code, said = ask(worker, "prefect", "deployment", "run", f"{BATCH}/saturday", *week)
    assert (code, b"Completed" in said) == (0, True), said.decode() + worker.logs().decode()
    chunks, _ = worker.get_archive("/opt/prefect/data/lake/turnstile/240106.csv.gz")
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        landed = archive.extractfile("240106.csv.gz")
        assert gzip.decompress(landed.read()) == expected(published)
    for service in (server, worker):
        assert ask(service, "touch", "/usr/local/probe")[0] == ask(service, "touch", "/opt/prefect/probe")[0] == 1
        status = dict(line.split(":\t") for line in ask(service, "cat", "/proc/1/status")[1].decode().splitlines())
        assert (int(status["CapBnd"], 16), status["NoNewPrivs"]) == (0, "1")
