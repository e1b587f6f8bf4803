"""Feeds from tables of data.ny.gov, whose data changes while it is read, or is behind: a week is of one release."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from behaviour import Hour, Replica
from hourly import RIDERSHIP as COLUMNS
from hourly import ridership_week
from mta_weekly.errors import EtlError, GaveUp
from mta_weekly.feeds.catalog import RIDERSHIP
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.socrata import figures
from mta_weekly.fetch.socrata.figures import SetDescription, choose_fields
from releases import change_numbers, rehearse, turn_numbers
from socrata_weeks import (
    FIRST_DAY,
    LIVE,
    NAMES,
    REVISED,
    SATURDAY,
    WEEK,
    Loads,
    asked,
    expected,
    expected_lines,
    in_order,
    raise_ridership,
)
from soda import Fault, Soda
from tables import Tables

pytest_plugins = ["socrata_weeks"]

BEHIND = Replica("true", behind=9)
EVERY_RIDER = "UPDATE {set} SET ridership = ridership + 1"


def test_what_goes_on_must_be_the_rest_of_the_same(load: Loads, site: Soda) -> None:
    """Other columns after a break are asked for again; other rows, or another time of change, the day begins anew."""
    header, *rows = expected_lines(FIRST_DAY)
    turned = header.replace(b'"ridership","transfers"', b'"transfers","ridership"')
    wrong = Fault(on="$offset", body=b"".join([turned, *rows[199:]]))
    other = Fault(on="$offset", body=b"".join([header, *rows[200:]]))
    later = Fault(on="$offset", headers={"Last-Modified": "Wed, 16 Sep 2026 15:30:00 GMT"})
    for fault, offsets in (wrong, [None, "199", "199"]), (other, [None, "199", None]), (later, [None, "199", None]):
        before = len(asked(site, ".csv"))
        site.fail(Fault(on=".csv", cut_rows=200), fault)
        load()
        assert load.content() == expected(in_order(WEEK))
        assert [parameters.get("$offset") for parameters in asked(site, ".csv")[before:]] == [*offsets, *[None] * 6]
        (load.lake.folder / RIDERSHIP.key(Week(SATURDAY))).unlink()


def test_times_of_change_that_differ_in_each_answer_say_nothing(load: Loads, site: Soda) -> None:
    """Rows and figures from copies that name times of their own, in pieces too: what counts is what they count."""
    site.fail(
        *(
            Fault(on=on, headers={"Last-Modified": f"Wed, 16 Sep 2026 {15 + n % 8}:{n:02}:00 GMT"}, short_rows=short)
            for n in range(50)
            for on, short in (("count(", None), (".csv", 150))
        )
    )
    assert load().state == "landed"
    assert load.content() == expected(in_order(WEEK))
    assert load.facts()["source_last_modified"] == ""
    site.faults.clear()
    assert load(refresh=True).state == "unchanged"  # it has looked, and found a time that all agree on
    assert load.facts()["source_last_modified"].endswith("GMT")


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("cut", [None, 400])
def test_a_week_that_changes_while_it_is_read_is_read_again(
    load: Loads, site: Soda, moment: str, cut: int | None
) -> None:
    """As many rows as before: sums, and the time of the last change, tell. Only that day is read again."""
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


def test_a_week_that_never_stops_changing_is_not_published(site: Soda, tmp_path: Path) -> None:
    load = Loads(site, tmp_path, retry_wait=0.4)
    site.fail(Fault(on=".csv", after=raise_ridership(site), times=99))
    with pytest.raises(GaveUp, match="changed while it was read, 3,000 rows before and 3,000 after; gave up: nothing"):
        load()
    assert load.objects == []


def test_connections_that_break_now_and_then_are_not_counted_together(
    load: Loads, site: Soda, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "seconds_since", lambda moment: 0.0)
    site.fail(*[Fault(on="count(", drop=True), Fault(on="count(", skip_rows=(6, 7))] * 6)  # and the last day lacks
    assert load().state == "landed"
    assert load.content() == expected(in_order(WEEK))
    assert site.faults == []


@pytest.mark.parametrize("change", [change_numbers, turn_numbers])
def test_only_the_days_that_changed_are_read_again(load: Loads, site: Soda, change: Callable[[Tables], object]) -> None:
    """Numbers of two days change when all rows have come: by their sums, or by the time of the last change alone."""
    site.fail(Fault(on="2026-09-11T00:00:00' AND", after=lambda: change(site.tables)))
    assert load().state == "landed"
    _, after = rehearse(COLUMNS, WEEK, change)
    assert load.content() == expected(in_order(after))
    days = [query["$where"][22:32] for query in asked(site, ".csv")]
    assert days == [*map(str, Week(SATURDAY).days), "2026-09-08", "2026-09-11"]  # a Tuesday and a Friday
    assert load.facts()["source_bytes"] == len(b"".join(expected_lines(in_order(after))))


def test_rows_whose_sums_are_not_what_was_said_are_read_again(load: Loads, site: Soda) -> None:
    """As many as were counted, of the copy that says it has the newest data: which only their sums can tell."""
    wrong = [(*row[:7], "99999", *row[8:]) if n == 7 else row for n, row in enumerate(FIRST_DAY)]
    body = b"".join(expected_lines(wrong))
    site.fail(Fault(on="2026-09-05T00:00:00' AND transit_timestamp < '2026-09-06", body=body, content_type="text/csv"))
    assert load().state == "landed"
    assert load.content() == expected(in_order(WEEK))
    days = [query["$where"][22:32] for query in asked(site, ".csv")]
    assert days == [*map(str, Week(SATURDAY).days), "2026-09-05"]


def test_out_of_date_is_waited_for_and_then_taken_if_it_is_whole(
    site: Soda, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site.hour = Hour(replicas=(Replica("true", behind=9), Replica('["x"]', behind=9)))
    load = Loads(site, tmp_path, retry_wait=0.5)
    outcome = load()
    assert outcome.reason == "from a copy of 127.0.0.1 that is out of date"
    assert load.content() == expected(in_order(WEEK))
    assert (load.facts()["out_of_date"], load.facts()["source_last_modified"]) == (True, "")
    assert caplog.text.count("taking that, if it is whole") == 1
    asked_for_it = len(site.queries)
    assert load(refresh=True).state == "unchanged"  # it looks again, and no other week waits for a fresh answer
    assert len(site.queries) == asked_for_it + 9
    site.hour = Hour()
    assert Loads(site, tmp_path)(refresh=True).state == "unchanged"
    assert (load.facts()["out_of_date"], bool(load.facts()["source_last_modified"])) == (False, True)


@pytest.mark.parametrize("flag", ["false", "[]", "False", None])
def test_any_other_word_says_that_it_is_out_of_date(site: Soda, tmp_path: Path, flag: str | None) -> None:
    site.hour = Hour(replicas=(Replica(flag),))
    assert Loads(site, tmp_path)().reason == ""


@pytest.mark.parametrize("later", [Hour(replicas=(BEHIND,)), Hour()], ids=["all fall behind", "all are fresh again"])
def test_copies_that_change_in_the_middle_are_asked_for_figures_again(site: Soda, tmp_path: Path, later: Hour) -> None:
    """Counted by the newest data, sent by a copy that is behind, or the other way: it begins with what is there."""
    site.hour = Hour() if later.replicas == (BEHIND,) else Hour(replicas=(BEHIND,))
    load = Loads(site, tmp_path, retry_wait=0.5)
    if later == Hour():
        load.client.patience_with(site.url).takes_old = True

    def change() -> None:
        site.hour = later

    site.fail(Fault(on="2026-09-06T00:00:00' AND", before=change))
    assert load().state == "landed"
    assert load.facts()["out_of_date"] is (later.replicas == (BEHIND,))
    assert load.content() == expected(in_order(WEEK))


def test_a_week_that_never_stops_changing_takes_nothing_from_the_next(load: Loads, site: Soda) -> None:
    """The host is there: only the week is not to be had."""
    after = ridership_week(SATURDAY + timedelta(weeks=1), 300)
    site.revise(LIVE, "DELETE FROM {set} WHERE transit_timestamp >= '2026-09-12'")
    site.put(LIVE, COLUMNS, after)
    site.fail(Fault(on="2026-09-08T00:00:00' AND", after=raise_ridership(site), times=99))
    with pytest.raises(GaveUp, match="changed while it was read"):
        load()
    assert load(saturday=SATURDAY + timedelta(weeks=1)).state == "landed"


def test_a_set_that_grows_for_ever_is_given_up(site: Soda, tmp_path: Path) -> None:
    """Each try brings a row more than there ever was, and none is of a state that stands."""
    load = Loads(site, tmp_path, retry_wait=0.4)
    row = WEEK[5]
    first_day = "2026-09-05T00:00:00' AND transit_timestamp < '2026-09-06"
    site.fail(Fault(on=first_day, after=lambda: site.put(LIVE, COLUMNS, [row]), times=9999))
    with pytest.raises(GaveUp, match="nothing came that could be kept"):
        load()


def test_a_week_that_is_revised_while_a_connection_breaks_is_read_again(load: Loads, site: Soda) -> None:
    """What has changed is got on with when it is read again, though as many rows had come before."""
    site.fail(Fault(on="2026-09-11T00:00:00' AND", after=lambda: site.revise(LIVE, EVERY_RIDER)))
    site.fail(*[Fault(on="2026-09-10T00:00:00' AND", cut_rows=n) for n in (None, 60, 60, 60, 60, 60)])
    assert load().state == "landed"


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[]", b"{}", b'{"columns":[{"name":"x"}]}', b'{"columns":[],"rowsUpdatedAt":' + b"9" * 400 + b"}"],
)
def test_a_site_that_does_not_say_what_a_set_is_is_asked_by_the_names_that_are_known(
    load: Loads, site: Soda, body: bytes
) -> None:
    site.fail(Fault(on="api/views", body=body, times=9))
    assert load().state == "landed"
    assert load.content() == expected(in_order(WEEK))
    assert load.facts()["unknown_columns"] == []


def test_a_column_that_is_like_another_is_not_taken_for_it() -> None:
    (table,) = RIDERSHIP.sources
    said = SetDescription(("RIDERSHIP", *NAMES, ":@computed_region_x", "new"))
    assert choose_fields(table, RIDERSHIP, said) == (NAMES, ["NEW"])


@pytest.mark.parametrize("number", ["1e1000000", "Infinity", "NaN", "x"])
def test_a_sum_that_is_none_is_no_traceback(load: Loads, site: Soda, number: str) -> None:
    figures = b'[{"day":"2026-09-05T00:00:00.000","n":"428","last":"2026-09-11T23:00:00.000","sum_ridership":"%s"}]'
    site.fail(Fault(on="count(", body=figures % number.encode(), times=99))
    with pytest.raises(EtlError):
        load()


@pytest.mark.parametrize(
    ("age", "left"), [(0, 3600), (600, 3000), (3599, 1), (3600, 0), (10**8, 0), (-60, 3660), (-9999, 0)]
)
def test_a_release_settles_within_an_hour(monkeypatch: pytest.MonkeyPatch, age: float, left: float) -> None:
    monkeypatch.setattr(figures, "seconds_since", lambda moment: age)
    assert SetDescription((), 1.0).settles_in == left
