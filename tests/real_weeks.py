"""Two weeks as the MTA published them and what the lake must hold of them, where they are beside this project."""

import gzip

import pytest

from conftest import ROOT

SHARED = ROOT.parent / "shared" / "data"
NAMES = ("turnstile_{}.txt.gz", "expected_{}.csv.gz")


def real_week(week: str) -> tuple[bytes, bytes]:
    """A real published file and what it must become; skips where it is not at hand."""
    if not SHARED.is_dir():
        pytest.skip("the real weeks are not beside this project")
    published, wanted = (gzip.decompress((SHARED / name.format(week)).read_bytes()) for name in NAMES)
    return published, wanted
