"""Another project's flow in the same process, packages of any name beside ours: nobody takes what is the other's."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from conftest import COMMAND, FLOWS, ONE_WEEK, ROOT, content, expected, small_week

NAMES = {path.stem for path in (FLOWS / "mta_weekly").rglob("*.py")} - sys.stdlib_module_names - {"__init__"}
OTHER = """
from prefect import flow
import settings, retry, progress, catalog, load

@flow
def other_flow():
    return [module.WHOSE for module in (settings, retry, progress, catalog, load)]
"""
# Loads flows through their entrypoints as a worker does, in the order given, and says what each takes for its own.
LOAD_BOTH = """
import sys
from prefect.flows import load_flow_from_entrypoint

flows = [load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False) for entrypoint in sys.argv[1:]]
for flow in flows:
    if flow.name == "other-flow":
        print(flow.fn())
    else:
        print(flow.name, sorted({type(flow).__module__, sys.modules["mta_weekly.settings"].__file__}))
"""


@pytest.fixture
def neighbour(tmp_path: Path) -> Path:
    """A project that has modules and packages of the very names that ours has inside its package."""
    folder = tmp_path / "neighbour"
    for name in NAMES:
        package = name in ("retry", "progress")
        path = folder / name / "__init__.py" if package else folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("WHOSE = 'the neighbour'\n")
    (folder / "other.py").write_text(OTHER)
    return folder


def load(entrypoints: Sequence[str], folder: Path, **environment: str) -> list[str]:
    """What a process says that loads these entrypoints, started in a folder."""
    command = [sys.executable, "-c", LOAD_BOTH, *entrypoints]
    ran = subprocess.run(command, cwd=folder, env=os.environ | environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


@pytest.mark.parametrize("ours_first", [True, False])
def test_two_projects_flows_load_in_one_process(ours_first: bool, neighbour: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ours = [f"{FLOWS / 'etl_web_to_gcs.py'}:main_flow", f"{FLOWS / 'backfill.py'}:backfill_flow"]
    theirs = [f"{neighbour / 'other.py'}:other_flow"]
    said = load([*ours, *theirs] if ours_first else [*theirs, *ours], tmp_path / "empty")
    of_ours, of_theirs = (said[:2], said[2]) if ours_first else (said[1:], said[0])
    assert of_theirs == str(["the neighbour"] * 5)
    assert [line.partition(" [")[0] for line in of_ours] == ["MTA Batch flow", "MTA Backfill flow"]
    assert all(str(ROOT / "flows" / "mta_weekly" / "settings.py") in line for line in of_ours)


def test_a_week_lands_beside_packages_of_any_name(neighbour: Path, environment: dict[str, str], tmp_path: Path) -> None:
    ran = subprocess.run(
        [*COMMAND, *ONE_WEEK, "--lake", str(tmp_path / "lake")],
        cwd=neighbour,
        env=environment | {"PYTHONPATH": str(neighbour)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert content(tmp_path / "lake") == expected(small_week())
