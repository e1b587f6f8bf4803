"""Feeds from tables of data.ny.gov, where the site fails or errs: the week right to the byte, or not there."""

import gzip
import re
from collections.abc import Iterator

import pytest

from hourly import RIDERSHIP as COLUMNS
from mta_weekly.errors import GaveUp, NotPublished, Refused, SourceFailed
from mta_weekly.feeds.catalog import RIDERSHIP
from mta_weekly.feeds.weeks import Week
from mta_weekly.retry import RetryBudget
from socrata_weeks import (
    KEY,
    LIVE,
    NAMES,
    REVISED,
    ROWS,
    SATURDAY,
    SITE,
    WEEK,
    Loads,
    asked,
    expected,
    expected_lines,
    in_order,
    raise_ridership,
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
    "cut in the middle": Fault(cut_rows=500),
    "cut after the last row": Fault(cut_rows=ROWS),
    "ended early": Fault(short_rows=1000),
    "ended after the header": Fault(short_rows=0),
    "rows missing": Fault(skip_rows=(500, 1500)),
    "the last row missing": Fault(skip_rows=(ROWS - 1, ROWS)),
}


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
def test_a_fault_that_stays_is_named_and_nothing_is_published(load: Loads, site: Soda, fault: str) -> None:
    site.fail(Fault(**{**vars({**PASSING, **OF_ROWS}[fault]), "on": ".csv", "times": 99}))
    if fault == "cut after the last row":  # all of it has come, and the count says so
        assert load().rows == ROWS
        return
    with pytest.raises(GaveUp, match=r"gave up after 5 attempts, try again later$") as gave_up:
        load()
    if "with 200" in fault:
        assert "where data was asked for" in str(gave_up.value)
    assert load.objects == []
    assert list(load.folder.glob("*.gz")) == []


def test_a_body_that_breaks_off_goes_on_after_its_last_whole_row(load: Loads, site: Soda) -> None:
    site.fail(Fault(on=".csv", cut_rows=1700), Fault(on=".csv", cut_rows=900))
    assert load().state == "landed"
    assert load.content() == expected(in_order(WEEK))
    assert [parameters.get("$offset") for parameters in asked(site, ".csv")] == [None, "1700", "2600"]


def test_what_goes_on_must_be_the_rest_of_the_same(load: Loads, site: Soda) -> None:
    """Other columns after a break, or rows from an older copy than the one that counted them: all is read anew."""
    header, *rows = expected_lines(in_order(WEEK))
    turned = header.replace(b'"ridership","transfers"', b'"transfers","ridership"')
    site.fail(Fault(on=".csv", cut_rows=1700), Fault(on="$offset", body=b"".join([turned, *rows[1700:]])))
    load()
    assert load.content() == expected(in_order(WEEK))
    assert [parameters.get("$offset") for parameters in asked(site, ".csv")] == [None, "1700", None]
    site.fail(Fault(on=".csv", headers={"Last-Modified": "Wed, 09 Sep 2026 14:30:00 GMT"}))
    (load.lake.folder / RIDERSHIP.key(Week(SATURDAY))).unlink()
    load()
    assert len(asked(site, ".csv")) == 5


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("cut", [None, 2900])
def test_a_week_that_changes_while_it_is_read_is_read_again(
    load: Loads, site: Soda, moment: str, cut: int | None
) -> None:
    """As many rows as before: only the time of the set's last change tells."""
    site.fail(Fault(**{"on": ".csv", moment: raise_ridership(site), "cut_rows": cut}))
    assert load().state == "landed"
    assert load.content() == expected(in_order(REVISED))


def test_a_count_that_changes_while_the_week_is_read_is_enough_where_no_time_is_said(load: Loads, site: Soda) -> None:
    def drop_some() -> None:
        site.revise(LIVE, "DELETE FROM {set} WHERE transit_timestamp = '2026-09-08T09:00:00.000'")

    site.fail(
        Fault(on="count(", headers={"Last-Modified": None, "ETag": None}),
        Fault(on=".csv", after=drop_some, headers={"Last-Modified": None, "ETag": None}),
        Fault(on="count(", headers={"Last-Modified": None, "ETag": None}),
    )
    load()
    assert load.content() == expected(in_order([row for row in WEEK if row[0] != "2026-09-08T09:00:00.000"]))


def test_a_week_that_never_stops_changing_is_not_published(load: Loads, site: Soda) -> None:
    site.fail(Fault(on=".csv", after=raise_ridership(site), times=99))
    with pytest.raises(GaveUp, match="changed while it was read, 3,000 rows before and 3,000 after; gave up after 5"):
        load()
    assert load.objects == []


def test_rows_in_no_order_are_refused(load: Loads, site: Soda) -> None:
    site.fail(Fault(on=".csv", no_order=True))
    with pytest.raises(Refused, match="not in the order of TRANSIT_TIMESTAMP"):
        load()
    assert load.objects == []


def test_an_hour_that_is_there_twice_in_the_place_of_another_is_refused(load: Loads, site: Soda) -> None:
    """As many rows as were counted: a page twice, another one missing."""
    header, *rows = expected_lines(in_order(WEEK))
    site.fail(Fault(on=".csv", body=b"".join([header, *rows[:2000], *rows[1000:2000]]), content_type="text/csv"))
    with pytest.raises(Refused, match="not in the order"):
        load()


def test_a_row_that_is_none_is_not_counted_as_one(load: Loads, site: Soda) -> None:
    header, *rows = expected_lines(in_order(WEEK))
    site.fail(Fault(on=".csv", body=b"".join([header, *rows[:-9], b"\n", *rows[-8:]]), content_type="text/csv"))
    load()
    assert len(asked(site, ".csv")) == 2
    assert load.content() == expected(in_order(WEEK))


def test_a_last_line_without_its_end_is_whole_or_cut(load: Loads, site: Soda) -> None:
    body = b"".join(expected_lines(in_order(WEEK)))
    full = next(n for n, row in enumerate(reversed(in_order(WEEK))) if row[-1] is not None) == 0
    site.fail(Fault(on=".csv", body=body[:-2], content_type="text/csv"))  # without the closing quote
    load()
    assert len(asked(site, ".csv")) == 2
    assert full
    assert load.content() == expected(in_order(WEEK))
    site.fail(Fault(on=".csv", body=body[:-1], content_type="text/csv"))
    (load.lake.folder / RIDERSHIP.key(Week(SATURDAY))).unlink()
    load()
    assert len(asked(site, ".csv")) == 3
    assert load.content() == expected(in_order(WEEK))


def test_a_column_that_the_source_adds_is_named(load: Loads, site: Soda) -> None:
    more = [*COLUMNS, ("fare_zone", "text")]
    with Soda() as other:
        other.put(LIVE, more, [(*row, "1") for row in WEEK])
        with pytest.raises(Refused, match="header has changed: unexpected FARE_ZONE; expected 12 columns, found 13"):
            Loads(other, load.folder / "other")()
    with Soda() as other:
        other.put(LIVE, COLUMNS[:-1], [row[:-1] for row in WEEK])
        with pytest.raises(Refused, match="header has changed: missing GEOREFERENCE"):
            Loads(other, load.folder / "third")()


def test_bad_rows_are_shown_and_may_be_left_out(load: Loads, site: Soda) -> None:
    bad = in_order(WEEK)[7]
    where = " AND ".join(f"{NAMES[at]} = ?" for at in KEY)
    site.revise(LIVE, f"UPDATE {{set}} SET ridership = 'many' WHERE {where}", *(bad[at] for at in KEY))
    with pytest.raises(Refused, match=r"1 bad row, 0 allowed; line 9: RIDERSHIP 'many' is no number"):
        load()
    assert load(allow_bad_rows=1).rows == ROWS - 1
    assert load.content() == expected([row for row in in_order(WEEK) if row is not bad])
    aside = gzip.decompress((load.lake.folder / "rejected" / RIDERSHIP.key(Week(SATURDAY))).read_bytes()).decode()
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

    assert part.make(load.client, watch).profile.rows == ROWS
    assert sum(received) < 3 * len(header + b"".join(rows))


def test_a_number_that_is_none_is_a_bad_row_and_one_beyond_measure_is_refused(load: Loads, site: Soda) -> None:
    for value, said in (("12\n", r"1 bad row, .* is no number"), ("1e999", "is no number"), ("9" * 400, "beyond all")):
        site.revise(LIVE, "UPDATE {set} SET ridership = ? WHERE rowid = 5", value)
        with pytest.raises(Refused, match=said):
            load()
    assert load.objects == []


def test_a_day_of_which_nothing_is_there_is_no_whole_week(load: Loads, site: Soda) -> None:
    site.revise(LIVE, "DELETE FROM {set} WHERE transit_timestamp LIKE '2026-09-08%'")
    with pytest.raises(Refused, match="rows of 6 days only, expected 7"):
        load()


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
        (Fault(on="count(", body=b'[{"n":"many","last":"2026-09-11T23:00:00.000"}]'), "was asked for a count and said"),
        (Fault(on="count(", body=b'[{"n":"3000","last":"soon"}]'), "was asked for a time and said 'soon'"),
        (Fault(on="count(", body=b'[{"n":"' + b"9" * 5000 + b'"}]'), "was asked for a count and said"),
        (Fault(on="count(", status=400, body=b"[" * 50_000), "400 Bad Request from 127.0.0.1, expected 200"),
        (Fault(on=".csv", status=302, headers={"Location": "http://a..b/"}), "check the address"),
        (Fault(on=".csv", status=400), "400 Bad Request from 127.0.0.1, which says 'Status 400, as ordered'"),
    ],
)
def test_an_answer_that_makes_no_sense_is_said(load: Loads, site: Soda, fault: Fault, said: str) -> None:
    site.fail(fault)
    with pytest.raises(SourceFailed, match=re.escape(said)):
        load()
