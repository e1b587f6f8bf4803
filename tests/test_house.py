"""The house stands as its plan says: arrows run one way, one version, exact pins."""

import ast
import re
from datetime import timedelta

import pytest

from conftest import ROOT
from mta_weekly.feeds.catalog import FEEDS, Feed
from mta_weekly.feeds.sources import DataSet, Table
from mta_weekly.settings import VERSION, Settings

ROOMS = {str(path.relative_to(ROOT / "flows")): path for path in (ROOT / "flows").rglob("*.py")}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_is_for_and_stays_small(room: str) -> None:
    text = ROOMS[room].read_text()
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= 360


def test_one_version() -> None:
    assert f'version = "{VERSION}"' in (ROOT / "pyproject.toml").read_text()
    assert f"## [{VERSION}] - " in (ROOT / "CHANGELOG.md").read_text()
    assert f'image.version="{VERSION}"' in (ROOT / "Dockerfile").read_text()


def test_one_version_of_prefect() -> None:
    """In what machines install, in what the image installs, in the base it stands on and in the server beside it."""
    for name in ("prefect-requirements.txt", "docker-requirements.txt", "requirements/dev.txt"):
        assert re.findall(r"^prefect==(\S+)", (ROOT / name).read_text(), re.M) == ["2.20.26"]
    for name in ("Dockerfile", "compose.yaml"):
        assert set(re.findall(r"prefecthq/prefect:(\S+)", (ROOT / name).read_text())) == {"2.20.26-python3.11"}


def test_every_pin_is_exact_and_the_same_everywhere() -> None:
    pins = {}
    for name in ("requirements/dev.txt", "prefect-requirements.txt", "docker-requirements.txt"):
        for line in (ROOT / name).read_text().splitlines():
            if line and not line.startswith((" ", "#")):
                package, version = re.fullmatch(r"([\w.-]+)==(\S+)( ;.*)?", line).group(1, 2)
                marker = line.partition(" ;")[2]
                assert pins.setdefault((package, marker), version) == version
    assert pins["prefect", ""] == "2.20.26"


@pytest.mark.parametrize("feed", FEEDS.values(), ids=lambda feed: feed.name)
def test_an_entry_is_sound(feed: Feed) -> None:
    """What no type says of an entry, and a load would find out late."""
    coverage, columns = feed.coverage, feed.columns
    assert [day.weekday() for day in (coverage.first, coverage.last) if day] in ([5], [5, 5]), "a week is a Saturday"
    assert len(set(columns)) == len(columns)
    assert all(name == name.upper() for name in columns)
    assert feed.day[0] in columns
    assert set(feed.summed) <= {*feed.counters, *feed.numbers} <= set(columns)
    assert FEEDS[feed.name] is feed
    assert len({source.name for source in feed.sources}) == len(feed.sources), "the facts tell sources by their names"
    for source in feed.sources:
        assert source.base in Settings.model_fields
        if isinstance(source, Table):
            assert isinstance(source.key, tuple)
            assert source.time in source.key
            assert {source.form_of(coverage.first).clean(field) for field in source.key} <= set(columns)
            assert all(isinstance(each, DataSet) for each in source.sets)
            turns = zip(source.sets, source.sets[1:], strict=False)
            assert all(before.last and before.last < after.first for before, after in turns)
    first = feed.sources[0]
    assert first.holds(coverage.first)
    assert first.holds(coverage.last or coverage.first + timedelta(weeks=2000))
