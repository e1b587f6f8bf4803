"""Commands where letters are bytes, folders gone and authorities none: it works, or says why in one line."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import FLOWS, KEY, ONE_WEEK, ROOT, content, expected, small_week

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
WEEKLY, WATCH = "etl_web_to_gcs.py", "watch.py"


def run(environment: dict[str, str], folder: Path, command: str, *words: str) -> subprocess.CompletedProcess[str]:
    path = FLOWS / command if "/" not in command else ROOT / command
    asked: dict[str, Any] = {"env": environment, "capture_output": True, "text": True, "cwd": folder}
    ran = subprocess.run([sys.executable, str(path), *words], check=False, **asked)
    assert "Traceback" not in ran.stderr
    return ran


def test_a_lake_whose_name_the_terminal_cannot_write(environment: dict[str, str], tmp_path: Path) -> None:
    poor, lake = environment | ASCII, tmp_path / "zoë"
    for command, *words in (
        (WEEKLY, *ONE_WEEK),
        (WEEKLY, *ONE_WEEK, "--dry-run"),
        *((WATCH, each) for each in ("status", "verify", "tidy")),
    ):
        ran = run(poor, tmp_path, command, *words, "--lake", str(lake))
        (line,) = ran.stderr.splitlines()
        assert (ran.returncode, "PYTHONUTF8=1" in line) == (2, True)
    assert run(poor | {"PYTHONUTF8": "1"}, tmp_path, WEEKLY, *ONE_WEEK, "--lake", str(lake)).returncode == 0
    assert content(lake, KEY) == expected(small_week())


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize(
    "command", [WEEKLY, WATCH, "blocks/github_block.py", "deployments/docker_deploy_etl_web_to_gcs.py"]
)
def test_authorities_that_are_none(environment: dict[str, str], tmp_path: Path, variable: str, command: str) -> None:
    words = ["status"] if command == WATCH else []
    ran = run({**environment, variable: "nowhere"}, tmp_path, command, *words)
    (line,) = ran.stderr.splitlines()
    assert (ran.returncode, f"{variable}: " in line, "nowhere" in line) == (2, True, True)


def test_a_folder_that_is_gone(environment: dict[str, str], tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = ["sh", "-c", 'rmdir "$0" && exec "$@"', str(gone), sys.executable, str(FLOWS / WEEKLY), *ONE_WEEK]
    ran = subprocess.run(
        [*command, "--lake", str(tmp_path / "lake")],
        cwd=gone, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr.splitlines()) == (
        2, ["etl_web_to_gcs.py: the folder this was started in is gone; start it in another one."],
    )  # fmt: skip


DOCKER = ("blocks/docker_block.py", "--block_name", "b", "--image_name", "i:1", "--dry-run")


@pytest.mark.parametrize(
    "command",
    [(f"flows/{WATCH}", "tidy"), (f"flows/{WEEKLY}", *ONE_WEEK, "--dry-run"), DOCKER],
    ids=lambda words: words[0],
)
def test_a_listing_that_cannot_be_written(
    environment: dict[str, str], tmp_path: Path, command: tuple[str, ...]
) -> None:
    poor = {**environment, "MTA_LAKE": str(tmp_path / "lake"), "PREFECT_HOME": str(tmp_path / "prefect")}
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=poor, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    (line,) = ran.stderr.splitlines()
    assert (ran.returncode, line.partition("stdout cannot be written")[2]) == (
        1, " (No space left on device); what it had to say is lost, run it again where there is room",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("closed", "more", "code"), [(">&-", (), 0), ("2>&-", ("--env", "=1"), 2), (">&- 2>&-", (), 0)]
)
def test_a_script_with_closed_streams(
    environment: dict[str, str], closed: str, more: tuple[str, ...], code: int
) -> None:
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, *DOCKER, *more]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (code, "")
