"""Whoever reads a lake by any name, feed and week gets frames, or one of two faults in a sentence."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mta_weekly.errors import BadArgument, LakeFailed
from mta_weekly.feeds.weeks import Week
from mta_weekly.read import list_weeks, read_week, read_weeks
from tries import tries

few = settings(max_examples=tries(1000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIECES = [
    "memory://", "file://", "local://", "file:", "nonsense://", "://", "::", "simplecache::", "zip://", "a.zip",
    "data:", "dir::",
    "reference://", "cached://", "blockcache::", "gs://", "gs:///", "gcs://", "a", "\u00e9", "/", ".", "~", "~/",
    "~nobody/",
    "\x00", "\n", "\x1b[31m", "\u202e", "\udcc3", "*", "[", "]", "?", "#", "%", "{", " ", "\\", "x" * 300, "!", "@",
    "|",
]  # fmt: skip
words = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=5).map("".join)
# A bucket would be asked: those that are named are for others to test.
lakes = words.filter(
    lambda name: not any(f"{kind}://" in name and name.split("//")[1].strip("/") for kind in ("gs", "gcs"))
)
feeds = st.sampled_from(["turnstile", "ridership", "daily", "auto", "Turnstile", "", "../x", None, 7, b"turnstile"])
weeks = st.one_of(
    st.sampled_from(["240106", "240107", "999999", "000101", "\u0662\u0664\u0660\u0661\u0660\u0666", "240106\n", ""]),
    st.binary(max_size=6),
    st.dates(), st.datetimes(), st.integers(), st.floats(), st.none(), st.text(max_size=7),
    st.just(pd.NaT), st.just(Week.named("240106")), st.just(date.max), st.just(datetime.min), st.just(pd.Timestamp.max),
)  # fmt: skip


def check(read: Any, longest: int = 2_000) -> None:
    try:
        read()
    except (BadArgument, LakeFailed) as error:
        assert str(error).isprintable(), repr(str(error))
        assert len(str(error)) < longest


@few
@given(lakes)
def test_any_name_of_a_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    check(lambda: list_weeks(name, "turnstile"))


@few
@given(feeds, weeks, weeks)
def test_any_feed_and_week(tmp_path: Path, feed: Any, week: Any, other: Any) -> None:
    check(lambda: read_week(tmp_path, feed, week))
    check(lambda: read_weeks(tmp_path, feed, week, other), 20_000)  # of weeks that lack, a thousand are named
