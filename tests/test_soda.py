"""The pretend data.ny.gov is honest unless ordered otherwise, and the rows generated for it have the published form."""

import csv
import hashlib
import io
import json
import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

import hourly
import soda
from conftest import said_by_processes
from hourly import DAILY, FULL_WEEK, RIDERSHIP, TURNSTILE, daily_week, ridership_week, turnstile_rows
from soda import RIDERSHIP_SET, Fault, Soda
from weeks import make_week

SATURDAY = date(2026, 9, 5)  # its week is 2026-08-29 to 09-04
WINDOW = "transit_timestamp >= '2026-08-29T00:00:00' AND transit_timestamp < '2026-09-05T00:00:00'"
KEY = ("transit_timestamp", "station_complex_id", "payment_method", "fare_class_category")
ORDER = ",".join([*KEY, ":id"])
COLUMNS = [name for name, _ in RIDERSHIP]
ROWS = 2500
WEEK = ridership_week(SATURDAY, ROWS)

SMALL = "aaaa-bbbb"
SMALL_COLUMNS = (("at", "floating_timestamp"), ("name", "text"), ("many", "number"))
SMALL_ROWS = [
    ("2026-09-04T23:00:00.000", "A, B (1,2)", "9"),
    ("2026-09-05T00:00:00.000", 'the "C"', "10.0"),
    ("2026-09-05T01:00:00.000", "Peña", "-1"),
    ("2026-09-06T00:00:00.000", "", "3.5"),
    (None, None, None),
]


@pytest.fixture
def site() -> Iterator[Soda]:
    with Soda() as site:
        site.put(SMALL, SMALL_COLUMNS, SMALL_ROWS, "Small")
        yield site


@pytest.fixture
def week(site: Soda) -> Soda:
    """The site, with a week."""
    site.put(RIDERSHIP_SET, RIDERSHIP, WEEK)
    return site


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=20) as http:
        yield http


@pytest.fixture
def ask(site: Soda, http: httpx.Client) -> "Ask":
    return Ask(site, http)


class Ask:
    """Puts questions; parameters go without their $."""

    def __init__(self, site: Soda, http: httpx.Client) -> None:
        self.site, self.http = site, http

    def __call__(
        self, file: str = f"{SMALL}.csv", headers: dict[str, str] | None = None, **asked: object
    ) -> httpx.Response:
        parameters = {f"${name}": value for name, value in asked.items()}
        return self.http.get(f"{self.site.url}/resource/{file}", params=parameters, headers=headers)

    def rows(self, file: str = f"{SMALL}.csv", **asked: object) -> list[tuple[str, ...]]:
        """Those of a CSV, without the header."""
        answer = self(file, **asked)
        assert answer.status_code == 200, answer.text
        return parsed(answer.text)

    def names(self, **asked: object) -> list[str]:
        """The names in the small set that fit, in the order asked for; by time if none is."""
        return [row[0] for row in self.rows(select="name", **{"order": "at", **asked})]


def parsed(text: str) -> list[tuple[str, ...]]:
    return [tuple(row) for row in csv.reader(io.StringIO(text))][1:]


def shown(rows: list[tuple[str | None, ...]]) -> list[tuple[str, ...]]:
    """As a CSV reader sees them."""
    return [tuple(cell or "" for cell in row) for row in rows]


def by_key(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return sorted(rows, key=lambda row: (row[0], row[2], row[5], row[6]))


HOURLY = f"{RIDERSHIP_SET}.csv"
IN_ORDER = by_key(shown(WEEK))


def test_the_default_limit_is_a_thousand(week: Soda, ask: Ask) -> None:
    assert len(ask.rows(HOURLY)) == 1000
    assert len(ask.rows(HOURLY, where=WINDOW, order=ORDER)) == 1000
    assert len(ask.rows(HOURLY, limit=500_000)) == ROWS
    assert ask.rows(HOURLY, limit=0) == []


def test_rows_come_in_the_order_asked_for_and_in_none_otherwise(week: Soda, ask: Ask) -> None:
    unordered = ask.rows(HOURLY, limit=ROWS)
    assert sorted(unordered) == sorted(IN_ORDER)
    assert unordered not in (IN_ORDER, shown(WEEK))
    assert ask.rows(HOURLY, limit=ROWS, order=ORDER) == IN_ORDER
    assert (
        ask.rows(HOURLY, limit=ROWS, order=f"{KEY[0]} DESC, station_complex_id,{','.join(KEY[2:])}")[0][0][8:13]
        == "04T23"
    )
    by_half = ask.rows(HOURLY, limit=ROWS, order=KEY[0])
    assert [row[0] for row in by_half] == [row[0] for row in IN_ORDER]
    assert by_half != IN_ORDER  # rows of one hour stay shuffled


def test_a_row_has_an_id(week: Soda, ask: Ask) -> None:
    ids = [row[0] for row in ask.rows(HOURLY, select=":id", limit=ROWS, order=":id")]
    assert ids == sorted(set(ids))
    assert len(ids) == ROWS
    assert all(re.fullmatch(r"row(-|\.)\w{4}\.\w{4}\.\w{4}", each) for each in ids)
    assert ask(HOURLY, limit=1).text.splitlines()[0] == ",".join(f'"{name}"' for name in COLUMNS)
    assert ask(HOURLY, select=":id, *", limit=1).text.startswith('":id","transit_timestamp"')


def test_pages_cover_every_row_once(week: Soda, ask: Ask) -> None:
    pages = [ask.rows(HOURLY, where=WINDOW, order=ORDER, limit=700, offset=at) for at in range(0, ROWS + 700, 700)]
    assert [len(page) for page in pages] == [700, 700, 700, 400, 0]
    assert [row for page in pages for row in page] == IN_ORDER


@pytest.mark.parametrize(
    "midnight", ["2026-09-05", "2026-09-05T00:00", "2026-09-05T00:00:00", "2026-09-05T00:00:00.000"]
)
def test_times_compare_by_time(ask: Ask, midnight: str) -> None:
    assert ask.names(where=f"at < '{midnight}'") == ["A, B (1,2)"]
    assert ask.names(where=f"at <= '{midnight}'") == ["A, B (1,2)", 'the "C"']
    assert ask.names(where=f"at = '{midnight}'") == ['the "C"']
    assert ask.names(where=f"at >= '{midnight}' AND at < '2026-09-06'") == ['the "C"', "Peña"]
    assert ask.names(where=f"at > '{midnight}'") == ["Peña", ""]
    assert ask.names(where=f"at between '{midnight}' and '2026-09-06'") == ['the "C"', "Peña", ""]
    assert ask.names(where=f"at != '{midnight}'") == ["A, B (1,2)", "Peña", ""]


def test_numbers_compare_and_sort_as_numbers(ask: Ask) -> None:
    assert [row[0] for row in ask.rows(select="many,at", order="many")] == ["-1", "3.5", "9", "10.0", ""]
    assert [row[0] for row in ask.rows(select="many,at", order="many DESC")] == ["", "10.0", "9", "3.5", "-1"]
    assert ask.names(where="many > 9") == ['the "C"']
    assert ask.names(where="many = '10'") == ['the "C"']
    assert ask.names(where="many < 0 or many in (9, 3.50)") == ["A, B (1,2)", "Peña", ""]


def test_conditions(ask: Ask) -> None:
    assert ask.names(where="name = 'Peña' OR many = 9 AND at > '2026-09-05'") == ["Peña"]
    assert ask.names(where="(name = 'Peña' OR many = 9) AND at < '2026-09-05'") == ["A, B (1,2)"]
    assert ask.names(where="NOT many > 0") == ["Peña"]
    assert ask.rows(where="name is null") == [("", "", "")]
    assert len(ask.rows(where="`at` IS NOT NULL")) == 4
    assert ask.names(where="name NOT IN ('Peña', 'it''s')") == ["A, B (1,2)", 'the "C"', ""]
    simple = ask.http.get(f"{ask.site.url}/resource/{SMALL}.csv", params={"name": "Peña", "$where": "many < 0"})
    assert parsed(simple.text) == [SMALL_ROWS[2]]


def test_aggregates(week: Soda, ask: Ask) -> None:
    file = f"{RIDERSHIP_SET}.json"
    last_day = "transit_timestamp >= '2026-09-04' and transit_timestamp < '2026-09-05'"
    there = [row for row in WEEK if row[0].startswith("2026-09-04")]
    assert ask(file, select="count(*) as n", where=WINDOW).json() == [{"n": str(ROWS)}]
    assert ask(file, select="count(*)", where=last_day).json() == [{"count": str(len(there))}]
    assert 0 < len(there) < ROWS
    assert ask(file, select="max(transit_timestamp) as last").json() == [{"last": "2026-09-04T23:00:00.000"}]
    assert ask(file, select="min(transit_timestamp), count(latitude) as placed", where=last_day).json() == [
        {"min_transit_timestamp": "2026-09-04T00:00:00.000", "placed": str(sum(row[9] is not None for row in there))}
    ]
    [sums] = ask(file, select="sum(ridership) as riders, max(ridership) as most", where=last_day).json()
    assert float(sums["riders"]) == sum(float(row[7]) for row in there)
    assert float(sums["most"]) == max(float(row[7]) for row in there)
    assert ask(file, select="max(transit_timestamp) as last", where="transit_timestamp > '2027-01-01'").json() == [{}]
    assert ask(HOURLY, select="count(*) as n").text == f'"n"\n"{ROWS}"\n'


def test_csv_cell_by_cell(ask: Ask) -> None:
    answer = ask(order="at")
    assert answer.content.decode() == (
        '"at","name","many"\n'
        '"2026-09-04T23:00:00.000","A, B (1,2)","9"\n'
        '"2026-09-05T00:00:00.000","the ""C""","10.0"\n'
        '"2026-09-05T01:00:00.000","Peña","-1"\n'
        '"2026-09-06T00:00:00.000","","3.5"\n'
        ",,\n"
    )
    assert answer.headers["content-type"] == "text/csv; charset=UTF-8"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in answer.headers
    assert answer.headers["x-soda2-data-out-of-date"] == "false"


def test_json_leaves_nulls_out(ask: Ask) -> None:
    answer = ask(f"{SMALL}.json", order="at")
    names = [name for name, _ in SMALL_COLUMNS]
    assert answer.json() == [*[dict(zip(names, row, strict=True)) for row in SMALL_ROWS[:4]], {}]
    assert answer.headers["transfer-encoding"] == "chunked"
    assert ask(f"{SMALL}.json", limit=0).json() == []


@pytest.mark.parametrize(
    "asked",
    [
        {"where": "wrong > 1"},
        {"select": "wrong"},
        {"order": "wrong"},
        {"where": "at >"},
        {"where": ""},
        {"where": "at > '2026-09-05' at"},
        {"where": "(many > 1"},
        {"where": "at > 'yesterday'"},
        {"where": "at > '2026-13-01'"},
        {"where": "at > 5"},
        {"where": "many > 'x'"},
        {"where": "name = 1"},
        {"where": "name = at"},
        {"where": "many > 1; DROP TABLE x"},
        {"select": "name, count(*)"},
        {"select": "sum(name)"},
        {"select": "count(*) as n", "order": "at"},
        {"limit": "-1"},
        {"limit": "many"},
        {"offset": "1.5"},
        {"group": "name"},
    ],
)
def test_a_wrong_question_is_refused(ask: Ask, asked: dict[str, str]) -> None:
    answer = ask(**asked)
    body = answer.json()
    assert (answer.status_code, sorted(body), body["error"]) == (400, ["code", "data", "error", "message"], True)
    if "wrong" in str(asked):
        assert (body["code"], body["data"]) == ("query.soql.no-such-column", {"column": "wrong"})
    assert ask().status_code == 200


@pytest.mark.parametrize(
    "path", ["/resource/zzzz-zzzz.csv", "/api/views/zzzz-zzzz.json", f"/resource/{SMALL}.xml", "/"]
)
def test_what_is_not_there(site: Soda, http: httpx.Client, path: str) -> None:
    answer = http.get(site.url + path)
    assert (answer.status_code, answer.json()["code"], answer.json()["error"]) == (404, "dataset.missing", True)


def test_a_version_is_told_by_etag_and_time(site: Soda, ask: Ask) -> None:
    first, again = ask(), ask(f"{SMALL}.json")
    assert site.revise(SMALL, "UPDATE {set} SET many = ? WHERE name = ?", "11", "Peña") == 1
    second = ask()
    site.put(SMALL, SMALL_COLUMNS, [("2026-09-07T00:00:00.000", "new", "1")])
    third = ask()
    assert first.headers["etag"] == again.headers["etag"]
    assert len({answer.headers["etag"] for answer in (first, second, third)}) == 3
    times = [parsedate_to_datetime(answer.headers["last-modified"]) for answer in (first, second, third)]
    assert times[1] - times[0] >= timedelta(seconds=1) <= times[2] - times[1]
    assert [("Peña", "11") in [row[1:] for row in parsed(answer.text)] for answer in (first, second)] == [False, True]
    assert len(parsed(third.text)) == len(SMALL_ROWS) + 1

    view = ask.http.get(f"{site.url}/api/views/{SMALL}.json").json()
    assert (view["id"], view["name"]) == (SMALL, "Small")
    assert datetime.fromtimestamp(view["rowsUpdatedAt"], UTC) == times[2]
    assert [column["fieldName"] for column in view["columns"]] == [name for name, _ in SMALL_COLUMNS]


def test_not_modified(site: Soda, ask: Ask) -> None:
    old = ask()
    tag, then = old.headers["etag"], old.headers["last-modified"]
    for headers in ({"If-None-Match": tag}, {"If-None-Match": f'"x", {tag}'}, {"If-Modified-Since": then}):
        same = ask(headers=headers)
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert ask(headers={"If-None-Match": '"x"', "If-Modified-Since": then}).status_code == 200
    assert ask(headers={"If-Modified-Since": "once"}).status_code == 200
    site.revise(SMALL, "DELETE FROM {set} WHERE name = 'Peña'")
    assert ask(headers={"If-None-Match": tag}).status_code == 200
    assert ask(headers={"If-Modified-Since": then}).status_code == 200


def test_put_and_revise_keep_the_form(site: Soda, ask: Ask) -> None:
    with pytest.raises(ValueError, match="has the columns at, name, many"):
        site.put(SMALL, SMALL_COLUMNS[:2], [])
    for wrong in ("2026-09-05", "2026-09-05T00:00:00", "2026-09-05T00:00:00.000Z"):
        with pytest.raises(sqlite3.IntegrityError, match="CHECK constraint"):
            site.put(SMALL, SMALL_COLUMNS, [SMALL_ROWS[0], (wrong, "x", "1")])
        with pytest.raises(sqlite3.IntegrityError, match="CHECK constraint"):
            site.put("cccc-dddd", SMALL_COLUMNS, [(wrong, "x", "1")])
    assert ask("cccc-dddd.csv").status_code == 404
    site.put("cccc-dddd", DAILY, [])
    assert ask("cccc-dddd.csv").text == '"date","mode","count"\n'
    before = ask()
    assert len(parsed(before.text)) == len(SMALL_ROWS)
    assert before.headers["etag"].endswith('-1"')
    site.revise(SMALL, "INSERT INTO {set} (name, many) VALUES ('new', 7)")
    [(name, many, row_id)] = ask.rows(select="name, many, :id", where="name = 'new'")
    assert (name, many, row_id[:4]) == ("new", "7", "row-")


def test_a_large_answer_is_made_once_a_version(
    site: Soda, ask: Ask, monkeypatch: pytest.MonkeyPatch, http: httpx.Client
) -> None:
    monkeypatch.setattr(soda, "KEPT_BLOCKS", 0)
    renderings: list[int] = []
    monkeypatch.setattr(soda, "_csv", lambda *a, real=soda._csv: (renderings.append(1), real(*a))[1])
    texts = {ask(order="at").text, ask(order="at").text}
    assert (len(texts), len(renderings)) == (1, 1)
    assert ask(order="at DESC").text not in texts
    site.fail(Fault(short_rows=1))
    assert len(parsed(ask(order="at").text)) == 1
    assert ask(order="at").text in texts  # what a fault made of it was not remembered
    site.revise(SMALL, "UPDATE {set} SET many = 0")
    assert ask(order="at").text not in texts
    assert len(renderings) == 4


# Faults


def test_faults_are_used_by_the_first_request_that_they_fit(site: Soda, ask: Ask) -> None:
    site.fail(Fault(on="max(", status=500), Fault(on=".csv", status=429, headers={"Retry-After": "2"}, times=2))
    codes = [ask().status_code, ask(f"{SMALL}.json").status_code, ask(f"{SMALL}.json", select="min(at)").status_code]
    assert codes == [429, 200, 200]
    assert [fault.times for fault in site.faults] == [1, 1]
    limited, broken = ask(), ask(f"{SMALL}.json", select="max(at) as last")
    assert (limited.status_code, limited.headers["retry-after"], limited.json()["error"]) == (429, "2", True)
    assert (broken.status_code, sorted(broken.json())) == (500, ["code", "data", "error", "message"])
    assert site.faults == []
    assert ask().status_code == 200
    assert site.queries[-2] == (f"/resource/{SMALL}.json", {"$select": "max(at) as last"})
    assert len(site.queries) == len(site.requests) == 6


def test_fault_another_body(site: Soda, ask: Ask) -> None:
    site.fail(
        Fault(body=b"<html>", content_type="text/html"), Fault(status=202, body=b"{}"), Fault(headers={"ETag": None})
    )
    page, pending, bare = ask(), ask(), ask()
    assert (page.status_code, page.content, page.headers["content-type"]) == (200, b"<html>", "text/html")
    assert (pending.status_code, pending.json()) == (202, {})
    assert (len(parsed(bare.text)), "etag" in bare.headers) == (len(SMALL_ROWS), False)


def test_fault_stale(site: Soda, ask: Ask) -> None:
    site.fail(Fault(stale=True))
    stale, fresh = ask(), ask()
    assert stale.content == fresh.content
    assert [answer.headers["x-soda2-data-out-of-date"] for answer in (stale, fresh)] == ["true", "false"]


@pytest.mark.parametrize("rows", [0, 1, 2, 999, ROWS - 1, ROWS])
def test_fault_cut_in_the_middle_of_a_row(week: Soda, ask: Ask, rows: int) -> None:
    whole = ask(HOURLY, order=ORDER, limit=ROWS).text.splitlines(keepends=True)
    week.fail(Fault(on=".csv", cut_rows=rows))
    got = b""
    with (
        pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"),
        ask.http.stream("GET", f"{week.url}/resource/{HOURLY}", params={"$order": ORDER, "$limit": ROWS}) as answer,
    ):
        for piece in answer.iter_raw():
            got += piece
    expected = whole[: 1 + rows]
    if rows < ROWS:
        expected.append(whole[1 + rows][: len(whole[1 + rows]) // 2])
    assert got.decode() == "".join(expected)


def test_fault_silently_short_or_without_some_rows(week: Soda, ask: Ask) -> None:
    asked = {"order": ORDER, "limit": ROWS}
    week.fail(Fault(short_rows=1000), Fault(skip_rows=(500, 1500)), Fault(short_rows=700, skip_rows=(0, 100)))
    assert ask.rows(HOURLY, **asked) == IN_ORDER[:1000]
    assert ask.rows(HOURLY, **asked) == IN_ORDER[:500] + IN_ORDER[1500:]
    assert ask.rows(HOURLY, **asked) == IN_ORDER[100:800]
    assert ask.rows(HOURLY, **asked) == IN_ORDER
    week.fail(Fault(on=".json", short_rows=1))
    assert len(ask(f"{RIDERSHIP_SET}.json").json()) == 1


def test_fault_no_order(week: Soda, ask: Ask) -> None:
    week.fail(Fault(no_order=True))
    rows = ask.rows(HOURLY, order=ORDER, limit=ROWS)
    assert rows != IN_ORDER
    assert by_key(rows) == IN_ORDER


def test_fault_drop_and_wait(site: Soda, ask: Ask) -> None:
    site.fail(Fault(drop=True), Fault(wait=0.2))
    with pytest.raises(httpx.RemoteProtocolError, match="disconnected"):
        ask()
    begun = time.monotonic()
    assert ask().status_code == 200
    assert time.monotonic() - begun >= 0.2


def test_a_revision_before_after_and_between(week: Soda, ask: Ask) -> None:
    def delete() -> None:
        week.revise(RIDERSHIP_SET, "DELETE FROM {set} WHERE rowid IN (SELECT rowid FROM {set} LIMIT 10)")

    def count() -> tuple[str, str]:
        answer = ask(f"{RIDERSHIP_SET}.json", select="count(*) as n")
        return answer.json()[0]["n"], answer.headers["etag"]

    week.fail(Fault(on="count(", before=delete), Fault(on=".csv", after=delete, times=2))
    (first, tag), answer = count(), ask(HOURLY, limit=ROWS)
    assert (first, len(parsed(answer.text)), answer.headers["etag"]) == (str(ROWS - 10), ROWS - 10, tag)
    second, other = count()
    assert (second, other != tag) == (str(ROWS - 20), True)
    same = ask(HOURLY, headers={"If-None-Match": other})
    assert (same.status_code, count()[0]) == (304, str(ROWS - 30))


def test_an_answer_is_of_one_version_though_the_set_is_revised_while_it_is_sent(site: Soda, http: httpx.Client) -> None:
    rows = [("2026-09-05T00:00:00.000", "x" * 5000, "1")] * 6000  # 30 MB: more than sockets hold
    site.put("big0-big0", SMALL_COLUMNS, rows)
    with http.stream("GET", f"{site.url}/resource/big0-big0.csv?$limit=6000&$order=at") as answer:
        pieces = answer.iter_raw()
        got = next(pieces)
        assert site.revise("big0-big0", "UPDATE {set} SET many = 2") == 6000
        assert {row[2] for row in parsed((got + b"".join(pieces)).decode())} == {"1"}
        assert answer.headers["etag"] == 'W/"big0-big0-1"'
    assert http.get(f"{site.url}/resource/big0-big0.json?$select=max(many)").json() == [{"max_many": "2"}]


def test_head_and_body_are_of_one_version(site: Soda, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    old = ask(order="at")

    def revised_first(*arguments: object, real: object = soda._send) -> None:
        site.revise(SMALL, "DELETE FROM {set}")
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(soda, "KEPT_BLOCKS", 0)
        patch.setattr(soda, "_send", revised_first)
        got = ask(order="at")
    assert (got.content, got.headers["etag"]) == (old.content, old.headers["etag"])
    assert site._kept == {}  # nobody will ask for that version again
    assert ask.rows() == []


def test_many_ask_at_once(week: Soda) -> None:
    def pages(_: int) -> list[tuple[str, ...]]:
        with httpx.Client(timeout=20) as http:
            ask = Ask(week, http)
            return [row for at in (0, 1000, 2000) for row in ask.rows(HOURLY, order=ORDER, offset=at)]

    with ThreadPoolExecutor(8) as pool:
        assert all(rows == IN_ORDER for rows in pool.map(pages, range(8)))


def test_the_site_as_a_process(http: httpx.Client) -> None:
    command = [sys.executable, soda.__file__, "300", "200"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().strip()
        text = http.get(f"{url}/resource/{HOURLY}", params={"$limit": 9999, "$order": ORDER}).text
        process.stdin.close()
        assert process.wait(10) == 0
    both = ridership_week(SATURDAY, 300) + ridership_week(SATURDAY + timedelta(weeks=1), 200)
    assert parsed(text) == by_key(shown(both))


# Generated rows


@pytest.mark.parametrize("rows", [0, 1, 100, 168, 300, 5000, 20_000])
def test_a_week_has_the_form_of_the_set(rows: int) -> None:
    made = ridership_week(SATURDAY, rows)
    assert len(made) == rows
    assert len({(row[0], row[2], row[5], row[6]) for row in made}) == rows
    start = datetime(2026, 8, 29)
    hours = {f"{start + timedelta(hours=n):%Y-%m-%dT%H:00:00.000}" for n in range(168)}
    seen = {row[0] for row in made}
    assert seen == hours if rows >= 168 else seen <= hours
    for row in made:
        _, mode, code, _, _, payment, fare, riders, transfers, *place = row
        assert len(row) == len(RIDERSHIP)
        assert re.fullmatch(r"[1-9]\d*(\.[05])?", riders)
        assert re.fullmatch(r"-?\d+", transfers)
        assert payment == fare.split()[0].lower()
        assert (mode == "tram") == code.startswith("TRAM")
        assert place == [None] * 3 or place[2] == f"POINT ({place[1]} {place[0]})"


def test_a_small_week_has_what_is_hard_to_read() -> None:
    assert sorted(Counter(row[2] for row in ridership_week(SATURDAY, 168)).values()) == [21] * 8
    made = ridership_week(SATURDAY, 1000)
    names = {row[3] for row in made}
    assert "Times Sq-42 St (N,Q,R,W,S,1,2,3,7)/42 St (A,C,E)" in names
    assert any('"' in name for name in names)
    assert not all(name.isascii() for name in names)
    assert {row[2] for row in made} >= {"TRAM1", "TRAM2", "611"}
    assert {row[5] for row in made} == {"omny", "metrocard"}
    written = Counter("point" if row[7].endswith(".0") else "part" if "." in row[7] else "whole" for row in made)
    assert written["whole"] > 700 > written["point"] > written["part"] > 0
    assert any(row[8].startswith("-") for row in made)
    assert any(row[9] is None for row in made)


def test_the_same_week_is_the_same_rows_in_every_process() -> None:
    code = (
        "import hashlib, datetime; from hourly import ridership_week;"
        "print(hashlib.sha256(repr(ridership_week(datetime.date(2026, 9, 5), 2500)).encode()).hexdigest())"
    )
    hashes = said_by_processes(code, Path(hourly.__file__).parent)
    assert hashes == {f"{hashlib.sha256(repr(WEEK).encode()).hexdigest()}\n".encode()}
    assert ridership_week(SATURDAY, ROWS, seed=1) != WEEK
    later = ridership_week(SATURDAY + timedelta(weeks=1), ROWS)
    assert [row[1:] for row in later] != [row[1:] for row in WEEK]


def test_a_full_week_has_the_size_and_make_up_of_a_real_one() -> None:
    begun = time.process_time()
    made = ridership_week(SATURDAY)
    assert time.process_time() - begun < 5  # mostly half a second
    assert len(made) == FULL_WEEK == 348_440
    assert len({(row[0], row[2], row[5], row[6]) for row in made}) == FULL_WEEK
    assert len({row[2] for row in made}) == 424
    assert len({row[6] for row in made}) == 12
    sample = made[::100]
    size = sum(len(line.encode()) for line in soda._csv(COLUMNS, sample)) / len(sample) * FULL_WEEK
    assert 60e6 < size < 110e6


def test_weeks_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="is a Friday"):
        ridership_week(date(2026, 9, 4), 10)
    with pytest.raises(ValueError, match="is a Friday"):
        daily_week(date(2026, 9, 4))
    with pytest.raises(ValueError, match="a week has 0 to 854784"):
        ridership_week(SATURDAY, 900_000)
    assert len(ridership_week(SATURDAY, 620_000)) == 620_000


def test_turnstile_rows_are_those_of_the_file(site: Soda, ask: Ask) -> None:
    rows = turnstile_rows(make_week(date(2016, 3, 5), 500))
    lines = make_week(date(2016, 3, 5), 500).decode().splitlines()[1:]
    assert len(rows) == len(lines) == 500
    for row, line in zip(rows, lines, strict=True):
        cells = [cell.strip() for cell in line.split(",")]
        assert row[:6] == tuple(cells[:6])
        assert row[6] == f"{datetime.strptime(cells[6], '%m/%d/%Y'):%Y-%m-%dT00:00:00.000}"
        assert row[7:9] == tuple(cells[7:9])
        assert [float(cell) for cell in row[9:]] == [int(cell) for cell in cells[9:]]
        assert all(re.fullmatch(r"(0|[1-9]\d*)(\.0)?", cell) for cell in row[9:])
    assert 0 < sum(row[9].endswith(".0") for row in rows) < 250
    site.put("ekwu-khcy", TURNSTILE, rows)
    found = ask.rows("ekwu-khcy.csv", where="date = '2016-03-04'", limit=500)
    assert sorted(found) == sorted(row for row in rows if row[6].startswith("2016-03-04"))


def test_daily_rows(site: Soda, ask: Ask) -> None:
    rows = daily_week(SATURDAY)
    assert rows == daily_week(SATURDAY) != daily_week(SATURDAY, seed=1)
    assert len({row[:2] for row in rows}) == 63
    assert {row[0] for row in rows} == {f"{date(2026, 8, 29) + timedelta(days=n)}T00:00:00.000" for n in range(7)}
    site.put("sayj-mze2", DAILY, rows)
    assert ask.rows("sayj-mze2.csv", select="count", where="mode = 'CBD Entries' and date = '2026-09-04'") == [
        next(row[2:] for row in rows if row[:2] == ("2026-09-04T00:00:00.000", "CBD Entries"))
    ]
    assert json.loads(ask("sayj-mze2.json", select="sum(count) as n").text) == [
        {"n": str(sum(int(row[2]) for row in rows))}
    ]
