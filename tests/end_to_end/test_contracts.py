"""The arrows between the wings of the house are held: each contract is broken once, and says so."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from conftest import FLOWS, ROOT

CONTRACTS = {
    contract["id"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}
# What is written where, and which contract it breaks.
BREACHES = [
    ("arrows", "errors.py", "import mta_weekly.settings"),
    ("arrows", "settings.py", "import mta_weekly.feeds.weeks"),
    ("arrows", "feeds/catalog.py", "import mta_weekly.retry"),
    ("arrows", "content/convert.py", "import mta_weekly.fetch.client"),
    ("arrows", "content/convert.py", "import mta_weekly.lake.objects"),
    ("arrows", "fetch/http.py", "import mta_weekly.lake.objects"),
    ("arrows", "lake/folder.py", "import mta_weekly.content.header"),
    ("arrows", "outcomes.py", "import mta_weekly.load"),
    ("arrows", "load.py", "def later() -> None:\n    import mta_weekly.command.progress"),
    ("arrows", "command/console.py", "import mta_weekly.orchestration.prefect_api"),
    ("arrows", "a_room_without_a_floor.py", "import json"),
    ("entry-points", "load.py", "import etl_web_to_gcs"),
    ("entry-points", "orchestration/prefect_api.py", "import deploy_steps"),
    ("prefect", "load.py", "import prefect"),
    ("prefect", "lake/gcs.py", "def later() -> None:\n    import prefect_gcp"),
    ("prefect", "command/command.py", "from prefect.states import State"),
    ("opentelemetry", "telemetry.py", "from opentelemetry import trace"),
    ("frames", "load.py", "def later() -> None:\n    import pandas"),
    ("frames", "lake/gcs.py", "import gcsfs"),
    ("reader", "command/command.py", "import mta_weekly.read"),
    ("reader", "upkeep/status.py", "import mta_weekly.reading.frames"),
    ("http", "feeds/sources.py", "import httpx"),
    ("http", "content/check.py", "import urllib.request"),
    ("http", "lake/folder.py", "import http.client"),
    ("http", "feeds/weeks.py", "from google.cloud import storage"),
    ("http", "content/header.py", "import requests"),
    ("one-door", "load.py", "import mta_weekly.fetch.socrata.queries"),
    ("one-door", "fetch/http.py", "import mta_weekly.fetch.weekly_file"),
]


def lint(folder: Path) -> tuple[int, str]:
    """How the project's contracts judge the package in a folder."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache", ROOT / "pyproject.toml"]
    environment = os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200"}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return ran.returncode, ran.stdout


def test_every_contract_is_broken_once() -> None:
    assert {contract for contract, _, _ in BREACHES} == set(CONTRACTS)


def test_what_must_not_be_known_is_named_whole() -> None:
    files = [*FLOWS.glob("*.py"), *(ROOT / "blocks").glob("*.py"), *(ROOT / "deployments").rglob("*.py")]
    files += (ROOT / "benchmarks").glob("*.py")
    assert sorted(CONTRACTS["entry-points"]["forbidden_modules"]) == sorted(path.stem for path in files)


def test_the_house_keeps_its_contracts() -> None:
    code, said = lint(FLOWS)
    assert (code, said.count("KEPT")) == (0, len(CONTRACTS)), said


@pytest.mark.parametrize(("contract", "module", "line"), BREACHES)
def test_a_breach_is_told(contract: str, module: str, line: str, tmp_path: Path) -> None:
    shutil.copytree(FLOWS / "mta_weekly", tmp_path / "mta_weekly", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "mta_weekly" / module).open("a") as file:
        file.write(f"\n{line}\n")
    code, said = lint(tmp_path)
    assert (code, f"{CONTRACTS[contract]['name']} BROKEN" in said) == (1, True), said
