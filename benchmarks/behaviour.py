"""How the pretend data.ny.gov in `soda` behaves for an hour: at every request, and at one by chance.

An hour is data: one that is asked twice for its tenth request says the same. Times are counted from its first request.
`hours` has those that have names. Knows no HTTP.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Literal

from tables import DataSet, Tables

NAMES = ("alfa", "bravo", "charlie", "delta", "juliett")


@dataclass(frozen=True)
class Replica:
    """One of the copies that answer.

    Attributes:
        flag: What X-SODA2-Data-Out-Of-Date says; None leaves it out. Any but "false" and "[]" says that it is behind.
        behind: So many of the changes of this hour have not reached it.
        clock: Seconds by which its times are later than those of the set.
        until: From so many seconds on it is as good as any.
    """

    flag: str | None = "false"
    behind: int = 0
    clock: float = 0.0
    until: float = inf


@dataclass(frozen=True)
class Step:
    """A change of the data in the middle: due when so many answers went well, and so many seconds passed, before one.

    One that breaks is not counted: who asks has seen nothing of what was before.
    """

    change: Callable[[Tables], object]
    after_answers: int = 0
    after_seconds: float = 0.0


@dataclass(frozen=True)
class Turn:
    """What befalls one request: who answers, with which status, and how the answer ends."""

    name: str
    replica: Replica
    status: int = 200
    clock: float = 0.0
    short: bool = False
    broken: float | None = None  # the share of the body after which the connection breaks

    @property
    def goes_well(self) -> bool:
        """Whether all of an answer comes."""
        return self.status == 200 and self.broken is None


@dataclass(frozen=True)
class Hour:
    """How the site behaves.

    Attributes:
        replicas: Each request is answered by one of them, by chance.
        clock_spread: Seconds by which the times of two answers differ at most, by chance.
        computed: Sets have three `:@computed_region_` columns more, and without `$select` columns come by name.
        at_once: More queries of a set that are in the making at once are refused, with 429.
        busy_for: Seconds of 429 for every query.
        retry_after: What a 429 of this hour says in Retry-After, if anything.
        errors: How often another status is answered, by status; a share of the requests.
        longest_days: Rows of a longer window are refused, with 408.
        first_byte: Seconds before the head of each answer.
        token: Any other X-App-Token is refused, with 403; with None any is fine, with "" none is.
        gzip: Whether answers are packed: as the client asks, never, or whatever it asks.
        chunked: Without it the body ends with the connection.
        most_rows: No answer has more rows; it ends properly.
        short: How often an answer ends properly after two thirds of its rows, though not of one or two.
        breaks: How often the connection breaks in the body.
        steps: Changes of the data, in their order.
        seed: Of the chance.
    """

    replicas: tuple[Replica, ...] = (Replica(),)
    clock_spread: float = 0.0
    computed: bool = False
    at_once: int = 15
    busy_for: float = 0.0
    retry_after: str | None = None
    errors: Mapping[int, float] = field(default_factory=dict)
    longest_days: int | None = None
    first_byte: float = 0.0
    token: str | None = None
    gzip: Literal["asked", "never", "always"] = "asked"
    chunked: bool = True
    most_rows: int | None = None
    short: float = 0.0
    breaks: float = 0.0
    steps: tuple[Step, ...] = ()
    seed: int = 0

    def draw_turn(self, number: int, seconds: float) -> Turn:
        """What befalls a request, by its number in the hour and the seconds since the first one."""
        rng = Random(f"{self.seed} {number}")
        choice, spread, chance, share = (rng.random() for _ in range(4))
        which = int(choice * len(self.replicas))
        replica = self.replicas[which]
        if seconds >= replica.until:
            replica = Replica(clock=replica.clock)
        if seconds < self.busy_for:
            return Turn(NAMES[0], replica, status=429)
        befallen: str | int | None = None
        kinds: list[tuple[str | int, float]] = [("short", self.short), ("broken", self.breaks), *self.errors.items()]
        for kind, often in kinds:  # one of them, or none
            if chance < often:
                befallen = kind
                break
            chance -= often
        return Turn(
            NAMES[which % len(NAMES)],
            replica,
            status=befallen if isinstance(befallen, int) else 200,
            clock=replica.clock + round((spread - 0.5) * self.clock_spread),
            short=befallen == "short",
            broken=0.1 + 0.8 * share if befallen == "broken" else None,
        )


class Course:
    """An hour as it passes; `begun_with` is the version that each set had before it, if the set was there."""

    def __init__(self, hour: Hour, begun_with: dict[str, int]) -> None:
        self.hour, self.begun_with = hour, begun_with
        self.requests, self.answers, self.seconds, self.started = 0, 0, 0.0, 0.0
        self._went_well = False
        self.steps: list[Step] = [*hour.steps]
        self._changing = threading.Lock()

    def take_turn(self, tables: Tables) -> Turn:
        """What befalls a request that comes now; one thread at a time."""
        if not self.requests:
            self.started = time.monotonic()
            self.begun_with = tables.versions() | self.begun_with
        self.requests += 1
        self.answers += self._went_well
        self.seconds = time.monotonic() - self.started
        turn = self.hour.draw_turn(self.requests, self.seconds)
        self._went_well = turn.goes_well
        return turn

    def make_changes(self, tables: Tables) -> None:
        """Those that are due by now, in their order."""
        with self._changing:
            while self.steps and self._is_due(self.steps[0]):
                self.steps.pop(0).change(tables)

    def version_of(self, known: DataSet, replica: Replica) -> int:
        """The version of a set that a replica has."""
        return max(self.begun_with.get(known.id, known.version), known.version - replica.behind)

    def _is_due(self, step: Step) -> bool:
        return self.answers >= step.after_answers and self.seconds >= step.after_seconds
