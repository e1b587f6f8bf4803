"""Does a week look like one? Its figures beside those of its neighbours: what falls out of their band, and how far.

Pure: figures in, findings out. Who asks decides what becomes of the week. Too many rows are no finding, for a feed that
grows is no fault; too few are, and keys that come twice.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from functools import cache
from itertools import chain, combinations
from math import copysign, sqrt
from statistics import median

from mta_weekly.content.figures import HOURS, NEW_YORK
from mta_weekly.feeds.catalog import Feed, Norms
from mta_weekly.feeds.weeks import DAY, HOUR, WEEK, Week

MOST, ENOUGH = 8, 3  # neighbours: those asked, and fewer than which tell nothing
NEAR = 26 * WEEK  # how far away a neighbour may be
DEVIATION = 1.4826  # median deviations are a standard one, of what is spread as usual
WIDE = 3 * DEVIATION
WIDEST = 0.8  # less than a fifth of what is expected is too few, however far apart the neighbours are
GROWTH = 0.015  # of a feed in a week, at most: what is steeper is no trend; so much wider is the band, too, for each
# week that the nearest neighbour is further away than the first
DOUBLED, DOUBLED_ALONE = 0.001, 0.005  # keys of all rows that may come twice, beyond what the neighbours' do; or alone
FLOOR_ALONE, HOUR_FLOOR = 0.5, 0.5  # how far a day may be below the week's others, and an hour below its neighbours
CHANCE = 2.0  # standard deviations of a small count
MISSED = 3 * WEEK  # how long a series is missed that no source says has ended
SHOWN, LONGEST_NAME = 3, 60  # findings, characters of a series
NEIGHBOURS, OTHER_DAYS, STANDS, AT_MOST = "its neighbours", "the week's other days", "what stands has", "at most"


@dataclass(frozen=True)
class Figures:
    """What a week can be compared by: see `profile.WeekProfile`. What is not known is empty.

    Attributes:
        baseline: its source and data set; only weeks of the same one are compared.
        ended: series that its source says have ended.
        accepted: whether somebody has accepted it as it is: what comes after it is no longer like what was before.
    """

    week: Week
    baseline: str
    rows: int
    day_rows: tuple[int, ...] = ()
    hour_rows: tuple[int, ...] = ()
    keys: int = 0
    doubled_keys: int = 0
    series_rows: Mapping[str, int] = field(default_factory=dict)
    ended: tuple[str, ...] = ()
    accepted: bool = False


@dataclass(frozen=True)
class Finding:
    """A figure out of its band.

    Attributes:
        figure: what is counted, in words.
        found: how many there are.
        expected: how many there should be, about, or at most.
        low, high: of those that it was compared with.
        beside: who these are.
    """

    figure: str
    found: int
    expected: float
    low: int
    high: int
    beside: str = NEIGHBOURS

    def __str__(self) -> str:
        """As in `rows 100,326, its neighbours 250,816 to 253,587 (60 % fewer)`."""
        band = f"{self.low:,}" if self.low == self.high else f"{self.low:,} to {self.high:,}"
        text = f"{self.figure} {self.found:,}, {self.beside} {band}"
        if self.found >= self.expected or self.beside == STANDS:
            return text
        return f"{text} ({100 * (1 - self.found / self.expected):.0f} % fewer)"


def find_neighbours(figures: Figures, known: Iterable[Figures]) -> list[Figures]:
    """The nearest weeks before and after that a week can be compared with, eight at most.

    Within 26 weeks, of the same source and data set, and with no accepted week between: one that was accepted begins
    anew, and weeks before it no longer count for it and those after it.
    """
    at = figures.week.saturday
    alike = [each for each in known if each.baseline == figures.baseline]
    begins = [each.week.saturday for each in [*alike, figures] if each.accepted]
    first = max((begin for begin in begins if begin <= at), default=at - NEAR)
    end = min((begin for begin in begins if begin > at), default=at + NEAR + WEEK)
    distances = {each.week: abs(each.week.saturday - at) for each in alike}
    near = [each for each in alike if first <= each.week.saturday < end and timedelta() < distances[each.week] <= NEAR]
    return sorted(near, key=lambda each: (distances[each.week], each.week))[:MOST]


def judge_week(
    figures: Figures, neighbours: Sequence[Figures], feed: Feed, stands: Figures | None = None
) -> list[Finding]:
    """What is wrong with a week, the gravest first; nothing of an accepted one, or of a feed without norms.

    Args:
        neighbours: those of `find_neighbours`; fewer than three, and only what needs none is judged.
        stands: what the lake has of this very week, where it is to be replaced: it may not shrink by more than the
            floor, unless what stands does not look like a week itself.
    """
    norms = feed.norms
    if norms is None or figures.accepted:
        return []
    if stands and judge_week(stands, neighbours, feed):
        stands = None

    def judge(measures: Iterable["_Measure"]) -> list[Finding]:
        found = (
            _judge_beside_neighbours(each, figures, neighbours) or _judge_beside_standing(each, stands)
            for each in measures
        )
        return sorted(filter(None, found), key=lambda finding: finding.found / finding.expected)

    rows, keys, *others = _list_measures(figures, neighbours, stands, norms)
    doubled = _judge_doubled(figures, neighbours) if figures.day_rows else None
    return [*judge(rows), *judge(keys), *filter(None, [doubled]), *(found for each in others for found in judge(each))]


def are_alike(one: Figures, other: Figures, feed: Feed) -> bool:
    """Whether neither of two contents of a week falls short of the other; so is every week, of a feed without norms."""

    def falls_short(figures: Figures, stands: Figures) -> bool:
        measures = _list_measures(figures, [], stands, feed.norms) if feed.norms else []
        return any(_judge_beside_standing(each, stands) for each in chain.from_iterable(measures))

    return not falls_short(one, other) and not falls_short(other, one)


def describe_findings(findings: Sequence[Finding]) -> str:
    """The first of them, in one line, and how many more there are."""
    more = len(findings) - SHOWN
    return "; ".join(map(str, findings[:SHOWN])) + (f"; and {more} more" if more > 0 else "")


@dataclass(frozen=True)
class _Measure:
    """A figure of which there may be too few.

    Attributes:
        name, found: as `figure` and `found` of a finding.
        floor: the share of what is expected by which it may always be below it.
        count: the same in another week; None where that is not known.
        moves: whether it may grow or shrink from week to week.
        chance: standard deviations of a count of what comes by chance by which it may be lower besides.
        others: what it is compared with where there are too few neighbours.
    """

    name: str
    found: int
    floor: float
    count: Callable[[Figures], int | None]
    moves: bool = False
    chance: float = 0.0
    others: Sequence[int] = ()

    def compare(
        self, counts: Sequence[int], beside: str, floor: float, expected: float = 0.0, spread: float = 0.0
    ) -> Finding | None:
        """A finding where it is below the band about what is expected, which is the median unless it is said."""
        expected = expected or median(counts)
        fall = max(floor * expected + self.chance * sqrt(expected), min(WIDE * spread, WIDEST * expected))
        if self.found >= expected - fall:
            return None
        return Finding(self.name, self.found, expected, min(counts), max(counts), beside)


def _list_measures(
    figures: Figures, neighbours: Sequence[Figures], stands: Figures | None, norms: Norms
) -> list[list[_Measure]]:
    """What is measured of a week: its rows, keys, series, days and hours, each kind by itself."""
    rows = _Measure("rows", figures.rows, norms.rows, lambda week: week.rows, moves=True)
    if not figures.day_rows:
        return [[rows], []]  # no more is known
    keys = _Measure(norms.noun, figures.keys, norms.keys, lambda week: week.keys or None, moves=True)
    series = _list_series(figures, neighbours, stands, norms)
    return [[rows], [keys], [*series], [*_list_days(figures, norms)], [*_list_hours(figures)]]


def _judge_beside_neighbours(measure: _Measure, figures: Figures, neighbours: Sequence[Figures]) -> Finding | None:
    known = [(each.week, count) for each in neighbours if (count := measure.count(each)) is not None]
    counts = [count for _, count in known]
    if len(known) < ENOUGH:
        return measure.compare(measure.others, OTHER_DAYS, FLOOR_ALONE) if measure.others else None
    if measure.chance and measure.found >= min(counts):
        return None  # a few turnstiles make an hour of a small feed, and may make none
    distances = [(week.saturday - figures.week.saturday) // WEEK for week, _ in known]
    expected, floor = median(counts), measure.floor
    rests = [count - expected for count in counts]
    if measure.moves:
        expected, rests = _carry(distances, counts)
        floor += GROWTH * (min(map(abs, distances)) - 1)
    return measure.compare(counts, NEIGHBOURS, floor, expected, median(map(abs, rests)))


def _carry(distances: Sequence[int], counts: Sequence[int]) -> tuple[float, list[float]]:
    """What is expected at distance 0 of counts at those distances, in weeks, and how far each is from their trend.

    The trend is the median of the slopes of all pairs, which a holiday does not turn. A feed that grows by 1 % a week
    is 4.5 % above the median of the eight weeks before. Where a trend may be chance, less is expected.
    """
    pairs = combinations(zip(distances, counts, strict=True), 2)
    slope = median((count - before) / (at - since) for (since, before), (at, count) in pairs)
    middle, most = median(distances), GROWTH * median(counts)

    def find_level(slope: float) -> tuple[float, list[float]]:
        """The level in the middle, and how far each count is from the trend."""
        levels = [count - slope * (at - middle) for at, count in zip(distances, counts, strict=True)]
        return median(levels), [level - median(levels) for level in levels]

    slope = min(max(slope, -most), most)
    level, rests = find_level(slope)
    error = DEVIATION * median(map(abs, rests)) / sqrt(sum((at - middle) ** 2 for at in distances))
    flatter = copysign(max(abs(slope) - error, 0.0), slope)
    return min(level - slope * middle, find_level(flatter)[0] - flatter * middle), rests


def _judge_beside_standing(measure: _Measure, stands: Figures | None) -> Finding | None:
    count = measure.count(stands) if stands else None
    return None if count is None else measure.compare([count], STANDS, measure.floor)


def _judge_doubled(figures: Figures, neighbours: Sequence[Figures]) -> Finding | None:
    """Keys that come twice more often than the neighbours' do."""
    found, counts = figures.doubled_keys, [each.doubled_keys for each in neighbours if each.day_rows]
    if len(counts) < ENOUGH:
        most = DOUBLED_ALONE * figures.rows
        return Finding("doubled keys", found, most, int(most), int(most), AT_MOST) if found > most else None
    usual = median(counts)
    most = usual + max(DOUBLED * figures.rows, WIDE * median(abs(count - usual) for count in counts))
    return Finding("doubled keys", found, most, min(counts), max(counts)) if found > most else None


def _list_series(
    figures: Figures, neighbours: Sequence[Figures], stands: Figures | None, norms: Norms
) -> Iterator[_Measure]:
    """Each series that has not begun or ended meanwhile: the weeks before and after have it whole.

    Those are the nearest of the neighbours. Without one after it, the week before is one of the last three: of a
    series that ended since, the source says so for two weeks.
    """
    if not figures.series_rows:
        return  # not known, or too many to be kept
    known = sorted((each for each in neighbours if each.series_rows), key=lambda each: each.week)
    before = [each for each in known if each.week < figures.week]
    nearest = [*before[-1:], *known[len(before) :][:1]]
    is_between = bool(before) and (len(nearest) > 1 or before[-1].week.saturday + MISSED >= figures.week.saturday)
    names = {name for each in [*known, *([stands] if stands else [])] for name in each.series_rows}
    for name in sorted(names - {name for each in [*before, figures] for name in each.ended}):
        usual = median([each.series_rows[name] for each in known if name in each.series_rows] or [0])
        goes_on = is_between and all(each.series_rows.get(name, 0) >= (1 - norms.each) * usual for each in nearest)

        def count(week: Figures, name: str = name, goes_on: bool = goes_on) -> int | None:
            return week.series_rows.get(name) if goes_on or week.week == figures.week else None

        noun = " ".join(name.split())[:LONGEST_NAME]
        yield _Measure(f"rows of {noun}", figures.series_rows.get(name, 0), norms.each, count)


def _list_days(figures: Figures, norms: Norms) -> Iterator[_Measure]:
    """Each day, beside the same day of other weeks."""
    for number, (day, found) in enumerate(zip(figures.week.days, figures.day_rows, strict=True)):
        others = [count for each, count in enumerate(figures.day_rows) if each != number]

        def count(week: Figures, number: int = number) -> int | None:
            return week.day_rows[number] if week.day_rows else None

        yield _Measure(f"rows of {day}", found, norms.day, count, moves=True, chance=CHANCE, others=others)


def _list_hours(figures: Figures) -> Iterator[_Measure]:
    """Each hour of the day, beside the same hour of other weeks.

    What keeps to UTC moves by an hour of the wall clock when that changes, as the audits of turnstiles do, and what
    keeps to the wall clock does not: in a week of another time, the one of both hours that has fewer rows counts.
    """
    offset = _find_offset(figures.week)
    for hour, found in enumerate(figures.hour_rows):

        def count(week: Figures, hour: int = hour) -> int | None:
            moved = (hour + _find_offset(week.week) - offset) % HOURS
            return min(week.hour_rows[hour], week.hour_rows[moved]) if week.hour_rows else None

        yield _Measure(f"rows at {hour:02} h", found, HOUR_FLOOR, count, chance=CHANCE)


@cache
def _find_offset(week: Week) -> int:
    """How many hours New York's clock is ahead of UTC in the middle of a week, on most of its days therefore."""
    offset = datetime.combine(week.start + 3 * DAY, time(), NEW_YORK).utcoffset()
    return offset // HOUR if offset else 0
