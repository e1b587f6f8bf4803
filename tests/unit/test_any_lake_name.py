"""Any text as the name of a lake: a bad argument, a block by a name of Prefect's, or a folder that can be looked at."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lake_objects import budget
from mta_weekly.command.command import may_be_a_block
from mta_weekly.errors import BadArgument, LakeFailed
from mta_weekly.lake.folder import FolderLake
from mta_weekly.lake.objects import BLOCK, check_name
from tries import tries

PIECES = [
    "gcs-bucket/", "gcs-bucket", "GCS-Bucket/", "gcs_buckets/", "\u212acs", "blk-prod", "Blk", "a", "\u00e9",
    "\u0130", "/", "//",
    "./", " ", "\t", "\n", "\r", "\x00", "\x07", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u202e", "\u200b", "\ufeff",
    "\udcc3",
    "\ud800", "~", "~/", "~root", "~nobody-of-this/", "#", "?", "%", "%2f", "%62", "\\", "'", '"', ":", "://",
    "gs://", "file://",
    "C:", "-", "--", "$HOME", "`", "*", "[", "x" * 254, "x" * 999, "\u0663", "\uff41",
]  # fmt: skip
words = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=6).map("".join)
names = st.one_of(words, words.map(BLOCK.__add__)).filter(lambda name: ".." not in name)


@settings(max_examples=tries(3000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names)
@example("a/" * 499)
def test_a_name_is_refused_or_is_that_of_a_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        check_name(name)
    except BadArgument as error:
        assert str(error).isprintable()
        assert len(str(error)) < 1_500
        return

    assert name.isprintable()
    if not name or may_be_a_block(name):
        rest = name.removeprefix(BLOCK)
        assert not name or (rest.isascii() and rest.replace("-", "a").isalnum() and rest == rest.lower())
        return
    folder = Path(name).expanduser().absolute()
    lake = FolderLake(folder)
    assert str(lake).isprintable()
    try:
        if tmp_path in folder.parents:
            lake.prepare()
        assert lake.find_all("turnstile/", budget()) == lake.find(["turnstile/240106.csv.gz"], budget()) == {}
    except LakeFailed as error:
        assert str(error).isprintable()
        assert len(str(error)) < 3_000
