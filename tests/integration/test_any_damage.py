"""A good week of any feed, damaged anywhere: it is refused in a sentence, or what lands reads back as it should."""

import csv
import gzip
import io
import itertools
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mta_weekly.content import check
from mta_weekly.content.convert import convert_week, examine_object
from mta_weekly.content.profile import WeekProfile
from mta_weekly.errors import EtlError
from mta_weekly.feeds.catalog import DAILY, RIDERSHIP, TURNSTILE, Feed
from mta_weekly.feeds.weeks import Week
from proved_lakes import publish_rows
from tries import tries
from weekly_files import rejected

FEEDS = {"240106": TURNSTILE, "120107": TURNSTILE, "250315": RIDERSHIP, "251108": DAILY}
BODIES = {week: publish_rows(feed, Week.named(week)) for week, feed in FEEDS.items()}
MARKS = [
    b'"', b'""', b"\r", b"\n", b"\r\n", b"\n\n", b"\0", b"\xef\xbb\xbf", b"\xff", b"\xc2", b"\xc2\x85", b"\xe2\x80\xa8",
    b"\xed\xa0\x80", b"\xf0\x9f", b",", b",,", b'","', b'"\n"', b" ", b"\t", b"\v", b"\x1c", b"-", b".", b"+", b"e5",
    b"0", b"0" * 30, b"9" * 19, b"9" * 400, b"1e99", b".0", b"<html>", b"<!DOCTYPE html>", b"=1+1", b"\\", b"''",
    b"x" * 5_000, b"\xc3\xa9" * 3_000, b"\n" * 3_000, b'"' * 3_001, b"",
]  # fmt: skip
WAYS = ("insert", "insert", "overwrite", "overwrite", "delete", "double", "swap", "replace", "cut", "begin", "end")
ALLOWED = 10_000
SLOW = 5.0  # seconds; each takes some milliseconds

damages = st.lists(
    st.tuples(st.sampled_from(WAYS), st.integers(0, 1 << 20), st.integers(0, 200), st.sampled_from(MARKS)),
    min_size=1,
    max_size=6,
)
few = settings(
    max_examples=tries(1000),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def damage(body: bytes, way: str, at: int, count: int, mark: bytes) -> bytes:
    at %= len(body) + 1
    part = body[at : at + count]
    match way:
        case "insert":
            return body[:at] + mark + body[at:]
        case "overwrite":
            return body[:at] + mark + body[at + max(1, len(mark)) :]
        case "delete":
            return body[:at] + body[at + count :]
        case "double":
            return body[: at + count] + body[at:]
        case "swap":
            return body[:at] + body[at + count : at + 2 * count] + part + body[at + 2 * count :]
        case "replace":
            return body.replace(body[at : at + 1 + count % 2] or b",", mark, 1 + count)
        case "cut":
            return body[:at]
        case "begin":
            return mark + body
    return body + mark


def pieces(body: bytes, cuts: list[int]) -> list[bytes]:
    at = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(at)]


def convert(parts: list[bytes], feed: Feed, week: Week, path: Path) -> WeekProfile | str:
    """What is known of what landed, or why nothing did."""
    began = time.process_time()
    try:
        return convert_week(parts, feed, week, path, ALLOWED, feed.sources[0].dialect_of(week))
    except EtlError as error:
        return f"{type(error).__name__}: {error}"
    finally:
        assert time.process_time() - began < SLOW


@few
@given(st.sampled_from(list(BODIES)), damages, st.lists(st.integers(0, 1 << 20), max_size=20), st.integers(200, 20_000))
def test_a_damaged_week_is_refused_in_a_sentence_or_lands_as_it_reads_back(
    tmp_path: Path, name: str, damages: list[tuple[str, int, int, bytes]], cuts: list[int], block: int
) -> None:
    feed, week, body = FEEDS[name], Week.named(name), BODIES[name]
    for each in damages:
        body = damage(body, *each)
    whole, cut = tmp_path / "whole.csv.gz", tmp_path / "cut.csv.gz"
    found = convert([body], feed, week, whole)
    assert convert(pieces(body, cuts), feed, week, cut) == found
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "BLOCK", block)
        in_blocks = convert(pieces(body, cuts), feed, week, cut)
    if isinstance(found, str):
        assert len(found) < 2000
        assert found.isprintable()
        assert isinstance(in_blocks, str), "whole it is refused, in blocks it lands"
        return

    is_long = f"a row of more than {block:,} bytes", "an HTML page begins"  # in a row that is longer than a block
    assert in_blocks == found or (isinstance(in_blocks, str) and any(said in in_blocks for said in is_long))
    landed = gzip.decompress(whole.read_bytes())
    header, *rows = csv.reader(io.StringIO(landed.decode(), newline=""), strict=True)
    assert header[feed.tidied :] == list(feed.columns)
    assert len(rows) == found.rows == sum(found.day_rows)
    assert {len(row) for row in rows} == {len(header)}
    assert examine_object(whole, feed, week) == replace(found, bad_rows=0, day_sums={})
    if found.bad_rows and (alone := leave_out(body, rejected(whole)[1:])):
        without = convert([alone], feed, week, cut)
        assert without == replace(found, bad_rows=0), "the good rows depend on the bad ones"


def leave_out(body: bytes, bad: list[list[str]]) -> bytes | None:
    """The body with its bad lines blank; nothing where a line holds several rows, a text is cut, or a page is left."""
    lines = body.split(b"\n")
    for number, _, text in bad:
        first, last = int(number) - 1, int(number) + text.count("\n")
        if b"\n".join(lines[first:last]).removesuffix(b"\r") != text.encode():
            return None
        lines[first:last] = [b""] * (last - first)
    left = b"\n".join(lines)
    return None if left.strip().startswith(b"<") else left  # what begins so is a page
