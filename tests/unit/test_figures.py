"""The figures of a week are those of a plain count over its rows, however they come, and in little memory."""

import csv
import gzip
from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random, randrange
from typing import Any

import pyarrow as pa
import pytest

from mta_weekly.content import check, figures
from mta_weekly.content.convert import convert_week, examine_object
from mta_weekly.content.csv_tables import make_texts
from mta_weekly.content.profile import WeekProfile
from mta_weekly.errors import Refused
from mta_weekly.feeds.catalog import DAILY, RIDERSHIP, TURNSTILE, Feed
from mta_weekly.feeds.weeks import Week
from real_weeks import real_week
from tries import tries
from weeks import make_legacy_week

FIGURES = ("rows", "day_rows", "hour_rows", "keys", "doubled_keys", "series_rows")
REPEATED = "2023-11-05", 1  # the hour that New York's clock repeats
AUTUMN = Week.named("231111")
WEEKS = [AUTUMN, *map(Week.named, ("240106", "240316"))]  # with that hour; of two years; with the hour that is lacking
CONTROL_AREAS, UNITS, STATIONS = ("A1", "A11"), ("1R", "R"), ("1", "10", "TRAM1")  # no less different side by side
FARES = ("Metrocard - Full Fare", "OMNY - Full Fare", "OMNY - Other, or none")
CLOCKS = ("00:00:00", "01:00:00", "01:30:07", "02:00:00", "23:59:59")
Row = dict[str, str]


@cache
def read_day(text: str, written: str) -> date:
    return datetime.strptime(text, written).date()


def count_plainly(path: Path, feed: Feed) -> dict[str, Any]:
    """The figures of an object by its rows, all of them in memory."""
    norms, (name, written) = feed.norms, feed.day
    assert norms
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    days, hours, keys = Counter[date](), Counter[int](), Counter[tuple[str, ...]]()
    for row in rows:
        day = read_day(row[name], written)
        days[day] += 1
        hour = None
        if norms.hour:
            column, at = norms.hour
            hours[hour := int(row[column][at : at + 2])] += 1
        if (str(day), hour) != REPEATED:
            keys[tuple(row[column] for column in norms.key)] += 1
    counted = [norms.counted] if norms.counted else [column for column in norms.key if column not in ("DATE", "TIME")]
    week = Week.on_or_after(min(days) + timedelta(1))
    return {
        "rows": len(rows),
        "day_rows": tuple(days[day] for day in week.days),
        "hour_rows": tuple(hours[hour] for hour in range(24)) if norms.hour else (),
        "keys": len({tuple(row[column] for column in counted) for row in rows}),
        "doubled_keys": sum(count - 1 for count in keys.values()),
        "series_rows": dict(Counter(row[norms.series] for row in rows)) if norms.series else {},
    }


def pick(profile: WeekProfile) -> dict[str, Any]:
    return {name: getattr(profile, name) for name in FIGURES}


def draw_row(feed: Feed, week: Week, chance: Random) -> Row:
    """A row of few different keys, its time as in an ISO date and a clock."""
    day, clock, number = chance.choice(week.days[:3]), chance.choice(CLOCKS), str(chance.randrange(100))
    moment = f"{day}T{clock[:2]}:00:00.000"
    return {
        "turnstile": {
            "CA": chance.choice(CONTROL_AREAS), "UNIT": chance.choice(UNITS), "SCP": f"00-00-{chance.randrange(3):02}",
            "STATION": "59 ST", "LINENAME": "N", "DIVISION": "BMT", "DATE": str(day), "TIME": clock, "DESC": "REGULAR",
            "ENTRIES": number, "EXITS": number,
        },
        "ridership": dict(zip(feed.columns, (
            moment, chance.choice(("subway", "tram")), chance.choice(STATIONS), "A, B", "Bronx", "omny",
            chance.choice(FARES), number, "0", "40.7", "-73.9", "",
        ), strict=False)),
        "daily": {"DATE": str(day), "MODE": chance.choice(("Bus", "Subway", "AAR")), "COUNT": number},
    }[feed.name]  # fmt: skip


def draw_rows(feed: Feed, week: Week, chance: Random) -> list[Row]:
    """Rows in the order of their key or without one, perhaps with some sent twice; of a table in that of their time."""
    rows = [draw_row(feed, week, chance) for _ in range(chance.randrange(1, chance.choice((8, 20, 80))))]
    order = feed.norms.key if feed.norms else ()
    if chance.random() < 0.5:  # each key once
        rows = list({tuple(row[column] for column in order): row for row in rows}.values())
    if chance.random() < 0.6:
        rows.sort(key=lambda row: [row[column] for column in order])
    if chance.random() < 0.5:
        start, end, at = chance.randrange(len(rows)), chance.randrange(len(rows)), chance.randrange(len(rows) + 1)
        rows[at:at] = rows[start:end]
    return rows if feed is TURNSTILE else sorted(rows, key=lambda row: row[feed.day[0]])


def write_file(feed: Feed, rows: Iterable[Row], as_table: bool = True) -> bytes:
    """As a table's rows come, or as a weekly file."""
    if as_table:
        header = dict(zip(feed.columns, feed.columns, strict=True))
        lines = ['"' + '","'.join(row.values()) + '"' for row in (header, *map(write_moment, rows))]
    else:
        lines = ["C/A" + ",".join(feed.columns)[2:], *(",".join(write_american(row).values()) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def write_moment(row: Row) -> Row:
    return row | {"DATE": f"{row['DATE']}T00:00:00.000"} if "DATE" in row else row


def write_american(row: Row) -> Row:
    year, month, day = row["DATE"].split("-")
    return row | {"DATE": f"{month}/{day}/{year}"}


@pytest.mark.parametrize(
    ("feed", "as_table"), [(TURNSTILE, False), (TURNSTILE, True), (RIDERSHIP, True), (DAILY, True)]
)
def test_they_are_those_of_a_plain_count(
    feed: Feed, as_table: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, doubled = tmp_path / "object.csv.gz", 0
    for seed in (randrange(10**9) for _ in range(tries(200))):
        chance = Random(seed)
        week = chance.choice(WEEKS)
        body = write_file(feed, draw_rows(feed, week, chance), as_table)
        dialect = feed.sources[-1 if as_table else 0].dialect_of(week)
        monkeypatch.setattr(check, "BLOCK", chance.choice((256, 700, 3000)))  # from a row or two to all of them
        monkeypatch.setattr(figures, "MANY", chance.choice((1, 7, 1000)))
        made = pick(convert_week([body], feed, week, path, dialect=dialect))
        plain = count_plainly(path, feed)
        assert made == plain, f"seed {seed}"
        assert pick(examine_object(path, feed, week)) == plain, f"seed {seed}"
        doubled += plain["doubled_keys"]
    assert doubled


def test_a_key_that_comes_again_in_its_moment_is_found_though_some_of_each_row_is_greater(tmp_path: Path) -> None:
    row = draw_row(RIDERSHIP, WEEKS[1], Random(1))
    names = [("10", FARES[0]), ("1", FARES[1]), ("10", FARES[0])]
    rows = [row | {"STATION_COMPLEX_ID": station, "FARE_CLASS_CATEGORY": fare} for station, fare in names]
    assert convert_week([write_file(RIDERSHIP, rows)], RIDERSHIP, WEEKS[1], tmp_path / "o.csv.gz").doubled_keys == 1


@pytest.mark.parametrize(
    ("week", "doubled", "days"),
    [
        ("240106", 2, (35837, 35812, 35744, 35804, 35774, 36034, 35811)),
        ("240113", 20, (35763, 36265, 36717, 36294, 35865, 36520, 35598)),
    ],
)
def test_they_are_those_of_real_weeks(week: str, doubled: int, days: tuple[int, ...], tmp_path: Path) -> None:
    profile = convert_week([real_week(week)[0]], TURNSTILE, Week.named(week), tmp_path / "object.csv.gz")
    assert (profile.keys, profile.doubled_keys, profile.day_rows) == (5026, doubled, days)
    assert sum(profile.hour_rows) == profile.rows


def test_they_are_those_of_a_legacy_week(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, week = tmp_path / "object.csv.gz", Week.named("141011")
    body = make_legacy_week(week.saturday, 1000)
    lines = body.splitlines(keepends=True)
    monkeypatch.setattr(check, "BLOCK", 2000)
    profile = convert_week([body, *lines[:5]], TURNSTILE, week, path)
    assert profile.doubled_keys == sum((line.count(b",") - 2) // 5 for line in lines[:5])
    assert pick(profile) == count_plainly(path, TURNSTILE)


def test_the_repeated_hour_is_found() -> None:
    assert figures.find_repeated_hour(AUTUMN) == datetime(2023, 11, 5, 1, tzinfo=figures.NEW_YORK)
    assert [figures.find_repeated_hour(week) for week in WEEKS[1:]] == [None, None]


@pytest.mark.parametrize("feed", [TURNSTILE, RIDERSHIP])
def test_rows_that_come_over_and_over_take_no_memory(feed: Feed) -> None:
    week, chance, again = WEEKS[1], Random(1), 200
    drawn = draw_row(feed, week, chance)
    rows = [drawn | {feed.columns[2]: f"{n:06}"} for n in range(5000)]  # turnstiles or stations, at one moment
    batch = pa.RecordBatch.from_arrays([make_texts(row[name] for row in rows) for name in feed.columns], feed.columns)
    if feed is TURNSTILE:
        batch = batch.set_column(6, "DATE", make_texts(write_american(row)["DATE"] for row in rows))
    codes = {name: batch[name].dictionary_encode() for name in (feed.day[0], *feed.clocks)}
    tally = figures.FigureTally(feed, week, ordered=feed is RIDERSHIP)
    before, most = pa.total_allocated_bytes(), 0
    for _ in range(again):
        tally.add(batch, codes)
        most = max(most, pa.total_allocated_bytes() - before)
    assert tally.summarize()["doubled_keys"] == (again - 1) * len(rows)
    assert most < 4 << 20  # eight bytes for each row would be 7.6 MiB


@pytest.mark.parametrize(
    ("feed", "column", "words"),
    [
        (TURNSTILE, "SCP", "CA, UNIT, SCP"),
        (RIDERSHIP, "STATION_COMPLEX_ID", "STATION_COMPLEX_ID"),
        (RIDERSHIP, "TRANSIT_MODE", "TRANSIT_MODE"),
    ],
)
def test_more_names_than_a_week_can_have_are_refused(feed: Feed, column: str, words: str, tmp_path: Path) -> None:
    week = WEEKS[1]
    row = draw_row(feed, week, Random(1))
    rows = [row | {column: f"{n:06}"} for n in range(figures.MOST_NAMES + 1)]
    right, wrong = (write_file(feed, part, feed is not TURNSTILE) for part in (rows[:-1], rows))
    assert convert_week([right], feed, week, tmp_path / "object.csv.gz").rows == figures.MOST_NAMES
    with pytest.raises(Refused, match=f"^more than 65,536 different values of {words}; nothing loaded, look at"):
        convert_week([wrong], feed, week, tmp_path / "object.csv.gz")
