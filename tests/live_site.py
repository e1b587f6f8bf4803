"""A data.ny.gov on a Saturday in November 2026, with the newest weeks of the live feed."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

import etl_web_to_gcs as etl
from conftest import Ran
from hourly import RIDERSHIP as COLUMNS
from hourly import ridership_week
from mta_weekly.command import flags
from mta_weekly.orchestration import rehearsal
from soda import RIDERSHIP_SET, Soda

Land = Callable[..., Ran]
TODAY = date(2026, 11, 21)  # a Saturday
DUE = date(2026, 11, 7)


@pytest.fixture
def on_a_saturday(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (flags, rehearsal, etl):
        monkeypatch.setattr(module, "new_york_today", lambda: TODAY)


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Iterator[Soda]:
    """A data.ny.gov with the newest due week and the one before it."""
    with Soda() as live:
        monkeypatch.setenv("MTA_SOCRATA_URL", live.url)
        for n in (0, 1):
            live.put(RIDERSHIP_SET, COLUMNS, ridership_week(DUE - timedelta(weeks=n), 1200))
        yield live


def landed(lake: Path) -> list[str]:
    return sorted(f"{path.parent.name} {path.name.partition('.')[0]}" for path in lake.glob("*/*.gz"))
