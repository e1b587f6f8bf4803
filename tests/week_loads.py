"""Loads of one small week into a lake, without Prefect: what a run would do with it as it stands there now."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from conftest import KEY, WEEK, small_week
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.client import open_client
from mta_weekly.lake.objects import Lake
from mta_weekly.lake_week import LakeWeek
from mta_weekly.load import Load
from mta_weekly.options import Options
from mta_weekly.outcomes import Outcome
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import Settings
from web import Web

GOOD = small_week()
BAD = GOOD.replace(b"\n", b"\nx,", 1)  # its first row has a field too many
PATIENCE = RetryBudget(1, 0, 0)

Begin = Callable[..., Outcome]


@pytest.fixture
def begin(lake: Lake, web: Web, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """A load of the week as it is now in the lake; the outcome of one that is made and published."""
    settings = Settings(turnstile_url=web.url, retry_base=0.001, retry_wait=2.0)
    with open_client(settings) as client:

        def begin(
            meanwhile: Callable[[], None] | None = None, settings: Settings = settings, **options: Any
        ) -> Outcome:
            existing = lake.find([KEY], PATIENCE).get(KEY)
            target = LakeWeek(Week.named(WEEK), TURNSTILE, lake, existing, tmp_path, RetryBudget(3, 10, 0.001), "run")
            load = Load(target, Options(settings, date(2026, 11, 21), **options))
            if load.keeps:
                return load.keep()
            local = load.make(client, lambda chunks, _, __: chunks)
            if meanwhile:
                meanwhile()
            return load.publish(local)

        yield begin
