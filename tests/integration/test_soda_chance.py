"""What befalls requests to the pretend data.ny.gov by chance; its hours with names, and mixtures of them."""

import math
import time
from collections import Counter
from datetime import date

import httpx
import pytest

from behaviour import Hour
from hours import NAMED, ORDINARY, random_hour
from soda import RIDERSHIP_SET
from soda_week import Ask, parsed, window
from tries import tries

pytest_plugins = ["soda_week"]


def test_chance_is_that_of_the_seed() -> None:
    hour = Hour(short=0.1, breaks=0.05, errors={429: 0.1, 503: 0.05}, seed=1)
    turns = [hour.draw_turn(number, 0.0) for number in range(4000)]
    assert turns == [hour.draw_turn(number, 0.0) for number in range(4000)]
    assert turns != [Hour(**{**vars(hour), "seed": 2}).draw_turn(number, 0.0) for number in range(4000)]
    kinds = Counter("short" if turn.short else "broken" if turn.broken else turn.status for turn in turns)
    assert kinds == pytest.approx({"short": 400, "broken": 200, 429: 400, 503: 200, 200: 2800}, rel=0.3)


def test_an_ordinary_hour_has_one_short_answer_and_one_that_breaks() -> None:
    turns = [ORDINARY.draw_turn(number, 0.0) for number in range(1, 40)]
    assert [number for number, turn in enumerate(turns, 1) if turn.short] == [5]
    assert [number for number, turn in enumerate(turns, 1) if turn.broken] == [8]
    assert {turn.status for turn in turns} == {200}
    assert {turn.replica.flag for turn in turns} == {None, "false", "[]"}


def test_a_mixture_is_that_of_its_seed_and_no_worse_than_promised() -> None:
    hours = [random_hour(seed, patience=10.0) for seed in range(300)]
    assert hours == [random_hour(seed, patience=10.0) for seed in range(300)]
    for hour in hours:
        assert hour.short + hour.breaks + sum(hour.errors.values()) <= 0.3
        assert max(hour.busy_for, *(step.after_seconds for step in hour.steps), 0.0) < 5
        gets_well = [replica.until for replica in hour.replicas if replica.behind]
        assert gets_well == [math.inf] * len(hour.replicas) or all(seconds < 5 for seconds in gets_well)
    for trouble in ("computed", "busy_for", "errors", "first_byte", "short", "breaks", "steps", "clock_spread"):
        assert 30 < sum(bool(getattr(hour, trouble)) for hour in hours) < 270
    assert 10 < sum(replica.until == math.inf and replica.behind > 0 for h in hours for replica in h.replicas) < 80


def try_patiently(ask: Ask, seconds: float) -> list[tuple[str | None, ...]]:
    """The rows of the week, day by day, each in pieces; those of replicas that say that they are behind at last."""
    until, rows = time.monotonic() + seconds, []
    for day in range(7):
        first, of_day = date(2026, 8, 29).toordinal() + day, []
        where = window(str(date.fromordinal(first)), str(date.fromordinal(first + 1)))
        while True:
            try:
                answer = ask.rows(where=where, offset=str(len(of_day)))
                stale = answer.headers.get("x-soda2-data-out-of-date", "[]") not in ("false", "[]")
                if answer.status_code == 200 and (not stale or time.monotonic() > until):
                    of_day += (more := parsed(answer))
                    if not more:
                        break
            except (httpx.RemoteProtocolError, httpx.DecodingError):
                of_day = []
            time.sleep(0.005)
        rows += of_day
    return rows


@pytest.mark.parametrize("seed", range(tries(160)))
def test_a_patient_client_gets_over_a_mixture(ask: Ask, seed: int) -> None:
    ask.site.hour = hour = random_hour(seed, patience=0.6)
    deadline = time.monotonic() + 60
    while sorted(map(repr, try_patiently(ask, 0.6))) != sorted(map(repr, ask.site.rows(RIDERSHIP_SET))):
        assert time.monotonic() < deadline, hour


@pytest.mark.parametrize("name", NAMED)
def test_every_hour_with_a_name_answers_in_the_end(ask: Ask, name: str) -> None:
    ask.site.hour = NAMED[name]
    statuses = []
    while 200 not in statuses or (ask.site.hour.steps and len(statuses) < 12):
        try:
            statuses.append(ask.rows(where=window("2026-09-01", "2026-09-02")).status_code)
        except httpx.RemoteProtocolError:
            assert ask.site.hour.breaks
        if statuses and statuses[-1] != 200:
            time.sleep(0.05)
