"""Years of figures at true scale, drawn by seed: holidays, both changes of the clock, growth, turns of data sets.

Where its factors come from is FACTORS, which the tests print: measured, said in public, or assumed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from math import exp, sqrt
from random import Random
from statistics import NormalDist
from typing import Any
from zoneinfo import ZoneInfo

from hourly import MODES, RIDERS
from mta_weekly.content.judgement import Figures, find_neighbours, judge_week
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.weeks import Week
from tries import tries

NEW_YORK = ZoneInfo("America/New_York")
DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
WEEKS = 56  # of a year and a little more, so that each change of the clock has weeks on either side
FIRST = date(2024, 1, 6)

# Turnstile rows of an hour of UTC in a week, all days together, from 05 h on: those of the week 240106 in New York.
AUDITS = (15439, 3286, 2588, 20440, 15678, 3283, 2703, 20465, 15461, 3306, 2618, 20392,
          15455, 3283, 2593, 20416, 15462, 3276, 2627, 20391, 15413, 3229, 2636, 20376)  # fmt: skip
AUDIT_NOISE, BUSY_HOUR, DAY_NOISE, WEEK_NOISE, MOST_DOUBLED = 0.03, 1.15, 0.01, 0.004, 36
TURNSTILES = 5026
LEVELS = (348_440, 620_000)  # rows of ridership in a week
COMPLEXES, CLOSED = 424, 3
USUAL, UNLIKE = 1.6, 2.6  # riders of a middling row of a mean hour; how unlike rows are, in natural logarithms
WEEKEND, HOLIDAY, STORM, SEASON, RIDER_NOISE = 0.6, 0.35, 0.3, 0.1, 0.04
FACTORS = """\
turnstile rows of each hour, 5,026 keys            counted in 240106 and 240113
  noise of an hour and day 3 %, of a day 1 %       as far apart as these two are
  an hour 15 % above the others                    01 h of 240113 is, 13 %
  noise of a week 0.4 %                            250,806 to 253,587 in 2023-24
  audits keep to UTC, none is lost on a holiday    every 4 h; 240106 has New Year's Day
  doubled keys 0 to 36                             public weeks
ridership rows 348,440 or 620,000                  weeks of 2026 and of 2025
  90 % fewer riders are half of the rows           taken as given; by a log-normal of riders a row
  hours of the day, weekend 0.6                    assumed (the pretend site's)
  holiday 0.35 and storm 0.3 of the riders         assumed
  season 10 %, a day's noise 4 %, 3 closed of 424  assumed
daily 9 modes, 63 rows                             the data set; when modes begin and end is assumed
growth and decline of 1 % a week                   taken as given; 620,000 to 348,440 in 62 weeks is 0.9 %"""


@dataclass(frozen=True)
class World:
    """What befalls the weeks, besides noise and the calendar.

    Attributes:
        growth: of the rows, a week.
        turn: the week in which a new data set begins, with fewer rows.
        step: the week from which on the feed has `after` of its rows.
        spring: the week from which on riders fall, by 90 % in two weeks; no storm comes besides.
    """

    growth: float = 0.0
    turn: int = WEEKS
    step: int = WEEKS
    after: float = 1.0
    spring: int = WEEKS

    def find_level(self, number: int) -> float:
        level = (1 + self.growth) ** number
        return level * (0.7 if number >= self.turn else 1.0) * (self.after if number >= self.step else 1.0)

    def find_baseline(self, number: int) -> str:
        return "first set" if number < self.turn else "both sets" if number == self.turn else "second set"


def make_year(feed: Feed, rng: Random, world: World, first: date = FIRST) -> list[Figures]:
    """The figures of weeks that follow each other, in their order; the first one within a year from `first`."""
    first += rng.randrange(52) * WEEK
    make = {"turnstile": _make_turnstiles, "ridership": _make_riders, "daily": _make_modes}[feed.name]
    return make(rng, [Week(first + n * WEEK) for n in range(WEEKS)], world)


def land_weeks(weeks: Iterable[Figures], feed: Feed) -> list[Figures]:
    """The weeks that were held as they came, each of which was then accepted."""
    landed: list[Figures] = []
    held = []
    for week in weeks:
        if judge_week(week, find_neighbours(week, landed), feed):
            held.append(week)
        landed.append(replace(week, accepted=bool(held) and held[-1] is week))
    return held


def find_unlike(weeks: Sequence[Figures], feed: Feed) -> list[Figures]:
    """The weeks that look wrong beside all others."""
    return [week for week in weeks if judge_week(week, find_neighbours(week, weeks), feed)]


@cache
def find_holidays(year: int) -> frozenset[date]:
    """Days on which fewer people ride."""
    thanksgiving = date(year, 11, 28) - (date(year, 11, 28).weekday() - 3) % 7 * DAY
    labor = date(year, 9, 7) - date(year, 9, 7).weekday() * DAY
    memorial = date(year, 5, 31) - date(year, 5, 31).weekday() * DAY
    fixed = [(1, 1), (6, 19), (7, 4), (12, 24), (12, 25), (12, 26), (12, 31)]
    return frozenset({date(year, *each) for each in fixed} | {thanksgiving, thanksgiving + DAY, labor, memorial})


def _list_hours(day: date) -> list[datetime]:
    """The hours of a day, 23 to 25, as New York's clock shows them."""
    start, end = (datetime.combine(each, time(), NEW_YORK).astimezone(UTC) for each in (day, day + DAY))
    return [(start + timedelta(hours=n)).astimezone(NEW_YORK) for n in range((end - start) // timedelta(hours=1))]


def _make_turnstiles(rng: Random, weeks: Sequence[Week], world: World) -> list[Figures]:
    made = []
    for number, week in enumerate(weeks):
        level = world.find_level(number) * rng.gauss(1, WEEK_NOISE)
        hours, days = [0] * 24, []
        busy = rng.randrange(24)
        for day in week.days:
            today, before = level * rng.gauss(1, DAY_NOISE) / 7, sum(hours)
            for hour in _list_hours(day):
                rows = AUDITS[(hour.astimezone(UTC).hour - 5) % 24] * today * rng.gauss(1, AUDIT_NOISE)
                hours[hour.hour] += int(rows * (BUSY_HOUR if hour.hour == busy else 1))
            days.append(sum(hours) - before)
        keys = int(TURNSTILES * world.find_level(number) * rng.gauss(1, 0.002))
        made.append(
            Figures(week, world.find_baseline(number), sum(days), tuple(days), tuple(hours), keys,
                    rng.randint(0, MOST_DOUBLED))
        )  # fmt: skip
    return made


def _make_riders(rng: Random, weeks: Sequence[Week], world: World) -> list[Figures]:
    cells, made = rng.choice(LEVELS) / (168 * 0.62), []
    phase, storms = rng.random(), set(rng.sample(range(WEEKS * 7), 3 if world.spring == WEEKS else 0))
    for number, week in enumerate(weeks):
        hours, days = [0] * 24, []
        there = cells * world.find_level(number)
        for place, day in enumerate(week.days):
            riders = rng.gauss(1, RIDER_NOISE) * (WEEKEND if day.weekday() >= 5 else 1.0)
            if number * 7 + place in storms:
                riders *= STORM
            elif day in find_holidays(day.year):
                riders *= HOLIDAY
            riders *= 1 + SEASON * (abs((day.timetuple().tm_yday / 365 + phase) % 1 - 0.5) * 4 - 1)
            riders *= _find_spring(number * 7 + place - world.spring * 7)
            before = sum(hours)
            for hour in _list_hours(day):
                share = _find_share(float(f"{riders * RIDERS[hour.hour] / 62:.2g}"))
                spread = 2 * sqrt(there * share * (1 - share))
                hours[hour.hour] += int(there * share + rng.gauss(0, spread))
            days.append(sum(hours) - before)
        small = {name: int(sum(days) / 212 * rng.gauss(1, 0.03)) for name in ("staten_island_railway", "tram")}
        series = {"subway": sum(days) - sum(small.values()), **small}
        keys = COMPLEXES - rng.randint(0, CLOSED)
        made.append(Figures(week, world.find_baseline(number), sum(days), tuple(days), tuple(hours), keys, 0, series))
    return made


def _find_spring(days: int) -> float:
    """Riders of a day so many days after the fall began: a tenth two weeks later, then 2 % more each week."""
    if days < 0:
        return 1.0
    return max(1 - 0.9 * days / 14, 0.1) if days < 14 else min(1.0, 0.1 * 1.02 ** (days / 7 - 2))


@cache
def _find_share(riders: float) -> float:
    """Which share of the rows that there may be in an hour is there: those with a rider at least."""
    classes = [exp(UNLIKE * NormalDist().inv_cdf((n + 0.5) / 24)) for n in range(24)]
    return sum(1 - exp(-USUAL * riders * each) for each in classes) / len(classes)


def _make_modes(rng: Random, weeks: Sequence[Week], world: World) -> list[Figures]:
    """Nine modes; one begins in the course of the year, and two end, on any day, which the site says."""
    names = [name for name, _ in MODES]
    *ending, beginning = rng.sample(names, 3)
    days = [day for week in weeks for day in week.days]
    last = {name: rng.choice(days) for name in ending}
    first = {beginning: rng.choice(days)}
    made = []
    for number, week in enumerate(weeks):
        there = {
            name: [first.get(name, date.min) <= day <= last.get(name, date.max) for day in week.days] for name in names
        }
        series = {name: sum(each) for name, each in there.items() if any(each)}
        per_day = tuple(sum(each) for each in zip(*there.values(), strict=True))
        ended = tuple(name for name, day in last.items() if week.start - 2 * WEEK <= day + DAY <= week.saturday)
        made.append(
            Figures(week, world.find_baseline(number), sum(per_day), per_day, (), len(series), 0, series, ended)
        )
    return made


def draw(request: Any, count: int) -> Iterator[tuple[int, Random]]:
    """Numbered sources of chance, by the seed that the test run prints; as many as `tries` says."""
    seed = request.config.getoption("hypothesis_seed")
    for number in range(tries(count)):
        yield number, Random(f"{seed} {request.node.name} {number}")
