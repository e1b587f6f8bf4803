"""Which weeks a run takes on the tenth of January 2024: the newest, those that are due, those that are missing."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from prefect.states import State

import etl_web_to_gcs as etl
from conftest import small_week
from flow_runs import JANUARY, Land
from mta_weekly.command import flags
from mta_weekly.orchestration import rehearsal
from web import Answer, Web

pytest_plugins = ["flow_runs"]


@pytest.fixture
def in_january(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the tenth of January 2024."""
    for module in (flags, rehearsal, etl):
        monkeypatch.setattr(module, "new_york_today", lambda: date(2024, 1, 10))


@pytest.mark.usefixtures("in_january")
class TestInJanuary:
    def test_the_newest_due_week_is_the_default(self, land: Land) -> None:
        assert land("--feed", "turnstile").lines[-1] == "INFO    1 week: 1 landed"

    def test_weeks_not_due_are_named_in_one_line_and_are_no_failure(self, land: Land) -> None:
        ran = land(*JANUARY, "--feed", "turnstile")
        assert ran.code == 0
        due = "240113 due on 2024-01-13, 240120 due on 2024-01-20, 240127 due on 2024-01-27"
        assert f"INFO    turnstile not due yet: {due}" in ran.lines
        assert ran.lines[-1] == "INFO    4 weeks: 1 landed, 3 not due"

    def test_a_week_asked_for_by_day_must_be_due(self, land: Land) -> None:
        ran = land(*JANUARY, "--day", "9")
        assert ran.code == 2
        assert "week 240113 of turnstile is due on 2024-01-13; the nearest week that would work is 240106" in ran.err

    def test_catching_up_loads_what_is_missing(self, land: Land, web: Web) -> None:
        for saturday in (date(2023, 12, 23), date(2023, 12, 30)):
            web.serve(f"/turnstile_{saturday:%y%m%d}.txt", Answer(small_week(saturday)))
        assert land().code == 0
        assert land("--catch-up", "3").lines[-1] == "INFO    3 weeks: 2 landed, 1 there"

    def test_a_deployment_that_catches_up_still_takes_a_week_by_hand(
        self, flow: Callable[..., State[Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert flow(year=2024, month=1, day=6, catch_up=8).is_failed()
        monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "a-deployment")
        assert flow(year=2024, month=1, day=6, catch_up=8).is_completed()
