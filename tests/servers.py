"""A Prefect server and a PostgreSQL of the tests' own, on the loopback, each in a process."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from filelock import FileLock

from conftest import FLOWS, wait_until

MADE = ("prefect.db", "memo_store.toml")  # in this order, by a first run


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def find_postgres() -> str | None:
    """Where PostgreSQL's initdb is, on the path or where Debian puts it."""
    return shutil.which("initdb") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), None)


@contextmanager
def postgres() -> Iterator[str]:
    """PostgreSQL as Debian packages it, on the loopback; the address of a database. Skips without one."""
    found = find_postgres()
    if not found:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    # It refuses to run as root, and what belongs to its own user cannot lie below a folder of root's alone.
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
    bin, port = Path(found).resolve().parent, free_port()
    with tempfile.TemporaryDirectory(prefix="mta-postgres-") as name:
        folder = Path(name)
        if user:
            shutil.chown(folder, "postgres", "postgres")
        make = [bin / "initdb", "--auth", "trust", "--username", "mta", "--no-sync", "--pgdata", folder / "data"]
        subprocess.run(make, check=True, capture_output=True, cwd=folder, **user)
        listen = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
        serve = [bin / "postgres", "-D", folder / "data", "-p", str(port), *listen]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(serve, stdout=log, stderr=subprocess.STDOUT, cwd=folder, **user)
        try:
            ask = [bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]

            def ready() -> bool:
                assert process.poll() is None, (folder / "log").read_text()
                return subprocess.run(ask, check=False).returncode == 0

            wait_until(ready, "PostgreSQL did not start")
            yield f"postgresql+asyncpg://mta@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(signal.SIGINT)  # its fast shutdown
            process.wait()


def copy_database(home: Path) -> None:
    """Put a database of Prefect's in a home: a copy of the first one, for to make one takes longer than most tests."""
    first = Path(os.environ["HOME_OF_THE_TESTS"], "first")
    make = "from mta_weekly.orchestration.prefect_api import prepare_prefect; prepare_prefect(False)"
    with FileLock(f"{first}.lock"):
        if not (first / MADE[-1]).exists():
            own = {**os.environ, "PREFECT_HOME": str(first)}
            subprocess.run([sys.executable, "-c", make], cwd=FLOWS, env=own, check=True)
    for name in MADE:
        shutil.copy(first / name, home / name)


@contextmanager
def prefect_server(home: Path, database: str | None = None) -> Iterator[str]:
    """A Prefect server of its own on the loopback; yields the address of its API.

    Its home is made, and is its own; without a database elsewhere it keeps a SQLite file there.
    """
    home.mkdir(exist_ok=True)
    if not database:
        copy_database(home)
    port = free_port()
    serve = ["-m", "uvicorn", "--factory", "prefect.server.api.server:create_app", "--port", str(port)]
    own = {**os.environ, "PREFECT_HOME": str(home)}
    if database:
        own["PREFECT_API_DATABASE_CONNECTION_URL"] = database
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen([sys.executable, *serve], env=own, stdout=log, stderr=subprocess.STDOUT)
    try:

        def ready() -> bool:
            assert process.poll() is None, (home / "server.log").read_text()[-2000:]
            return _answers(f"http://127.0.0.1:{port}/api/health")

        wait_until(ready, "the Prefect server did not start")
        yield f"http://127.0.0.1:{port}/api"
    finally:
        process.kill()  # at once, as servers die
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False
