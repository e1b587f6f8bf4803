"""Prefect's own database, where there is no server: it is made however slow the machine is, and lets a process end."""

import os
import subprocess
import sys
from pathlib import Path

from conftest import HANGS
from mta_weekly.settings import ROOT

LEFT_OPEN = """
import asyncio
from sqlalchemy.ext.asyncio import create_async_engine

async def connect():
    return await create_async_engine("sqlite+aiosqlite://").connect()

connection = asyncio.run(connect())
print("at the end")
"""

# Prefect gives its app 30 s to start. What it finds then is what need not be done in that time.
FIRST_START = """
import sqlite3
import prefect.client.base as base
from prefect.settings import PREFECT_HOME
from mta_weekly.orchestration.prefect_api import prepare_prefect

class Manager(base.LifespanManager):
    async def __aenter__(self):
        with sqlite3.connect(PREFECT_HOME.value() / "prefect.db") as database:
            found = database.execute("select count(*) from sqlite_master where name = 'flow_run'").fetchone()
        print("tables of flow runs:", *found)
        return await super().__aenter__()

base.LifespanManager = Manager
prepare_prefect(False)
"""

NO_TIME_TO_START = """
import prefect.client.base as base
from mta_weekly.errors import EtlError
from mta_weekly.orchestration.prefect_api import prepare_prefect

Manager = base.LifespanManager
base.LifespanManager = lambda app, **_: Manager(app, startup_timeout=0, shutdown_timeout=30)
try:
    prepare_prefect(False)
except EtlError as error:
    print(error)
base.LifespanManager = Manager
prepare_prefect(False)
print("there")
"""


# What the app's start would do to the tables takes longer than it has.
LONG_LOOK_AT_TABLES = f"""
import asyncio
from sqlalchemy.ext.asyncio import AsyncConnection

run_sync = AsyncConnection.run_sync

async def run_slowly(*arguments, **options):
    await asyncio.sleep(3)
    return await run_sync(*arguments, **options)

AsyncConnection.run_sync = run_slowly
{NO_TIME_TO_START.replace("startup_timeout=0", "startup_timeout=1.5")}
"""


def run(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "flows")} | variables
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=HANGS
    )


def test_a_connection_left_open_does_not_keep_a_process_from_ending() -> None:
    ran = run(LEFT_OPEN)
    assert (ran.returncode, ran.stdout) == (0, "at the end\n"), ran.stderr


def test_its_tables_are_made_before_the_app_that_has_30_seconds_starts(tmp_path: Path) -> None:
    ran = run(FIRST_START, PREFECT_HOME=str(tmp_path), PREFECT_API_URL="")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "tables of flow runs: 1\n", "")


def test_a_start_that_takes_too_long_is_one_line_and_the_next_one_goes_on(tmp_path: Path) -> None:
    ran = run(NO_TIME_TO_START, PREFECT_HOME=str(tmp_path), PREFECT_API_URL="")
    late = "Prefect did not start within its 30 s, the machine may be busy; run it again"
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{late}\nthere\n", "")


def test_a_start_given_up_while_it_looks_at_the_tables_shows_no_traceback(tmp_path: Path) -> None:
    ran = run(LONG_LOOK_AT_TABLES, PREFECT_HOME=str(tmp_path), PREFECT_API_URL="")
    assert (ran.returncode, ran.stdout.splitlines()[-1], ran.stderr) == (0, "there", "")
