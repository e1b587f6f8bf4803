"""Generated weekly turnstile files, for benchmarks and tests where no real week is at hand.

They have the form of the files published up to 240217 (padded header and rows, counters of ten digits) and about
their make-up: 5,000 turnstiles in 750 control areas, an audit every four hours, staggered by control area, and a few
turnstiles that report every quarter of an hour; or the form published up to 141011, of the same audits. The riders are
invented. Nothing here knows the flows.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import groupby, islice
from math import ceil
from pathlib import Path
from random import Random

HEADER = b"C/A,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS" + b" " * 63 + b"\n"
ROW_END = " " * 44 + "\n"

FOUR_HOURS = timedelta(hours=4)
QUARTER_HOUR = timedelta(minutes=15)
AUDITS = 7 * 6  # of a turnstile in a week, every four hours
QUICK_AUDITS = 7 * 96  # every quarter of an hour
ROWS_PER_QUICK = 4096  # one turnstile in about eighty is a quick one, as in 240106
RECOVERED = 0.011  # share of audits that came in late

OFFSETS = (0, 0, 0, 1, 2, 3, 3, 3, 3)  # hours after midnight of a first audit, one for a control area
COUNTER_DIGITS = (4, 5, 5, 6, 6, 6, 7, 7, 9)  # what a turnstile has counted before the week is of any order
# Riders of a turnstile of mean traffic in the four hours up to each hour of the day, on a weekday.
RIDERS = (24, 14, 9, 6, 5, 6, 10, 26, 46, 60, 66, 64, 60, 60, 64, 74, 90, 106, 112, 104, 84, 62, 46, 34)

# Division, control area code, control areas, stations with their lines: sorted by code.
DIVISIONS = (
    ("BMT", "A{:03}", 187, (("59 ST", "NQR456W"), ("57 ST-7 AV", "NQRW"), ("CITY HALL", "NRW"), ("NECK RD", "BQ"))),
    ("IND", "N{:03}", 257, (("34 ST-PENN STA", "ACE"), ("161/YANKEE STAD", "BD4"), ("B'WAY-LAFAYETTE", "BDFQ6"))),
    ("PTH", "PTH{:02}", 19, (("CITY / BUS", "1"), ("JOURNAL SQUARE", "1"), ("PAVONIA/NEWPORT", "1"))),
    ("IRT", "R{:03}", 282, (("FLATBUSH AV-B.C", "25"), ("E 143/ST MARY'S", "6"), ("69 ST", "7"))),
    ("SRT", "S{:03}", 3, (("ST. GEORGE", "1"), ("TOMPKINSVILLE", "1"))),
    ("RIT", "TRAM{}", 2, (("RIT-MANHATTAN", "R"), ("RIT-ROOSEVELT", "R"))),
)


def make_week(saturday: date, rows: int = 250_000, seed: int = 20240106) -> bytes:
    """The weekly file of a Saturday; the same arguments always give the same bytes.

    Args:
        saturday: The Saturday that names the file, which holds the seven days before it.
        rows: How many rows follow the header, exactly. From 42 on every day is there.
        seed: Another seed is another set of riders; another Saturday is so too.

    Raises:
        ValueError: `saturday` is none.
    """
    if saturday.weekday() != 5:
        raise ValueError(f"{saturday} is a {saturday:%A}; a weekly file is named by a Saturday.")
    return HEADER + "".join(islice(_rows(saturday, rows, Random(f"{seed} {saturday}")), rows)).encode("ascii")


def make_legacy_week(saturday: date, rows: int = 230_000, seed: int = 20240106) -> bytes:
    """The rows of `make_week` in the form published up to 141011.

    No header; up to eight audits of a turnstile on a line, so that the last of its lines is mostly shorter; days as
    MM-DD-YY, counters of nine digits, and neither stations nor lines nor divisions.
    """
    published = (line.split(",") for line in make_week(saturday, rows, seed).decode("ascii").splitlines()[1:])
    lines = []
    for turnstile, audits in groupby(published, key=lambda row: row[:3]):
        groups = [
            f"{day[:2]}-{day[3:5]}-{day[8:]},{moment},{desc},{int(entries):09},{int(exits):09}"
            for *_, day, moment, desc, entries, exits in audits
        ]
        lines += [",".join([*turnstile, *groups[at : at + 8]]) for at in range(0, len(groups), 8)]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def write_big(path: Path, saturday: date, size: int = 1_000_000_000) -> int:
    """Writes a file of at least `size` bytes, the rows of one week over and over, and returns its number of rows.

    It is never in memory as a whole. It passes `size` by less than a row.
    """
    body = make_week(saturday)[len(HEADER) :]
    rows, left = 0, size - len(HEADER)
    with path.open("wb") as file:
        file.write(HEADER)
        while left > 0:
            part = body if left >= len(body) else body[: body.index(b"\n", left - 1) + 1]
            left -= file.write(part)
            rows += part.count(b"\n")
    return rows


def _rows(saturday: date, rows: int, rng: Random) -> Iterator[str]:
    """At least `rows` rows, in the published order: by control area, turnstile and time."""
    quick = rows // ROWS_PER_QUICK
    turnstiles = quick + ceil((rows - quick * QUICK_AUDITS) / AUDITS)  # the last one may be cut short
    quick_ones = set(rng.sample(range(max(turnstiles - 1, 0)), quick))
    staggered = [_audits(saturday, timedelta(hours=offset), FOUR_HOURS) for offset in OFFSETS]
    quarterly = _audits(saturday, timedelta(), QUARTER_HOUR)

    areas = _areas()
    homes = sorted(rng.choices(range(len(areas)), [0.2 + rng.random() for _ in areas], k=turnstiles))
    number = 0
    for home, group in groupby(homes):
        audits = rng.choice(staggered)
        for place, _ in enumerate(group):
            turnstile = areas[home].format(f"{home % 3:02}-{place // 6:02X}-{place % 6:02X}")
            yield from _counts(turnstile, quarterly if number in quick_ones else audits, rng)
            number += 1


def _counts(turnstile: str, audits: list[tuple[str, float]], rng: Random) -> Iterator[str]:
    """The rows of one turnstile: two counters that grow with its traffic."""
    entries, exits = (rng.randrange(10 ** rng.choice(COUNTER_DIGITS)) for _ in range(2))
    busy_in, busy_out = (4 * rng.random() * rng.random() for _ in range(2))
    chance = rng.random
    for moment, riders in audits:
        desc = "RECOVR AUD" if chance() < RECOVERED else "REGULAR"
        yield f"{turnstile},{moment},{desc},{entries:010},{exits:010}{ROW_END}"
        entries += int(busy_in * riders * 2 * chance())
        exits += int(busy_out * riders * 2 * chance())


def _audits(saturday: date, offset: timedelta, every: timedelta) -> list[tuple[str, float]]:
    """The audits of a week, each as DATE,TIME and the riders a turnstile of mean traffic had since the last one."""
    start = datetime.combine(saturday - timedelta(days=7), time()) + offset
    moments = (start + every * n for n in range(timedelta(days=7) // every))
    return [
        (f"{m:%m/%d/%Y,%H:%M:%S}", RIDERS[m.hour] * (every / FOUR_HOURS) * (0.6 if m.weekday() >= 5 else 1.0))
        for m in moments
    ]


def _areas() -> list[str]:
    """Every control area as the first six fields of its rows, with {} for the turnstile; two areas share a station."""
    areas: list[str] = []
    for division, code, count, stations in DIVISIONS:
        for n in range(count):
            station, lines = stations[n // 2 % len(stations)]
            areas.append(f"{code.format(n + 1)},R{len(areas) // 2 + 1:03},{{}},{station},{lines},{division}")
    return areas
