"""Each week from its own feed, by the command and the flow; refreshed, with a token, and however large."""

import csv
import gzip
import io
import json
import logging
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.system import Secret
from prefect.states import State

import etl_web_to_gcs as etl
from bucket_blocks import registered
from conftest import content, small_week
from hourly import RIDERSHIP as COLUMNS
from hourly import TURNSTILE as TURNSTILE_COLUMNS
from hourly import ridership_week, turnstile_rows
from live_site import Land, landed
from soda import RIDERSHIP_SET, Fault, Soda
from web import Answer, Web

pytest_plugins = ["live_site"]
pytestmark = pytest.mark.usefixtures("on_a_saturday")


# One range, two feeds


def test_a_range_across_both_feeds_takes_each_week_from_its_own(
    land: Land, web: Web, live: Soda, tmp_path: Path
) -> None:
    first, second = date(2024, 2, 17), date(2024, 2, 24)
    web.serve("/turnstile_240217.txt", Answer(small_week(first)))
    live.put("wujg-7c2s", COLUMNS, ridership_week(second, 1200))
    period = ("--start", "2024-02-12", "--end", "2024-02-26")
    dry = land(*period, "--dry-run")
    assert [line.split()[0] for line in dry.out.splitlines()[1:]] == ["240217", "240224"]
    assert dry.out.splitlines()[1].endswith(f"turnstile/240217.csv.gz  {web.url}/turnstile_240217.txt")
    assert f"ridership/240224.csv.gz  {live.url}/resource/wujg-7c2s.csv?$select=transit_timestamp," in dry.out
    assert live.queries == []
    assert land(*period).lines[-1] == "INFO    2 weeks: 2 landed"
    assert landed(tmp_path / "lake") == ["ridership 240224", "turnstile 240217"]


def test_weeks_that_fail_are_named_with_their_feed(land: Land, web: Web, live: Soda) -> None:
    ran = land("--start", "2024-02-12", "--end", "2024-02-26")
    assert ran.code == 1
    errors = sorted(line.split(":")[0] for line in ran.lines if line.startswith("ERROR"))
    assert errors == ["ERROR   ridership 240224", "ERROR   turnstile 240217"]


def test_a_range_of_both_feeds_is_found_in_a_bucket(land: Land, web: Web, live: Soda, gcs: Any) -> None:
    first, second = date(2024, 2, 17), date(2024, 2, 24)
    web.serve("/turnstile_240217.txt", Answer(small_week(first)))
    live.put("wujg-7c2s", COLUMNS, ridership_week(second, 1200))
    with registered(gcs, "blk-live") as lake:
        period = ("--start", "2024-02-12", "--end", "2024-02-26")
        for more, ended in ((), "2 landed"), ((), "2 there"), (("--refresh",), "1 unchanged, 1 there"):
            assert land(*period, *more, lake=lake).lines[-1] == f"INFO    2 weeks: {ended}"
        facts = gcs.objects["lake"]["ridership/240224.csv.gz"].metadata
        assert set(json.loads(facts["sums"])) == {"RIDERSHIP", "TRANSFERS"}
        assert set(json.loads(facts["empty"])) <= {"LATITUDE", "LONGITUDE", "GEOREFERENCE"}


def test_a_failed_turnstile_week_comes_from_the_yearly_set_and_the_log_says_so(
    land: Land, live: Soda, tmp_path: Path
) -> None:
    week = date(2016, 3, 12)
    live.put("ekwu-khcy", TURNSTILE_COLUMNS, turnstile_rows(small_week(week)))
    ran = land("--year", "2016", "--month", "3", "--day", "12")
    assert ran.code == 0
    assert any(
        line.startswith("WARNING turnstile 160312: not published (404 Not Found from 127.0.0.1)")
        and line.endswith("; asking data.ny.gov")
        for line in ran.lines
    )
    assert any(line.endswith("turnstile/160312.csv.gz (from data.ny.gov)") for line in ran.lines)
    rows = list(csv.DictReader(io.StringIO(content(tmp_path / "lake", "turnstile/160312.csv.gz").decode())))
    assert len(rows) == 500


# Revisions, by the command


def test_a_refresh_compares_and_says_what_changed(land: Land, live: Soda, tmp_path: Path) -> None:
    period = ("--start", "2026-10-31", "--end", "2026-11-07")
    assert land(*period).code == 0
    assert "would compare" in land(*period, "--refresh", "--dry-run").out
    assert land(*period, "--refresh").lines[-1] == "INFO    2 weeks: 2 there"
    live.revise(RIDERSHIP_SET, "UPDATE {set} SET ridership = '1000' WHERE transit_timestamp LIKE '2026-11-03T08%'")
    ran = land("--catch-up", "2", "--refresh")
    assert ran.lines[-1] == "INFO    2 weeks: 1 replaced, 1 unchanged"
    (line,) = [line for line in ran.lines if "261107: replaced" in line]
    assert "(rows 1,200 before, 1,200 now, RIDERSHIP " in line
    assert b",1000," in content(tmp_path / "lake", "ridership/261107.csv.gz")


def test_a_refresh_loads_what_is_not_there(land: Land, live: Soda) -> None:
    assert land("--catch-up", "2", "--refresh").lines[-1] == "INFO    2 weeks: 2 landed"


def test_refresh_and_force_are_two_things(
    land: Land, live: Soda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = land("--refresh", "--force")
    assert ran.code == 2
    assert "not allowed with argument" in ran.err
    parameters = {"lake": str(tmp_path / "lake"), "year": 2026, "month": 11, "day": 7}
    state: State[Any] = etl.main_flow(force=True, refresh=True, **parameters, return_state=True)
    assert str(state.message).startswith("force and refresh: ")
    assert live.queries == []
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "a-deployment")  # that is made to refresh
    assert etl.main_flow(force=True, refresh=True, **parameters, return_state=True).message == "1 week: 1 landed"


# Who asks


def tokens(live: Soda) -> set[str | None]:
    return {seen.headers.get("x-app-token") for seen in live.requests}


def test_the_token_of_the_variable_or_of_the_block(
    land: Land, live: Soda, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert land("--catch-up", "1").code == 0
    assert tokens(live) == {None}
    Secret(value="t0ken-of-the-block").save("mta-socrata-app-token", overwrite=True)
    try:
        live.requests.clear()
        with caplog.at_level(logging.DEBUG):
            assert "t0ken" not in land("--catch-up", "1", "--force").err + caplog.text
        assert tokens(live) == {"t0ken-of-the-block"}
        monkeypatch.setenv("MTA_SOCRATA_APP_TOKEN", "t0ken-of-the-variable")
        live.requests.clear()
        ran = land("--catch-up", "1", "--force")
        assert ran.code == 0
        assert tokens(live) == {"t0ken-of-the-variable"}
        assert "t0ken" not in ran.err + ran.out
    finally:
        Secret.delete("mta-socrata-app-token")


@pytest.mark.parametrize("value", ["t0ken of\ntwo lines", "t0kén"])
def test_a_block_whose_token_cannot_be_sent_is_said_and_not_shown(land: Land, live: Soda, value: str) -> None:
    Secret(value=value).save("mta-socrata-app-token", overwrite=True)
    try:
        ran = land("--year", "2026", "--month", "11", "--day", "7", "--feed", "ridership")
    finally:
        Secret.delete("mta-socrata-app-token")
    assert ran.code == 1
    assert "block secret/mta-socrata-app-token: must be a token of plain letters and digits" in ran.err
    assert "t0k" not in ran.err
    assert live.queries == []


def test_a_large_week_is_the_same_whatever_its_chunks(live: Soda, land: Land, tmp_path: Path) -> None:
    """Several blocks, several answers of the site to one query, and two breaks."""
    week = date(2026, 6, 6)
    rows = ridership_week(week, 30_000)
    live.put(RIDERSHIP_SET, COLUMNS, rows)
    live.fail(Fault(on=".csv", cut_rows=11_111), Fault(on=".csv", cut_rows=7_777))
    assert land("--year", "2026", "--month", "6", "--day", "6").code == 0
    read = list(csv.reader(io.StringIO(content(tmp_path / "lake", "ridership/260606.csv.gz").decode())))
    assert len(read) == 30_001
    wanted = sorted((row[0], row[2], row[5], row[6], row[3], row[11] or "") for row in rows)
    assert [(row[0], row[2], row[5], row[6], row[3], row[11]) for row in read[1:]] == wanted
    with gzip.open(tmp_path / "lake" / "ridership" / "260606.csv.gz") as packed:
        assert packed.read(18) == b"TRANSIT_TIMESTAMP,"
