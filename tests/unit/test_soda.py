"""The pretend data.ny.gov answers five queries, each as plain Python would, and refuses any other."""

import csv
import io
import json
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from hourly import RIDERSHIP, ridership_week
from soda import RIDERSHIP_SET, Soda

SATURDAY = date(2026, 9, 5)  # its week is 2026-08-29 to 09-04
NAMES = [name for name, _ in RIDERSHIP]
KEY = ("transit_timestamp", "station_complex_id", "payment_method", "fare_class_category")
ROWS = 2500
WEEK = ridership_week(SATURDAY, ROWS)
AROUND = [row for weeks in (-1, 1) for row in ridership_week(SATURDAY + timedelta(weeks=weeks), 300)]

SMALL = "aaaa-bbbb"
SMALL_COLUMNS = (("at", "floating_timestamp"), ("name", "text"), ("many", "number"))
SMALL_ROWS = [
    ("2026-09-04T23:00:00.000", "A, B (1,2)", "9"),
    ("2026-09-05T00:00:00.000", 'the "C"', "10.0"),
    ("2026-09-05T01:00:00.000", "Peña", "-1"),
    ("2026-09-06T00:00:00.000", "", "3.5"),
    ("2026-09-06T01:00:00.000", None, None),
    (None, None, None),
]


def window(first: str = "2026-08-29T00:00:00", end: str = "2026-09-05T00:00:00", time: str = KEY[0]) -> str:
    return f"{time} >= '{first}' AND {time} < '{end}'"


EVER = window("2026-01-01T00:00:00", "2027-01-01T00:00:00", "at")
OF_ROWS = {"where": EVER, "order": "at,:id"}
OF_DAYS = "date_trunc_ymd(at) as day,count(*) as n,max(at) as last{},max(:updated_at) as updated"
DAY = {"select": OF_DAYS.format(""), "where": EVER, "group": "day", "order": "day"}
SERIES = {"select": "name,date_trunc_ymd(at) as day,count(*) as n", "where": EVER, "group": "name,day",
          "order": "name,day"}  # fmt: skip
OF_WEEK = {"where": window(), "order": ",".join([*KEY, ":id"]), "limit": "10000000"}


class Ask:
    """Puts questions to a site; parameters go without their $."""

    def __init__(self, site: Soda, http: httpx.Client) -> None:
        self.site, self.http = site, http

    def __call__(self, file: str = f"{SMALL}.csv", **asked: str) -> httpx.Response:
        return self.http.get(f"{self.site.url}/resource/{file}", params={f"${name}": asked[name] for name in asked})

    def rows(self, dataset: str = SMALL, **asked: str) -> list[tuple[str, ...]]:
        answer = self(f"{dataset}.csv", **asked)
        assert answer.status_code == 200, answer.text
        return parsed(answer.text)

    def figures(self, dataset: str = RIDERSHIP_SET, **asked: str) -> list[dict[str, str]]:
        answer = self(f"{dataset}.json", **asked)
        assert answer.status_code == 200, answer.text
        return answer.json()


def parsed(text: str) -> list[tuple[str, ...]]:
    return [tuple(row) for row in csv.reader(io.StringIO(text))][1:]


def in_order(rows: list[Any]) -> list[tuple[str, ...]]:
    """By the key, as a CSV reader sees them."""
    return [tuple(cell or "" for cell in row) for row in sorted(rows, key=lambda row: (row[0], row[2], row[5], row[6]))]


@pytest.fixture
def ask() -> Iterator[Ask]:
    with Soda() as site, httpx.Client(timeout=60) as http:
        site.put(SMALL, SMALL_COLUMNS, SMALL_ROWS)
        site.put(RIDERSHIP_SET, RIDERSHIP, [*WEEK, *AROUND])
        yield Ask(site, http)


# The five queries


def test_the_rows_of_a_window_in_the_order_of_a_key(ask: Ask) -> None:
    assert ask.rows(RIDERSHIP_SET, **OF_WEEK) == in_order(WEEK)
    day = [row for row in WEEK if row[0].startswith("2026-09-02")]
    asked = {**OF_WEEK, "where": window("2026-09-02T00:00:00", "2026-09-03T00:00:00")}
    assert ask.rows(RIDERSHIP_SET, **asked) == in_order(day)
    by_hour = ask.rows(RIDERSHIP_SET, **{**OF_WEEK, "order": f"{KEY[0]},:id"})
    assert [row[0] for row in by_hour] == sorted(row[0] for row in WEEK)
    assert by_hour != in_order(WEEK) == in_order(by_hour)  # rows of one hour stay as they were stored: in no order
    assert [row[2] for row in ask.rows(where=EVER, order="many,:id")] == ["-1", "3.5", "9", "10.0", ""]


def test_columns_come_by_name_or_as_the_set_has_them(ask: Ask) -> None:
    header = ask(f"{RIDERSHIP_SET}.csv", **OF_WEEK).text.splitlines()[0]
    assert header == ",".join(f'"{name}"' for name in NAMES)
    names = ("ridership", "transit_timestamp", "georeference")
    answer = ask(f"{RIDERSHIP_SET}.csv", **OF_WEEK, select=",".join(names))
    assert answer.text.splitlines()[0] == '"ridership","transit_timestamp","georeference"'
    assert parsed(answer.text) == [(row[7], row[0], row[11]) for row in in_order(WEEK)]
    assert json.loads(answer.headers["x-soda2-fields"]) == list(names)
    assert json.loads(answer.headers["x-soda2-types"]) == ["number", "floating_timestamp", "point"]


def test_limit_and_offset(ask: Ask) -> None:
    pages = [ask.rows(RIDERSHIP_SET, **{**OF_WEEK, "limit": "700", "offset": str(at)}) for at in range(0, 3500, 700)]
    assert [len(page) for page in pages] == [700, 700, 700, 400, 0]
    assert [row for page in pages for row in page] == in_order(WEEK)
    without = {name: value for name, value in OF_WEEK.items() if name != "limit"}
    assert ask.rows(RIDERSHIP_SET, **without) == in_order(WEEK)[:1000]
    assert ask.rows(RIDERSHIP_SET, **{**OF_WEEK, "limit": "0"}) == []


@pytest.mark.parametrize(
    ("first", "end", "names"),
    [
        ("2026-09-05T00:00:00", "2026-09-06T00:00:00", ['the "C"', "Peña"]),
        ("2026-09-04T23:00:01", "2026-09-05T01:00:00", ['the "C"']),
        ("2026-09-04T00:00:00", "2026-09-05T00:00:01", ["A, B (1,2)", 'the "C"']),
        ("2026-09-07T00:00:00", "2026-09-08T00:00:00", []),
    ],
)
def test_a_window_holds_its_first_moment_and_not_its_last(ask: Ask, first: str, end: str, names: list[str]) -> None:
    asked = {"where": window(first, end, "at"), "order": "at,:id", "select": "name"}
    assert [row[0] for row in ask.rows(**asked)] == names
    days = [row[0][:10] for row in SMALL_ROWS if row[1] in names and row[0]]
    figures = ask.figures(SMALL, **{**DAY, "where": asked["where"]})
    assert [(day["day"][:10], day["n"]) for day in figures] == [(day, str(days.count(day))) for day in sorted({*days})]


def test_when_the_last_row_is(ask: Ask) -> None:
    last = max(row[0] for row in AROUND)
    assert ask.figures(select="max(transit_timestamp) as last") == [{"last": last}]
    assert ask(f"{RIDERSHIP_SET}.json", select="max(transit_timestamp) as last").text == f'[{{"last":"{last}"}}]\n'
    ask.site.revise(SMALL, "DELETE FROM {set}")
    assert ask.figures(SMALL, select="max(at) as last") == [{}]


def test_how_many_rows_each_day_has_of_each_series(ask: Ask) -> None:
    select = "borough,date_trunc_ymd(transit_timestamp) as day,count(*) as n"
    asked = {"select": select, "where": window("2026-08-30T05:00:00"), "group": "borough,day", "order": "borough,day"}
    there = [(row[4], f"{row[0][:10]}T00:00:00.000") for row in WEEK if row[0] >= "2026-08-30T05"]
    counted = [{"borough": at[0], "day": at[1], "n": str(there.count(at))} for at in sorted({*there})]
    assert ask.figures(**asked) == counted
    named = ask.figures(SMALL, **SERIES)
    assert [row.get("name") for row in named] == [*sorted(row[1] for row in SMALL_ROWS[:4]), None]


def test_the_figures_of_each_day(ask: Ask) -> None:
    select = (
        "date_trunc_ymd(transit_timestamp) as day,count(*) as n,max(transit_timestamp) as last"
        ",sum(ridership) as sum_ridership,sum(transfers) as sum_transfers,max(:updated_at) as updated"
    )
    asked = {"select": select, "where": window(), "group": "day", "order": "day"}
    days = ask.figures(**asked)
    ask.site.revise(RIDERSHIP_SET, "UPDATE {set} SET ridership = '7' WHERE transit_timestamp LIKE '2026-09-01T09%'")
    revised = [(*row[:7], "7", *row[8:]) if row[0].startswith("2026-09-01T09") else row for row in WEEK]
    for rows, answer in (WEEK, days), (revised, ask.figures(**asked)):
        expected = []
        for day in sorted({row[0][:10] for row in rows}):
            of_day = [row for row in rows if row[0].startswith(day)]
            expected.append((f"{day}T00:00:00.000", str(len(of_day)), max(row[0] for row in of_day),
                             *(sum(float(row[at]) for row in of_day) for at in (7, 8))))  # fmt: skip
        assert len(expected) == 7
        assert [
            (*list(d.values())[:3], float(d["sum_ridership"]), float(d["sum_transfers"])) for d in answer
        ] == expected
        assert all(isinstance(figure, str) for d in answer for figure in d.values())
    updates = [[d["updated"] for d in answer] for answer in (days, ask.figures(**asked))]
    assert updates[0] == ["2026-09-16T14:31:00.000Z"] * 7
    assert updates[1] == [*updates[0][:3], "2026-09-16T14:32:00.000Z", *updates[0][4:]]
    asked["select"] = re.sub(",sum.*,", ",", select)
    assert ask.figures(**asked)[1] == {name: days[1][name] for name in ("day", "n", "last", "updated")}


def test_what_a_set_is_and_when_it_changed(ask: Ask) -> None:
    times, tags = [], []
    for change in (None, lambda: ask.site.revise(SMALL, "DELETE FROM {set} WHERE name = ?", "Peña"),
                   lambda: ask.site.put(SMALL, SMALL_COLUMNS, [("2026-09-07T00:00:00.000", "new", "1")])):  # fmt: skip
        assert change is None or change() in (1, None)
        answer = ask(f"{SMALL}.json", **DAY)
        view = ask.http.get(f"{ask.site.url}/api/views/{SMALL}.json").json()
        assert [column["fieldName"] for column in view["columns"]] == [name for name, _ in SMALL_COLUMNS]
        times.append(parsedate_to_datetime(answer.headers["last-modified"]))
        assert datetime.fromtimestamp(view["rowsUpdatedAt"], UTC) == times[-1]
        tags += [answer.headers["etag"], ask(**OF_ROWS).headers["etag"]]
    assert times == sorted(set(times))
    assert len(set(tags)) == 6
    assert all(re.fullmatch(r'W/"[^"]+"', tag) for tag in tags)
    assert [row[1] for row in ask.rows(**OF_ROWS)] == ["A, B (1,2)", 'the "C"', "", "", "new"]


def test_the_forms_of_an_answer(ask: Ask) -> None:
    ask.http.headers["Accept-Encoding"] = "identity"
    answer = ask(**OF_ROWS)
    assert answer.content.decode() == (
        '"at","name","many"\n'
        '"2026-09-04T23:00:00.000","A, B (1,2)","9"\n'
        '"2026-09-05T00:00:00.000","the ""C""","10.0"\n'
        '"2026-09-05T01:00:00.000","Peña","-1"\n'
        '"2026-09-06T00:00:00.000","","3.5"\n'
        '"2026-09-06T01:00:00.000",,\n'
    )
    names = "Server Date Content-Type Transfer-Encoding ETag X-SODA2-Fields X-SODA2-Types X-SODA2-Data-Out-Of-Date"
    more = " X-SODA2-Truth-Last-Modified X-SODA2-Secondary-Last-Modified Last-Modified"
    assert sorted(answer.headers) == sorted((names + more).lower().split())
    assert answer.headers["content-type"] == "text/csv; charset=UTF-8"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.headers["x-soda2-data-out-of-date"] == "false"
    ask.site.revise(SMALL, "DELETE FROM {set}")
    assert ask(**OF_ROWS).text == '"at","name","many"\n'


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        *((".csv", {**OF_ROWS, **wrong}) for wrong in (
            {"where": "many > 1"}, {"where": ""}, {"where": EVER.replace("at", "many")}, {"where": EVER + "'"},
            {"where": EVER.replace("at", "wrong")}, {"where": EVER.replace("2026-01", "2026-13")},
            {"where": EVER.replace("'", "", 1)}, {"where": EVER.replace(">=", ">")},
            {"where": EVER.replace("< ", "<= ")},
            {"where": EVER.replace("AND at", "AND name")}, {"where": EVER.replace("T00:00:00", "")},
            {"where": EVER + " OR many = 1"}, {"order": "at"}, {"order": "wrong,:id"}, {"order": "at desc,:id"},
            {"order": ""}, {"select": "wrong"}, {"select": "*"}, {"select": "at,at"}, {"select": ":id"}, {"select": ""},
            {"select": "count(*) as n"}, {"limit": "-1"}, {"limit": "many"}, {"offset": "1.5"}, {"group": "name"},
            {"query": "x"})),
        (".csv", {"where": EVER, "limit": "5"}),
        (".csv", {"order": "at,:id", "limit": "5"}),
        (".csv", {}),
        (".json", OF_ROWS),
        (".json", {"select": "count(*) as n,max(at) as last", "where": EVER}),
        (".json", {"select": "max(at) as last", "where": EVER}),
        (".json", {"select": "max(name) as last"}),
        (".json", {"select": "min(at) as last"}),
        (".json", {"select": DAY["select"], "where": EVER}),
        *((".json", {**DAY, **wrong}) for wrong in (
            {"group": "at"}, {"order": "at"}, {"limit": "5"}, {"where": EVER.replace("at", "wrong")},
            {"select": DAY["select"].replace("(at)", "(wrong)")},
            {"select": DAY["select"].replace("max(at)", "max(many)")}, {"select": DAY["select"].rpartition(",")[0]},
            *({"select": OF_DAYS.format(sums)} for sums in (
                ",sum(name) as sum_name", ",sum(many) as many", ",sum(many) as sum_name", ",sum(wrong) as sum_wrong",
                ",sum(many) as sum_many,sum(many) as sum_many")))),
        *((".json", {**SERIES, **wrong}) for wrong in (
            {"group": "day"}, {"order": "day,name"}, {"limit": "5"},
            *({name: SERIES[name].replace("name", other) for name in SERIES} for other in ("many", "at", "wrong")))),
    ],
)  # fmt: skip
def test_any_other_query_is_refused(ask: Ask, kind: str, asked: dict[str, str]) -> None:
    answer = ask(SMALL + kind, **asked)
    assert (answer.status_code, sorted(answer.json())) == (400, ["data", "errorCode", "message"])
    if "wrong" in str(asked):
        assert (answer.json()["errorCode"], answer.json()["message"]) == (
            "query.soql.no-such-column", "No such column: wrong")  # fmt: skip


@pytest.mark.parametrize(
    "path", ["resource/x-x.csv", "api/views/x-x.json", f"resource/{SMALL}.xml", f"api/views/{SMALL}.csv", ""]
)
def test_what_is_not_there(ask: Ask, path: str) -> None:
    answer = ask.http.get(f"{ask.site.url}/{path}")
    assert (answer.status_code, answer.json()["code"], answer.json()["error"]) == (404, "dataset.missing", True)


def test_rows_that_are_put_have_the_form_of_the_set(ask: Ask) -> None:
    with pytest.raises(ValueError, match="has the columns at, name, many"):
        ask.site.put(SMALL, SMALL_COLUMNS[:2], [])
    for wrong in ("2026-09-05", "2026-09-05T00:00:00", "2026-09-05T00:00:00.000Z"):
        for name in (SMALL, "cccc-dddd"):
            with pytest.raises(sqlite3.IntegrityError, match="CHECK constraint"):
                ask.site.put(name, SMALL_COLUMNS, [SMALL_ROWS[0], (wrong, "x", "1")])
    assert ask("cccc-dddd.csv", **OF_ROWS).status_code == 404
    assert len(ask.rows(**OF_ROWS)) == len(SMALL_ROWS) - 1


def test_a_parameter_that_is_given_twice_is_refused(ask: Ask) -> None:
    given = [("$where", EVER), ("$order", "at,:id"), ("$limit", "5")]
    url = f"{ask.site.url}/resource/{SMALL}.csv"
    assert ask.http.get(url, params=given).status_code == 200
    assert ask.http.get(url, params=[*given, ("$limit", "6")]).status_code == 400
