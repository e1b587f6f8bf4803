"""Any file of the form up to 141011: what convert makes of it is what the rule says, line by line."""

import csv
import gzip
import io
import itertools
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from legacy_files import DAYS, GOOD, NAMES, WEEK, group, line, published
from mta_weekly.content import check
from mta_weekly.content.convert import examine_object
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.feeds.weeks import Week
from tries import tries
from weekly_files import converted_as_ruled, is_faulty, rejected

# Any content


TEXT, DAY, COUNTER = "(?s:.*)", "(0[1-9]|1[0-2])-([0-2][0-9]|3[01])-[0-9]{2}", "0*[0-9]{1,18}"
KINDS = [*["(?s:.+)"] * 3, DAY, "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]", TEXT, COUNTER, COUNTER]


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
                if any(map(is_faulty, clean, KINDS)):
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
times = st.one_of(*[st.sampled_from(["03:00:00", " 23:59:59"])] * 12, odd)
odd_groups = st.tuples(dates, times, texts, counters, counters).map(",".join)
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


@settings(max_examples=tries(1000), deadline=None)
@given(bodies, st.sampled_from([0, 1, 100, 100]), st.integers(100, 2_000))
@example(published(GOOD, "\r" + line(group(EXITS="x"), group())), 1, 1_000)
@example(published(line(group(), keys="\ufeffA002,R051,02-00-00"), GOOD), 0, 100)
def test_a_file_becomes_what_the_rule_says(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, allowed: int, block: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv.gz"
    ruled = by_the_rule(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "BLOCK", max(block, *(len(line) + 40 for line in body.split(b"\n"))))
        known = converted_as_ruled(body, WEEK, path, allowed, ruled)
        if known is None:
            return
        again = examine_object(path, TURNSTILE, Week.named(WEEK))

    assert ruled
    rows, bad = ruled
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    assert gzip.decompress(path.read_bytes()) == NAMES + text.getvalue().encode()
    assert (known.rows, known.bad_rows) == (len(rows), len(bad))
    assert again == replace(known, bad_rows=0)
    if bad:
        assert [(int(number), text) for number, _, text in rejected(path)[1:]] == bad
