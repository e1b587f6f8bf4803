"""The project as files and as a repository, as those have it who deploy it."""

import shutil
import subprocess
from pathlib import Path

from conftest import ROOT


def copy_of_project(folder: Path) -> Path:
    """The files git knows or would take, as they are now, in a folder; returns it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def bare_repository(folder: Path) -> str:
    """The project in a bare repository, as GitHub has it; its address."""
    work, bare = committed(copy_of_project(folder / "work")), folder / "mta.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", work, bare], check=True)
    return bare.as_uri()


def committed(folder: Path) -> Path:
    """Make a folder a repository, with all of it on the branch main; returns it."""
    for command in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["add", "--all"],
        ["-c", "user.name=Test", "-c", "user.email=test@example.com", "commit", "--quiet", "-m", "As it is"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder
