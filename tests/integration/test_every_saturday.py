"""What the scheduled runs of a deployment land, Saturday after Saturday."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

import deploy_steps
import etl_web_to_gcs as etl
from conftest import content, expected, small_week
from deploy_scripts import BY, DOCKER, NAME
from hourly import RIDERSHIP as COLUMNS
from hourly import ridership_week
from live_site import DUE, TODAY, landed
from soda import RIDERSHIP_SET, Soda
from web import Answer, Web

pytest_plugins = ["live_site"]


@pytest.mark.usefixtures("on_a_saturday")
def test_the_saturday_deployment_lands_live_data_every_week(
    live: Soda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTA_SPOOL", str(tmp_path / "spool"))
    named = ["--work_pool", "p", "--deploy_name", "d", "--lake", str(tmp_path / "lake")]
    flags = deploy_steps.parser("", "", "").parse_args(named)
    given = deploy_steps.parameters(flags)  # what every scheduled run is given
    for n in range(2, 8):
        live.put(RIDERSHIP_SET, COLUMNS, ridership_week(DUE - timedelta(weeks=n), 200))
    assert etl.main_flow(**given, return_state=True).message == "8 weeks: 8 landed"
    live.put(RIDERSHIP_SET, COLUMNS, ridership_week(DUE + timedelta(weeks=1), 200))
    monkeypatch.setattr(etl, "new_york_today", lambda: TODAY + timedelta(weeks=1))
    assert etl.main_flow(**given, return_state=True).message == "8 weeks: 1 landed, 7 there"
    assert len(landed(tmp_path / "lake")) == 9


def test_a_source_that_skips_a_week_and_has_two_the_week_after_leaves_no_gap(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTA_TURNSTILE_URL", web.url)
    monkeypatch.setenv("MTA_SPOOL", str(tmp_path / "spool"))
    flags = deploy_steps.parser("", DOCKER, "").parse_args([*NAME, *BY[1], "--lake", str(tmp_path / "lake")])
    given = deploy_steps.parameters(flags)  # what every scheduled run is given
    assert given["catch_up"] == 8

    def on(saturday: date) -> Any:
        monkeypatch.setattr(etl, "new_york_today", lambda: saturday)
        return etl.main_flow(**given, return_state=True)

    weeks = [date(2024, 1, 6), date(2024, 1, 13), date(2024, 1, 20)]
    for week in (*(date(2023, 11, day) for day in (18, 25)), *(date(2023, 12, day) for day in (2, 9, 16, 23, 30))):
        web.serve(f"/turnstile_{week:%y%m%d}.txt", Answer(small_week(week)))
    assert on(weeks[0]).is_completed()
    state = on(weeks[1])  # the source skips it
    assert state.is_failed()
    assert "turnstile 240113: not published" in state.message
    for week in weeks[1:]:
        web.serve(f"/turnstile_{week:%y%m%d}.txt", Answer(small_week(week)))
    state = on(weeks[2])
    assert (state.is_completed(), state.message) == (True, "8 weeks: 2 landed, 6 there")
    for week in weeks:
        assert content(tmp_path / "lake", f"turnstile/{week:%y%m%d}.csv.gz") == expected(small_week(week))
