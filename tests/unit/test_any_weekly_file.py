"""Any weekly file, cut anywhere: what convert makes of it is what the rule says, line by line."""

import csv
import gzip
import io
import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mta_weekly.content import check
from mta_weekly.content.convert import convert_week, examine_object, rejected_path
from mta_weekly.errors import BrokenBody
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.feeds.weeks import Week
from tries import tries
from weekly_files import (
    BIG,
    DAYS,
    HEADER,
    NAMES,
    SATURDAY,
    WEEK,
    blank_lines,
    converted_as_ruled,
    is_faulty,
    published,
    rejected,
    row,
)
from weeks import make_week

# Any content, cut anywhere


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


def pieces(body: bytes, cuts: list[int]) -> list[bytes]:
    at = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(at)]


def longest(body: bytes) -> int:
    return max(map(len, body.splitlines(keepends=True)))


FEW = make_week(SATURDAY, rows=20)
ODD = published(*(row(STATION=text, EXITS=str(n)) for n, text in enumerate(['"', "É" * 9, "\u2028", "", "a"] * 4)))


@settings(max_examples=tries(300), deadline=None)
@given(
    st.sampled_from([FEW, ODD, blank_lines(FEW, b"\r\n"), b"\xef\xbb\xbf" + ODD]),
    st.lists(st.integers(0, 3_000), max_size=30),
    st.integers(64, 3_000),
)
def test_an_object_does_not_depend_on_how_its_body_was_cut(
    folder: Path, body: bytes, cuts: list[int], block: int
) -> None:
    whole = convert_week([body], TURNSTILE, Week.named(WEEK), folder / "whole.csv.gz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "BLOCK", max(block, longest(body) + 1))
        cut = convert_week(pieces(body, cuts), TURNSTILE, Week.named(WEEK), folder / "cut.csv.gz")
        again = examine_object(folder / "cut.csv.gz", TURNSTILE, Week.named(WEEK))

    assert cut == again == whole
    assert (folder / "cut.csv.gz").read_bytes() == (folder / "whole.csv.gz").read_bytes()


@pytest.mark.parametrize("block", [100_000, 333_333, 2_000_000])
def test_a_big_object_does_not_depend_on_the_size_of_a_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    whole = convert_week([BIG], TURNSTILE, Week.named(WEEK), tmp_path / "whole.csv.gz")
    monkeypatch.setattr(check, "BLOCK", block)

    assert convert_week([BIG], TURNSTILE, Week.named(WEEK), tmp_path / "cut.csv.gz") == whole
    assert (tmp_path / "cut.csv.gz").read_bytes() == (tmp_path / "whole.csv.gz").read_bytes()


TEXT, DAY, COUNTER = "(?s:.*)", "(0[1-9]|1[0-2])/([0-2][0-9]|3[01])/[0-9]{4}", "0*[0-9]{1,18}"
KINDS = [*["(?s:.+)"] * 3, *[TEXT] * 3, DAY, "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]", TEXT, COUNTER, COUNTER]


def by_the_rule(body: bytes) -> tuple[list[list[str]], list[tuple[int, str]]] | None:
    """The rows and the bad rows of a published file, line by line; None where it must be refused whole."""
    rows, bad = [], []
    lines = [(number, part) for number, line in enumerate(body.split(b"\n"), start=1) for part in line.split(b"\r")]
    for number, line in lines:
        if number == 1 or not line:
            continue
        fields = [field.strip(" \t\v\f") for field in line.decode().split(",")]
        if len(fields) != 11 or any(map(is_faulty, fields, KINDS)):
            bad.append((number, line.decode()))
        elif fields[6] not in DAYS:
            return None
        else:
            rows.append([str(len(rows)), *fields[:9], *(counter.lstrip("0") or "0" for counter in fields[9:])])
    return rows, bad


def by_the_csv_module(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["", "CA", *NAMES[1:]], *rows])
    return text.getvalue().encode()


ODD_TEXTS = [
    "",
    " ",
    '"',
    '5"9',
    "5,9",
    "\ufeff",
    "\0",
    "é",
    "\uff11",
    "\t9\v",
    "\x1c",
    "\x85",
    "\u2028",
    "\\",
    "'",
    "NULL",
]
texts = st.sampled_from(["59 ST", "A002", "R051", "REGULAR", "0000102019"])
odd = st.sampled_from([*ODD_TEXTS, "\r", "a\rb", "\n", "-5", "1.0", "0x1A", " 12 ", "007"]) | st.text(max_size=3)
fields = st.one_of(*[texts] * 5, odd)
counters = st.one_of(*[st.from_regex(r"[ \t]?[0-9]{1,10} ?", fullmatch=True)] * 5, odd)
dates = st.one_of(*[st.sampled_from(DAYS)] * 40, st.sampled_from([f" {DAYS[0]}\t", f"\f{DAYS[1]}"]), odd)
good_lines = st.builds(
    lambda texts, day, rest, counts: ",".join([*texts, day, *rest, *counts]),
    st.lists(texts | st.sampled_from(ODD_TEXTS[:2]), min_size=6, max_size=6),
    st.sampled_from(DAYS),
    st.tuples(st.sampled_from(["03:00:00", " 23:59:59\v"]), texts),
    st.lists(st.sampled_from(["0000102019", " 7 ", "0"]), min_size=2, max_size=2),
)
odd_lines = st.builds(
    lambda texts, day, rest, counts: ",".join([*texts, day, *rest, *counts]),
    st.lists(fields, min_size=6, max_size=6),
    dates,
    st.tuples(st.one_of(*[st.just("03:00:00")] * 5, odd), fields),
    st.lists(counters, min_size=2, max_size=2),
)
lines = st.one_of(good_lines, good_lines, odd_lines, odd_lines, odd_lines, st.lists(fields, max_size=14).map(",".join))
ends = st.sampled_from(["\n"] * 5 + ["\r\n", "\r\n", "\n\n", "\r\n\r\n", "\r", "\r\r\n", "\n\r"])
bodies = st.builds(
    lambda parts, last, start: (start + HEADER + "\n" + "".join(itertools.chain(*parts)) + last).encode(),
    st.lists(st.tuples(lines, ends), min_size=1, max_size=12),
    good_lines | st.just(""),
    st.sampled_from(["", "", "", "\ufeff"]),
)


@settings(max_examples=tries(1000), deadline=None)
@given(bodies, st.sampled_from([0, 1, 3, 100, 100, 100]), st.integers(64, 2_000))
@example(published(row(), "\r" + ",".join(row(EXITS="x"))), 1, 1_000)
@example(published(row(), row(EXITS="x")), 1, 1)
@example(published(row(**{"C/A": "\ufeffA002"}), row()), 1, 1)
@example(published(row(DATE="\f01/01/2024\v", EXITS="\v12\f"), row(EXITS="x")), 1, 1_000)
def test_a_file_becomes_what_the_rule_says(folder: Path, body: bytes, allowed: int, block: int) -> None:
    path = folder / "any.csv.gz"
    ruled = by_the_rule(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "BLOCK", max(block, *(len(line) + 2 for line in body.split(b"\n"))))
        content = converted_as_ruled(body, WEEK, path, allowed, ruled)
    if content is None:
        return

    assert ruled
    rows, bad = ruled
    assert gzip.decompress(path.read_bytes()) == by_the_csv_module(rows)
    assert (content.rows, content.bad_rows) == (len(rows), len(bad))
    assert examine_object(path, TURNSTILE, Week.named(WEEK)) == replace(content, bad_rows=0)
    if bad:
        assert [(int(number), text) for number, _, text in rejected(path)[1:]] == bad
    else:
        assert not rejected_path(path).exists()


def test_a_cut_is_seen_across_blocks_and_counters_without_padding_are_no_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = published(row(), row(EXITS="0000073801")).rstrip(b" \n")
    monkeypatch.setattr(check, "BLOCK", whole.rindex(b"\n") + 1)
    with pytest.raises(BrokenBody, match="the last one, is cut in its value '00'"):
        convert_week([whole[:-8]], TURNSTILE, Week.named(WEEK), tmp_path / "cut.csv.gz")
    assert convert_week([whole], TURNSTILE, Week.named(WEEK), tmp_path / "whole.csv.gz").rows == 2
    bare = published(row(EXITS="1000"), row(EXITS="999")).rstrip(b" \n")
    assert convert_week([bare], TURNSTILE, Week.named(WEEK), tmp_path / "bare.csv.gz").rows == 2
