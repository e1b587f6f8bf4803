"""A Docker engine, a Prefect server and the machines that run deployments, for the tests that run all of it.

Nothing here is pretended but Google and the MTA: containers are containers, and the agents and workers are those of
prefect-requirements.txt in an environment of their own.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest
from docker.models.containers import Container

import papers
from conftest import AUTHORITIES, HANGS, wait_until
from repository import copy_of_project

ROOT = Path(__file__).resolve().parents[1]
STAND_IN = ROOT.parent / "shared" / "containers"
IMAGE = "localhost/mta-etl:test"
BATCH = "MTA Batch flow"
UUID_OF = re.compile(r"UUID: ([0-9a-f-]{36})")  # in what `prefect deployment run` says
OFFLINE = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
    "SSL_CERT_FILE",
)  # conftest's; building needs a package index


def environment(**more: str) -> dict[str, str]:
    """The tests' own environment, without what keeps them offline."""
    own = {"SSL_CERT_FILE": AUTHORITIES} if AUTHORITIES else {}
    return {name: value for name, value in os.environ.items() if name not in OFFLINE} | own | more


@contextmanager
def docker_engine() -> Iterator[docker.DockerClient]:
    """The engine at DOCKER_HOST, or the stand-in beside this project; skips where neither is to be had."""
    with found() as engine:
        if engine:
            yield engine
            return
    if not STAND_IN.is_dir():
        pytest.skip("no Docker engine answers at DOCKER_HOST, and none can be had")
    if os.getuid():
        pytest.skip("no Docker engine answers at DOCKER_HOST, and only root can install one")
    wanted = environment(
        PREFECT_VERSION=re.search(r"^ARG BASE=.*:([\d.]+)-", (ROOT / "Dockerfile").read_text(), re.M)[1]
    )
    for script in (["install.sh"], ["base-image.sh"], ["podman-api.sh", "start"]):
        ran = subprocess.run([STAND_IN / script[0], *script[1:]], env=wanted, capture_output=True, text=True)
        assert ran.returncode == 0, f"{script}: {ran.stdout}{ran.stderr}"
    said = subprocess.run([STAND_IN / "podman-api.sh", "env"], env=environment(), capture_output=True, text=True)
    exports = dict(word.split("=", 1) for line in said.stdout.splitlines() for word in shlex.split(line)[1:])
    before = {name: os.environ.get(name) for name in exports}
    os.environ |= exports
    try:
        with found() as engine:
            assert engine, "the stand-in was started and does not answer"
            yield engine
    finally:
        if "already" not in ran.stdout:
            subprocess.run([STAND_IN / "podman-api.sh", "stop"], env=environment(), check=True, capture_output=True)
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


@contextmanager
def found() -> Iterator[docker.DockerClient | None]:
    """The engine that DOCKER_HOST names, if it answers."""
    try:
        engine = docker.from_env()
        engine.ping()
    except docker.errors.DockerException:
        yield None
        return
    try:
        yield engine
    finally:
        engine.close()


def build(context: Path) -> None:
    """Build the image of a copy of this project, as its papers say."""
    command = ["docker", "build", "-t", IMAGE, str(context)]
    ran = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert ran.returncode == 0, ran.stdout[-3000:]


def run_image(engine: docker.DockerClient, *command: str, **options: Any) -> bytes:
    """What a command of the image prints; read when it has ended, for of what is followed podman may lose the end."""
    container: Container = engine.containers.run(IMAGE, list(command), detach=True, **options)
    try:
        code = container.wait(timeout=HANGS)["StatusCode"]
        assert code == 0, container.logs().decode()
        return bytes(container.logs(stderr=False))
    finally:
        container.remove(force=True)


def install_runner(folder: Path) -> Path:
    """An environment of prefect-requirements.txt alone, as on the machine of an agent or a worker; returns its bin.

    By uv, which takes a third of pip's time; that pip installs the same is for `make setup` to see.
    """
    uv, python = Path(sys.executable).parent / "uv", folder / "bin" / "python"
    pins = ["--require-hashes", "-r", ROOT / "prefect-requirements.txt"]
    for command in (
        ["venv", "--python", sys.executable, folder],
        ["pip", "install", "--python", python, "--compile-bytecode", *pins],
    ):
        subprocess.run([uv, "--quiet", *command], check=True, env=environment())
    return folder / "bin"


@dataclass
class Machine:
    """A machine where people type commands and agents and workers run; remembers all that was printed on it."""

    bin: Path  # of the environment its commands are run from
    api: str
    home: Path
    folder: Path  # where it stands, nowhere near the project
    printed: list[str] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)  # of its agents and workers
    instead: dict[str, str] = field(
        default_factory=dict
    )  # what to type for the words that the papers only have as examples

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PREFECT_API_URL": self.api, "PREFECT_HOME": str(self.home), "COLUMNS": "300"}

    def run(self, *command: str | Path, code: int = 0, cwd: Path | None = None, **variables: str) -> str:
        """Run a command of its environment to its end; what it printed, on both streams."""
        ran = subprocess.run(
            [self.bin / command[0], *command[1:]], cwd=cwd or self.folder, env=self.environment | variables,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=HANGS,
        )  # fmt: skip
        self.printed.append(ran.stdout)
        assert ran.returncode == code, ran.stdout
        assert "Traceback" not in ran.stdout, ran.stdout
        return ran.stdout

    def script(self, name: str, *flags: str, code: int = 0, **variables: str) -> str:
        """Run one of the project's scripts."""
        return self.run("python", ROOT / name, *flags, code=code, **variables)

    def type(self, section: str) -> None:
        """Type the commands of a section of the papers, in a copy of the project, as their reader does."""
        project = self.folder / "project"
        if not project.exists():
            copy_of_project(project)
        for line in papers.section(section, "bash").replace("\\\n", " ").splitlines():
            words = [self.instead.get(word, word) for word in shlex.split(line)]
            if words[0] != "docker":  # its image is built already
                self.run(*words, cwd=project)

    def ask_for(self, deployment: str, week: str, **parameters: Any) -> str:
        """Ask Prefect's API for a run of a week, yyMMdd, of a deployment; its id."""
        period = {"year": 2000 + int(week[:2]), "month": int(week[2:4]), "day": int(week[4:])}
        identity = self.ask("GET", f"deployments/name/{BATCH}/{deployment}")["id"]
        asked = self.ask("POST", f"deployments/{identity}/create_flow_run", {"parameters": period | parameters})
        return asked["id"]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """What Prefect's API answers, once its SQLite file is not locked for somebody else: it has no better word."""

        def answer() -> httpx.Response | None:
            got = httpx.request(method, f"{self.api}/{path}", json=body, timeout=HANGS)
            return got if got.status_code < 500 else None

        return wait_until(answer, f"{path}: Prefect's API never answered").raise_for_status().json()

    def run_of(self, flow_run: str) -> dict[str, Any]:
        return self.ask("GET", f"flow_runs/{flow_run}")

    def ended(self, flow_run: str) -> dict[str, Any]:
        """Wait for a flow run; its last state."""

        def last() -> dict[str, Any] | None:
            state = self.run_of(flow_run)["state"]
            return state if state["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None

        return wait_until(last, f"flow run {flow_run} never ended: {self.said()[-3000:]}")

    @contextmanager
    def working(self, *command: str, **variables: str) -> Iterator[Path]:
        """An agent or a worker that takes runs until the block ends; where it prints."""
        log = self.home / f"taker{len(self.logs)}.log"
        self.logs.append(log)
        with log.open("w") as out:
            process = subprocess.Popen(
                [self.bin / command[0], *command[1:]], cwd=self.folder, env=self.environment | variables,
                stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            yield log
        finally:
            process.kill()  # asked to end, a worker whose container has just exited may wait for ever
            process.wait()

    def said(self) -> str:
        """All that was printed on it."""
        return "\n".join([*self.printed, *(log.read_text() for log in self.logs)])


def container_of(engine: docker.DockerClient, flow_run: str) -> Container:
    """The container of a flow run, ended or not."""

    def found() -> Container | None:
        containers = engine.containers.list(all=True, ignore_removed=True)
        return next((container for container in containers if flow_run in container.labels.values()), None)

    return wait_until(found, "no container was made for the flow run")
