"""Turnstile weeks that the weekly host lacks, from the yearly sets of data.ny.gov."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from conftest import expected as as_ruled
from hourly import TURNSTILE as TURNSTILE_COLUMNS
from hourly import turnstile_rows
from mta_weekly.errors import EtlError, NotPublished, Refused
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.fetch.socrata.copies import BLOCK
from mta_weekly.retry import RetryBudget
from socrata_weeks import MARCH, Loads, published
from soda import Fault, Soda
from web import Answer, Web
from weeks import make_week

pytest_plugins = ["socrata_weeks"]


def test_the_lake_has_all_of_its_budget_again_after_a_host_that_is_gone(site: Soda, tmp_path: Path) -> None:
    load = Loads(site, tmp_path, turnstile_url="http://127.0.0.1:1")
    site.put("ekwu-khcy", TURNSTILE_COLUMNS, turnstile_rows(published(MARCH)))
    budget = RetryBudget.of(load.settings, "")
    load.begin(TURNSTILE, MARCH, budget).make(load.client, lambda chunks, _, __: chunks)
    assert budget.failures == 0


def without_stations(body: bytes) -> bytes:
    lines = [line.split(",") for line in body.decode().splitlines()]
    return "".join(",".join([*line[:3], "", "", *line[5:]]) + "\n" for line in lines).encode()


def test_a_week_that_the_weekly_host_lacks_comes_from_the_yearly_set(turnstile: Loads, site: Soda, web: Web) -> None:
    body = published(MARCH)
    site.put("ekwu-khcy", TURNSTILE_COLUMNS, turnstile_rows(body))
    outcome = turnstile(TURNSTILE, MARCH)
    assert (outcome.state, outcome.reason) == ("landed", "from data.ny.gov")
    assert turnstile.content(TURNSTILE, MARCH) == as_ruled(body)
    facts = turnstile.facts(TURNSTILE, MARCH)
    assert (facts["source"], "ekwu-khcy.csv?" in facts["source_url"]) == ("data.ny.gov", True)
    assert [seen.path for seen in web.requests] == ["/turnstile_160312.txt"]


def test_the_weekly_file_is_preferred(turnstile: Loads, site: Soda, web: Web) -> None:
    site.put("ekwu-khcy", TURNSTILE_COLUMNS, turnstile_rows(published(MARCH)))
    web.serve("/turnstile_160312.txt", Answer(make_week(MARCH, 500)))
    assert turnstile(TURNSTILE, MARCH).reason == ""
    assert turnstile.facts(TURNSTILE, MARCH)["source"] == "weekly file"
    assert site.queries == []


def test_a_host_that_is_gone_is_waited_for_once_a_run(site: Soda, tmp_path: Path) -> None:
    load = Loads(site, tmp_path, turnstile_url="http://127.0.0.1:1", retry_base=0.2, retry_wait=60)
    bodies = {MARCH + timedelta(weeks=n): published(MARCH + timedelta(weeks=n)) for n in (0, 1)}
    for body in bodies.values():
        site.put("ekwu-khcy", TURNSTILE_COLUMNS, turnstile_rows(body))
    seconds = [load(TURNSTILE, week).seconds for week in bodies]
    assert seconds[0] > 1.4  # pauses of at least 0.1, 0.2, 0.4 and 0.8 s
    assert seconds[1] < 0.9
    assert [load.content(TURNSTILE, week) for week in bodies] == list(map(as_ruled, bodies.values()))


def test_a_fault_that_is_none_of_the_two_asks_no_other_source(turnstile: Loads, site: Soda, web: Web) -> None:
    site.put("ekwu-khcy", TURNSTILE_COLUMNS, turnstile_rows(published(MARCH)))
    broken = Answer(headers={"Bad Name": "x"})
    for answer in (Answer(status=503), Answer(b"<html>"), Answer(status=403), broken):
        web.serve("/turnstile_160312.txt", answer)
        with pytest.raises(EtlError):
            turnstile(TURNSTILE, MARCH)
    assert site.queries == []


@pytest.mark.parametrize("silence", [Answer(drop=True), Answer(wait=60)], ids=["hangs up", "says nothing"])
def test_a_host_that_does_not_say_a_word_is_no_answer(site: Soda, web: Web, tmp_path: Path, silence: Answer) -> None:
    load = Loads(site, tmp_path, turnstile_url=web.url, head_timeout=0.3, retry_wait=0.5, retry_attempts=2)
    site.put("ekwu-khcy", TURNSTILE_COLUMNS, turnstile_rows(published(MARCH)))
    web.serve("/turnstile_160312.txt", silence)
    assert load(TURNSTILE, MARCH).reason == "from data.ny.gov"


def test_a_week_that_neither_has_says_so_of_both(turnstile: Loads, site: Soda) -> None:
    site.put("ekwu-khcy", TURNSTILE_COLUMNS, turnstile_rows(published(MARCH)))
    said = r"not published \(404 .*\).*; then: not published yet: 127.0.0.1 says that it has no rows of the week$"
    with pytest.raises(NotPublished, match=said):
        turnstile(TURNSTILE, MARCH + timedelta(weeks=4))
    said = said.replace("published yet", "published").replace("week$", "week, and has later ones$")
    with pytest.raises(NotPublished, match=said):
        turnstile(TURNSTILE, MARCH - timedelta(weeks=4))


@pytest.mark.parametrize("saturday", [date(2013, 3, 9), date(2023, 1, 7), date(2024, 2, 17)])
def test_a_week_that_no_yearly_set_holds_is_only_asked_of_the_weekly_host(
    turnstile: Loads, site: Soda, saturday: date
) -> None:
    with pytest.raises(NotPublished, match=r"^not published \(404 Not Found from 127.0.0.1\)"):
        turnstile(TURNSTILE, saturday)
    assert site.queries == []


@pytest.mark.parametrize("rows", [600, 9000])  # the second one, more than is read of a copy at once
def test_a_week_of_two_years_is_one_week_in_order(turnstile: Loads, site: Soda, rows: int) -> None:
    saturday = date(2017, 1, 7)
    body = published(saturday, rows)
    late = [row for row in turnstile_rows(body) if row[6] >= "2017"]
    site.put("ekwu-khcy", TURNSTILE_COLUMNS, [row for row in turnstile_rows(body) if row[6] < "2017"])
    site.put("v5y5-mwpb", TURNSTILE_COLUMNS, late)
    assert turnstile(TURNSTILE, saturday).rows == rows
    assert (len(str(late)) > 2 * BLOCK) is (rows == 9000)
    assert turnstile.content(TURNSTILE, saturday) == as_ruled(body)


@pytest.mark.parametrize("fault", ["another column", "a short row", "a lone CR"])
def test_a_second_set_that_is_not_like_the_first_is_refused(turnstile: Loads, site: Soda, fault: str) -> None:
    saturday = date(2017, 1, 7)
    rows = turnstile_rows(published(saturday))
    site.put("ekwu-khcy", TURNSTILE_COLUMNS, [row for row in rows if row[6] < "2017"])
    columns = [({"unit": "units"}.get(name, name), kind) for name, kind in TURNSTILE_COLUMNS]
    late = [row for row in rows if row[6] >= "2017"]
    site.put("v5y5-mwpb", columns if fault == "another column" else TURNSTILE_COLUMNS, late)
    if fault != "another column":
        bad = b'"A002","R051"\n' if fault == "a short row" else b'"A002"\rx' + b',"1"' * 10 + b"\n"
        head = (",".join(f'"{name}"' for name, _ in TURNSTILE_COLUMNS) + "\n").encode()
        site.fail(Fault(on="v5y5-mwpb.csv", body=head + bad * len(late), content_type="text/csv"))
    with pytest.raises(Refused, match=r"missing UNIT; the set has c_a, units|bad rows, 0 allowed"):
        turnstile(TURNSTILE, saturday)


def test_the_missing_stations_of_2022_stay_empty_and_are_counted(turnstile: Loads, site: Soda) -> None:
    saturday = date(2022, 5, 14)
    body = published(saturday)
    without = [(*row[:3], None, None, *row[5:]) for row in turnstile_rows(body)]
    site.put("k7j9-jnct", TURNSTILE_COLUMNS, without)
    turnstile(TURNSTILE, saturday)
    assert turnstile.content(TURNSTILE, saturday) == as_ruled(without_stations(body))
    assert turnstile.facts(TURNSTILE, saturday)["empty"] == {"STATION": 600, "LINENAME": 600}


def test_older_spellings_of_two_columns_are_known(turnstile: Loads, site: Soda) -> None:
    body, saturday = published(date(2014, 11, 8)), date(2014, 11, 8)
    older = [
        ({"line_name": "linename", "description": "desc"}.get(name, name), kind) for name, kind in TURNSTILE_COLUMNS
    ]
    site.put("i55r-43gk", older, turnstile_rows(body))
    turnstile(TURNSTILE, saturday)
    assert turnstile.content(TURNSTILE, saturday) == as_ruled(body)
