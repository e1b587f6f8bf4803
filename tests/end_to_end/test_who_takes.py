"""An agent, a docker worker and a process worker side by side: each takes the runs of its own pool, and no others."""

import re
from pathlib import Path

import docker
import pytest

from containers import AGENTS_POOL, BY_AGENT, BY_PROCESS, BY_WORKER, DOCKER_POOL, PROCESS_POOL
from engine import Machine
from tries import tries

pytest_plugins = ["containers"]
pytestmark = [pytest.mark.containers, pytest.mark.timeout(1800)]

POOLS = {BY_AGENT: AGENTS_POOL, BY_WORKER: DOCKER_POOL, BY_PROCESS: PROCESS_POOL}
TRIES_FOR = re.compile(r"submitting flow run '([0-9a-f-]{36})'", re.IGNORECASE)  # what each says before it has a run


def test_every_run_is_taken_by_its_own(deployed: Machine, engine: docker.DockerClient, takers: dict[str, Path]) -> None:
    asked = {
        deployed.ask_for(deployment, "240217", dry_run=True): pool
        for _ in range(tries(12, least=2))
        for deployment, pool in POOLS.items()
    }
    for run in asked:
        state = deployed.ended(run)
        assert (state["type"], state["message"]) == ("COMPLETED", "dry run, nothing touched"), deployed.said()
    tried = {pool: set(TRIES_FOR.findall(log.read_text())) for pool, log in takers.items()}
    assert {run: [pool for pool in tried if run in tried[pool]] for run in asked} == {
        run: [pool] for run, pool in asked.items()
    }
    labels = {value for each in engine.containers.list(all=True, ignore_removed=True) for value in each.labels.values()}
    assert asked.keys() & labels == {run for run, pool in asked.items() if pool != PROCESS_POOL}
