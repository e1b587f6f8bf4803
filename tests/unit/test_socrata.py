"""Feeds from tables of data.ny.gov, against a site that answers what it is asked: right to the byte, or not there.

A load is made and published without Prefect; what the rows must become is written down here a second time, the slow
and plain way.
"""

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from conftest import expected as as_ruled
from hourly import DAILY as DAILY_COLUMNS
from hourly import RIDERSHIP as COLUMNS
from hourly import TURNSTILE as TURNSTILE_COLUMNS
from hourly import daily_week, ridership_week, turnstile_rows
from mta_weekly.errors import EtlError, GaveUp, NotPublished, Refused, SourceFailed
from mta_weekly.feeds.catalog import DAILY, RIDERSHIP, TURNSTILE, Feed
from mta_weekly.feeds.weeks import label
from mta_weekly.fetch.http import web_client
from mta_weekly.lake.folder import FolderLake
from mta_weekly.load import Load
from mta_weekly.outcomes import Outcome
from mta_weekly.retry import Patience
from mta_weekly.settings import Settings
from soda import Fault, Soda
from web import Answer, Web
from weeks import HEADER, make_week

LIVE, MIDDLE, OLD = "5wq4-mkjj", "wujg-7c2s", "t69i-h2me"
SATURDAY, TODAY = date(2026, 9, 12), date(2026, 11, 21)
ROWS = 3000  # three times what the site sends where no limit is named
WEEK = ridership_week(SATURDAY, ROWS)
NAMES = [name for name, _ in COLUMNS]
KEY = [
    NAMES.index(name) for name in ("transit_timestamp", "station_complex_id", "payment_method", "fare_class_category")
]
SITE = "127.0.0.1"

Row = Sequence[str | None]


def in_order(rows: Sequence[Row], key: Sequence[int] = KEY) -> list[Row]:
    return sorted(rows, key=lambda row: [row[at] or "" for at in key])


def plain(number: str) -> str:
    """A whole number without a fraction, anything else as it is."""
    whole, point, fraction = number.partition(".")
    return whole if point and not fraction.strip("0") and whole.strip("-").isdecimal() else number


def expected(rows: Sequence[Row], columns: Sequence[tuple[str, str]] = COLUMNS) -> bytes:
    """What the object of rows in their order unpacks to, by design.md's words alone."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow(name.upper() for name, _ in columns)
    kinds = [kind for _, kind in columns]
    writer.writerows(
        [plain(cell or "") if kind == "number" else cell or "" for cell, kind in zip(row, kinds, strict=True)]
        for row in rows
    )
    return text.getvalue().encode()


@pytest.fixture
def site() -> Iterator[Soda]:
    """A data.ny.gov with the week, and with some of the weeks before and after it."""
    with Soda() as site:
        around = (ridership_week(SATURDAY + timedelta(weeks=n), 400) for n in (-1, 1))
        site.put(LIVE, COLUMNS, [*WEEK, *chain(*around)])
        yield site


class Loads:
    """Loads a week from the site into a folder, as a run does."""

    def __init__(self, site: Soda, folder: Path, **options: Any) -> None:
        self.settings = Settings(**{"socrata_url": site.url, "retry_base": 0.001, **options})
        self.lake, self.folder = FolderLake(folder / "lake"), folder
        self.client = web_client(self.settings, options.get("token"))
        self.lake.prepare()

    def __call__(
        self, feed: Feed = RIDERSHIP, saturday: date = SATURDAY, refresh: bool = False, allow_bad_rows: int = 0
    ) -> Outcome:
        patience = Patience.of(self.settings, label(saturday))
        key = feed.key(label(saturday))
        seen = self.lake.find([key], patience).get(key)
        load = Load(label(saturday), feed, self.lake, seen, self.folder, "run", patience, TODAY, refresh)
        return load.publish(load.make(self.client, self.settings, allow_bad_rows, lambda chunks, _, __: chunks))

    def content(self, feed: Feed = RIDERSHIP, saturday: date = SATURDAY) -> bytes:
        return gzip.decompress((self.lake.folder / feed.key(label(saturday))).read_bytes())

    def facts(self, feed: Feed = RIDERSHIP, saturday: date = SATURDAY) -> dict[str, Any]:
        return json.loads((self.lake.folder / f"{feed.key(label(saturday))}.json").read_bytes())

    @property
    def objects(self) -> list[Path]:
        return [path for path in self.lake.folder.rglob("*.gz*") if path.is_file() and path.suffix != ".lock"]


@pytest.fixture
def load(site: Soda, tmp_path: Path) -> Loads:
    return Loads(site, tmp_path)


def asked(site: Soda, what: str) -> list[dict[str, str]]:
    """The queries for rows (`.csv`) or for figures (`.json`)."""
    return [parameters for path, parameters in site.queries if path.endswith(what)]


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
    assert facts["source_url"].startswith(f"{site.url}/resource/{LIVE}.csv?$where=transit_timestamp%20%3E%3D")
    assert facts["source_last_modified"].endswith("GMT")
    assert len(asked(site, ".csv")) == 1
    assert len(asked(site, ".json")) == 2


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
    (load.lake.folder / f"{RIDERSHIP.key(label(SATURDAY))}.json").unlink()
    patience = Patience.of(load.settings, "")
    (seen,) = load.lake.find([RIDERSHIP.key(label(SATURDAY))], patience).values()
    Load(label(SATURDAY), RIDERSHIP, load.lake, seen, load.folder, "run", patience, TODAY).keep(seen)
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
    (load.lake.folder / RIDERSHIP.key(label(SATURDAY))).unlink()
    load()
    assert len(asked(site, ".csv")) == 5


def raise_ridership(site: Soda) -> Callable[[], object]:
    def revise() -> None:
        site.revise(LIVE, "UPDATE {set} SET ridership = '99' WHERE transit_timestamp = '2026-09-08T09:00:00.000'")

    return revise


REVISED = [row if row[0] != "2026-09-08T09:00:00.000" else (*row[:7], "99", *row[8:]) for row in WEEK]


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


def expected_lines(rows: Sequence[Row]) -> list[bytes]:
    """The site's own CSV, line by line."""
    cells = [NAMES, *rows]
    return [
        (",".join("" if c is None else '"' + c.replace('"', '""') + '"' for c in row) + "\n").encode() for row in cells
    ]


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
    (load.lake.folder / RIDERSHIP.key(label(SATURDAY))).unlink()
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
    aside = gzip.decompress((load.lake.folder / "rejected" / RIDERSHIP.key(label(SATURDAY))).read_bytes()).decode()
    assert "9,RIDERSHIP 'many' is no number" in aside


def test_an_answer_that_does_not_end_is_left(load: Loads, site: Soda) -> None:
    """As soon as there are more rows than were counted."""
    header, *rows = expected_lines(in_order(WEEK))
    body = header + b"".join(rows) * 100
    site.fail(Fault(on=".csv", body=body, content_type="text/csv"))
    received = []
    part = Load(label(SATURDAY), RIDERSHIP, load.lake, None, load.folder, "run", Patience(2, 1, 0.001), TODAY)

    def watch(chunks: Iterator[bytes], *_: object) -> Iterator[bytes]:
        for chunk in chunks:
            received.append(len(chunk))
            yield chunk

    assert part.make(load.client, load.settings, 0, watch).content.rows == ROWS
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


def test_the_lake_has_all_patience_again_after_a_host_that_is_gone(site: Soda, tmp_path: Path) -> None:
    load = Loads(site, tmp_path, turnstile_url="http://127.0.0.1:1")
    site.put("ekwu-khcy", TURNSTILE_COLUMNS, turnstile_rows(published(MARCH)))
    patience = Patience.of(load.settings, "")
    part = Load("160312", TURNSTILE, load.lake, None, load.folder, "run", patience, TODAY)
    part.make(load.client, load.settings, 0, lambda chunks, _, __: chunks)
    assert patience.failures == 0


# The token


def test_the_token_goes_to_its_own_host_alone_and_is_never_shown(site: Soda, web: Web, tmp_path: Path) -> None:
    site.fail(Fault(on=".csv", status=302, headers={"Location": f"{web.url}/elsewhere"}))
    site.fail(Fault(on="count(", status=403, body=b'{"message":"Invalid app_token t0p-s3cret"}'))
    load = Loads(site, tmp_path, token="t0p-s3cret")
    with pytest.raises(SourceFailed) as refused:
        load()
    assert "which says 'Invalid app_token ...'" in str(refused.value)
    web.serve("/elsewhere", Answer(b"".join(expected_lines(in_order(WEEK)))))
    load()
    assert load.content() == expected(in_order(WEEK))
    assert {seen.headers.get("x-app-token") for seen in site.requests} == {"t0p-s3cret"}
    assert [seen.headers.get("x-app-token") for seen in web.requests] == [None]
    assert all("t0p-s3cret" not in path.read_text(errors="replace") for path in load.objects)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(on=".csv", body=b'{"message":"Invalid app_token t0p-s3cret"}\n', times=9),
        Fault(on="count(", body=b'[{"n":"t0p-s3cret"}]'),
        Fault(on="count(", body=b'[{"n":"3000","last":"t0p-s3cret"}]'),
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


def test_a_version_that_repeats_the_token_is_no_fact(site: Soda, tmp_path: Path) -> None:
    site.fail(Fault(on="count(", headers={"ETag": '"t0p-s3cret"'}, times=2))
    load = Loads(site, tmp_path, token="t0p-s3cret")
    load()
    assert load.facts()["source_etag"] == '"..."'


def test_without_a_token_none_is_sent_and_no_cache_may_answer(load: Loads, site: Soda) -> None:
    load()
    assert {seen.headers.get("x-app-token") for seen in site.requests} == {None}
    assert {seen.headers.get("cache-control") for seen in site.requests} == {"no-cache"}


# Revisions


def test_a_refresh_of_a_set_that_has_not_changed_only_looks(load: Loads, site: Soda) -> None:
    load()
    outcome = load(refresh=True)
    assert outcome.state == "there"
    assert outcome.reason == f"the source has not changed since {load.facts()['source_last_modified']}"
    assert len(asked(site, ".csv")) == 1


def test_a_refresh_of_equal_content_updates_only_the_facts(load: Loads, site: Soda) -> None:
    load()
    path = load.lake.folder / RIDERSHIP.key(label(SATURDAY))
    before, stat = load.facts(), path.stat()
    site.revise(LIVE, "UPDATE {set} SET ridership = '7' WHERE transit_timestamp > '2026-09-13'")
    outcome = load(refresh=True)
    assert (outcome.state, outcome.rows, outcome.reason) == ("unchanged", ROWS, "")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (stat.st_ino, stat.st_mtime_ns)
    after = load.facts()
    assert after["source_last_modified"] > before["source_last_modified"]
    same = ("sha256", "size", "crc32c", "rows", "sums")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert load(refresh=True).state == "there"


def test_a_refresh_replaces_what_was_revised_and_says_rows_and_sums(load: Loads, site: Soda) -> None:
    load()
    was = load.facts()
    raise_ridership(site)()
    site.revise(LIVE, "DELETE FROM {set} WHERE transit_timestamp = '2026-09-09T10:00:00.000'")
    outcome = load(refresh=True)
    assert outcome.state == "replaced"
    assert load.content() == expected(in_order([row for row in REVISED if row[0] != "2026-09-09T10:00:00.000"]))
    now = load.facts()
    ridership = [f"{facts['sums']['RIDERSHIP']:,.3f}".rstrip("0").rstrip(".") for facts in (was, now)]
    assert outcome.reason.startswith(
        f"rows {was['rows']:,} before, {now['rows']:,} now, "
        f"RIDERSHIP {ridership[0]} before, {ridership[1]} now, TRANSFERS "
    )


@pytest.mark.parametrize("facts", ["none", "without sums"])
def test_a_refresh_knows_an_object_whose_facts_say_less(load: Loads, site: Soda, facts: str) -> None:
    load()
    path = load.lake.folder / f"{RIDERSHIP.key(label(SATURDAY))}.json"
    was = load.facts()
    kept = {name: value for name, value in was.items() if name not in ("sums", "empty", "source")}
    path.write_text("" if facts == "none" else json.dumps(kept))
    assert load(refresh=True).state == "unchanged"
    path.write_text("" if facts == "none" else json.dumps(kept))
    raise_ridership(site)()
    assert f"RIDERSHIP {was['sums']['RIDERSHIP']:,.3f}".rstrip("0").rstrip(".") in load(refresh=True).reason


def test_a_refresh_that_fails_leaves_the_object_and_says_so(load: Loads, site: Soda) -> None:
    load()
    site.revise(LIVE, "DELETE FROM {set} WHERE transit_timestamp LIKE '2026-09-11T23%'")
    with pytest.raises(NotPublished, match=r"has later ones; what is in the lake stays$"):
        load(refresh=True)
    assert load.content() == expected(in_order(WEEK))


def test_a_refresh_of_a_damaged_object_says_so_before_anything_is_downloaded(load: Loads, site: Soda) -> None:
    load()
    (load.lake.folder / RIDERSHIP.key(label(SATURDAY))).write_bytes(b"junk")
    asked_before = len(site.queries)
    with pytest.raises(Refused, match=r"not a whole gzip file .*; --force loads it again"):
        load(refresh=True)
    assert len(site.queries) == asked_before


# The second source of the turnstile feed


def published(saturday: date, rows: int = 600) -> bytes:
    """A weekly file whose rows are in the order of their key."""
    lines = make_week(saturday, rows).decode().splitlines()[1:]
    return HEADER + "".join(f"{line}\n" for line in sorted(lines, key=turnstile_key)).encode()


def turnstile_key(line: str) -> list[str]:
    ca, unit, scp, *_, day, time, _, _, _ = line.split(",")
    return [ca, unit, scp, day[6:] + day[:5], time]


def without_stations(body: bytes) -> bytes:
    lines = [line.split(",") for line in body.decode().splitlines()]
    return "".join(",".join([*line[:3], "", "", *line[5:]]) + "\n" for line in lines).encode()


@pytest.fixture
def turnstile(site: Soda, web: Web, tmp_path: Path) -> Loads:
    return Loads(site, tmp_path, turnstile_url=web.url)


MARCH = date(2016, 3, 12)


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
    load = Loads(site, tmp_path, turnstile_url="http://127.0.0.1:1", retry_base=0.2)
    bodies = {MARCH + timedelta(weeks=n): published(MARCH + timedelta(weeks=n)) for n in (0, 1)}
    for body in bodies.values():
        site.put("ekwu-khcy", TURNSTILE_COLUMNS, turnstile_rows(body))
    seconds = [load(TURNSTILE, week).seconds for week in bodies]
    assert seconds[0] > 1.4  # pauses of at least 0.1, 0.2, 0.4 and 0.8 s
    assert seconds[1] < 0.9
    assert [load.content(TURNSTILE, week) for week in bodies] == list(map(as_ruled, bodies.values()))


def test_a_fault_that_is_none_of_the_two_asks_no_other_source(turnstile: Loads, site: Soda, web: Web) -> None:
    site.put("ekwu-khcy", TURNSTILE_COLUMNS, turnstile_rows(published(MARCH)))
    for answer in (Answer(status=503), Answer(b"<html>"), Answer(status=403)):
        web.serve("/turnstile_160312.txt", answer)
        with pytest.raises(EtlError):
            turnstile(TURNSTILE, MARCH)
    assert site.queries == []


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


def test_a_week_of_two_years_is_one_week_in_order(turnstile: Loads, site: Soda) -> None:
    saturday = date(2017, 1, 7)
    body = published(saturday)
    rows = turnstile_rows(body)
    site.put("ekwu-khcy", TURNSTILE_COLUMNS, [row for row in rows if row[6] < "2017"])
    site.put("v5y5-mwpb", TURNSTILE_COLUMNS, [row for row in rows if row[6] >= "2017"])
    assert turnstile(TURNSTILE, saturday).rows == 600
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
    else:
        site.fail(Fault(on="v5y5-mwpb.csv", body=b'"c_a","units"\n' + b'"A002","R1"\n' * len(late)))
    with pytest.raises(Refused, match=r"columns of the data sets differ|bad rows, 0 allowed"):
        turnstile(TURNSTILE, saturday)


def test_a_refresh_of_two_sets_of_which_one_says_no_time_looks_at_both(load: Loads, site: Soda) -> None:
    saturday, turn = date(2025, 1, 4), "2025-01-01"
    rows = ridership_week(saturday, 1200)
    site.put(MIDDLE, COLUMNS, [row for row in rows if row[0] < turn])
    site.put(LIVE, COLUMNS, [row for row in rows if row[0] >= turn])
    silent = Fault(on=f"{MIDDLE}.json", headers={"Last-Modified": None}, times=9)
    site.fail(silent)
    load(saturday=saturday)
    site.revise(MIDDLE, "UPDATE {set} SET ridership = '99' WHERE transit_timestamp LIKE '2024-12-30T08%'")
    assert load(saturday=saturday, refresh=True).state == "replaced"


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


def test_a_refresh_does_not_take_another_source_for_a_revision(turnstile: Loads, site: Soda, web: Web) -> None:
    web.serve("/turnstile_160312.txt", Answer(make_week(MARCH, 500), last_modified="Sat, 12 Mar 2016 12:00:00 GMT"))
    site.put("ekwu-khcy", TURNSTILE_COLUMNS, turnstile_rows(published(MARCH)))
    turnstile(TURNSTILE, MARCH)
    was = turnstile.content(TURNSTILE, MARCH)
    web.serve("/turnstile_160312.txt", Answer(status=404))
    with pytest.raises(NotPublished, match="404"):
        turnstile(TURNSTILE, MARCH, refresh=True)
    assert turnstile.content(TURNSTILE, MARCH) == was
    web.serve("/turnstile_160312.txt", Answer(status=304))
    assert turnstile(TURNSTILE, MARCH, refresh=True).state == "there"
    assert web.requests[-1].headers["if-modified-since"] == "Sat, 12 Mar 2016 12:00:00 GMT"
