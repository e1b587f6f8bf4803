"""The papers show the help texts as the commands print them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import COMMAND, ROOT
from papers import section


@pytest.mark.parametrize(
    ("command", "shown"),
    [(COMMAND, "help"), ([sys.executable, ROOT / "flows" / "backfill.py"], "backfill help")],
    ids=["weekly", "backfill"],
)
def test_the_papers_show_the_help_as_it_is(command: list[str | Path], shown: str) -> None:
    ran = subprocess.run(
        [*command, "--help"], env={**os.environ, "COLUMNS": "100"}, capture_output=True, text=True, check=True
    )
    assert section(shown) == ran.stdout
