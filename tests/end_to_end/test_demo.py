"""The demo lands a right object, loads nothing twice, and keeps to itself whatever the user's machine says."""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import HANGS
from demo import SATURDAY
from mta_weekly.settings import ROOT
from weeks import make_week

DEAD = "http://127.0.0.1:1"
HEADER = ",CA,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, with a .env that would break every run."""
    for folder in ("flows", "benchmarks"):
        shutil.copytree(ROOT / folder, tmp_path / "project" / folder, ignore=shutil.ignore_patterns("__pycache__"))
    env_file = tmp_path / "project" / ".env"
    env_file.write_text(f"MTA_LAKE=/nonexistent\nMTA_RETRY_ATTEMPTS=abc\nMTA_TURNSTILE_URL={DEAD}\n")
    return env_file.parent


@pytest.fixture
def hostile(tmp_path: Path) -> dict[str, str]:
    """The environment of a user who has set everything, and all of it to something that is not there."""
    profiles = tmp_path / "home" / ".prefect" / "profiles.toml"
    profiles.parent.mkdir(parents=True)
    profiles.write_text(f'active = "dead"\n[profiles.dead]\nPREFECT_API_URL = "{DEAD}/api"\n')
    return os.environ | {
        "HOME": str(tmp_path / "home"),
        "PYTHONDONTWRITEBYTECODE": "1",  # else the copy would be full of what the demo is not to blame for
        "PREFECT_API_URL": f"{DEAD}/api",
        "PREFECT_PROFILES_PATH": str(profiles),
        "PREFECT_PROFILE": "dead",
        "PREFECT_HOME": "/nonexistent",
        "MTA_LAKE": "gcs-bucket/dead",
        "MTA_SPOOL": "/nonexistent",
        "mta_read_timeout": "-1",
        "HTTP_PROXY": DEAD,
        "http_proxy": DEAD,
        "ALL_PROXY": DEAD,
        "NO_PROXY": "",
        "STORAGE_EMULATOR_HOST": DEAD,
        "GOOGLE_APPLICATION_CREDENTIALS": "/nonexistent",
        "SSL_CERT_FILE": "/nonexistent",
    }


def run(script: str, *arguments: str, project: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a script of the copy from the folder above it."""
    command = [sys.executable, str(project / script), *arguments]
    return subprocess.run(
        command, cwd=project.parent, env=env, capture_output=True, text=True, check=False, timeout=HANGS
    )


def files(folder: Path) -> dict[Path, tuple[int, int]]:
    """Every path below a folder but the demo's own, with size and time."""
    own = folder / "data"
    return {
        path: (path.stat().st_size if path.is_file() else 0, path.stat().st_mtime_ns if path.is_file() else 0)
        for path in folder.rglob("*")
        if path != own and own / "demo" not in (path, *path.parents)
    }


def cleaned(published: bytes) -> bytes:
    """What the lake must hold of a published week, done the slow and plain way."""
    _, *lines = published.decode().splitlines()
    rows = [[field.strip() for field in line.split(",")] for line in lines]
    text = "".join(f"{number},{','.join(row[:9])},{int(row[9])},{int(row[10])}\n" for number, row in enumerate(rows))
    return f"{HEADER}\n{text}".encode()


def test_the_demo_lands_a_week_once_and_keeps_to_itself(project: Path, hostile: dict[str, str]) -> None:
    control = run("flows/etl_web_to_gcs.py", project=project, env=hostile)
    assert control.returncode == 2, "the environment is not hostile"
    before = files(project), files(project.parent / "home")

    first = run("benchmarks/demo.py", project=project, env=hostile)

    assert first.returncode == 0, first.stderr
    path = project / "data" / "demo" / "lake" / "turnstile" / "240106.csv.gz"
    packed, week = path.read_bytes(), make_week(SATURDAY)
    content = gzip.decompress(packed)
    assert content == cleaned(week)
    facts = json.loads(path.with_name("240106.csv.gz.json").read_bytes())
    sha256 = hashlib.sha256(content).hexdigest()
    expected = {"week": "240106", "rows": 250_000, "bad_rows": 0, "source_bytes": len(week), "size": len(packed)}
    assert facts.items() >= (expected | {"sha256": sha256}).items()

    lines = content.decode().splitlines()
    assert first.stdout.splitlines()[-4:] == lines[:4]
    shown = ["data/demo/lake/turnstile/240106.csv.gz", "250,000", f"{len(week):,}", f"{len(packed):,}", sha256]
    assert [each for each in shown if each not in first.stdout] == []
    assert "The week has landed. Requests to the server: 1." in first.stdout

    second = run("benchmarks/demo.py", project=project, env=hostile)

    assert second.returncode == 0, second.stderr
    assert "The week is there already: 0 requests to the server, nothing loaded." in second.stdout
    assert "240106: there" in second.stderr
    assert second.stdout.splitlines()[-4:] == lines[:4]
    assert path.read_bytes() == packed
    assert json.loads(path.with_name("240106.csv.gz.json").read_bytes()) == facts
    assert (files(project), files(project.parent / "home")) == before


def test_the_demo_says_so_when_the_command_fails(project: Path, hostile: dict[str, str]) -> None:
    lake = project / "data" / "demo" / "lake"
    lake.parent.mkdir(parents=True)
    lake.write_text("a file where the lake should be")

    failed = run("benchmarks/demo.py", project=project, env=hostile)

    assert failed.returncode == 1
    assert "has landed" not in failed.stdout
    assert "Traceback" not in failed.stderr
