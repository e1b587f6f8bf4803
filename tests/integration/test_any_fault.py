"""Of a lake with faults drawn by chance, `verify` finds each and calls it by its name; of a sound one says nothing."""

import random
from pathlib import Path

from mta_weekly.feeds.catalog import DAILY, RIDERSHIP, TURNSTILE
from mta_weekly.feeds.weeks import Week
from mta_weekly.lake.facts import Facts
from proved_lakes import BEFORE_4, BEFORE_8, BEFORE_9, ProvedLake, fit, list_last
from tries import tries

pytest_plugins = ["either_lake", "lake_faults", "proved_lakes"]

FIGURES = ("rows", "keys", "doubled_keys", "day_rows", "hour_rows", "first_day", "last_day", "sums", "empty", "sha256")
NAMES = ("bad_rows", "rejected", "replaces", "swapped")


def flip(data: bytes, draw: random.Random) -> bytes:
    """Another byte at one place, at the header and the trailer more often than by chance."""
    at = draw.choice([draw.randrange(len(data)), draw.randrange(10), draw.randrange(len(data) - 8, len(data))])
    return data[:at] + bytes([data[at] ^ draw.randrange(1, 256)]) + data[at + 1 :]


def cut(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.choice([0, 1, len(data) - 1, draw.randrange(len(data))])]


def forge(facts: Facts, name: str, other: Facts) -> Facts:
    """Facts that speak of this file, and are wrong in one thing or more."""
    said = getattr(facts, name, 0)
    own = {each: getattr(facts, each) for each in ("feed", "week", "size", "crc32c")}
    changes: dict[str, dict[str, object]] = {
        "day_rows": {"day_rows": (facts.day_rows[0] + 1, *facts.day_rows[1:])},
        "hour_rows": {"hour_rows": (facts.hour_rows[0] + 1, *facts.hour_rows[1:])},
        "first_day": {"first_day": facts.last_day},
        "last_day": {"last_day": facts.first_day},
        "sums": {"sums": {column: total + 1 for column, total in facts.sums.items()}},
        "empty": {"empty": {"STATION": 1}},
        "sha256": {"sha256": other.sha256},
        "rejected": {"rejected": f"rejected/turnstile/{other.week}-{other.sha256[:16]}.csv.gz"},
        "replaces": {"replaces": f"rejected/turnstile/{facts.week}-{other.sha256[:16]}.csv.gz"},
        "swapped": {**vars(other), **own},
    }
    return facts.model_copy(update=changes.get(name) or {name: said + 1})


def test_every_fault_is_found_and_called_by_its_name(proved: ProvedLake, draw: random.Random, tmp_path: Path) -> None:
    counts = {
        "flipped": tries(100),
        "cut": tries(20),
        "forged": tries(20, least=14),
        "other": tries(20),
        "companions": tries(20),
    }
    sound = 10
    weeks = iter(list_last(TURNSTILE, sum(counts.values()) + sound))
    spare = Week.named("160102")
    expected: dict[str, str] = {}
    other_key = proved.land(TURNSTILE, spare)
    other, other_facts = proved.read(other_key), proved.facts(other_key)
    for _ in range(sound):
        proved.land(TURNSTILE, next(weeks), bad=draw.random() < 0.3)
    for _ in range(counts["flipped"]):
        key = proved.land(TURNSTILE, next(weeks), bad=draw.random() < 0.1)
        proved.put(flip(proved.read(key), draw), key)
        expected[key] = "damaged"
    for n in range(counts["cut"]):
        key = proved.land(TURNSTILE, next(weeks))
        facts, data = proved.facts(key), cut(proved.read(key), draw)
        proved.put(data, key)
        if n % 4 == 0:  # facts made to fit
            (tmp_path / "cut").write_bytes(data)
            proved.tell(key, fit(facts, tmp_path / "cut"))
        expected[key] = "partial"
    for n in range(counts["forged"]):
        name = [*FIGURES, *NAMES][n % 14]
        key = proved.land(TURNSTILE, next(weeks), bad=name == "bad_rows")
        proved.tell(key, forge(proved.facts(key), name, other_facts))
        expected[key] = "forged"
    for n in range(counts["other"]):
        key = proved.land(TURNSTILE, next(weeks))
        facts = proved.facts(key)
        proved.put(other, key)
        (tmp_path / "other").write_bytes(other)
        if n % 4:  # else they are left as they were
            fitted = fit(facts, tmp_path / "other")
            told = [other_facts, fitted, fitted.model_copy(update={"sha256": other_facts.sha256})]
            proved.tell(key, told[n % 4 - 1])
        expected[key] = "foreign"
    for n in range(counts["companions"]):
        week = next(weeks)
        key = proved.land(TURNSTILE, week, bad=n % 3 == 0, hold=n % 3 == 1)
        if n % 3 == 0:
            key = proved.facts(key).rejected
        if n % 3 == 2:
            proved.land(TURNSTILE, week, seed=2)
            key = proved.facts(key).replaces
        proved.put(flip(proved.read(key), draw), key)
        expected[key] = "damaged"
    assert proved.find_states() == expected


def test_of_a_sound_lake_nothing_is_said(proved: ProvedLake, draw: random.Random) -> None:
    """Weeks of three feeds, with companions of each kind, of two forms, of a clock change, of older versions."""
    every = tries(750) // 3
    filled = 0
    for feed in (TURNSTILE, RIDERSHIP, DAILY):
        weeks = list_last(feed, every - 2)
        if feed is TURNSTILE:
            weeks += [Week.named("120107"), Week.named("231111")]  # the older form; a clock change
        else:
            weeks += [Week.named("251108"), Week.named("250315")]
        for week in dict.fromkeys(weeks):
            kind = draw.randrange(12)
            key = proved.land(feed, week, bad=kind in (0, 1), hold=kind == 2)
            if kind in (1, 3):
                key = proved.land(feed, week, seed=2, bad=kind == 1)
            if kind == 2:
                key = proved.land(feed, week)
            if kind in (4, 5, 6):
                facts = proved.facts(key)
                proved.tell(key, facts, [BEFORE_9, BEFORE_8, BEFORE_4][kind - 4])
                filled += 1
            if kind == 7:
                proved.tell(key, proved.facts(key).model_copy(update={"accepted": {"why": "a storm"}}))
    *_, last = lines = proved.verify(concurrency=4)
    assert len(lines) == 4, lines
    assert all(": all sound" in line for line in lines[1:]), lines
    assert sum(int(line.split("sound; ")[1].split()[0]) for line in lines if "sound; " in line) == filled
    assert not [line for line in proved.verify() if "filled in" in line], last
