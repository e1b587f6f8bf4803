"""Weeks up to 141011, without a header and with several rows on a line: in the lake like later ones, or refused."""

import csv
import gzip
import io
import itertools
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conftest import Ran, content, converted_as_ruled, small_week
from mta_weekly.content import check
from mta_weekly.content.check import Content
from mta_weekly.content.convert import convert, examine, rejects
from mta_weekly.errors import Refused
from mta_weekly.feeds.catalog import TURNSTILE
from web import Answer, Web
from weeks import make_legacy_week, make_week

WEEK, SATURDAY = "120107", date(2012, 1, 7)  # its week holds a change of year
DAYS = ["12-31-11", "01-01-12", "01-02-12", "01-03-12", "01-04-12", "01-05-12", "01-06-12"]
NAMES = b",CA,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS\n"
SMALL = make_legacy_week(SATURDAY, rows=500)
BIG = make_legacy_week(SATURDAY, rows=60_000)  # several blocks
PAGE = b"<!DOCTYPE html>\n<html><body>Not here</body></html>\n"
JUNK = (
    "NUMBER,OF,ENTRIES,2,NUMBER,,07-07-12,11:18:30,002918817,OF,,07-07-12,11:19:55,002918828,EXITS,,07-07-12,,"
    "002918839,3,,07-07-12,,,000000022,000995988,,,"
)

Load = Callable[..., tuple[Content, bytes]]


def group(**values: str) -> str:
    good = {"DATE": "01-01-12", "TIME": "04:00:00", "DESC": "REGULAR", "ENTRIES": "002704723", "EXITS": "000928795"}
    return ",".join((good | values).values())


def line(*groups: str, keys: str = "A002,R051,02-00-00") -> str:
    return ",".join([keys, *groups])


def published(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def unrolled(body: bytes) -> bytes:
    """What an object of a good legacy file unpacks to."""
    rows = []
    for line in re.split(r"[\r\n]+", body.decode().strip("\r\n")):
        fields = [field.strip() for field in line.split(",")]
        while len(fields) > 3:
            day, time, desc, entries, exits = fields[3:8]
            month, day, year = day.split("-")
            when = f"{month}/{day}/20{year},{time}"
            rows.append(f"{len(rows)},{','.join(fields[:3])},,,,{when},{desc},{int(entries)},{int(exits)}\n")
            del fields[3:8]
    return NAMES + "".join(rows).encode()


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Convert a published file, and give back what is known of the object and what it unpacks to."""

    def run(body: bytes, allow_bad_rows: int = 0, week: str = WEEK) -> tuple[Content, bytes]:
        path = tmp_path / "object.csv.gz"
        return convert([body], TURNSTILE, week, path, allow_bad_rows), gzip.decompress(path.read_bytes())

    return run


def rejected(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(gzip.decompress(rejects(path).read_bytes()).decode(), newline="")))


# What comes out


def test_a_line_of_the_source_becomes_these_rows(load: Load) -> None:
    """The line is one of 100508's form; the rows are written out by hand."""
    body = (
        b"A002,R051,02-00-00,12-31-11,00:00:00,REGULAR,002704717,000928793,01-01-12,04:00:00,DOOR OPEN,002704723,"
        b"000000000            \n"
        b"A002,R051,02-00-01,01-06-12,20:00:00,LOGON,000000007,100928795\n"
    )

    known, unpacked = load(body)

    assert unpacked == (
        b",CA,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS\n"
        b"0,A002,R051,02-00-00,,,,12/31/2011,00:00:00,REGULAR,2704717,928793\n"
        b"1,A002,R051,02-00-00,,,,01/01/2012,04:00:00,DOOR OPEN,2704723,0\n"
        b"2,A002,R051,02-00-01,,,,01/06/2012,20:00:00,LOGON,7,100928795\n"
    )
    assert (known.rows, known.first_day, known.last_day, known.days) == (3, "2011-12-31", "2012-01-06", 3)


@pytest.mark.parametrize("body", [SMALL, BIG], ids=["small", "big"])
def test_a_week_is_unrolled_in_its_order(load: Load, body: bytes) -> None:
    known, unpacked = load(body)

    assert unpacked == unrolled(body)
    assert (known.rows, known.bad_rows, known.days) == (unpacked.count(b"\n") - 1, 0, 7)


def test_a_legacy_week_has_the_rows_of_the_same_week_as_published_later(load: Load, tmp_path: Path) -> None:
    """Both forms of the same audits: the same object, but for what was not published then."""
    form = TURNSTILE.sources[0].form
    convert([make_week(SATURDAY, 500)], TURNSTILE, WEEK, tmp_path / "later.csv.gz", form=form)
    later = csv.reader(io.StringIO(gzip.decompress((tmp_path / "later.csv.gz").read_bytes()).decode()))

    rows = [[*row[:4], "", "", "", *row[7:]] for row in itertools.islice(later, 1, None)]
    assert list(csv.reader(io.StringIO(load(SMALL)[1].decode())))[1:] == rows


def test_lines_hold_one_to_eight_groups_and_short_ones_stand_anywhere(load: Load) -> None:
    body = published(
        *(line(*[group(EXITS=f"{n:09}")] * groups) for n, groups in enumerate([8, 3, 1, 8, 2, 7, 6, 5, 4, 8, 1]))
    )

    assert load(body)[1] == unrolled(body)
    assert load(body)[0].rows == 53


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(SMALL.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(SMALL.replace(b"\n", b"   \n"), id="padding"),
        pytest.param(SMALL.replace(b"\n", b"   \r\n"), id="padding and CRLF"),
        pytest.param(SMALL.replace(b",", b" ,\t"), id="padding everywhere"),
        pytest.param(SMALL.replace(b"\n", b"\r"), id="CR"),
        pytest.param(b"\n\r\n" + SMALL.replace(b"\n", b"\n\n"), id="blank lines"),
        pytest.param(b"\xef\xbb\xbf" + SMALL, id="BOM"),
        pytest.param(SMALL.removesuffix(b"\n"), id="no last line feed"),
        pytest.param(SMALL.replace(b"\n", b"   \n").removesuffix(b"\n"), id="padding and no last line feed"),
    ],
)
def test_the_same_content_is_the_same_object(load: Load, body: bytes) -> None:
    assert load(body) == load(SMALL)
    assert load(SMALL)[1] == unrolled(SMALL)


@pytest.mark.parametrize("block", [400, 1_000, 33_333, 5_000_000])
def test_an_object_does_not_depend_on_the_size_of_a_block(
    load: Load, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    body = BIG if block > 1_000 else SMALL
    whole = load(body)
    monkeypatch.setattr(check, "BLOCK", block)

    assert load(body) == whole


def test_the_generated_week_has_the_old_form() -> None:
    lines = BIG.decode("ascii").splitlines()
    form = r"[A-Z]+\d+,R\d{3},\w\w-\w\w-\w\w(,\d\d-\d\d-\d\d,\d\d:\d\d:00,(REGULAR|RECOVR AUD),\d{9},\d{9}){1,8}"

    assert [line for line in lines if not re.fullmatch(form, line)] == []
    assert sum(len(line.split(",")) // 5 for line in lines) == 60_000
    assert {len(line.split(",")) for line in lines} >= {13, 43}


# Which weeks


@pytest.mark.parametrize("saturday", [date(2010, 5, 8), date(2014, 10, 11)])
def test_the_old_form_is_that_of_the_weeks_up_to_141011(load: Load, saturday: date) -> None:
    week = f"{saturday:%y%m%d}"

    assert load(make_legacy_week(saturday, 100), week=week)[1] == unrolled(make_legacy_week(saturday, 100))
    with pytest.raises(
        Refused, match="101 bad rows, 0 allowed; line 1: 11 fields, expected 3 and 5 for each of 1 to 8 rows"
    ):
        load(make_week(saturday, 100), week=week)


@pytest.mark.parametrize("saturday", [date(2014, 10, 18), date(2024, 1, 6)])
@pytest.mark.parametrize("allow_bad_rows", [0, 1000])
def test_a_later_week_in_the_old_form_is_refused(load: Load, saturday: date, allow_bad_rows: int) -> None:
    week = f"{saturday:%y%m%d}"

    assert load(make_week(saturday, 100), week=week)[0].rows == 100
    with pytest.raises(Refused, match=r"the header has changed: missing CA.*found 43"):
        load(make_legacy_week(saturday, 100), allow_bad_rows, week)


# What is refused


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "an empty body"),
        (b"\xef\xbb\xbf", "an empty body"),
        (b"\n", "^no rows; nothing loaded"),
        (b"\r\n\r\n", "no rows"),
        (PAGE, "HTML.*<!DOCTYPE html>"),
        (b"\xef\xbb\xbf\r\n " + PAGE, "HTML"),
        (published(line(group(EXITS="x"))), "no rows"),
        (published("Not Found"), "no rows"),
        (SMALL.replace(b"REGULAR", b"\xff", 1), "line 1 is not UTF-8"),
    ],
)
def test_what_is_no_week_at_all_is_refused(load: Load, body: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        load(body, 1)


@pytest.mark.parametrize("last", ["9", "00092879", "000"])
@pytest.mark.parametrize("end", ["", "  "])
@pytest.mark.parametrize("allow_bad_rows", [0, 10])
def test_a_cut_last_line_is_refused(load: Load, last: str, end: str, allow_bad_rows: int) -> None:
    body = published(line(*[group()] * 8), line(group(), group(EXITS=last + end))).removesuffix(b"\n")

    with pytest.raises(Refused, match=f"line 2, the last one, is cut in its value '{last}'"):
        load(body, allow_bad_rows)


GOOD = line(group(), group())
COUNTERS = ["", " ", "abc", "-5", "+5", "1.0", "1 2", "\uff11", '"12"']
BAD_LINES = [
    ("A002,R051,02-00-00", "3 fields, expected 3 and 5 for each of 1 to 8 rows"),
    ("A002", "1 fields"),
    ("   ", "1 fields"),
    (line(*[group()] * 9), "48 fields"),
    (GOOD + ",", "14 fields"),
    (GOOD.rpartition(",")[0], "12 fields"),
    (line(group(), "01-01-12,04:00:00"), "10 fields"),
    ("C/A,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS", "11 fields"),
    (JUNK, "29 fields"),
    (line(group(DATE="01-07-12"), "x"), "9 fields"),  # the number of fields goes before the day
]


@pytest.mark.parametrize("block", [check.BLOCK, 600])
@pytest.mark.parametrize(("bad", "reason"), BAD_LINES)
def test_a_line_of_another_number_of_fields_is_one_bad_row(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: str, reason: str, block: int
) -> None:
    monkeypatch.setattr(check, "BLOCK", block)
    good = [line(*[group()] * groups) for groups in (8, 2, 8, 1)]
    body = published(*good[:3], "", bad, good[3])

    with pytest.raises(Refused, match=f"^1 bad row, 0 allowed; line 5: {reason}.*--allow-bad-rows 1 would"):
        load(body)
    known, unpacked = load(body, 1)

    assert (known.rows, known.bad_rows) == (19, 1)
    assert unpacked == unrolled(published(*good))
    ((number, why, text),) = rejected(tmp_path / "object.csv.gz")[1:]
    assert (number, text) == ("5", bad)
    assert why.startswith(reason)


@pytest.mark.parametrize("name", ["ENTRIES", "EXITS"])
@pytest.mark.parametrize("bad", COUNTERS)
@pytest.mark.parametrize("day", ["01-01-12", "01-07-12"])
def test_a_group_whose_counter_is_no_number_is_one_bad_row(
    load: Load, tmp_path: Path, name: str, bad: str, day: str
) -> None:
    odd = group(DATE=day, **{name: bad})
    body = published(GOOD, line(group(DESC="LOGON"), odd, group(DESC="DOOR OPEN"), keys="B1,R2,00-00-00"), GOOD)

    with pytest.raises(Refused, match=f"^1 bad row, 0 allowed; line 2: {name} .* is no whole number"):
        load(body)
    known, unpacked = load(body, 1)

    assert (known.rows, known.bad_rows) == (6, 1)
    kept = [GOOD, line(group(DESC="LOGON"), group(DESC="DOOR OPEN"), keys="B1,R2,00-00-00"), GOOD]
    assert unpacked == unrolled(published(*kept))
    assert rejected(tmp_path / "object.csv.gz")[1:] == [
        ["2", f"{name} {bad.strip()!r} is no whole number", line(odd, keys="B1,R2,00-00-00")]
    ]


def test_several_groups_of_a_line_are_several_bad_rows(load: Load, tmp_path: Path) -> None:
    odd = [group(EXITS="x"), group(ENTRIES="y")]
    body = published(GOOD, line(odd[0], group(), odd[1]) + "  ")

    with pytest.raises(Refused, match=r"^2 bad rows, 1 allowed; line 2: EXITS 'x'.*; line 2: ENTRIES 'y'"):
        load(body, 1)
    assert load(body, 2)[1] == unrolled(published(GOOD, line(group())))
    texts = [text for _, _, text in rejected(tmp_path / "object.csv.gz")[1:]]
    assert texts == [line(odd[0]), line(odd[1]) + "  "]


def test_a_file_that_opens_with_junk_is_refused_with_its_lines_or_loaded_without_them(
    load: Load, tmp_path: Path
) -> None:
    body = published(*[JUNK] * 10) + SMALL

    with pytest.raises(Refused, match=r"^10 bad rows, 9 allowed; line 1: 29 fields.*line 5: .*--allow-bad-rows 10"):
        load(body, 9)
    known, unpacked = load(body, 10)

    assert (known.rows, known.bad_rows) == (500, 10)
    assert unpacked == unrolled(SMALL)
    assert [(row[0], row[2]) for row in rejected(tmp_path / "object.csv.gz")[1:]] == [
        (str(number), JUNK) for number in range(1, 11)
    ]


def test_lines_are_numbered_as_published_across_blocks(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "BLOCK", 1_000)
    lines = SMALL.decode().splitlines()
    at = [1, 2, 30, 31, len(lines)]
    for number in at:
        lines[number - 1] = f"junk {number}"

    load(published(*lines), 5)

    assert [row[::2] for row in rejected(tmp_path / "object.csv.gz")[1:]] == [[str(n), f"junk {n}"] for n in at]


@pytest.mark.parametrize("day", ["01-07-12", "12-30-11", "01/01/2012", "01-01-2012", "1-1-12", "", "x"])
@pytest.mark.parametrize("allow_bad_rows", [0, 100])
def test_a_day_outside_the_week_is_refused_whatever_is_allowed(load: Load, day: str, allow_bad_rows: int) -> None:
    body = published(GOOD, line(*[group()] * 8), line(group(), group(DATE=day), group()))

    with pytest.raises(Refused, match=f"^line 3: DATE '{day}' is not in the week, 12-31-11 to 01-06-12; nothing"):
        load(body, allow_bad_rows)


# In the lake


def test_an_object_read_again_is_known_as_it_was(load: Load, tmp_path: Path) -> None:
    known, _ = load(BIG)
    assert examine(tmp_path / "object.csv.gz", TURNSTILE, WEEK) == known

    packed = gzip.compress(SMALL)
    (tmp_path / "object.csv.gz").write_bytes(packed)
    with pytest.raises(Refused, match="header"):
        examine(tmp_path / "object.csv.gz", TURNSTILE, WEEK)


def test_a_legacy_week_lands_like_any_other(land: Callable[..., Ran], web: Web, tmp_path: Path) -> None:
    key, asked = f"turnstile/{WEEK}.csv.gz", ("--year", "2012", "--month", "1", "--day", "7")
    web.serve(f"/turnstile_{WEEK}.txt", Answer(SMALL))

    assert land(*asked).lines[-1] == "INFO    1 week: 1 landed"
    assert content(tmp_path / "lake", key) == unrolled(SMALL)

    facts = tmp_path / "lake" / f"{key}.json"
    first, requests = json.loads(facts.read_text()), len(web.requests)
    assert (first["rows"], first["first_day"], first["last_day"]) == (500, "2011-12-31", "2012-01-06")
    facts.unlink()
    assert land(*asked).lines[-1] == "INFO    1 week: 1 there"
    again = json.loads(facts.read_text())
    same = ("rows", "bad_rows", "first_day", "last_day", "size", "crc32c", "sha256")
    assert {name: again[name] for name in same} == {name: first[name] for name in same}
    assert len(web.requests) == requests


def test_a_period_may_hold_weeks_of_both_forms(land: Callable[..., Ran], web: Web, tmp_path: Path) -> None:
    old, new = date(2014, 10, 11), date(2014, 10, 18)
    web.serve("/turnstile_141011.txt", Answer(make_legacy_week(old, 500)))
    web.serve("/turnstile_141018.txt", Answer(small_week(new)))

    assert land("--start", "2014-10-11", "--end", "2014-10-18").lines[-1] == "INFO    2 weeks: 2 landed"
    assert content(tmp_path / "lake", "turnstile/141011.csv.gz") == unrolled(make_legacy_week(old, 500))


# Any content


def by_the_rule(body: bytes) -> tuple[list[list[str]], list[tuple[int, str]]] | None:
    """The rows and the bad rows of a published file, line by line; None where it must be refused whole."""
    rows, bad = [], []
    for number, whole in enumerate(body.removeprefix(b"\xef\xbb\xbf").decode().split("\n"), start=1):
        for text in filter(None, whole.split("\r")):
            fields = text.split(",")
            if len(fields) not in (8, 13, 18, 23, 28, 33, 38, 43):
                bad.append((number, text))
                continue
            for at in range(3, len(fields), 5):
                row = fields[:3] + fields[at : at + 5]
                clean = [field.strip(" \t\v\f") for field in row]
                if not all(re.fullmatch("[0-9]+", counter) for counter in clean[6:]):
                    bad.append((number, ",".join(row)))
                elif clean[3] not in DAYS:
                    return None
                else:
                    day = date(2000 + int(clean[3][6:]), int(clean[3][:2]), int(clean[3][3:5]))
                    counts = [str(int(counter)) for counter in clean[6:]]
                    when = [f"{day:%m/%d/%Y}", *clean[4:6]]
                    rows.append([str(len(rows)), *clean[:3], "", "", "", *when, *counts])
    return rows, bad


odd = st.sampled_from(["", " ", '"', "\ufeff", "\0", "é", "\t9\v", "\x1c", "\u2028", "-5", " 12 ", "5,9", "\r", "\n"])
texts = st.one_of(*[st.sampled_from(["A002", "R051", "REGULAR", "LOGON", "000000012"])] * 12, odd)
counters = st.one_of(*[st.from_regex(r"[ \t]?[0-9]{1,9} ?", fullmatch=True)] * 12, odd)
dates = st.one_of(*[st.sampled_from([*DAYS, f" {DAYS[0]}\f"])] * 30, odd)
odd_groups = st.tuples(dates, texts, texts, counters, counters).map(",".join)
good_groups = st.builds(lambda day, count: group(DATE=day, EXITS=count), st.sampled_from(DAYS), st.just(" 007 "))
good_lines = st.lists(good_groups, min_size=1, max_size=9).map(lambda groups: line(*groups))
odd_lines = st.builds(lambda keys, groups: ",".join([*keys, *groups]), st.tuples(texts, texts, texts),
                      st.lists(odd_groups, min_size=1, max_size=3))  # fmt: skip
any_line = st.one_of(good_lines, good_lines, odd_lines, odd_lines, st.lists(texts, max_size=14).map(",".join))
ends = st.sampled_from(["\n"] * 5 + ["\r\n", "\r\n", "\n\n", "\r", "\n\r"])
bodies = st.builds(
    lambda start, parts: (start + "".join(itertools.chain(*parts))).encode(),
    st.sampled_from(["", "", "\ufeff"]),
    st.lists(st.tuples(any_line, ends), min_size=1, max_size=8),
)


@settings(max_examples=300, deadline=None)
@given(bodies, st.sampled_from([0, 1, 100, 100]), st.integers(100, 2_000))
@example(published(GOOD, "\r" + line(group(EXITS="x"), group())), 1, 1_000)
@example(published(line(group(), keys="\ufeffA002,R051,02-00-00"), GOOD), 0, 100)
def test_fast_and_slow_look_agree_with_the_rule(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, allowed: int, block: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv.gz"
    ruled = by_the_rule(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "BLOCK", max(block, *(len(line) + 40 for line in body.split(b"\n"))))
        known = converted_as_ruled(body, WEEK, path, allowed, ruled)
        if known is None:
            return
        again = examine(path, TURNSTILE, WEEK)

    assert ruled
    rows, bad = ruled
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    assert gzip.decompress(path.read_bytes()) == NAMES + text.getvalue().encode()
    assert (known.rows, known.bad_rows) == (len(rows), len(bad))
    assert again == replace(known, bad_rows=0)
    if bad:
        assert [(int(number), text) for number, _, text in rejected(path)[1:]] == bad
