"""Where rows end in quoted CSV: cut anywhere, a row stays whole; every value comes out as it went in."""

import csv
import gzip
import io
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta_weekly import csv_rows as lines
from mta_weekly.content import check
from mta_weekly.content.convert import convert_week
from mta_weekly.feeds.catalog import DAILY
from mta_weekly.feeds.columns import TEXT
from mta_weekly.feeds.weeks import Week
from tries import tries

texts = st.text(st.sampled_from("ab,\"\n\r é東\t;'#"), max_size=12)
rows = st.lists(st.lists(texts, min_size=3, max_size=3), max_size=30)


def quoted(table: list[list[str]]) -> bytes:
    """As data.ny.gov writes it: every value in quotes."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(table)
    return text.getvalue().encode()


def as_needed(value: str) -> str:
    """RFC 4180: in quotes where there is a quote, a comma or a line end. (Python's writer forgets a lone CR.)"""
    return '"' + value.replace('"', '""') + '"' if set(value) & set('",\r\n') else value


@given(rows)
@settings(deadline=None, max_examples=tries(1000))
def test_rows_are_counted_and_told_apart(table: list[list[str]]) -> None:
    body = quoted(table)
    assert lines.count_rows(body) == len(table)
    assert [row for _, row in lines.split_records(body, quoted=True) if row] == [quoted([row])[:-1] for row in table]
    starts = [at for at, row in lines.split_records(body, quoted=True) if row]
    assert starts == [quoted(table[:n]).count(b"\n") for n in range(len(table))]


@given(rows, st.data())
@settings(deadline=None, max_examples=tries(1000))
def test_a_cut_is_never_within_a_row(table: list[list[str]], data: st.DataObject) -> None:
    body = quoted(table)
    at = data.draw(st.integers(0, len(body)))
    ends = [len(quoted(table[:n])) for n in range(len(table) + 1)]
    assert lines.find_end(body[:at], quoted=True) == max(end for end in ends if end <= at)


@given(rows, st.integers(60, 300))
@settings(deadline=None, max_examples=tries(1000))
def test_blocks_are_whole_rows_wherever_the_chunks_end(table: list[list[str]], size: int) -> None:
    body = quoted(table)
    try:
        pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
        found = [list(lines.cut_blocks(chunks, True, size)) for chunks in ([body], pieces)]
    except lines.TooLong:
        assert max(len(quoted([row])) for row in table) > size
        return
    assert found[0] == found[1]
    assert b"".join(found[0]) == body
    ends = {len(quoted(table[:n])) for n in range(len(table) + 1)}
    assert {len(b"".join(found[0][:n])) for n in range(len(found[0]) + 1)} <= ends


def test_a_quote_that_is_never_closed_takes_no_time() -> None:
    assert lines.find_end(b'"' + b"\n" * 1_000_000, quoted=True) == 0
    assert lines.find_end(b'a\n"' + b'""\n' * 300_000, quoted=True) == 2
    assert len(list(lines.split_records(b'"' + b"a,b\n" * 1_000_000, quoted=True))) == 1


@pytest.mark.parametrize("block", [check.BLOCK, 400])
@given(table=rows)
@settings(deadline=None, max_examples=tries(400))
def test_a_quoted_value_of_any_text_comes_out_as_it_went_in(
    table: list[list[str]], block: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / "object.csv.gz"
    feed = replace(DAILY, schema=(*DAILY.schema[:2], replace(DAILY.schema[2], kind=TEXT)), summed=())
    published = [["2026-09-05T00:00:00.000", mode, count] for _, mode, count in [*table, ["", "x", "y"]]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "BLOCK", block)
        content = convert_week(
            [quoted([["date", "mode", "count"]]), quoted(published)], feed, Week.named("260912"), path
        )
    wanted = "".join(",".join(map(as_needed, row)) + "\n" for row in [["DATE", "MODE", "COUNT"], *published])
    assert gzip.decompress(path.read_bytes()).decode() == wanted
    assert content.rows == len(published)
    assert content.empty.get("MODE", 0) == sum(not row[1] for row in published)
