"""No miss: what lacks in a week, or is there twice, is found beside its neighbours, or refused.

Files of some ten thousand rows go through `convert_week`, and figures at true scale through the judgement alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest

from made_weeks import (
    Damage,
    Row,
    convert_rows,
    cut_end,
    halve_keys,
    keep_an_hour,
    leave_out_day,
    leave_out_hour,
    leave_out_mode,
    list_modes,
    list_rows,
    list_weeks_before,
    repeat_block,
    thin_out,
)
from made_years import World, draw, make_year
from mta_weekly.content.judgement import Figures, find_neighbours, judge_week
from mta_weekly.errors import EtlError
from mta_weekly.feeds.catalog import DAILY, FEEDS, RIDERSHIP, TURNSTILE, Feed
from mta_weekly.feeds.weeks import Week
from tries import tries

LAST = Week.named("231007")  # no clock changes in it, nor in those before it


@dataclass
class Known:
    """A whole week and the figures of those before it."""

    feed: Feed
    rows: list[Row]
    neighbours: list[Figures]
    path: Path

    def is_found(self, damage: Damage, rng: Random) -> bool:
        """Whether the week is refused or held, once damaged."""
        try:
            figures = convert_rows(self.feed, LAST, damage(self.feed, self.rows, rng), self.path)
        except EtlError:
            return True
        return bool(judge_week(figures, self.neighbours, self.feed))


@pytest.fixture(scope="module", params=FEEDS.values(), ids=lambda feed: feed.name)
def known_weeks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Known:
    feed, path = request.param, tmp_path_factory.mktemp("week") / "object.csv.gz"
    *before, last = list_weeks_before(LAST, 6)
    neighbours = [convert_rows(feed, week, list_rows(feed, week), path) for week in before]
    return Known(feed, list_rows(feed, last), neighbours, path)


def test_a_whole_week_is_neither_held_nor_refused(known_weeks: Known) -> None:
    feed, path = known_weeks.feed, known_weeks.path
    assert judge_week(convert_rows(feed, LAST, known_weeks.rows, path), known_weeks.neighbours, feed) == []


@pytest.mark.parametrize("damage", [cut_end, repeat_block, halve_keys])
def test_a_damage_of_any_extent_is_found(known_weeks: Known, damage: Damage, request: pytest.FixtureRequest) -> None:
    missed = [n for n, rng in draw(request, 100) if not known_weeks.is_found(damage, rng)]
    assert missed == []


def test_what_is_left_out_is_found(known_weeks: Known, request: pytest.FixtureRequest) -> None:
    days = [*map(leave_out_day, LAST.days), *map(leave_out_mode, list_modes(known_weeks.feed, known_weeks.rows))]
    hours = [leave_out_hour(hour) for hour in range(24)] if known_weeks.neighbours[0].hour_rows else []
    rng = Random(request.config.getoption("hypothesis_seed"))
    damages = [*days, *rng.sample(hours, min(len(hours), tries(24, least=4)))]
    assert [n for n, damage in enumerate(damages) if not known_weeks.is_found(damage, rng)] == []


@pytest.mark.parametrize("lost", [0.1, 0.15, 0.6])
def test_the_end_of_a_week_is_missed(known_weeks: Known, lost: float) -> None:
    assert known_weeks.is_found(lambda feed, rows, rng: rows[: int(len(rows) * (1 - lost))], Random())


def test_every_second_row_and_the_hours_of_a_day_are_missed(known_weeks: Known) -> None:
    assert known_weeks.is_found(thin_out, Random())
    assert known_weeks.feed == DAILY or known_weeks.is_found(keep_an_hour(LAST.days[2]), Random())


@pytest.mark.parametrize("rows", [14, 168])
def test_a_few_rows_of_ridership_are_no_week(rows: int) -> None:
    """As many each day, so that none is below the others."""
    weeks = make_year(RIDERSHIP, Random(rows), World())[:5]
    few = replace(weeks[4], rows=rows, day_rows=(rows // 7,) * 7, hour_rows=(rows // 24,) * 24, keys=1)
    assert "rows" in [finding.figure for finding in judge_week(few, weeks[:4], RIDERSHIP)]


def damage_figures(figures: Figures, rng: Random) -> Iterator[Figures]:
    """A week at true scale, damaged in each way, as its figures show it."""
    day, hour = rng.randrange(7), rng.randrange(24)
    lost = rng.uniform(0.1, 1)
    if figures.series_rows:  # in the order of time: its last days lack
        ends = [sum(figures.day_rows[:n]) for n in range(8)]
        left = int(figures.rows * (1 - lost))
        days = tuple(max(0, min(left, ends[n + 1]) - ends[n]) for n in range(7))
        yield replace(figures, rows=left, day_rows=days)
    else:
        left, *some = (int(count * (1 - lost)) for count in (figures.rows, figures.keys, *figures.day_rows))
        yield replace(figures, rows=left, keys=some[0], day_rows=tuple(some[1:]))
    yield replace(figures, doubled_keys=figures.doubled_keys + -(-figures.rows // 100))
    yield replace(figures, day_rows=tuple(count * (n != day) for n, count in enumerate(figures.day_rows)))
    if figures.hour_rows:
        yield replace(figures, hour_rows=tuple(count * (n != hour) for n, count in enumerate(figures.hour_rows)))
    for name in figures.series_rows:
        rows = {each: count for each, count in figures.series_rows.items() if each != name}
        yield replace(figures, series_rows=rows)


@pytest.mark.parametrize("feed", [TURNSTILE, RIDERSHIP], ids=lambda feed: feed.name)
def test_a_damage_is_found_in_a_week_of_any_year(feed: Feed, request: pytest.FixtureRequest) -> None:
    """Beside the weeks before it, which hold holidays, changes of the clock and growth."""
    missed = []
    for number, rng in draw(request, 100):
        weeks = make_year(feed, rng, World(growth=rng.choice((-0.01, 0.0, 0.01))))
        for at in rng.sample(range(4, len(weeks)), 15):
            neighbours = find_neighbours(weeks[at], weeks[:at])
            damaged = enumerate(damage_figures(weeks[at], rng))
            missed += [(number, at, n) for n, each in damaged if not judge_week(each, neighbours, feed)]
    assert missed == []
