"""Generated rows in the form of three of data.ny.gov's tables, for the pretend one in `soda`.

A value is what a cell of the CSV shows, or None for a cell without one. Hourly ridership has about the make-up of the
set that began in 2025: 424 station complexes, hours without riders absent, names with commas, numbers written in two
ways. The riders are invented. Nothing here knows the flows.
"""

from datetime import date, datetime, time, timedelta
from functools import cache
from random import Random

RIDERSHIP: tuple[tuple[str, str], ...] = (
    ("transit_timestamp", "floating_timestamp"),
    ("transit_mode", "text"),
    ("station_complex_id", "text"),
    ("station_complex", "text"),
    ("borough", "text"),
    ("payment_method", "text"),
    ("fare_class_category", "text"),
    ("ridership", "number"),
    ("transfers", "number"),
    ("latitude", "number"),
    ("longitude", "number"),
    ("georeference", "point"),
)
TURNSTILE: tuple[tuple[str, str], ...] = (
    ("c_a", "text"),
    ("unit", "text"),
    ("scp", "text"),
    ("station", "text"),
    ("line_name", "text"),
    ("division", "text"),
    ("date", "floating_timestamp"),
    ("time", "text"),
    ("description", "text"),
    ("entries", "number"),
    ("exits", "number"),
)
DAILY: tuple[tuple[str, str], ...] = (("date", "floating_timestamp"), ("mode", "text"), ("count", "number"))
Row = tuple[str | None, ...]

FULL_WEEK = 348_440  # rows, of 2026-08-29 to 09-04 and of 09-05 to 09-11 about as many
HOURS = 7 * 24
COMPLEXES = 424
FEWEST_COMPLEXES = 8  # so that a small week has every kind of name
ROWS_PER_COMPLEX = 820

# How often there is a row at all in each hour of the day, and how many riders it has.
OPEN = (60, 45, 38, 36, 40, 62, 84, 96, 100, 98, 96, 97, 98, 99, 100, 100, 100, 100, 99, 96, 92, 88, 82, 72)
RIDERS = (20, 11, 7, 5, 9, 26, 60, 104, 118, 82, 62, 62, 66, 70, 84, 104, 124, 136, 118, 86, 64, 54, 46, 34)
WEEKEND = 0.6

# Payment method, fare class, how usual it is, mean riders in a row of a busy hour.
FARES = (
    ("omny", "OMNY - Full Fare", 60.0, 160),
    ("omny", "OMNY - Seniors & Disability", 14.0, 14),
    ("omny", "OMNY - Students", 7.0, 20),
    ("omny", "OMNY - Fair Fare", 6.0, 7),
    ("omny", "OMNY - Other", 3.0, 5),
    ("metrocard", "Metrocard - Full Fare", 12.0, 30),
    ("metrocard", "Metrocard - Seniors & Disability", 7.0, 8),
    ("metrocard", "Metrocard - Unlimited 7-Day", 6.0, 12),
    ("metrocard", "Metrocard - Unlimited 30-Day", 6.0, 14),
    ("metrocard", "Metrocard - Fair Fare", 4.0, 6),
    ("metrocard", "Metrocard - Students", 2.0, 9),
    ("metrocard", "Metrocard - Other", 2.0, 4),
)
# Id, name, borough, mode: those that are hard to read come first, so that a small week has them too.
NOTABLE = (
    ("611", "Times Sq-42 St (N,Q,R,W,S,1,2,3,7)/42 St (A,C,E)", "Manhattan", "subway"),
    ("201", 'Beach 105 St "Seaside" (A,S)', "Queens", "subway"),
    ("302", "Señor Peña Plaza (L)/Café-Brücke (J,Z)", "Brooklyn", "subway"),
    ("TRAM1", "RI Tramway (Manhattan)", "Manhattan", "tram"),
    ("TRAM2", "RI Tramway (Roosevelt)", "Manhattan", "tram"),
    ("501", "St George (SIR)", "Staten Island", "staten_island_railway"),
)
BOROUGHS = ("Manhattan", "Brooklyn", "Queens", "Bronx")
PLACES = (
    "Broadway-Lafayette St",
    "Bay Pkwy",
    "Canal St",
    "Church Av",
    "Grand Concourse-149 St",
    "Kings Hwy",
    "Van Siclen Av",
)
LINES = ("1", "2,3", "4,5,6", "7", "A,C", "B,D", "F,M", "G", "J,Z", "L", "N,Q,R,W")

MODES = (
    ("Subway", 3_400_000),
    ("Bus", 1_300_000),
    ("LIRR", 230_000),
    ("MNR", 210_000),
    ("AAR", 36_000),
    ("SIR", 7_000),
    ("BT", 930_000),
    ("CRZ Entries", 480_000),
    ("CBD Entries", 560_000),
)


def ridership_week(saturday: date, rows: int = FULL_WEEK, seed: int = 20260905) -> list[Row]:
    """Rows of RIDERSHIP of the seven days before a Saturday; the same arguments always give the same rows.

    Sorted by hour; no two rows have hour, station complex, payment method and fare class in common.

    Args:
        saturday: The Saturday whose week it is: [saturday - 7, saturday).
        rows: How many, exactly. From 168 on every hour is there, and in a week of a thousand whatever the form allows.
        seed: Another seed is another set of riders; another Saturday is so too.

    Raises:
        ValueError: `saturday` is none, or a week cannot have so many rows.
    """
    start = _start(saturday)
    rng = Random(f"{seed} {saturday}")
    complexes = _complexes()[: max(FEWEST_COMPLEXES, min(COMPLEXES, rows // ROWS_PER_COMPLEX + 1))]
    cells = [(head, fare, tail, busy) for head, tail, busy in complexes for fare in FARES]
    if not 0 <= rows <= HOURS * len(cells):
        raise ValueError(f"{rows} rows were asked for; a week has 0 to {HOURS * len(cells)} of this form.")
    # Those with the largest random() ** (1 / weight) are drawn: a weighted choice of so many, none twice.
    rarities = [1 / (fare[2] * busy) for _, fare, _, busy in cells]
    found: list[Row] = []
    for number, count in enumerate(_quotas(rows, len(cells), rng)):
        moment = start + timedelta(hours=number)
        chance = rng.random
        luck = [chance() ** rarity for rarity in rarities]
        luck[number % len(complexes) * len(FARES)] = 2.0  # every complex has its turn
        drawn = sorted(sorted(range(len(cells)), key=luck.__getitem__, reverse=True)[:count])
        stamp = _stamp(moment)
        share = RIDERS[moment.hour] / max(RIDERS) * (WEEKEND if moment.weekday() >= 5 else 1.0)
        for cell in drawn:
            head, (payment, fare, _, riders), tail, busy = cells[cell]
            many = 1 + int(riders * busy * share * 2 * chance())
            written, moved = _numbers(many, chance(), chance())
            if chance() < 0.002:  # some rows have no place
                tail = (None, None, None)
            found.append((stamp, *head, payment, fare, written, moved, *tail))
    return found


def turnstile_rows(published: bytes) -> list[Row]:
    """The rows of TURNSTILE that are those of a weekly file of `weeks.make_week`; every tenth has numbers as `12.0`."""
    found: list[Row] = []
    for number, line in enumerate(published.decode("ascii").splitlines()[1:]):
        *place, day, moment, desc, entries, exits = (cell.strip() for cell in line.split(","))
        point = ".0" if number % 10 == 9 else ""
        stamp = f"{day[6:]}-{day[:2]}-{day[3:5]}T00:00:00.000"
        found.append((*place, stamp, moment, desc, f"{int(entries)}{point}", f"{int(exits)}{point}"))
    return found


def daily_week(saturday: date, seed: int = 20260905) -> list[Row]:
    """The 63 rows of DAILY of the seven days before a Saturday, sorted by day.

    Raises:
        ValueError: `saturday` is none.
    """
    start = _start(saturday)
    rng = Random(f"{seed} {saturday}")
    days = [start + timedelta(days=n) for n in range(7)]
    return [(_stamp(day), mode, str(int(usual * (0.8 + 0.4 * rng.random())))) for day in days for mode, usual in MODES]


def _numbers(many: int, way: float, kind: float) -> tuple[str, str]:
    """Riders and transfers as the set writes them: whole, some with a point."""
    written = f"{many}{'.0' if way < 0.1 else ''}"
    if kind < 0.7:
        return written, "0"
    return written, f"-{1 + many // 50}" if kind > 0.97 else str(int(many * (kind - 0.7)))


def _quotas(rows: int, most: int, rng: Random) -> list[int]:
    """How many rows each hour of a week has: about as OPEN has it, none without and none with more than `most`."""
    if rows < HOURS:
        chosen = set(rng.sample(range(HOURS), rows))
        return [int(hour in chosen) for hour in range(HOURS)]
    spread, total = rows - HOURS, 7 * sum(OPEN)
    quotas, until = [], 0
    for hour in range(HOURS):
        since, until = until, until + OPEN[hour % 24]
        quotas.append(1 + spread * until // total - spread * since // total)
    spill = sum(max(0, count - most) for count in quotas)
    quotas = [min(count, most) for count in quotas]
    for hour in sorted(range(HOURS), key=quotas.__getitem__):
        room = min(spill, most - quotas[hour])
        quotas[hour] += room
        spill -= room
    return quotas


@cache
def _complexes() -> list[tuple[tuple[str, ...], Row, float]]:
    """Every station complex: mode, id, name and borough; latitude, longitude and point; how busy it is."""
    rng = Random("complexes")
    named = list(NOTABLE)
    taken = {each[0] for each in NOTABLE}
    for number in range(1, COMPLEXES + 1):
        if len(named) < COMPLEXES and str(number) not in taken:
            name = f"{rng.choice(PLACES)} ({rng.choice(LINES)})"
            if number % 2 == 0:
                name = f"{number}-{name}/{number % 190 + 1} St ({rng.choice(LINES)})"
            named.append((str(number), name, rng.choice(BOROUGHS), "subway"))
    found: list[tuple[tuple[str, ...], Row, float]] = []
    for code, name, borough, mode in named:
        north, west = f"{40.57 + 0.33 * rng.random():.6f}", f"{-74.03 + 0.27 * rng.random():.6f}"
        place: Row = (None, None, None) if code == "302" else (north, west, f"POINT ({west} {north})")
        busy = 3.0 if code == "611" else 0.1 + 1.2 * rng.random() * rng.random()
        found.append(((mode, code, name, borough), place, busy))
    return found


def _start(saturday: date) -> datetime:
    if saturday.weekday() != 5:
        raise ValueError(f"{saturday} is a {saturday:%A}; a week is named by the Saturday after it.")
    return datetime.combine(saturday - timedelta(days=7), time())


def _stamp(moment: datetime) -> str:
    """A floating timestamp, New York's wall clock."""
    return moment.isoformat(timespec="milliseconds")
