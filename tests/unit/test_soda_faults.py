"""The pretend data.ny.gov goes wrong when it is told to, as it is told to, and as often."""

import csv
import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import httpx
import pytest

import tables
from hourly import RIDERSHIP, ridership_week
from soda import RIDERSHIP_SET, Fault, Soda
from tables import Tables

ROWS = 2500
WEEK = ridership_week(date(2026, 9, 5), ROWS)
IN_ORDER = sorted(WEEK, key=lambda row: (row[0], row[2], row[5], row[6]))
WHERE = "transit_timestamp >= '2026-08-29T00:00:00' AND transit_timestamp < '2026-09-05T00:00:00'"
ORDER = "transit_timestamp,station_complex_id,payment_method,fare_class_category,:id"
OF_ROWS = {"$where": WHERE, "$order": ORDER, "$limit": str(ROWS)}
DAYS = "date_trunc_ymd(transit_timestamp) as day,count(*) as n,max(transit_timestamp) as last"
OF_FIGURES = {"$select": f"{DAYS},max(:updated_at) as updated", "$where": WHERE, "$group": "day", "$order": "day"}


class Ask:
    """Asks a site with the week for its rows, or for how many they are."""

    def __init__(self, site: Soda, http: httpx.Client) -> None:
        self.site, self.http, self.rows_url = site, http, f"{site.url}/resource/{RIDERSHIP_SET}.csv"

    def rows(self) -> httpx.Response:
        return self.http.get(self.rows_url, params=OF_ROWS)

    def figures(self) -> httpx.Response:
        return self.http.get(self.rows_url.replace(".csv", ".json"), params=OF_FIGURES)


@pytest.fixture
def ask() -> Iterator[Ask]:
    with Soda() as site, httpx.Client(timeout=60, headers={"Accept-Encoding": "identity"}) as http:
        site.put(RIDERSHIP_SET, RIDERSHIP, WEEK)
        yield Ask(site, http)


def parsed(answer: httpx.Response) -> list[tuple[str | None, ...]]:
    """The rows of a CSV; as a cell of the week is never the empty text, an empty one is null."""
    return [tuple(cell or None for cell in row) for row in csv.reader(io.StringIO(answer.text))][1:]


def test_faults_are_used_by_the_first_request_that_they_fit(ask: Ask) -> None:
    ask.site.fail(Fault(on="count(", status=500), Fault(on=".csv", status=429, headers={"Retry-After": "2"}, times=2))
    assert [ask.rows().status_code, [fault.times for fault in ask.site.faults]] == [429, [1, 1]]
    limited, broken = ask.rows(), ask.figures()
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "2")
    assert (broken.status_code, sorted(broken.json())) == (500, ["data", "errorCode", "message"])
    assert ask.site.faults == []
    assert (ask.rows().status_code, ask.figures().status_code) == (200, 200)
    assert ask.site.queries[-1] == (f"/resource/{RIDERSHIP_SET}.json", OF_FIGURES)
    assert len(ask.site.queries) == len(ask.site.requests) == 5


def test_another_body_status_or_header(ask: Ask) -> None:
    ask.site.fail(
        Fault(body=b"<html>", content_type="text/html"), Fault(status=202, body=b"{}"),
        Fault(status=302, headers={"Location": "/elsewhere"}), Fault(status=403), Fault(headers={"ETag": None}),
        Fault(stale=True),
    )  # fmt: skip
    page, pending, moved, refused, bare, stale, fresh = [ask.rows() for _ in range(7)]
    assert (page.status_code, page.content, page.headers["content-type"]) == (200, b"<html>", "text/html")
    assert (pending.status_code, pending.json()) == (202, {})
    assert (moved.status_code, moved.headers["location"]) == (302, "/elsewhere")
    assert (refused.status_code, refused.json()["error"], refused.json()["code"]) == (403, True, "pretend.fault")
    assert (parsed(bare) == IN_ORDER, "etag" in bare.headers, "etag" in fresh.headers) == (True, False, True)
    assert bare.content == stale.content == fresh.content
    assert [answer.headers["x-soda2-data-out-of-date"] for answer in (stale, fresh)] == ["true", "false"]


@pytest.mark.parametrize("rows", [0, 1, 2, 999, ROWS - 1, ROWS])
def test_cut_in_the_middle_of_a_row(ask: Ask, rows: int) -> None:
    whole = ask.rows().text.splitlines(keepends=True)
    ask.site.fail(Fault(on=".csv", cut_rows=rows))
    got = b""
    with (
        pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"),
        ask.http.stream("GET", ask.rows_url, params=OF_ROWS) as answer,
    ):
        for piece in answer.iter_raw():
            got += piece
    expected = whole[: 1 + rows]
    if rows < ROWS:
        expected.append(whole[1 + rows][: len(whole[1 + rows]) // 2])
    assert got.decode() == "".join(expected)
    ask.site.fail(Fault(on=".json", cut_rows=0))
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
        ask.figures()


def test_silently_short_or_without_some_rows_or_in_no_order(ask: Ask) -> None:
    ask.site.fail(Fault(short_rows=1000), Fault(skip_rows=(500, 1500)), Fault(short_rows=700, skip_rows=(0, 100)))
    assert parsed(ask.rows()) == IN_ORDER[:1000]
    assert parsed(ask.rows()) == IN_ORDER[:500] + IN_ORDER[1500:]
    assert parsed(ask.rows()) == IN_ORDER[100:800]
    ask.site.fail(Fault(no_order=True))
    rows = parsed(ask.rows())
    assert rows not in (IN_ORDER, WEEK)
    assert sorted(map(repr, rows)) == sorted(map(repr, WEEK))
    assert parsed(ask.rows()) == IN_ORDER
    ask.site.fail(Fault(on=".json", short_rows=0))
    assert ask.figures().json() == []


def test_no_answer_and_a_late_one(ask: Ask) -> None:
    ask.site.fail(Fault(drop=True), Fault(wait=0.2))
    with pytest.raises(httpx.RemoteProtocolError, match="disconnected"):
        ask.figures()
    begun = time.monotonic()
    assert ask.figures().status_code == 200
    assert time.monotonic() - begun >= 0.2


def test_a_revision_before_and_after_an_answer(ask: Ask) -> None:
    def delete() -> None:
        ask.site.revise(RIDERSHIP_SET, "DELETE FROM {set} WHERE rowid IN (SELECT rowid FROM {set} LIMIT 10)")

    def look() -> tuple[int, str]:
        answer = ask.figures()
        return sum(int(day["n"]) for day in answer.json()), answer.headers["last-modified"]

    ask.site.fail(Fault(on="count(", before=delete), Fault(on=".csv", after=delete, times=2))
    (first, then), answer = look(), ask.rows()
    assert (first, len(parsed(answer)), answer.headers["last-modified"]) == (ROWS - 10, ROWS - 10, then)
    second, later = look()
    assert (second, later != then) == (ROWS - 20, True)
    assert (ask.rows().headers["last-modified"], look()[0]) == (later, ROWS - 30)


def test_an_answer_is_made_once_a_version(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    monkeypatch.setattr(Tables, "find", lambda *a, real=Tables.find: (made.append(1), real(*a))[1])
    assert (parsed(ask.rows()), parsed(ask.rows()), len(made)) == (IN_ORDER, IN_ORDER, 1)
    ask.site.fail(Fault(short_rows=1))
    assert len(parsed(ask.rows())) == 1
    assert parsed(ask.rows()) == IN_ORDER  # what a fault made of it was not remembered
    ask.site.revise(RIDERSHIP_SET, "UPDATE {set} SET ridership = '0'")
    assert {row[7] for row in parsed(ask.rows())} == {"0"}
    assert len(made) == 3
    monkeypatch.setattr(tables, "KEPT_BYTES", 0)
    assert [len(ask.figures().json()) for _ in range(2)] == [7, 7]
    assert ({row[7] for row in parsed(ask.rows())}, len(made)) == ({"0"}, 5)  # the older one was forgotten


def test_many_ask_at_once(ask: Ask) -> None:
    def page(number: int) -> list[tuple[str | None, ...]]:
        asked = {**OF_ROWS, "$limit": "500", "$offset": str(500 * (number % 5))}
        return parsed(httpx.get(ask.rows_url, params=asked, timeout=60))

    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(page, range(20)))
    assert [row for part in pages for row in part] == IN_ORDER * 4
