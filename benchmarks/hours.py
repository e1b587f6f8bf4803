"""Hours of the pretend data.ny.gov in `soda`: an ordinary one, one for each kind of trouble, and mixtures by chance."""

from __future__ import annotations

from random import Random
from typing import Any

from behaviour import Hour, Replica, Step
from releases import change_numbers, give_back, take_away, turn_numbers

PATIENCE = 9.0  # seconds


def name_hours(patience: float = PATIENCE) -> dict[str, Hour]:
    """An hour for each kind of trouble; what passes with time has passed in less than half of the seconds."""
    behind = Replica("true", behind=9, clock=-3600, until=0.4 * patience)
    return {
        "plain": Hour(),
        "ordinary": ORDINARY,
        "replicas with clocks of their own": Hour(
            replicas=(Replica(), Replica("[]", clock=3600), Replica(None, clock=-1800))
        ),
        "another time in each answer": Hour(clock_spread=3600),
        "behind for a while": Hour(replicas=(Replica(), behind)),
        "behind after a release": Hour(replicas=(Replica(), behind), steps=release(4, 5)),
        "all behind for a while": Hour(replicas=(behind, Replica('["t69i-h2me"]', behind=9, until=0.4 * patience))),
        "behind for ever": Hour(replicas=(Replica("true", behind=9), Replica('["t69i-h2me"]', behind=9))),
        "behind without a word": Hour(replicas=(Replica(), Replica(None, behind=1, until=0.4 * patience))),
        "computed columns": Hour(computed=True),
        "busy at first": Hour(busy_for=0.2 * patience),
        "busy at times": Hour(errors={429: 0.2}),
        "busy and asked at once": Hour(errors={429: 0.2}, retry_after="0"),
        "two at once": Hour(at_once=2),
        "long windows": Hour(longest_days=1),
        "errors": Hour(errors={500: 0.05, 502: 0.05, 503: 0.05, 504: 0.05}),
        "a slow first byte": Hour(first_byte=0.02 * patience),
        "no token is right": Hour(token=""),
        "never packed": Hour(gzip="never"),
        "always packed": Hour(gzip="always"),
        "ends with the connection": Hour(chunked=False),
        "ends with the connection, which breaks": Hour(chunked=False, breaks=0.2),
        "a cap": Hour(most_rows=200),
        "short": Hour(short=0.2),
        "always short": Hour(short=1.0),
        "breaks": Hour(breaks=0.2),
        "a release": Hour(steps=release(4, 8)),
        "a release at equal counts": Hour(steps=(Step(change_numbers, after_answers=5),)),
        "a release at equal counts and sums": Hour(steps=(Step(turn_numbers, after_answers=5),)),
    }


def release(gone: int, back: int, seconds: float = 0.0) -> tuple[Step, Step]:
    """Rows are taken away after so many answers, and come back changed after so many, and so many seconds."""
    return Step(take_away, after_answers=gone), Step(give_back, after_answers=back, after_seconds=seconds)


def random_hour(seed: int, patience: float = PATIENCE) -> Hour:
    """A mixture of troubles that a patient client gets over.

    At most three requests in ten go wrong by chance. What passes with time has passed in less than half of the
    patience. In one hour of eight the replicas say for ever that they are behind: what they have is all there is.
    """
    rng = Random(f"hour {seed}")
    kind = rng.randrange(8)
    mixed: dict[str, Any] = {
        "computed": rng.random() < 0.5,
        "at_once": rng.choice((15, 15, 4, 2)),
        "busy_for": rng.choice((0.0, 0.0, 0.0, 0.1, 0.2)) * patience,
        "retry_after": rng.choice((None, None, "0")),
        "longest_days": rng.choice((None, 7, 1)),
        "first_byte": rng.choice((0.0, 0.0, 0.01)) * patience,
        "gzip": rng.choice(("asked", "asked", "never", "always")),
        "chunked": rng.random() < 0.7,
        "short": rng.choice((0.0, 0.05, 0.1)),
        "breaks": rng.choice((0.0, 0.05, 0.1)),
        "errors": dict.fromkeys(rng.sample((429, 500, 502, 503, 504), rng.randrange(4)), 0.03),
        "clock_spread": rng.choice((0.0, 0.0, 3600.0)),
    }
    behind = rng.choice(("true", '["t69i-h2me"]'))
    replicas = [Replica(rng.choice(("false", "[]", None)), clock=rng.choice((0, 0, 3600))) for _ in range(1 + kind % 3)]
    if kind == 0:
        replicas = [Replica(behind, behind=9)]
    elif kind <= 3:
        replicas.append(Replica(behind, behind=9, clock=-3600, until=rng.uniform(0.1, 0.4) * patience))
    if kind in (2, 3, 4):
        mixed["steps"] = release(rng.randrange(1, 9), rng.randrange(3, 12), rng.uniform(0.0, 0.3) * patience)
    return Hour(replicas=tuple(replicas), seed=seed, **mixed)


# What anybody meets on any day: by this seed the fifth answer ends short and the eighth breaks, and no other for long.
ORDINARY = Hour(replicas=(Replica(), Replica("[]"), Replica(None)), computed=True, short=0.05, breaks=0.05, seed=20837)
NAMED = name_hours()
