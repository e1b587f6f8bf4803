"""A Prefect server with deployments that land in a folder, and workers as processes of their own."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId, FlowRunFilterTags
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import State

import backfill
import deploy_steps
from conftest import HANGS, ROOT, ask, small_week, start
from deployed_flows import Code
from mta_weekly.feeds.weeks import list_weeks
from mta_weekly.orchestration import deployment_runs as runs
from mta_weekly.orchestration.run_tags import ALERT_TAG, PART_TAG
from servers import prefect_server
from web import Answer, Web

YEAR = list_weeks(date(2015, 1, 1), date(2015, 12, 31))


@dataclass
class Fleet:
    """A Prefect server, pools, deployments that land in a folder, and workers as processes of their own."""

    api: str
    home: Path
    web: Web
    lake: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PREFECT_API_URL": self.api,
            "PREFECT_HOME": str(self.home),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "MTA_TURNSTILE_URL": self.web.url,
            "MTA_SPOOL": str(self.home / "spool"),
        }

    def ask(self, question: Callable[[Any], Any]) -> Any:
        with temporary_settings({PREFECT_API_URL: self.api}):
            return ask(question)

    def await_runs(self, is_there: Callable[[Any], bool], *identities: UUID) -> list[Any]:
        """Runs, once the states of all are there; by one client, for a new one each time keeps the machine busy."""

        async def watch(client: Any) -> list[Any]:
            while True:
                runs = [await client.read_flow_run(identity) for identity in identities]
                if all(is_there(run.state) for run in runs):
                    return runs
                await asyncio.sleep(0.5)

        return self.ask(lambda client: asyncio.wait_for(watch(client), HANGS))

    def deploy(self, name: str, limit: int | None = None, lake: bool = True) -> None:
        """The weekly flow, the same for parts, and the backfill, which has a pool of its own."""
        variables = {"working_dir": str(ROOT)}
        given = ["--work_pool", name, "--deploy_name", name, "--lake", str(self.lake)]
        options = deploy_steps.parser("", deploy_steps.__file__, "").parse_args(given)
        parts = {"deployment": f"MTA Batch flow/{name}-parts", "lake": str(self.lake)}
        filling = deploy_steps.What(Code.of(backfill.backfill_flow), parts, tags=deploy_steps.alert_tags(options))

        async def put(client: Any) -> None:
            for pool, most in ((name, limit), (f"{name}-q", None)):
                await client.create_work_pool(WorkPoolCreate(name=pool, type="process", concurrency_limit=most))
            place = deploy_steps.Place("flows/etl_web_to_gcs.py:main_flow", str(ROOT), name, job_variables=variables)
            for what in (deploy_steps.saturdays(options), deploy_steps.parts(options)):
                if not lake:
                    del what.parameters["lake"]
                await deploy_steps.put(client, options, place, what)
            place = replace(place, entrypoint="flows/backfill.py:backfill_flow", work_pool=f"{name}-q")
            await deploy_steps.put(client, options, place, filling)

        self.ask(put)

    @contextmanager
    def worker(self, pool: str, name: str = "worker") -> Iterator[subprocess.Popen[str]]:
        """A worker that takes one run at a time; it and its runs end with the block."""
        command = ["prefect", "worker", "start", "--pool", pool, "--type", "process", "--limit", "1", "--name", name]
        command[0] = str(Path(sys.executable).parent / "prefect")
        log = self.home / f"{name}.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                command, env=self.environment, cwd=self.home, stdout=out, stderr=out, start_new_session=True
            )
        try:
            yield process
        finally:
            kill(process)

    def took(self, name: str) -> int:
        """How many runs a worker has begun; one that another worker was given before it says "Aborted" instead."""
        return (self.home / f"{name}.log").read_text().count("Completed submission of flow run")

    def runs(self, name: str) -> list[Any]:
        """All runs that a backfill asked for, of the weekly deployment or of that for parts."""

        async def read(client: Any) -> list[Any]:
            those = [await client.read_deployment_by_name(f"MTA Batch flow/{each}") for each in (name, f"{name}-parts")]
            which = FlowRunFilter(
                deployment_id=FlowRunFilterDeploymentId(any_=[each.id for each in those]),
                tags=FlowRunFilterTags(all_=[PART_TAG]),  # and not those of Saturdays
            )
            found: list[Any] = await client.read_flow_runs(flow_run_filter=which)
            return found

        return self.ask(read)

    def parts(self, name: str) -> list[str]:
        """The parts of these runs, in order, each as often as it was asked for."""
        return sorted(min(set(run.tags) - {ALERT_TAG, PART_TAG}) for run in self.runs(name))

    def backfill(self, name: str, first: date, last: date, **more: Any) -> State[Any]:
        """The flow in this process, which is not one of the workers."""
        with temporary_settings({PREFECT_API_URL: self.api}):
            return backfill.backfill_flow(first, last, name, **more, return_state=True)

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        return start(arguments, self.environment, cwd=self.home, command="backfill.py")


def kill(process: subprocess.Popen[str]) -> None:
    """kill -9, the worker and all that it started."""
    with nullcontext() if process.poll() is None else pytest.raises(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="session")
def year() -> Iterator[Web]:
    """A web server with the weeks of 2015."""
    with Web() as web:
        publish(web)
        yield web


def publish(web: Web, **lies: Any) -> None:
    for week in YEAR:
        web.serve(f"/turnstile_{week}.txt", Answer(small_week(week.saturday), **lies))


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prefect_server(tmp_path_factory.mktemp("server")) as api:
        yield api


@pytest.fixture
def fleet(api: str, year: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    monkeypatch.setattr(runs, "POLL", 0.2)
    monkeypatch.setattr(runs, "GRACE", timedelta(seconds=2))
    (tmp_path / "home").mkdir()
    publish(year)
    year.requests.clear()
    yield Fleet(api, tmp_path / "home", year, tmp_path / "lake")


def objects(lake: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (lake / "turnstile").glob("*.csv.gz")}
