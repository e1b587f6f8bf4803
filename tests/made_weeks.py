"""Weeks as files of some ten thousand rows, whole and damaged, and the way of one to its figures.

Rows are lists of texts in the columns of the feed; a file of them is written as the feed's first source writes it.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from math import ceil
from pathlib import Path
from random import Random

from hourly import FARES, NOTABLE, OPEN, daily_week
from mta_weekly.content.convert import convert_week
from mta_weekly.content.judgement import Figures
from mta_weekly.content.profile import WeekProfile, check_days
from mta_weekly.feeds.catalog import DAILY, RIDERSHIP, Feed
from mta_weekly.feeds.weeks import Week
from weeks import make_week

Row = Sequence[str]
Damage = Callable[[Feed, list[Row], Random], list[Row]]
AUDITED = 10_500  # rows of 250 turnstiles
PLACES = (*NOTABLE, *((str(n), f"{n} St (A,C)", "Manhattan", "subway") for n in range(1, 35)))
PAID = FARES[:3]


def list_rows(feed: Feed, week: Week) -> list[Row]:
    """A whole week, in the order in which its source has it."""
    if feed == DAILY:
        return [[cell or "" for cell in row] for row in sorted(daily_week(week.saturday))]
    if feed == RIDERSHIP:
        return list(_ride(week, Random(f"{week}")))
    return [line.split(",") for line in make_week(week.saturday, AUDITED).decode().splitlines()[1:]]


def convert_rows(feed: Feed, week: Week, rows: Sequence[Row], path: Path) -> Figures:
    """The figures of a week with these rows, as a run finds them.

    Raises:
        EtlError: it is refused.
    """
    dialect, text = feed.sources[0].dialect_of(week), io.StringIO()
    quoting = csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE
    names = [name.lower() if dialect.upper else name for name in feed.columns]
    csv.writer(text, lineterminator="\n", quoting=quoting).writerows([names, *rows])
    profile = convert_week([text.getvalue().encode()], feed, week, path, dialect=dialect)
    check_days(profile, feed)
    return take_figures(week, profile)


def take_figures(week: Week, profile: WeekProfile) -> Figures:
    """The figures of a profile."""
    names = ("rows", "day_rows", "hour_rows", "keys", "doubled_keys", "series_rows")
    return Figures(week, "a source", **{name: getattr(profile, name) for name in names})


def cut_end(feed: Feed, rows: list[Row], rng: Random) -> list[Row]:
    """Without its end, a tenth of its rows or more."""
    return rows[: rng.randint(1, len(rows) * 9 // 10)]


def repeat_block(feed: Feed, rows: list[Row], rng: Random) -> list[Row]:
    """With some rows twice that follow each other, one in a hundred or more; where they are, or where they belong."""
    many = rng.randint(ceil(len(rows) / 100), len(rows))
    start = rng.randint(0, len(rows) - many)
    twice = [*rows[: start + many], *rows[start:]]
    return twice if rng.random() < 0.5 else sorted(twice, key=lambda row: _find_key(feed, row))


def halve_keys(feed: Feed, rows: list[Row], rng: Random) -> list[Row]:
    """Half of the turnstiles, stations or modes twice, for the other half, so that there are about as many rows."""
    names = sorted({_find_name(feed, row) for row in rows})
    kept = set(rng.sample(names, len(names) // 2))
    return [row for row in rows if _find_name(feed, row) in kept for _ in range(2)]


def thin_out(feed: Feed, rows: list[Row], rng: Random) -> list[Row]:
    """Every second row."""
    return rows[::2]


def leave_out_day(day: date) -> Damage:
    """Without a day."""
    return lambda feed, rows, rng: [row for row in rows if not _is_of(feed, row, day)]


def leave_out_hour(hour: int) -> Damage:
    """Without an hour of each day."""
    return lambda feed, rows, rng: [row for row in rows if _find_hour(feed, row) != hour]


def leave_out_mode(mode: str) -> Damage:
    """Without a mode."""
    return lambda feed, rows, rng: [row for row in rows if mode not in row]


def keep_an_hour(day: date) -> Damage:
    """Of a day one hour alone."""
    return lambda feed, rows, rng: [row for row in rows if not _is_of(feed, row, day) or _find_hour(feed, row) == 12]


def list_modes(feed: Feed, rows: Sequence[Row]) -> list[str]:
    """The modes of a week, where its feed has such."""
    series = feed.norms.series if feed.norms else ""
    return sorted({row[feed.columns.index(series)] for row in rows}) if series else []


def list_weeks_before(week: Week, count: int) -> list[Week]:
    """So many weeks up to a week and with it, in their order."""
    return [Week(week.saturday - n * timedelta(weeks=1)) for n in reversed(range(count))]


def _ride(week: Week, rng: Random) -> Iterator[Row]:
    """About 13,000 rows of 40 station complexes, in the order of their key; an hour without riders has none."""
    for day in week.days:
        for hour, share in enumerate(OPEN):
            for code, name, borough, mode in sorted(PLACES):
                for method, fare, *_ in sorted(PAID):
                    if rng.random() < 0.9 * share / 100:
                        moment = f"{day}T{hour:02}:00:00.000"
                        yield [
                            moment,
                            mode,
                            code,
                            name,
                            borough,
                            method,
                            fare,
                            f"{rng.randint(1, 99)}",
                            "0",
                            "",
                            "",
                            "",
                        ]


def _find_key(feed: Feed, row: Row) -> list[str]:
    return [row[feed.columns.index(name)] for name in feed.norms.key] if feed.norms else []


def _find_name(feed: Feed, row: Row) -> Row:
    counted = feed.norms.counted if feed.norms else ""
    return (row[feed.columns.index(counted)],) if counted else tuple(row[:3])


def _is_of(feed: Feed, row: Row, day: date) -> bool:
    name, written = feed.day
    return row[feed.columns.index(name)].startswith(f"{day:{written}}"[:10])


def _find_hour(feed: Feed, row: Row) -> int | None:
    if feed.norms is None or feed.norms.hour is None:
        return None
    column, at = feed.norms.hour
    return int(row[feed.columns.index(column)][at : at + 2])
