"""Feeds from tables of data.ny.gov, where the site fails or errs: the week right to the byte, or not there."""

import gzip
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from hourly import RIDERSHIP as COLUMNS
from hourly import ridership_week
from mta_weekly.errors import GaveUp, NotPublished, Refused, SourceFailed
from mta_weekly.feeds.catalog import RIDERSHIP
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.from_source import find_complete_week
from mta_weekly.retry import RetryBudget
from socrata_weeks import (
    FIRST_DAY,
    KEY,
    LIVE,
    NAMES,
    ROWS,
    SATURDAY,
    SITE,
    TODAY,
    WEEK,
    Loads,
    asked,
    expected,
    expected_lines,
    in_order,
)
from soda import Fault, Soda

pytest_plugins = ["socrata_weeks"]

# What passes, and what does not


PASSING = {
    "202": Fault(status=202),
    "429": Fault(status=429),
    "429 with Retry-After": Fault(status=429, headers={"Retry-After": "0"}),
    "500": Fault(status=500),
    "503": Fault(status=503),
    "a stale replica": Fault(stale=True),
    "no answer": Fault(drop=True),
    "an error with 200": Fault(body=b'{"code":"query.timeout","error":true,"message":"too slow"}\n'),
    "a page with 200": Fault(body=b"<html>\nbusy</html>\n", content_type="text/html"),
    "half an answer": Fault(cut_rows=0),
}
OF_ROWS = {
    "cut in the middle": Fault(cut_rows=50),
    "cut after the last row": Fault(cut_rows=ROWS),
    "ended early": Fault(short_rows=100),
    "ended after the header": Fault(short_rows=0),
    "rows missing": Fault(skip_rows=(50, 150)),
    "the last row missing": Fault(skip_rows=(len(FIRST_DAY) - 1, len(FIRST_DAY))),
}
BUSY = ("429", "429 with Retry-After", "503", "a stale replica")  # for which the patience is, and no number of tries


@pytest.mark.parametrize("on", [".csv", "count("])
@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_is_sat_out(load: Loads, site: Soda, fault: str, on: str) -> None:
    site.fail(Fault(**{**vars(PASSING[fault]), "on": on, "times": 2}))
    assert load().state == "landed"
    assert load.content() == expected(in_order(WEEK))
    assert site.faults == []


@pytest.mark.parametrize("fault", OF_ROWS)
def test_rows_that_did_not_come_are_asked_for_again(load: Loads, site: Soda, fault: str) -> None:
    site.fail(Fault(**{**vars(OF_ROWS[fault]), "on": ".csv"}))
    assert load().state == "landed"
    assert load.content() == expected(in_order(WEEK))
    assert site.faults == []


@pytest.mark.parametrize("fault", {**PASSING, **OF_ROWS})
def test_a_fault_that_stays_is_named_and_nothing_is_published(site: Soda, tmp_path: Path, fault: str) -> None:
    load = Loads(site, tmp_path, retry_wait=0.4 if fault in BUSY else 60)  # five attempts take their time
    site.fail(Fault(**{**vars({**PASSING, **OF_ROWS}[fault]), "on": ".csv", "times": 99}))
    if fault in ("cut in the middle", "cut after the last row", "ended early"):  # each answer brings more of it
        assert load().rows == ROWS
        assert load.content() == expected(in_order(WEEK))
        return
    why = "nothing came that could be kept for 0.4 s (MTA_RETRY_WAIT)" if fault in BUSY else "5 attempts"
    with pytest.raises(GaveUp, match=rf"gave up.* {re.escape(why)}, try again later$") as gave_up:
        load()
    if "with 200" in fault:
        assert "where data was asked for" in str(gave_up.value)
    assert load.objects == []
    assert list(load.folder.glob("*.gz")) == []


@pytest.mark.parametrize("last", ["1926-11-07", "9999-12-31T23:00", "0001-01-01", "2018-05-26", "1950-06-01"])
def test_a_time_that_cannot_be_is_no_newest_week(load: Loads, site: Soda, last: str) -> None:
    site.fail(Fault(on="max(transit_timestamp) as last", body=f'[{{"last":"{last}"}}]'.encode()))
    with pytest.raises(SourceFailed, match=r"newest row is of .*, which cannot be"):
        find_complete_week(load.client, RIDERSHIP, load.settings, RetryBudget.of(load.settings, ""), TODAY)


def test_a_body_that_breaks_off_goes_on_after_its_last_whole_row(load: Loads, site: Soda) -> None:
    site.fail(Fault(on=".csv", cut_rows=200), Fault(on=".csv", cut_rows=90))
    assert load().state == "landed"
    assert load.content() == expected(in_order(WEEK))
    assert [parameters.get("$offset") for parameters in asked(site, ".csv")] == [None, "199", "288", *[None] * 6]


def test_rows_in_no_order_are_refused(load: Loads, site: Soda) -> None:
    site.fail(Fault(on=".csv", no_order=True))
    with pytest.raises(Refused, match="not in the order of TRANSIT_TIMESTAMP"):
        load()
    assert load.objects == []


def test_an_hour_that_is_there_twice_in_the_place_of_another_is_refused(load: Loads, site: Soda) -> None:
    """As many rows as were counted: a page twice, another one missing."""
    header, *rows = expected_lines(FIRST_DAY)
    half, odd = divmod(len(rows), 2)
    twice = [header, *rows[: half + odd], *rows[:half]]
    site.fail(Fault(on=".csv", body=b"".join(twice), content_type="text/csv"))
    with pytest.raises(Refused, match="not in the order"):
        load()


def test_a_row_that_is_none_is_not_counted_as_one(load: Loads, site: Soda) -> None:
    header, *rows = expected_lines(FIRST_DAY)
    site.fail(Fault(on=".csv", body=b"".join([header, *rows[:-9], b"\n", *rows[-8:]]), content_type="text/csv"))
    load()
    assert len(asked(site, ".csv")) > 7
    assert load.content() == expected(in_order(WEEK))


def test_a_last_line_without_its_end_is_whole_or_cut(load: Loads, site: Soda) -> None:
    body = b"".join(expected_lines(FIRST_DAY))
    assert FIRST_DAY[-1][-1] is not None
    site.fail(Fault(on=".csv", body=body[:-2], content_type="text/csv"))  # without the closing quote
    load()
    assert len(asked(site, ".csv")) == 8
    assert load.content() == expected(in_order(WEEK))
    site.fail(Fault(on=".csv", body=body[:-1], content_type="text/csv"))
    (load.lake.folder / RIDERSHIP.key(Week(SATURDAY))).unlink()
    load()
    assert len(asked(site, ".csv")) == 15
    assert load.content() == expected(in_order(WEEK))


def test_a_column_that_the_source_adds_is_said_once_a_run_and_one_that_is_missing_is_drift(
    load: Loads, caplog: pytest.LogCaptureFixture
) -> None:
    more = [("fare_zone", "text"), *COLUMNS]
    with Soda() as other:
        after = ridership_week(SATURDAY + timedelta(weeks=1), ROWS)
        other.put(LIVE, more, [("1", *row) for row in [*WEEK, *after]])
        run = Loads(other, load.folder / "other")
        said = "127.0.0.1 has columns that are not loaded: FARE_ZONE"
        assert [run(saturday=SATURDAY + timedelta(weeks=n)).reason for n in (0, 1)] == [said, ""]
        assert run.content() == expected(in_order(WEEK))
        assert [run.facts(saturday=SATURDAY + timedelta(weeks=n))["unknown_columns"] for n in (0, 1)] == [
            ["FARE_ZONE"]
        ] * 2
        assert caplog.text.count("FARE_ZONE") == 1
    with Soda() as other:
        other.put(LIVE, COLUMNS[:-1], [row[:-1] for row in WEEK])
        with pytest.raises(Refused, match="header has changed: missing GEOREFERENCE"):
            Loads(other, load.folder / "third")()
        assert asked(other, ".csv") == []


def test_bad_rows_are_shown_and_may_be_left_out(load: Loads, site: Soda) -> None:
    bad = in_order(WEEK)[7]
    where = " AND ".join(f"{NAMES[at]} = ?" for at in KEY)
    site.revise(LIVE, f"UPDATE {{set}} SET ridership = 'many' WHERE {where}", *(bad[at] for at in KEY))
    with pytest.raises(Refused, match=r"1 bad row, 0 allowed; line 9: RIDERSHIP 'many' is no number"):
        load()
    assert load(allow_bad_rows=1).rows == ROWS - 1
    assert load.content() == expected([row for row in in_order(WEEK) if row is not bad])
    aside = gzip.decompress((load.lake.folder / load.facts()["rejected"]).read_bytes()).decode()
    assert "9,RIDERSHIP 'many' is no number" in aside


def test_an_answer_that_does_not_end_is_left(load: Loads, site: Soda) -> None:
    """As soon as there are more rows than were counted."""
    header, *rows = expected_lines(in_order(WEEK))
    body = header + b"".join(rows) * 100
    site.fail(Fault(on=".csv", body=body, content_type="text/csv"))
    received = []
    part = load.begin(budget=RetryBudget(2, 1, 0.001))

    def watch(chunks: Iterator[bytes], *_: object) -> Iterator[bytes]:
        for chunk in chunks:
            received.append(len(chunk))
            yield chunk

    assert part.make(load.client, watch).facts.rows == ROWS
    assert sum(received) < 3 * len(header + b"".join(rows))


def test_a_number_that_is_none_is_a_bad_row_and_one_beyond_measure_is_refused(load: Loads, site: Soda) -> None:
    for value, said in (("12\n", r"1 bad row, .* is no number"), ("1e999", "is no number"), ("9" * 400, "beyond all")):
        site.revise(LIVE, "UPDATE {set} SET ridership = ? WHERE rowid = 5", value)
        with pytest.raises(Refused, match=said):
            load()
    assert load.objects == []


def test_a_day_of_which_nothing_is_there_is_no_whole_week(load: Loads, site: Soda) -> None:
    site.revise(LIVE, "DELETE FROM {set} WHERE transit_timestamp LIKE '2026-09-08%'")
    with pytest.raises(NotPublished, match="says that it has no rows of 2026-09-08, and has later ones"):
        load()
    assert asked(site, ".csv") == []


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("2026-09-11T23%", r"its rows of the week end at 2026-09-11 22:00; it is expected on 2026-11-28"),
        ("2026-%", r"it has no rows of the week; it is expected on 2026-11-28"),
    ],
)
def test_a_week_that_is_not_complete_is_not_published_yet(load: Loads, site: Soda, missing: str, said: str) -> None:
    site.revise(LIVE, "DELETE FROM {set} WHERE transit_timestamp LIKE ? OR transit_timestamp > '2026-09-12'", missing)
    with pytest.raises(NotPublished, match=f"^not published yet: {SITE} says that {said}$"):
        load()
    assert asked(site, ".csv") == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        *(
            (Fault(on="count(", body=f"[{{{figures}}}]".encode(), times=9), "was asked for figures and answered")
            for figures in (
                '"day":"2026-09-05T00:00:00.000","n":"many"',
                '"day":"2026-09-05T00:00:00.000","n":"3","last":"soon"',
                f'"day":"2026-09-05T00:00:00.000","n":"{"9" * 5000}"',
                '"day":"2026-09-05T00:00:00.000","n":"-1"',
                '"day":"2026-09-04T00:00:00.000","n":"3"',
                '"day":"2026-09-05","n":"3","sum_ridership":"NaN"',
                '"n":"3"',
            )
        ),
        (Fault(on="count(", status=400, body=b"[" * 50_000), "400 Bad Request from 127.0.0.1, expected 200"),
        (Fault(on=".csv", status=302, headers={"Location": "http://a..b/"}), "check the address"),
        (Fault(on=".csv", status=400), "400 Bad Request from 127.0.0.1, which says 'Status 400, as ordered'"),
    ],
)
def test_an_answer_that_makes_no_sense_is_said(load: Loads, site: Soda, fault: Fault, said: str) -> None:
    site.fail(fault)
    with pytest.raises((SourceFailed, GaveUp), match=re.escape(said)):
        load()
