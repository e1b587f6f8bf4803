"""What every test stands on: a machine of its own, weeks small and real, a way to run the command."""

import asyncio
import gc
import gzip
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import certifi
import httpx
import pytest

ROOT = Path(__file__).resolve().parents[1]
UNIT = ROOT / "tests" / "unit"

# Before Prefect is imported anywhere: its home decides where it keeps its database and profiles.
for name in [
    name for name in os.environ if name.startswith(("MTA_", "PREFECT_", "GOOGLE_", "OTEL_", "STORAGE_EMULATOR"))
]:
    del os.environ[name]
AUTHORITIES = os.environ.get("SSL_CERT_FILE")
_home = tempfile.TemporaryDirectory(prefix="mta-tests-")
# Nothing here speaks TLS, and every client of httpx or Prefect reads all authorities there are first: one is faster.
_authority = Path(_home.name, "authority.pem")
_authority.write_text("".join(Path(certifi.where()).read_text().partition("-----END CERTIFICATE-----")[:2]) + "\n")
os.environ |= {
    "PREFECT_HOME": _home.name,
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # The storage client asks Google for more than it is asked for, in threads of its own.
    "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA": "true",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "SSL_CERT_FILE": str(_authority),
    "MTA_RETRY_BASE": "0.01",
    "MTA_RETRY_WAIT": "9",
    "MTA_SOCRATA_URL": "http://127.0.0.1:1",  # nobody; tests that need data.ny.gov start one
}

os.environ.setdefault("HOME_OF_THE_TESTS", _home.name)  # that of the first process; others are its workers

gc.disable()  # what loads until all tests are collected stays

from gcs import Gcs  # noqa: E402
from mta_weekly import secrets as told  # noqa: E402
from tries import pytest_terminal_summary  # noqa: E402, F401 - a hook
from web import Answer, Web  # noqa: E402
from weeks import make_week  # noqa: E402

WEEK = "240106"
FILE = f"/turnstile_{WEEK}.txt"
KEY = f"turnstile/{WEEK}.csv.gz"
HANGS = 300.0  # seconds; what takes longer will never end, however slow the machine


@cache
def small_week(saturday: date = date(2024, 1, 6)) -> bytes:
    """A published file of 500 rows."""
    return make_week(saturday, rows=500)


def expected(published: bytes) -> bytes:
    """What an object of these bytes unpacks to, by design.md's words alone."""
    lines = published.decode().split("\n")[1:-1]
    rows = [[field.strip() for field in line.split(",")] for line in lines]
    cleaned = [",".join([str(n), *row[:9], str(int(row[9])), str(int(row[10]))]) for n, row in enumerate(rows)]
    return "\n".join([",CA,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS", *cleaned, ""]).encode()


SEED = "SEED_OF_THE_TESTS"


@pytest.hookimpl(tryfirst=True)  # before hypothesis reads it
def pytest_configure(config: pytest.Config) -> None:
    """What is drawn by chance is drawn anew each time, from a seed that can be given again; workers have it too."""
    if not hasattr(config, "workerinput"):
        os.environ[SEED] = str(config.getoption("hypothesis_seed") or secrets.randbelow(10**9))
    config.option.hypothesis_seed = os.environ[SEED]


def pytest_report_header(config: pytest.Config) -> str:
    """Says the seed."""
    return f"--hypothesis-seed={config.getoption('hypothesis_seed')}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that take longest first, and those of one server in a row: idle workers take of the end of a busy one's."""
    items.sort(key=lambda item: item.path.parent.name)  # end_to_end, integration, unit


def pytest_collection_finish(session: pytest.Session) -> None:
    global _units_alone
    _units_alone = all(UNIT in item.path.parents for item in session.items)
    gc.freeze()
    gc.enable()


STARTS = {"subprocess.Popen", "os.system", "os.posix_spawn", "os.fork", "os.exec"}
_in_unit_test = _units_alone = False


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: no way to start a process goes round it."""
    if _in_unit_test and event in STARTS:
        pytest.fail(f"a unit test starts a process: {event} {arguments}")
    if _in_unit_test and event == "import" and str(arguments[0]).partition(".")[0] == "prefect":
        pytest.fail("a unit test loads Prefect")


sys.addaudithook(_refuse)


@pytest.fixture(autouse=True)
def only_our_code(request: pytest.FixtureRequest) -> Iterator[None]:
    """A unit test starts no process and loads no Prefect; others, in the same process, may have loaded it."""
    global _in_unit_test
    _in_unit_test = UNIT in request.path.parents
    yield
    _in_unit_test = False
    for parts in told._parts.values():  # what one test has told is no secret to the next one
        parts.clear()
    assert not (_units_alone and "prefect" in sys.modules), "a unit test's module, or what it imports, loads Prefect"


@pytest.fixture(scope="session", autouse=True)
def database_of_prefect() -> None:
    """The home of these tests has a database, as after a first run, before anything asks Prefect."""
    if not _units_alone:
        from servers import copy_database

        copy_database(Path(os.environ["PREFECT_HOME"]))


@pytest.fixture
def web() -> Iterator[Web]:
    """A web server that has one small week."""
    with Web() as web:
        web.serve(FILE, Answer(small_week()))
        yield web


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    """A plain client of the servers on the loopback."""
    with httpx.Client() as http:
        yield http


@pytest.fixture
def gcs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gcs]:
    """A bucket that honours preconditions, where the storage client looks for Google's."""
    with Gcs(buckets=("lake",)) as gcs:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
        yield gcs


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What it said on stderr, without the time of day."""
        return [line.split(" ", 2)[2].strip() if line[:2] == "20" else line for line in self.err.splitlines()]


@pytest.fixture
def land(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """Run the command line in this process (loading Prefect anew takes seconds), against `web`, into tmp_path/lake."""
    import etl_web_to_gcs
    from mta_weekly.command.command import run_command
    from mta_weekly.command.flags import parse_flags, weekly_parser
    from mta_weekly.orchestration.prefect_api import prepare_prefect

    monkeypatch.setenv("MTA_TURNSTILE_URL", web.url)
    monkeypatch.setenv("MTA_SPOOL", str(tmp_path / "spool"))

    def run(*arguments: str, lake: str | None = str(tmp_path / "lake")) -> Ran:
        given = [*(arguments or ONE_WEEK)]
        capfd.readouterr()
        try:
            parameters = parse_flags(weekly_parser(), [*given, *(["--lake", lake] if lake else [])])
            code = run_command(etl_web_to_gcs.main_flow, etl_web_to_gcs.rehearse_run, prepare_prefect, parameters)
        except SystemExit as end:
            code = int(end.code or 0)
        return Ran(code, *capfd.readouterr())

    return run


@pytest.fixture
def environment(web: Web, tmp_path: Path) -> dict[str, str]:
    """The environment of a command started as a process of its own."""
    return {**os.environ, "MTA_TURNSTILE_URL": web.url, "MTA_SPOOL": str(tmp_path / "spool")}


FLOWS = ROOT / "flows"
COMMAND = [sys.executable, str(FLOWS / "etl_web_to_gcs.py")]
ONE_WEEK = ["--year", "2024", "--month", "1", "--day", "6"]


def start(
    arguments: Sequence[str], environment: dict[str, str], command: str = "etl_web_to_gcs.py", **options: Any
) -> subprocess.Popen[str]:
    """Start a command of flows/ as a process of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, str(FLOWS / command), *arguments], env=environment, **{**pipes, **options})


def ended(process: subprocess.Popen[str]) -> Ran:
    """Wait for a started command."""
    out, err = process.communicate(timeout=HANGS)
    return Ran(process.returncode, out, err)


def wait_until(happened: Callable[[], Any], fault: str) -> Any:
    """What `happened` returns, as soon as that is true; asked for more rarely in time, for asking takes time too."""
    began = time.monotonic()
    while not (found := happened()):
        waited = time.monotonic() - began
        assert waited < HANGS, fault
        time.sleep(min(0.5, max(0.05, waited / 20)))
    return found


def content(lake: Path, key: str = KEY) -> bytes:
    """What an object in a folder lake unpacks to."""
    return gzip.decompress((lake / key).read_bytes())


def folders(folder: Path) -> list[Path]:
    """The folders in a folder."""
    return sorted(path for path in folder.iterdir() if path.is_dir())


@pytest.fixture
def script(capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Callable[..., Ran]:
    """Run a script of blocks/ or deployments/ in this process, by its module's name.

    A test whose scripts all refused their flags has nothing to clean up: its node is `untouched`.
    """
    import importlib

    def run(module: str, *flags: str) -> Ran:
        capfd.readouterr()
        try:
            code = importlib.import_module(module).main(flags)
        except SystemExit as end:
            code = int(end.code or 0)
        ran = Ran(code, *capfd.readouterr())
        assert "Traceback" not in ran.err
        assert code in (0, 1, 2)
        request.node.untouched = getattr(request.node, "untouched", True) and code == 2
        return ran

    return run


@pytest.fixture
def clean_api(request: pytest.FixtureRequest) -> Iterator[None]:
    """No deployment, no block and no pool of a test stays at Prefect's API."""
    yield
    if not getattr(request.node, "untouched", False):
        ask(_clean)


async def _clean(client: Any) -> None:
    for deployment in await client.read_deployments():
        await client.delete_deployment(deployment.id)
    for document in await client.read_block_documents(include_secrets=False):
        await client.delete_block_document(document.id)
    for pool in await client.read_work_pools():
        if pool.name.startswith("pool"):
            await client.delete_work_pool(pool.name)


def ask(question: Callable[[Any], Any]) -> Any:
    """What Prefect's API answers a question that is put to a client."""
    from prefect.client.orchestration import get_client

    async def put() -> Any:
        async with get_client() as client:
            return await question(client)

    return asyncio.run(put())
