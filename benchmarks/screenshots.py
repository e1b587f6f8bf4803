"""Pictures into docs/images: the page of a lake; of Prefect's pages a run, its table, and the form that asks for one.

    python benchmarks/screenshots.py

A Prefect server, a worker and a pretend data.ny.gov of its own, all on the loopback, show what a reader will see: the
project as it was last committed, deployed by its script, lands generated weeks, one of which lacks a day. The lake is
one of facts alone, in every state. It needs git and Debian's chromium, and no network.
"""

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx

from alone import HOST, environment
from hourly import RIDERSHIP, ridership_week
from mta_weekly.settings import ROOT
from mta_weekly.upkeep.page import write_page
from prefect_pages import ARTIFACT, FORM, INSTALL, RUN, WIDE, browser_page, find_chromium
from showcase import show_lake
from soda import RIDERSHIP_SET, Soda

IMAGES = ROOT / "docs" / "images"
BIN = Path(sys.executable).parent
POOL, NAME = "pool-process-mta", "saturday"
WEEKS = [date(2026, 8, 22) + timedelta(weeks=n) for n in range(4)]
LACKS_A_DAY = WEEKS[2]
REASON = "not published"
MENU = 256  # pixels, left of all pages
PICTURES = {  # the page, what must be on it, and how high it is, in pixels
    "run": (RUN, REASON, 1170),
    "artifact": (ARTIFACT, REASON, 560),
    "form": (FORM, "judge (Optional)", 1450),
}
LAKE = "lake"  # the picture of its page, so wide and high that it ends above the faults of the first feed
LAKE_WIDE, LAKE_HIGH = 1100, 870
START = 300.0  # seconds for a server to begin


def main() -> int:
    """Make the pictures; return the exit code."""
    chromium = find_chromium()
    if not chromium:
        print(f"Chromium is needed and was not found; install it: {INSTALL}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="mta-") as name, data_site() as site:
        folder = Path(name)
        own = environment(
            folder / "prefect", lake=folder / "lake", spool=folder / "spool", turnstile_url=site.url,
            socrata_url=site.url, socrata_app_token="none", ping_url=site.url,
        )  # fmt: skip
        with prefect_server(folder, own) as url:
            own["PREFECT_API_URL"] = f"{url}/api"
            with httpx.Client(base_url=f"{url}/api/") as api:
                deployment = deploy(own, api, folder / "lake")
                land(own, api, deployment, WEEKS[:2])  # which the next run finds there
                run = land(own, api, deployment, WEEKS)
                (table,) = api.post("artifacts/filter", json=of_run(run)).json()
            take_pictures(chromium, url, {"run": run, "artifact": table["id"], "form": deployment})
        take_picture_of_lake(chromium)
    return 0


@contextmanager
def data_site() -> Iterator[Soda]:
    """A pretend data.ny.gov with some weeks of hourly ridership, one of them without its last day."""
    with Soda() as site:
        for saturday in WEEKS:
            last = f"{saturday - timedelta(days=1)}" if saturday == LACKS_A_DAY else "none"
            rows = [row for row in ridership_week(saturday) if not str(row[0]).startswith(last)]
            site.put(RIDERSHIP_SET, RIDERSHIP, rows)
        yield site


@contextmanager
def prefect_server(folder: Path, own: dict[str, str]) -> Iterator[str]:
    """A Prefect server with its pages; yields its address.

    Raises:
        RuntimeError: it did not start; with the end of its log.
    """
    with socket.create_server((HOST, 0)) as free:
        port = str(free.getsockname()[1])
    serve = ["-m", "uvicorn", "--factory", "prefect.server.api.server:create_app", "--host", HOST, "--port", port]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen([sys.executable, *serve], env=own, stdout=log, stderr=log)
    try:
        until = time.monotonic() + START
        while not answers(f"http://{HOST}:{port}/api/health"):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the Prefect server did not start: {(folder / 'server.log').read_text()[-2000:]}")
            time.sleep(0.1)
        yield f"http://{HOST}:{port}"
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    """Whether somebody answers there that all is well."""
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def deploy(own: dict[str, str], api: httpx.Client, lake: Path) -> str:
    """Deploy the weekly flow by the project's script, for a process worker; returns the deployment's id."""
    command(own, "prefect", "work-pool", "create", POOL, "--type", "process")
    script = str(ROOT / "deployments" / "github_deploy_etl_web_to_gcs.py")
    where = ["--work_pool", POOL, "--repository", ROOT.as_uri(), "--lake", str(lake)]
    command(own, "python", script, "--deploy_name", NAME, "--feed", "ridership", *where)
    return str(api.get(f"deployments/name/MTA Batch flow/{NAME}").json()["id"])


def land(own: dict[str, str], api: httpx.Client, deployment: str, weeks: list[date]) -> str:
    """Ask for weeks and let a worker run that; returns the flow run's id."""
    period = {"start": f"{weeks[0]}", "end": f"{weeks[-1]}"}
    run = api.post(f"deployments/{deployment}/create_flow_run", json={"parameters": period}).json()["id"]
    command(own, "prefect", "worker", "start", "--pool", POOL, "--run-once")
    state = api.get(f"flow_runs/{run}").json()["state"]
    print(f"{state['name']}: {state['message']}")
    return str(run)


def command(own: dict[str, str], *words: str) -> None:
    """Run a command of the environment, and show what it said if it failed."""
    ran = subprocess.run([BIN / words[0], *words[1:]], env=own, cwd=ROOT, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"{words}: {ran.stdout}{ran.stderr}")


def of_run(run: str) -> dict[str, Any]:
    """What asks Prefect's API for the tables of a flow run."""
    return {"artifacts": {"flow_run_id": {"any_": [run]}, "type": {"any_": ["table"]}}}


def take_pictures(chromium: str, url: str, ids: dict[str, str]) -> None:
    """Open the pages, of what has these ids, and write them into IMAGES when what they are for can be read on them."""
    IMAGES.mkdir(exist_ok=True)
    with browser_page(chromium) as page:
        for name, (path, text, height) in PICTURES.items():
            page.set_viewport_size({"width": WIDE, "height": height})
            page.goto(f"{url}/{path.format(ids[name])}")
            page.get_by_text(text).first.wait_for()
            page.wait_for_load_state("networkidle")  # the graph of a run comes last
            clip = {"x": MENU, "y": 0, "width": WIDE - MENU, "height": height}
            page.screenshot(path=IMAGES / f"{name}.png", clip=clip)
            print(f"docs/images/{name}.png")


def take_picture_of_lake(chromium: str) -> None:
    """Open the page of a lake, and write the picture of its head and first feed into IMAGES."""
    with browser_page(chromium) as page:
        page.set_viewport_size({"width": LAKE_WIDE, "height": LAKE_HIGH})
        page.set_content(write_page(show_lake()))
        page.screenshot(path=IMAGES / f"{LAKE}.png")
        print(f"docs/images/{LAKE}.png")


if __name__ == "__main__":
    sys.exit(main())
