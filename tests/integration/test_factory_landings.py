"""Weeks as Data Factory's pipelines land them, run from their files in a simulation of the documented properties.

They were never run in Azure; where Microsoft's pages are silent, `factory_copy` and `factory_text` say so.
"""

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from conftest import FILE, expected, small_week
from factory_azure import HALF, SEPTEMBER, WEEK, Azure, as_the_code_has_it
from hourly import RIDERSHIP, ridership_week
from mta_weekly.errors import LakeFailed
from mta_weekly.lake.folder import FolderLake
from mta_weekly.options import Options
from mta_weekly.read import read_week
from mta_weekly.settings import Settings
from mta_weekly.upkeep.verify import verify_lake
from real_weeks import real_week
from socrata_weeks import LIVE, Loads, plain
from soda import Fault
from web import Answer

pytest_plugins = ["factory_azure"]

NEWEST = date(2026, 11, 14)


@pytest.mark.parametrize("week", ["240106", "240113"])
def test_a_real_week_is_that_of_the_code_but_for_what_is_named(week: str, azure: Azure, tmp_path: Path) -> None:
    published, wanted = real_week(week)
    azure.web.serve(f"/turnstile_{week}.txt", Answer(published))
    run = azure.run(year=2024, month=1, day=int(week[4:]))
    assert (run.state, run.message) == ("Succeeded", "")
    assert azure.lake.names() == [f"turnstile/{week}.csv.gz"]
    content = azure.content(f"turnstile/{week}.csv.gz")
    assert as_the_code_has_it(content) == wanted
    facts = azure.lake.metadata[f"turnstile/{week}.csv.gz"]
    assert (facts["rows"], facts["week"]) == (str(wanted.count(b"\n") - 1), week)

    ours, theirs = pd.read_csv(io.BytesIO(content)), pd.read_csv(io.BytesIO(wanted), index_col=0)
    pd.testing.assert_frame_equal(ours, theirs)
    path, other = azure.lake.folder / f"turnstile/{week}.csv.gz", tmp_path / "code.csv"
    other.write_bytes(wanted)
    sums = "SELECT count(*), sum(ENTRIES), sum(EXITS), min(DATE), max(STATION) FROM read_csv"
    whole = "types = {'ENTRIES': 'BIGINT', 'EXITS': 'BIGINT'}"
    assert duckdb.sql(f"{sums}('{path}', {whole})").fetchall() == duckdb.sql(f"{sums}('{other}', {whole})").fetchall()


def written_plainly(content: bytes) -> bytes:
    """Ridership with numbers as the code writes them: 12, where the site has 12.0."""
    numbers = [kind == "number" for _, kind in RIDERSHIP]
    header, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
    text = io.StringIO()
    same = [[plain(cell) if number else cell for cell, number in zip(row, numbers, strict=True)] for row in rows]
    csv.writer(text, lineterminator="\n").writerows([header, *same])
    return text.getvalue().encode()


def test_a_week_of_ridership_is_that_of_the_code_but_for_numbers(azure: Azure, tmp_path: Path) -> None:
    code = Loads(azure.site, tmp_path / "code")
    code(saturday=date(2026, 9, 12))
    assert azure.run(**SEPTEMBER).message == ""
    content = azure.content("ridership/260912.csv.gz")
    assert content != code.content(saturday=date(2026, 9, 12))
    assert written_plainly(content) == code.content(saturday=date(2026, 9, 12))


def test_saturdays_catch_up_and_leave_alone_what_is_there(azure: Azure) -> None:
    saturdays = [NEWEST + timedelta(weeks=n) for n in range(-7, 2)]
    for saturday in saturdays:
        azure.site.put(LIVE, RIDERSHIP, ridership_week(saturday, 200))
    assert azure.factory.fire("tr_saturday").message == ""
    landed = {name: azure.lake.read(name) for name in azure.lake.names()}
    assert [*landed] == [f"ridership/{saturday:%y%m%d}.csv.gz" for saturday in saturdays[:-1]]

    asked = azure.asked
    later = replace(azure.factory, now="2026-12-05T14:00:00.0000000Z").fire("tr_saturday")
    assert (later.state, azure.asked - asked) == ("Succeeded", 2)  # for the days and the rows of one week
    assert azure.lake.names() == [*landed, "ridership/261121.csv.gz"]
    assert {name: azure.lake.read(name) for name in landed} == landed


def test_what_passes_is_tried_again(azure: Azure) -> None:
    azure.web.serve(FILE, *[Answer(status=503)] * 3, Answer(small_week()))
    azure.site.fail(Fault(on=".csv", status=503, times=3))
    weeks, ridership = azure.run(**WEEK), azure.run(**SEPTEMBER)
    assert [step.activity for step in weeks.steps if step.tries == 4] == ["read_header"]
    assert [step.activity for step in ridership.steps if step.tries == 4] == ["stage_week"]
    assert azure.lake.names() == ["ridership/260912.csv.gz", "turnstile/240106.csv.gz"]


def test_a_week_that_is_there_stays_and_nobody_is_asked(azure: Azure) -> None:
    azure.lake.put("turnstile/240106.csv.gz", b"as it is", {})
    run = azure.run(**WEEK)
    assert (run.state, azure.asked) == ("Succeeded", 0)
    assert azure.lake.read("turnstile/240106.csv.gz") == b"as it is"


def test_a_held_week_is_landed_by_judge_off(azure: Azure) -> None:
    azure.publish(date(2023, 12, 30))
    azure.run(year=2023, month=12, day=30)
    azure.web.serve(FILE, Answer(HALF))
    assert azure.run(**WEEK).state == "Failed"
    assert azure.run(**WEEK, judge="off").state == "Succeeded"
    assert as_the_code_has_it(azure.content("turnstile/240106.csv.gz")) == expected(HALF)


def test_a_backfill_lands_what_can_be_had_and_tells_of_the_rest(azure: Azure) -> None:
    saturdays = [date(2023, 12, 9) + timedelta(weeks=n) for n in range(5)]
    azure.publish(*saturdays[:2], *saturdays[3:])
    for saturday in saturdays[:2]:
        azure.run(year=saturday.year, month=saturday.month, day=saturday.day)
    before = {name: azure.lake.read(name) for name in azure.lake.names()}
    run = azure.run("pl_backfill", start="2023-12-04", end="2024-01-06")
    assert run.message == "turnstile_231223.txt: HTTP status 404"
    assert azure.lake.names() == [f"turnstile/{saturday:%y%m%d}.csv.gz" for saturday in saturdays if saturday.day != 23]
    assert {name: azure.lake.read(name) for name in before} == before


def test_two_runs_of_a_week_do_not_mix(azure: Azure) -> None:
    azure.web.serve(FILE, Answer(small_week(), until=lambda: azure.web.most_held >= 2))
    with ThreadPoolExecutor(2) as two:
        runs = [each.result() for each in [two.submit(azure.run, **WEEK) for _ in range(2)]]
    assert [run.message for run in runs] == ["", ""]
    assert azure.lake.names() == ["turnstile/240106.csv.gz"]
    assert as_the_code_has_it(azure.content("turnstile/240106.csv.gz")) == expected(small_week())


def test_the_code_says_that_such_a_week_is_not_its_own(azure: Azure, tmp_path: Path) -> None:
    azure.run(**WEEK)
    with pytest.raises(LakeFailed, match="240106"):
        read_week(azure.lake.folder, "turnstile", "240106")
    settings = Settings(_env_file=None, spool=tmp_path / "spool")
    options = Options(settings, date(2026, 11, 28), "the lake")
    with pytest.raises(LakeFailed, match="1 foreign"):
        list(verify_lake(FolderLake(azure.lake.folder), options, feed="turnstile"))
