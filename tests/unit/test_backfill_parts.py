"""A backfill is cut into parts that are said in words; bad flags end it with 2."""

from datetime import date

import pytest

from mta_weekly.backfill_parts import Part, count_parts, cut_weeks, sum_parts
from mta_weekly.command.flags import backfill_parser, parse_flags
from mta_weekly.feeds.weeks import list_weeks


def test_a_range_is_cut_into_months_or_years() -> None:
    weeks = list_weeks(date(2015, 11, 20), date(2016, 1, 10))
    months = {"2015-11": 2, "2015-12": 4, "2016-01": 2}
    assert {name: len(part) for name, part in cut_weeks(weeks, "month").items()} == months
    assert {name: len(part) for name, part in cut_weeks(weeks, "year").items()} == {"2015": 6, "2016": 2}
    assert [week for part in cut_weeks(weeks, "year").values() for week in part] == weeks


def test_parts_in_words() -> None:
    landed = Part("2015-03", "landed", 4, 0, 2_000, 26_000, 35.2, "id")
    failed = Part("2015-04", "failed", 4, 1, 1_500, 19_500, 9.1, "id", "turnstile 150404: not published")
    outside = Part("100501", "outside", 1, 1, reason="outside what turnstile has published")
    assert str(landed) == "2015-03: landed, 4 weeks, 2,000 rows, 26.0 kB, 35 s"
    assert str(failed) == "2015-04: 1 of 4 weeks not in the lake: turnstile 150404: not published"
    assert str(Part("2015-05", "there before", 1, 0, 500, 6_500)) == "2015-05: there before, 1 week, 500 rows, 6.5 kB"
    assert str(outside) == "100501: outside what turnstile has published"
    suspect = Part("150307", "suspect", 1, 0, 200, 2_600, reason="is in the lake, and not like its neighbours")
    assert str(suspect) == "150307: is in the lake, and not like its neighbours"
    assert [part.missed for part in (landed, failed, outside, suspect)] == [False, True, True, True]
    counts = "2 parts: 1 landed, 1 failed, 1 suspect, 1 outside"
    assert count_parts([outside, suspect, landed, failed]) == counts
    assert sum_parts([outside, suspect, landed, failed], 40) == Part("total", counts, 9, 2, 3_500, 45_500, 40)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--start", "2015-01-01", "--end", "2014-12-01", "--deployment", "d"], "the end is before the start"),
        (["--start", "2015-01-01", "--deployment", "d"], "the following arguments are required: --end"),
        (["--start", "2015-01-01", "--end", "2015-02-01", "--deployment", "d", "--part-timeout", "nan"], "no number"),
        (["--start", "2015-01-01", "--end", "2015-02-01", "--deployment", "d", "--by", "day"], "invalid choice"),
    ],
)
def test_bad_flags_end_with_2(flags: list[str], says: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse_flags(backfill_parser(), flags)
    assert end.value.code == 2
    assert says in capfd.readouterr().err
