"""No false alarm: years of generated weeks, and the real ones among them, in any order in which they may land."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from made_weeks import take_figures
from made_years import FACTORS, FIRST, WEEK, WEEKS, World, draw, find_unlike, land_weeks, make_year
from mta_weekly.content.convert import convert_week
from mta_weekly.content.judgement import Figures
from mta_weekly.feeds.catalog import FEEDS, RIDERSHIP, TURNSTILE, Feed
from mta_weekly.feeds.weeks import Week
from real_weeks import real_week
from tries import SHOWN

GROWTHS = (-0.01, 0.0, 0.01)
SETTLED = 10  # weeks before something happens


def find_held(weeks: list[Figures], feed: Feed, rng: Random) -> list[Figures]:
    """Those held as they land week by week, and backwards or in no order, or are judged when all have landed."""
    other = rng.choice((weeks[::-1], rng.sample(weeks, len(weeks))))
    return [*land_weeks(weeks, feed), *land_weeks(other, feed), *find_unlike(weeks, feed)]


@pytest.mark.parametrize("feed", FEEDS.values(), ids=lambda feed: feed.name)
def test_no_week_of_a_year_is_held(
    feed: Feed, request: pytest.FixtureRequest, record_property: Callable[[str, str], None]
) -> None:
    if feed == TURNSTILE:  # once is enough
        record_property(SHOWN, FACTORS)
    for number, rng in draw(request, 30):
        weeks = make_year(feed, rng, World(rng.choice(GROWTHS), turn=rng.randrange(WEEKS)))
        assert (number, find_held(weeks, feed, rng)) == (number, [])


@pytest.mark.parametrize(("feed", "after"), [(TURNSTILE, 0.7), (TURNSTILE, 0.9), (RIDERSHIP, 0.5)])
def test_a_feed_that_steps_down_is_held_once(feed: Feed, after: float, request: pytest.FixtureRequest) -> None:
    for number, rng in draw(request, 20):
        step = rng.randrange(SETTLED, WEEKS)
        weeks = make_year(feed, rng, World(rng.choice(GROWTHS), step=step, after=after))
        assert (number, land_weeks(weeks, feed)) == (number, [weeks[step]])


def test_a_spring_without_riders_is_held_once_at_most(request: pytest.FixtureRequest) -> None:
    for number, rng in draw(request, 30):
        weeks = make_year(RIDERSHIP, rng, World(spring=rng.randrange(SETTLED, WEEKS)))
        held = land_weeks(weeks, RIDERSHIP), land_weeks(weeks[::-1], RIDERSHIP)
        assert [len(each) <= 1 for each in held] == [True, True], (number, held)
        unlike = find_unlike(weeks, RIDERSHIP)[:1]
        accepted = [replace(week, accepted=week in unlike) for week in weeks]
        assert (number, find_unlike(accepted, RIDERSHIP)) == (number, [])


def test_the_real_weeks_are_like_generated_ones(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    real = {}
    for label in ("240106", "240113"):
        week = Week.named(label)
        profile = convert_week([real_week(label)[0]], TURNSTILE, week, tmp_path / "object.csv.gz")
        real[week] = take_figures(week, profile)
    for number, rng in draw(request, 20):
        made = make_year(TURNSTILE, rng, World(), first=FIRST - 51 * WEEK)
        weeks = [real.get(each.week, replace(each, baseline="a source")) for each in made]
        assert all(each in weeks for each in real.values())
        assert (number, find_held(weeks, TURNSTILE, rng)) == (number, [])
