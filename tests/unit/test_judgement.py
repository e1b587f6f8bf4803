"""A week beside its neighbours: what is said of it, who they are, and what is compared where there are few."""

from dataclasses import replace
from typing import Any

import pytest

from made_years import AUDITS, WEEK
from mta_weekly.content.judgement import Figures, describe_findings, find_neighbours, judge_week
from mta_weekly.feeds.catalog import DAILY, RIDERSHIP, TURNSTILE
from mta_weekly.feeds.weeks import Week

REAL = (253_587, 250_816, 253_022, 250_806)
SUMMER = (*AUDITS[-1:], *AUDITS[:-1])


def week(away: int = 0, rows: int = 252_000, **figures: Any) -> Figures:
    """So many weeks after 240106, of about as many rows each day and hour."""
    usual = {"day_rows": (rows // 7,) * 7, "hour_rows": (rows // 24,) * 24, "keys": 5026, "doubled_keys": 2}
    return Figures(Week(Week.named("240106").saturday + away * WEEK), "web", rows, **usual | figures)


def bare(away: int, rows: int) -> Figures:
    """As of an object of an early version: its rows are known alone."""
    return week(away, rows, day_rows=(), hour_rows=(), keys=0, doubled_keys=0)


def modes(away: int = 0, ended: tuple[str, ...] = (), **rows: int) -> Figures:
    """A week of daily."""
    series = {name: count for name, count in ({"Subway": 7, "Bus": 7, "CBD": 7} | rows).items() if count}
    total = sum(series.values())
    return week(
        away, total, day_rows=(3,) * 7, hour_rows=(), keys=len(series), doubled_keys=0, series_rows=series, ended=ended
    )


BEFORE = [week(-n) for n in range(1, 9)]


def judged(figures: Figures, neighbours: list[Figures] = BEFORE, stands: Figures | None = None) -> str:
    return describe_findings(judge_week(figures, neighbours, TURNSTILE, stands))


def test_a_part_of_a_real_week_is_said_with_its_neighbours() -> None:
    near = [bare(n - 4, rows) for n, rows in enumerate(REAL)]
    assert judged(bare(0, 100_326), near) == "rows 100,326, its neighbours 250,806 to 253,587 (60 % fewer)"


def test_keys_that_come_twice_are_said() -> None:
    near = [replace(each, doubled_keys=4 * n) for n, each in enumerate(BEFORE)]
    near.append(week(1, doubled_keys=36))
    assert judged(week(doubled_keys=50_000), near) == "doubled keys 50,000, its neighbours 0 to 36"
    assert judged(week(doubled_keys=260), near) == ""
    assert judged(week(doubled_keys=1_261), []) == "doubled keys 1,261, at most 1,260"
    assert judged(week(doubled_keys=1_260), []) == ""


def test_what_stands_may_not_shrink() -> None:
    assert judged(bare(0, 1_527), [], bare(0, 5_000)) == "rows 1,527, what stands has 5,000"
    assert judged(bare(0, 4_750), [], bare(0, 5_000)) == ""
    assert judged(week(rows=126_000), BEFORE, week()).startswith("rows 126,000, its neighbours 252,000 (50 % fewer)")


def test_what_stands_and_is_no_week_itself_may() -> None:
    doubled = week(rows=504_000, doubled_keys=252_000)
    assert judged(week(), BEFORE, doubled) == judged(week(), [], doubled) == ""
    assert judged(week(), [], week(rows=504_000)).startswith("rows 252,000, what stands has 504,000; ")


def test_the_gravest_comes_first_and_three_are_shown() -> None:
    bad = week(rows=100_000, keys=4_100, doubled_keys=5_000)
    assert judged(bad) == (
        "rows 100,000, its neighbours 252,000 (60 % fewer); turnstiles 4,100, its neighbours 5,026 (18 % fewer); "
        "doubled keys 5,000, its neighbours 2; and 31 more"
    )


def test_a_day_and_an_hour_are_named() -> None:
    days, hours = [36_000] * 7, [10_500] * 24
    days[4], hours[13] = 1_200, 5_000
    assert judged(week(day_rows=tuple(days), hour_rows=tuple(hours))) == (
        "rows of 2024-01-03 1,200, its neighbours 36,000 (97 % fewer); "
        "rows at 13 h 5,000, its neighbours 10,500 (52 % fewer)"
    )


def test_an_hour_that_a_neighbour_lacks_too_is_no_fault() -> None:
    near = [replace(week(-n), hour_rows=(28 * (n > 1), *[10_500] * 23)) for n in range(1, 6)]
    assert judged(week(hour_rows=(0, *[10_500] * 23)), near) == ""
    assert judged(week(hour_rows=(0, *[10_500] * 23)), near[1:]) == "rows at 00 h 0, its neighbours 28 (100 % fewer)"


def test_too_many_rows_are_no_fault() -> None:
    assert judged(week(rows=400_000, keys=9_000)) == ""


def test_with_fewer_than_three_neighbours_a_day_is_beside_the_others() -> None:
    days = (36_000, 36_000, 17_000, 37_000, 36_000, 35_000, 36_000)
    said = "rows of 2024-01-01 17,000, the week's other days 35,000 to 37,000 (53 % fewer)"
    assert judged(week(rows=7_000, day_rows=days), BEFORE[:2]) == said
    assert judged(week(rows=7_000, day_rows=(20_000, *days[3:], 36_000, 36_000)), BEFORE[:2]) == ""
    assert judged(week(rows=7_000), BEFORE[:3]).startswith("rows 7,000, ")


def test_a_figure_that_fewer_than_three_neighbours_have_is_not_judged() -> None:
    near = [bare(-3, 252_000), *BEFORE[:2]]
    assert judged(week(keys=9, hour_rows=(0,) * 24), near) == ""
    assert judged(week(keys=9, hour_rows=(0,) * 24), [*near, week(1)]).startswith("turnstiles 9, ")


def test_four_weeks_that_rise_by_chance_are_no_trend() -> None:
    near = [bare(-n, rows) for n, rows in enumerate((256_692, 254_851, 251_165, 251_554), start=1)]
    assert judge_week(bare(0, 245_392), near, TURNSTILE) == []


def test_a_feed_that_grows_is_judged_by_its_trend() -> None:
    near = [week(-n, int(252_000 * 0.99**n)) for n in range(1, 9)]
    assert judged(week(rows=252_000 * 91 // 100), near).startswith("rows 229,320, ")
    shrinking = [week(-n, int(252_000 / 0.99**n), keys=int(5_026 / 0.99**n)) for n in range(1, 9)]
    assert judged(week(), shrinking) == ""


@pytest.mark.parametrize(("at", "found", "around"), [(0, AUDITS, SUMMER), (-31, SUMMER, AUDITS)])
def test_hours_may_move_with_the_clock(at: int, found: tuple[int, ...], around: tuple[int, ...]) -> None:
    """240106 is in winter, and 230603 in summer."""
    near = [week(-31 - at - n, hour_rows=around) for n in range(1, 4)]
    assert judged(week(at, hour_rows=found), near) == ""
    lacking = tuple(count * (hour != 3) for hour, count in enumerate(found))
    assert judged(week(at, hour_rows=lacking), near).startswith("rows at 03 h 0, ")


def test_a_mode_is_missed_where_its_neighbours_have_it() -> None:
    near = [modes(n) for n in (-3, -2, -1, 1)]

    def said(found: Figures, near: list[Figures] = near) -> str:
        return describe_findings(judge_week(found, near, DAILY))

    assert said(modes(Bus=6)) == "rows of Bus 6, its neighbours 7 (14 % fewer)"
    assert said(modes(Bus=0)) == "rows of Bus 0, its neighbours 7 (100 % fewer)"
    assert said(modes(Bus=0, ended=("Bus",))) == ""
    assert said(modes(Bus=0), [*near[:2], modes(-1, ended=("Bus",)), near[3]]) == ""
    assert said(modes(Bus=0), [*near[:3], modes(1, Bus=0)]) == ""  # it has ended
    assert said(modes(Bus=0), [modes(n) for n in (-5, -4, -3)])  # nor of two weeks that were held
    assert said(modes(Bus=0), [modes(n) for n in (-6, -5, -4)]) == ""  # it may have, in one of three
    assert said(modes(Bus=0), [modes(n) for n in (1, 2, 3)]) == ""  # it may not have begun


def test_what_stands_may_not_lose_a_mode_either() -> None:
    findings = judge_week(modes(Bus=5), [], DAILY, modes())
    assert describe_findings(findings) == "rows of Bus 5, what stands has 7"


def test_an_accepted_week_is_not_judged_nor_one_of_a_feed_without_norms() -> None:
    assert judged(week(rows=100, accepted=True)) == ""
    assert judge_week(week(rows=100), BEFORE, replace(TURNSTILE, norms=None)) == []


def test_a_neighbour_of_ridership_may_have_far_more_rows() -> None:
    near = [week(-n, 620_000) for n in range(1, 5)]
    assert judge_week(replace(week(rows=380_000), hour_rows=()), near, RIDERSHIP) == []
    assert [each.figure for each in judge_week(bare(0, 370_000), near, RIDERSHIP)] == ["rows"]


def away(figures: list[Figures], from_week: Figures) -> list[int]:
    return [(each.week.saturday - from_week.week.saturday) // WEEK for each in figures]


def test_the_nearest_eight_are_neighbours_the_earlier_first() -> None:
    known = [week(n) for n in range(-9, 9)]
    assert away(find_neighbours(week(), known), week()) == [-1, 1, -2, 2, -3, 3, -4, 4]
    assert away(find_neighbours(week(-9), known), week(-9)) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_neighbours_are_within_half_a_year_and_of_the_same_source() -> None:
    known = [week(-27), week(-26), week(26), week(27), replace(week(1), baseline="table")]
    assert away(find_neighbours(week(), known), week()) == [-26, 26]


@pytest.mark.parametrize(
    ("at", "neighbours"),
    [(-3, [-1, 1]), (-1, [-1, -2]), (0, [1, 2]), (1, [-1, 1]), (2, [-1, -2]), (4, [-1, 1]), (3, [1, 2])],
)
def test_an_accepted_week_begins_anew(at: int, neighbours: list[int]) -> None:
    """Here 240106 and the third week after it: those between have it, and not the other."""
    known = [week(n, accepted=n in (0, 3)) for n in range(-4, 6) if n != at]
    figures = week(at, accepted=at in (0, 3))
    found = away(find_neighbours(figures, known), figures)
    assert found[:2] == neighbours
