"""The columns of a feed as data: what each is called, what its values are and mean. Knows no value and no file."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What the values of a column are, and what is no such value; docs/lake.md says what they are when they are read.

    Attributes:
        TEXT: any text.
        TIME: the day of a row, or its hour too, as `day` of the feed says it is written: New York's wall clock.
        CLOCK: a time of day, HH:MM:SS.
        COUNTER: a whole number without a sign, never empty.
        WHOLE: a number or nothing, and whole; a part of one lands, and is said when it is read.
        NUMBER: a number or nothing.
    """

    TEXT = "text"
    TIME = "time"
    CLOCK = "clock"
    COUNTER = "counter"
    WHOLE = "whole number"
    NUMBER = "number"


TEXT, TIME, CLOCK, COUNTER, WHOLE, NUMBER = Kind


@dataclass(frozen=True)
class Column:
    """A column: its cleaned name, the kind of its values, and their meaning in a few words."""

    name: str
    kind: Kind
    meaning: str
