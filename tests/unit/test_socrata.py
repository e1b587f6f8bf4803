"""Feeds from tables of data.ny.gov: right to the byte; and the token that is shown to nobody."""

import csv
import io
from datetime import date, timedelta
from pathlib import Path

import pytest

from hourly import DAILY as DAILY_COLUMNS
from hourly import RIDERSHIP as COLUMNS
from hourly import daily_week, ridership_week
from mta_weekly.errors import EtlError, NotPublished, SourceFailed
from mta_weekly.feeds.catalog import DAILY, RIDERSHIP
from mta_weekly.feeds.weeks import Week
from socrata_weeks import (
    KEY,
    LIVE,
    MIDDLE,
    NAMES,
    OLD,
    ROWS,
    SATURDAY,
    WEEK,
    Loads,
    asked,
    expected,
    expected_lines,
    in_order,
    plain,
)
from soda import Fault, Soda
from web import Answer, Web

pytest_plugins = ["socrata_weeks"]

# What comes out


def test_a_week_is_the_rows_of_its_seven_days_in_the_order_of_the_key(load: Loads, site: Soda) -> None:
    outcome = load()

    assert load.content() == expected(in_order(WEEK))
    assert (outcome.state, outcome.rows, outcome.reason) == ("landed", ROWS, "")
    facts = load.facts()
    sums = {name.upper(): sum(float(row[NAMES.index(name)]) for row in WEEK) for name in ("ridership", "transfers")}
    empty = {name.upper(): sum(row[at] is None for row in WEEK) for at, name in enumerate(NAMES)}
    assert facts["sums"] == pytest.approx(sums)
    assert facts["empty"] == {name: count for name, count in empty.items() if count}
    assert (facts["source"], facts["rows"], facts["bad_rows"]) == ("data.ny.gov", ROWS, 0)
    assert (facts["first_day"], facts["last_day"]) == ("2026-09-05", "2026-09-11")
    assert facts["source_url"].startswith(f"{site.url}/resource/{LIVE}.csv?$select=transit_timestamp,transit_mode,")
    assert "2026-09-05T00:00:00%27%20AND%20transit_timestamp%20%3C%20%272026-09-12T" in facts["source_url"]
    assert facts["source_last_modified"].endswith("GMT")
    assert (facts["unknown_columns"], facts["out_of_date"]) == ([], False)
    assert [query["$where"][22:32] for query in asked(site, ".csv")] == [str(day) for day in Week(SATURDAY).days]
    assert {query["$select"] for query in asked(site, ".csv")} == {",".join(NAMES)}
    assert [query.get("$group") for query in asked(site, ".json")] == [None, "day", "day"]  # the first one: what it is


def test_the_same_data_is_the_same_bytes(load: Loads, site: Soda, tmp_path: Path) -> None:
    load()
    with Soda() as other:
        other.put(LIVE, COLUMNS, WEEK[::-1])
        again = Loads(other, tmp_path / "other")
        again()
    assert again.facts()["crc32c"] == load.facts()["crc32c"]


TRICKY = {
    "station_complex": ['a,b', 'a "quoted", name', '"', '""', " padded ", "Peña, 東京", "line\nend", "#", "NULL", "\t"],
    "ridership": ["12", "12.0", "12.000", "0.0", "-0.0", "-3.0", "3.50", "1e3", "007", "12345678901234567890123456"],
    "transfers": ["-1", "-1.0", "0", "5.25", "", "100.0", "10", "1.0", "-12.5", "2"],
    "latitude": ["40.0", "40.75", "40.750000", "", "-73.99", "40.", ".5", "0.10", "41", "4e1"],
}  # fmt: skip


def test_every_value_comes_out_as_it_is_and_whole_numbers_without_a_fraction(load: Loads, site: Soda) -> None:
    for name, values in TRICKY.items():
        for value, row in zip(values, WEEK[::30], strict=False):
            site.revise(
                LIVE,
                f'UPDATE {{set}} SET "{name}" = ? WHERE transit_timestamp = ? AND station_complex_id = ? '
                "AND payment_method = ? AND fare_class_category = ?",
                value, *(row[at] for at in KEY),
            )  # fmt: skip
    load()

    changed = {id(row): dict(zip(NAMES, row, strict=True)) for row in WEEK}
    for name, values in TRICKY.items():
        for value, row in zip(values, WEEK[::30], strict=False):
            changed[id(row)][name] = value
    rows = list(csv.reader(io.StringIO(load.content().decode(), newline="")))[1:]
    by_key = {tuple(row[at] for at in KEY): row for row in rows}
    for row in changed.values():
        wanted = [
            "0" if (row[name] or "") == "-0.0" else plain(row[name] or "") if kind == "number" else row[name] or ""
            for name, kind in COLUMNS
        ]
        wanted = ["40" if value == "40." else value for value in wanted]
        assert by_key[tuple(row[NAMES[at]] for at in KEY)] == wanted
    assert load.content().count(b"\r") == 0


def test_an_object_with_every_value_is_read_again_as_it_is(load: Loads, site: Soda) -> None:
    """Facts that are lost are made of the object, and are those it had."""
    for name, values in TRICKY.items():
        for number, value in enumerate(values):
            site.revise(LIVE, f'UPDATE {{set}} SET "{name}" = ? WHERE rowid % 10 = ?', value, number)
    load()
    was = load.facts()
    (load.lake.folder / f"{RIDERSHIP.key(Week(SATURDAY))}.json").unlink()
    part = load.begin()
    part.keep()
    made = load.facts()
    same = ("rows", "first_day", "last_day", "empty", "sums", "size", "crc32c", "sha256")
    assert {name: made[name] for name in same} == {name: was[name] for name in same}
    assert made["empty"]["TRANSFERS"] > 0


def test_daily_is_a_feed_by_its_entry_alone(load: Loads, site: Soda) -> None:
    rows = [row for n in (0, 1) for row in daily_week(SATURDAY + timedelta(weeks=n))]
    site.put("sayj-mze2", DAILY_COLUMNS, rows)
    assert load(DAILY).rows == 63
    assert load.content(DAILY) == expected(in_order(daily_week(SATURDAY), (0, 1)), DAILY_COLUMNS)


@pytest.mark.parametrize(
    ("saturday", "hours"), [(date(2026, 3, 14), 167), (date(2026, 3, 21), 168), (date(2025, 11, 8), 169)]
)
def test_no_hour_of_a_clock_change_is_lost(load: Loads, site: Soda, saturday: date, hours: int) -> None:
    """In March there is no hour from two to three; in November the one from one to two is there twice, by one name."""
    rows = ridership_week(saturday, 1000)
    if hours == 167:
        rows = [row for row in rows if row[0] != "2026-03-08T02:00:00.000"]
    if hours == 169:
        rows += [row for row in rows if row[0] == "2025-11-02T01:00:00.000"]
    site.put(LIVE, COLUMNS, rows)
    assert load(saturday=saturday).rows == len(rows)
    assert load.content(saturday=saturday) == expected(in_order(rows))
    assert len({row[0] for row in rows}) == min(hours, 168)


@pytest.mark.parametrize(("saturday", "sets"), [(date(2020, 1, 4), (OLD, MIDDLE)), (date(2025, 1, 4), (MIDDLE, LIVE))])
def test_a_week_at_a_turn_of_data_sets_is_taken_from_both(
    load: Loads, site: Soda, saturday: date, sets: tuple[str, str]
) -> None:
    rows, turn = ridership_week(saturday, 2500), f"{saturday.year}-01-01"
    site.put(sets[0], COLUMNS, [row for row in rows if row[0] < turn])
    with pytest.raises(NotPublished, match=r"^not published"):
        load(saturday=saturday)
    site.put(sets[1], COLUMNS, [row for row in rows if row[0] >= turn])
    assert load(saturday=saturday).rows == 2500
    assert load.content(saturday=saturday) == expected(in_order(rows))
    assert [name in load.facts(saturday=saturday)["source_url"] for name in sets] == [True, True]


# The token


def test_the_token_goes_to_its_own_host_alone_and_is_never_shown(site: Soda, web: Web, tmp_path: Path) -> None:
    site.fail(Fault(on=".csv", status=302, headers={"Location": f"{web.url}/elsewhere"}))
    load = Loads(site, tmp_path, token="t0p-s3cret")
    first_day = [row for row in in_order(WEEK) if row[0] < "2026-09-06"]
    web.serve("/elsewhere", Answer(b"".join(expected_lines(first_day))))
    load()
    assert load.content() == expected(in_order(WEEK))
    assert {seen.headers.get("x-app-token") for seen in site.requests} == {"t0p-s3cret"}
    assert [seen.headers.get("x-app-token") for seen in web.requests] == [None]
    assert all("t0p-s3cret" not in path.read_text(errors="replace") for path in load.objects)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(on=".csv", body=b'{"message":"Invalid app_token t0p-s3cret"}\n', times=9),
        Fault(on="count(", body=b'[{"n":"t0p-s3cret"}]', times=9),
        Fault(on="count(", body=b'[{"n":"3000","last":"t0p-s3cret"}]', times=9),
        Fault(on="count(", status=403, body=b'{"code":"t0p-s3cret","error":true,"message":"t0p-s3cret"}', times=2),
        Fault(on=".csv", headers={"Content-Encoding": "t0p-s3cret"}),
        Fault(on=".csv", status=302, headers={"Location": "http://t0p-s3cret..x/"}, times=9),
    ],
)
def test_a_site_that_repeats_the_token_does_not_get_it_said(
    site: Soda, tmp_path: Path, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    site.fail(fault)
    load = Loads(site, tmp_path, token="t0p-s3cret")
    with pytest.raises(EtlError) as said:
        load()
    assert "t0p-s3cret" not in str(said.value) + caplog.text


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_refused_is_left_out_and_said(
    site: Soda, tmp_path: Path, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    site.fail(Fault(on="count(", status=status))
    load = Loads(site, tmp_path, token="t0p-s3cret")
    assert load().state == "landed"
    bore = [seen.headers.get("x-app-token") for seen in site.requests]
    assert bore == ["t0p-s3cret", "t0p-s3cret", *[None] * 9]  # what the set is, then the count that was refused
    assert caplog.text.count("refuses the token of MTA_SOCRATA_APP_TOKEN; going on without it, mend it") == 1


@pytest.mark.parametrize(("status", "error"), [(401, SourceFailed), (403, SourceFailed), (410, NotPublished)])
def test_a_site_that_is_closed_is_said_to_be(load: Loads, site: Soda, status: int, error: type[EtlError]) -> None:
    site.fail(Fault(on="count(", status=status, times=9))
    with pytest.raises(error, match=r"the site may have closed this way in \(SODA 2.1\): see https://dev.socrata.com"):
        load()
    assert len(site.queries) == 2  # which no retry mends


def test_a_version_that_repeats_the_token_is_no_fact(site: Soda, tmp_path: Path) -> None:
    site.fail(Fault(on="count(", headers={"ETag": '"t0p-s3cret"'}, times=2))
    load = Loads(site, tmp_path, token="t0p-s3cret")
    load()
    assert load.facts()["source_etag"] == ""


def test_without_a_token_none_is_sent_and_no_cache_may_answer(load: Loads, site: Soda) -> None:
    load()
    assert {seen.headers.get("x-app-token") for seen in site.requests} == {None}
    assert {seen.headers.get("cache-control") for seen in site.requests} == {"no-cache"}
