"""The pretend data.ny.gov has hours: what each behaviour does to every request."""

import csv
import io
import math
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from behaviour import Hour, Replica
from hourly import RIDERSHIP
from soda import RIDERSHIP_SET, Fault, Soda
from soda_week import IN_ORDER, NAMES, OF_ROWS, ROWS, WEEK, Ask, parsed, window
from tables import COMPUTED

pytest_plugins = ["soda_week"]


def wait_until(site: Soda, at_once: int) -> None:
    while site.most_at_once < at_once:
        time.sleep(0.001)


# Replicas


def test_a_replica_has_a_flag_rows_and_times_of_its_own(ask: Ask) -> None:
    ask.site.hour = Hour(
        replicas=(Replica(None), Replica("true", behind=1, clock=-3600), Replica('["t69i-h2me"]', behind=9))
    )
    for value in ("7", "8", "9"):
        ask.site.revise(RIDERSHIP_SET, "UPDATE {set} SET ridership = ?", value)
    seen = {None: (["9"] * ROWS, "14:34", "14:34"), "true": (["8"] * ROWS, "13:33", "14:33"),
            '["t69i-h2me"]': ([row[7] for row in IN_ORDER], "14:31", "14:31")}  # fmt: skip
    flags = []
    for _ in range(30):
        rows, figures = ask.rows(), ask.figures()
        flag = rows.headers.get("x-soda2-data-out-of-date")
        assert ([row[7] for row in parsed(rows)], rows.headers["last-modified"][17:22]) == seen[flag][:2]
        assert rows.headers["last-modified"] == rows.headers["x-soda2-truth-last-modified"]
        flags += [flag, figures.headers.get("x-soda2-data-out-of-date")]
        assert {day["updated"][11:16] for day in figures.json()} == {seen[flags[-1]][2]}
    assert min(Counter(flags).values()) > 10
    assert datetime.fromtimestamp(ask.view().json()["rowsUpdatedAt"], UTC).minute == 34


def test_a_replica_gets_well(ask: Ask) -> None:
    ask.site.hour = Hour(replicas=(Replica("true", behind=9, until=0.0),))
    ask.site.revise(RIDERSHIP_SET, "UPDATE {set} SET ridership = '7'")
    answer = ask.rows()
    assert answer.headers["x-soda2-data-out-of-date"] == "false"
    assert {row[7] for row in parsed(answer)} == {"7"}


def test_a_replica_is_behind_the_changes_of_the_hour_alone() -> None:
    with Soda(Hour(replicas=(Replica("true", behind=9),))) as site, httpx.Client() as http:
        for rows in (WEEK[:700], WEEK[700:]):
            site.put(RIDERSHIP_SET, RIDERSHIP, rows)
        assert parsed(Ask(site, http).rows()) == IN_ORDER
        site.revise(RIDERSHIP_SET, "DELETE FROM {set}")
        assert parsed(Ask(site, http).rows()) == IN_ORDER


def test_the_times_of_two_answers_differ(ask: Ask) -> None:
    ask.site.hour = Hour(clock_spread=3600)
    right = ask.view().json()["rowsUpdatedAt"]
    times = [parsedate_to_datetime(ask.figures().headers["last-modified"]).timestamp() - right for _ in range(40)]
    assert (len({*times}) > 20, min(times) < -600, max(times) > 600, max(map(abs, times)) <= 1800) == (True,) * 4


def test_computed_columns_come_where_none_are_named(ask: Ask) -> None:
    ask.site.hour = Hour(computed=True)
    asked = {name: value for name, value in OF_ROWS.items() if name != "$select"}
    names, *rows = csv.reader(io.StringIO(ask.http.get(f"{ask.url}.csv", params=asked).text))
    assert names == sorted([*NAMES, *COMPUTED])
    assert [tuple(row[names.index(name)] or None for name in NAMES) for row in rows] == IN_ORDER
    listed = [column["fieldName"] for column in ask.view().json()["columns"]]
    assert (listed, [name[:18] for name in listed[-3:]]) == ([*NAMES, *COMPUTED], [":@computed_region_"] * 3)
    assert parsed(ask.rows()) == IN_ORDER


# Refusals


def test_too_many_at_once_are_refused_before_anything_is_answered(ask: Ask) -> None:
    ask.site.hour = Hour(at_once=2)
    with ThreadPoolExecutor(2) as pool:
        with ask.site.tables.hold(RIDERSHIP_SET):  # nothing can be answered now
            asked = [pool.submit(ask.rows), pool.submit(ask.figures)]
            wait_until(ask.site, at_once=2)
            refused = ask.rows()
            assert (refused.status_code, "retry-after" in refused.headers) == (429, False)
            assert sorted(refused.json()) == ["data", "errorCode", "message"]
        assert [each.result().status_code for each in asked] == [200, 200]
    assert ask.rows().status_code == 200
    assert ask.site.most_at_once == 3


@pytest.mark.parametrize("hour", [Hour(), Hour(chunked=False), Hour(breaks=1.0), Hour(token="")], ids=str)
def test_who_asks_one_after_the_other_is_never_counted_twice(
    ask: Ask, hour: Hour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the site takes to count it out, and on whichever connection the next query comes."""
    monkeypatch.setattr(Soda, "_end", lambda *a, end=Soda._end: (time.sleep(0.02), end(*a)))
    ask.site.hour = hour
    ask.site.fail(Fault(drop=True))
    with httpx.Client() as other:
        for number in range(11):
            try:
                (Ask(ask.site, other) if number % 2 else ask).figures()
            except httpx.RemoteProtocolError:
                assert hour.breaks or not number
    assert ask.site.most_at_once == 1


def test_a_query_whose_client_has_left_does_not_count(ask: Ask) -> None:
    with ask.site.tables.hold(RIDERSHIP_SET):
        for _ in range(20):
            with pytest.raises(httpx.ReadTimeout):
                httpx.get(f"{ask.url}.csv", params=OF_ROWS, timeout=httpx.Timeout(10, read=0.01))
        assert ask.site.most_at_once == 1


def test_busy_for_some_seconds(ask: Ask) -> None:
    ask.site.hour = Hour(busy_for=math.inf, retry_after="0")
    answers = [ask.rows(), ask.figures(), ask.view()]
    assert [(answer.status_code, answer.headers.get("retry-after")) for answer in answers] == [
        (429, "0"), (429, "0"), (200, None),
    ]  # fmt: skip
    hour = Hour(busy_for=2.0)
    assert [hour.draw_turn(1, seconds).status for seconds in (0.0, 1.9, 2.0)] == [429, 429, 200]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_errors_by_chance(ask: Ask, status: int) -> None:
    ask.site.hour = Hour(errors={status: 1.0})
    answer = ask.rows()
    assert (answer.status_code, sorted(answer.json())) == (status, ["data", "errorCode", "message"])


def test_rows_of_a_long_window_take_too_long(ask: Ask) -> None:
    ask.site.hour = Hour(longest_days=1)
    refused = ask.rows()
    assert (refused.status_code, sorted(refused.json())) == (408, ["data", "errorCode", "message"])
    assert len(parsed(ask.rows(where=window(end="2026-08-30")))) == sum(row[0] < "2026-08-30" for row in WEEK)
    assert ask.figures().status_code == 200


def test_a_wrong_token_is_refused_everywhere_and_none_is_not(ask: Ask) -> None:
    for right, token, status in (
        (None, "any", 200), ("right", "right", 200), ("right", "wrong", 403), ("", "any", 403), ("", None, 200),
    ):  # fmt: skip
        ask.site.hour = Hour(token=right)
        ask.http.headers = {"X-App-Token": token} if token else {}
        answers = [ask.rows(), ask.figures(), ask.view()]
        assert [answer.status_code for answer in answers] == [status] * 3
        said = {"code": "permission_denied", "error": True, "message": "Invalid app_token specified"}
        assert status == 200 or [answer.json() for answer in answers] == [said] * 3


# The form of an answer


@pytest.mark.parametrize(
    ("offered", "forms"), [("asked", [True, False]), ("never", [False] * 2), ("always", [True] * 2)]
)
def test_packed_as_one_gzip_member(ask: Ask, offered: Any, forms: list[bool]) -> None:
    ask.site.hour = Hour(gzip=offered)
    tags = []
    for packed, asked in zip(forms, ({"Accept-Encoding": "br, gzip"}, {"Accept-Encoding": "gzip;q=0"}), strict=True):
        with ask.http.stream("GET", f"{ask.url}.csv", params=OF_ROWS, headers=asked) as answer:
            body = b"".join(answer.iter_raw())
        form = answer.headers.get("content-encoding"), answer.headers.get("vary")
        assert form == (("gzip", "Accept-Encoding") if packed else (None, None))
        if packed:
            unpacker = zlib.decompressobj(31)
            body = unpacker.decompress(body)
            assert (unpacker.eof, unpacker.unused_data) == (True, b"")
        assert body == ask.rows().content
        tags.append(answer.headers["etag"])
        assert tags[-1].endswith('--gzip--gzip"') == packed
    assert (len({*tags}) == 2) == (offered == "asked")
    assert ask.http.get(f"{ask.url}.csv", params=OF_ROWS, headers={"Accept": "x/y"}).headers["etag"] not in tags


def test_a_body_that_ends_with_the_connection(ask: Ask) -> None:
    ask.site.hour = Hour(chunked=False)
    answer = ask.rows()
    assert parsed(answer) == IN_ORDER
    assert {"transfer-encoding", "content-length"}.isdisjoint(answer.headers)
    assert answer.headers["connection"] == "close"
    ask.site.hour = Hour(chunked=False, breaks=1.0, gzip="never")
    broken = ask.rows().content  # which no client can see
    assert answer.content.startswith(broken)
    assert 0 < len(broken) < len(answer.content)


def test_the_connection_breaks_in_the_body(ask: Ask) -> None:
    whole, before = ask.rows().content, ask.site.bytes_sent
    ask.site.hour = Hour(breaks=1.0)
    for packed in (True, False):
        got = b""
        asked = {"Accept-Encoding": "gzip" if packed else "identity"}
        with (
            pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"),
            ask.http.stream("GET", f"{ask.url}.csv", params=OF_ROWS, headers=asked) as answer,
        ):
            for piece in answer.iter_raw():
                got += piece
        sent, before = ask.site.bytes_sent - before, ask.site.bytes_sent
        assert len(got) == sent > 0
        text = zlib.decompressobj(31).decompress(got) if packed else got
        assert whole.startswith(text) and len(text) < len(whole)


def test_bytes_are_counted_as_they_are_sent(ask: Ask) -> None:
    body = ask.rows(packed=False).content
    assert ask.site.bytes_sent == len(body)
    ask.rows()
    assert len(body) * 1.03 < ask.site.bytes_sent < len(body) * 1.5


def test_a_cap_ends_an_answer_properly(ask: Ask) -> None:
    ask.site.hour = Hour(most_rows=1000)
    assert (parsed(ask.rows()), parsed(ask.rows(offset="900"))) == (IN_ORDER[:1000], IN_ORDER[900:])
    assert len(ask.figures().json()) == 7
    ask.site.hour = Hour()
    assert parsed(ask.rows()) == IN_ORDER


def test_an_answer_is_always_short_and_whoever_goes_on_gets_on(ask: Ask) -> None:
    ask.site.hour = Hour(short=1.0)
    got, sizes = parsed(ask.rows()), []
    assert got == IN_ORDER[: ROWS * 2 // 3]
    while more := parsed(ask.rows(offset=str(len(got)))):
        got += more
        sizes.append(len(more))
    assert got == IN_ORDER
    assert len(sizes) < 12
    assert len(ask.figures().json()) == 7
    ask.site.hour = Hour()
    assert parsed(ask.rows()) == IN_ORDER


def test_the_first_byte_is_late(ask: Ask) -> None:
    ask.site.hour = Hour(first_byte=0.2)
    begun = time.monotonic()
    assert ask.figures().status_code == 200
    assert time.monotonic() - begun >= 0.2


def test_a_fault_befalls_a_request_of_any_hour(ask: Ask) -> None:
    ask.site.hour = Hour(errors={503: 1.0}, computed=True)
    ask.site.fail(Fault(status=404), Fault(body=b"[]"))
    assert [ask.rows().status_code, ask.rows().json(), ask.rows().status_code] == [404, [], 503]
    ask.site.hour = Hour()
    ask.site.fail(Fault(cut_rows=500))
    got = b""
    with (
        pytest.raises(httpx.RemoteProtocolError),
        ask.http.stream("GET", f"{ask.url}.csv", params=OF_ROWS) as answer,
    ):
        for piece in answer.iter_raw():
            got += piece
    unpacker = zlib.decompressobj(31)
    assert len(unpacker.decompress(got).splitlines()) == 502  # the header, 500 rows and half a row
    assert not unpacker.eof
