"""A script of blocks/ as a command: a reader that has gone, a database of Prefect's that is broken."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import HANGS, ROOT, ask


@pytest.mark.usefixtures("clean_api")
def test_a_reader_that_has_gone_does_not_stop_it() -> None:
    command = (
        f"{sys.executable} {ROOT}/blocks/docker_block.py --block_name box --work_pool pool --image_name m:1 | true"
    )
    ran = subprocess.run(["bash", "-c", command], env=os.environ, capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    assert "pool" in [pool.name for pool in ask(lambda client: client.read_work_pools())]


def test_a_broken_database_of_prefects_is_one_line_and_an_end(tmp_path: Path) -> None:
    (tmp_path / "prefect.db").write_text("this is no database" * 100)
    (tmp_path / "memo_store.toml").write_text("")
    command = [sys.executable, str(ROOT / "blocks" / "docker_block.py"), "--block_name", "box", "--image_name", "m:1"]
    env = {**os.environ, "PREFECT_HOME": str(tmp_path)}
    ran = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=HANGS)
    assert ran.returncode == 1
    assert "Prefect's own database in PREFECT_HOME cannot be used" in ran.stderr.splitlines()[-1]
