"""No secret is in anything that runs leave: what they say, Prefect's database, lake, facts, work folder.

Whole, cut to 12 letters, in whatever case; told by us, or repeated by a source that was sent it.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import FILE, FLOWS, ONE_WEEK, ROOT, Ran, content, ended, expected, small_week, start
from loopback import Handler, Loopback
from pings import SECRET, Receiver, failing
from servers import copy_database
from web import Answer, Web

pytest_plugins = ["pings"]

TOKEN = "Kq7Zr2Xw9LbT4mNcPd"
PROXY = "http://proxyuser77:Sesam#Oeffne-Dich@127.0.0.1:9"
API = "http://gatekeeper:Hasenfuss#Quark-23@127.0.0.1:9/api"
LOGIN, SIGNATURE = "wanderer99:Kuckuck-Ei-42", "Zx81Spectrum48k"  # of a redirect
PLANTED = (
    TOKEN, SECRET, "proxyuser77", "Sesam#Oeffne-Dich", "Sesam", "Oeffne-Dich", "gatekeeper", "Hasenfuss", "Quark-23",
    LOGIN, *LOGIN.split(":"), SIGNATURE,
)  # fmt: skip

# A fault that nobody expected, in a task and in the flow: its text and its traceback go to Prefect.
BUGS = f"""
import os, runpy, sys
sys.path.insert(0, {str(FLOWS)!r})
from mta_weekly import load, loads

def fail(*_, **__):
    raise RuntimeError("unforeseen: " + os.environ["MTA_SOCRATA_APP_TOKEN"].lower())

if sys.argv.pop(1) == "task":
    load.Load.make = fail
else:
    loads.prepare_loads = fail
runpy.run_path({str(FLOWS / "etl_web_to_gcs.py")!r}, run_name="__main__")
"""


class Parrot(Loopback):
    """A data.ny.gov that refuses every request, and repeats the token in all that an answer has."""

    def answer(self, request: Handler) -> None:
        said = f'{{"message": "{"x" * 170} {TOKEN} is none, {TOKEN.upper()} \\u001b[31m"}}'.encode()
        request.send_response(400, f"No {TOKEN}\x1b[31m")
        for name, value in ("Content-Length", str(len(said))), ("ETag", f'"{TOKEN}"'):
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(said)


@pytest.fixture
def leaky(environment: dict[str, str], receiver: Receiver, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a command that knows secrets, with a home of Prefect's of its own."""
    home = tmp_path / "prefect"
    home.mkdir()
    copy_database(home)
    receiver.status = 500
    with Parrot() as parrot:
        yield {
            **environment,
            "PREFECT_HOME": str(home),
            "MTA_LAKE": str(tmp_path / "lake"),
            "MTA_SOCRATA_URL": parrot.url,
            "MTA_SOCRATA_APP_TOKEN": TOKEN,
            "MTA_PING_URL": receiver.address,
            "HTTP_PROXY": PROXY.replace("#", "%23"),
            "NO_PROXY": "127.0.0.1",
        }


def find_leaks(left: dict[str, bytes]) -> list[tuple[str, str]]:
    """What of the secrets is where, by 12 letters of each."""
    cut = [secret[:12].lower() for secret in PLANTED]
    return [(secret, where) for where, said in left.items() for secret in cut if secret.encode() in said.lower()]


def test_no_secret_is_in_anything_that_runs_leave(
    web: Web, leaky: dict[str, str], receiver: Receiver, tmp_path: Path
) -> None:
    web.serve(FILE, Answer(small_week(), etag=f'"{TOKEN}"', headers={"X-Said": SECRET}))
    web.serve("/turnstile_240113.txt", Answer(b"<html>" + f"{TOKEN} {SECRET}".encode() * 30))
    away = f"{web.url.replace('//', f'//{LOGIN}@')}/turnstile_000000.txt?sig={SIGNATURE}"
    web.serve("/turnstile_240120.txt", Answer(status=302, headers={"Location": away}))
    loud = leaky | {"PREFECT_LOGGING_EXTRA_LOGGERS": "httpx,httpcore", "PREFECT_LOGGING_ROOT_LEVEL": "DEBUG"}
    week = ["--year", "2024", "--month", "1", "--day", "27"]
    ran = {
        "one that lands, a page that repeats it": ended(start(["--start", "2024-01-06", "--end", "2024-01-13"], leaky)),
        "a redirect with a login": ended(start(["--year", "2024", "--month", "1", "--day", "20"], loud)),
        "a source that repeats it, a ping that fails": ended(start(["--feed", "daily"], loud)),
        "a proxy that cannot be used": ended(start(week, leaky | {"HTTP_PROXY": PROXY})),
    }
    for place in ("task", "flow"):
        command = subprocess.Popen(
            [sys.executable, "-c", BUGS, place, *week],
            env=leaky, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        ran[f"a bug in a {place}"] = ended(command)
    assert all(each.code == 1 for each in ran.values()), ran
    assert content(tmp_path / "lake") == expected(small_week())
    assert [ping.path for ping in receiver.pings] == [failing("").path] * 2
    said = {f"{name}: said": f"{each.out}{each.err}".encode() for name, each in ran.items()}
    files = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert b"unforeseen: ..." in files["prefect/prefect.db"] + files.get("prefect/prefect.db-wal", b"")
    assert b"RuntimeError: unforeseen: ..." in said["a bug in a task: said"]
    assert any(name.endswith(".csv.gz.json") for name in files)
    assert find_leaks(said | files | {"pings": repr([ping.body for ping in receiver.pings]).encode()}) == []
    assert all("\x1b" not in each.err for each in ran.values())


SCRIPTS = (
    ["flows/etl_web_to_gcs.py", *ONE_WEEK],
    ["flows/etl_web_to_gcs.py", *ONE_WEEK, "--dry-run"],
    ["flows/watch.py", "status"],
    ["flows/backfill.py", "--start", "2024-01-01", "--end", "2024-01-31", "--deployment", "weekly"],
    ["deployments/docker_deploy_etl_web_to_gcs.py", "--block_name", "b", "--deploy_name", "d"],
    ["blocks/docker_block.py", "--block_name", "b", "--image_name", "i:1"],
)


APIS = API, API.replace("Hasenfuss#", "4#"), API.replace("Hasenfuss#", "Hasenfuss/")


@pytest.mark.parametrize(
    ("command", "api"), [*((SCRIPTS[0], api) for api in APIS), *((command, API) for command in SCRIPTS[1:])]
)
def test_an_api_whose_password_cuts_its_address_is_one_line(
    command: list[str], api: str, leaky: dict[str, str]
) -> None:
    code = 0 if "--dry-run" in command else 1
    given = leaky | {"PREFECT_API_URL": api, "PYTHONWARNINGS": "ignore"}  # Prefect misses /api, and warns
    del given["MTA_LAKE"]
    process = subprocess.run(
        [sys.executable, ROOT / command[0], *command[1:]], env=given, capture_output=True, text=True, check=False
    )
    ran = Ran(process.returncode, process.stdout, process.stderr)
    assert ran.code == code, ran
    assert "PREFECT_API_URL is no address such as http://127.0.0.1:4200/api; in a password, #" in ran.out + ran.err
    assert len(ran.err.splitlines()) == code, ran.err
    assert find_leaks({"said": f"{ran.out}{ran.err}".encode()}) == []
