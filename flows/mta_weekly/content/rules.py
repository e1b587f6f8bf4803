"""What a value may be: rules by name, each a reason and what finds the values that are none of its kind.

A new rule is one entry in `list_rules`. The first one that a row breaks, in their order, is its reason. Knows tables of
text; nothing of lines and files.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mta_weekly.content.csv_tables import map_texts
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.sources import CsvDialect

MOST_DIGITS = 18  # of a counter: it fits 64 bits
NUMBER = r"^(-?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?)?$"  # or nothing
CLOCK = r"^([01]\d|2[0-3]):[0-5]\d:[0-5]\d$"
CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x{80}-\x{9f}]"
FORMATS = {"%Y": "YYYY", "%m": "MM", "%d": "DD", "%H": "HH", "%M": "MM", "%S": "SS", "%y": "YY"}

MARKS = bytes(n if 32 <= n < 127 or n > 127 or n in b"\r\n" else 0 for n in range(256))

FindFaults = Callable[[pa.ChunkedArray], pa.Array | pa.ChunkedArray]


@dataclass(frozen=True)
class Rule:
    """A rule for the values of a column.

    Attributes:
        column: its name.
        reason: what is said after the column's name and the value.
        find: the mask of the values that break the rule.
        marked: whether only a value with an odd byte can break it; see `may_hold_marks`.
    """

    column: str
    reason: str
    find: FindFaults
    marked: bool = False


def list_rules(feed: Feed, dialect: CsvDialect, read_day: Callable[[str], date | None]) -> list[Rule]:
    """The rules for the rows of a feed in a dialect; `read_day` gives the day of a text, where it is written as one."""
    name, _ = feed.day
    odd = CONTROL if dialect.quoted else CONTROL.replace("[", r"[\t")  # in quotes a tab may stand, as line ends may
    return [
        *(Rule(column, "is no whole number", _find_no_decimals) for column in feed.counters),
        *(Rule(column, "is no number", _find_all_but(NUMBER)) for column in feed.numbers),
        Rule(name, f"is not written as {written_out(dialect.day)}", _find_no_days(read_day)),
        *(Rule(column, f"has more than {MOST_DIGITS} digits", _find_too_long) for column in feed.counters),
        *(Rule(column, "is not written as HH:MM:SS", _find_all_but(CLOCK)) for column in feed.clocks),
        *(Rule(column, "is empty", _find_empty) for column in dialect.required),
        *(Rule(column, "holds a control character", _find(odd), marked=True) for column in feed.columns),
        *(Rule(column, "holds a byte order mark", _find("\ufeff"), marked=True) for column in feed.columns),
    ]


def may_hold_marks(block: bytes) -> bool:
    """Whether a value in these bytes may break a rule for marked ones."""
    return 0 in block.translate(MARKS) or b"\xc2" in block or b"\xef\xbb\xbf" in block


def written_out(format: str) -> str:
    """A strptime format as people write it.

    >>> written_out("%m/%d/%Y")
    'MM/DD/YYYY'
    """
    for code, letters in FORMATS.items():
        format = format.replace(code, letters)
    return format


def _find_no_decimals(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.invert(pc.ascii_is_decimal(values))


def _find_too_long(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.greater(pc.binary_length(pc.ascii_ltrim(values, "0")), MOST_DIGITS)


def _find_empty(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.equal(pc.binary_length(values), 0)


def _find(pattern: str) -> FindFaults:
    return lambda values: map_texts(values, lambda texts: pc.match_substring_regex(texts, pattern))


def _find_all_but(pattern: str) -> FindFaults:
    return lambda values: map_texts(values, lambda texts: pc.invert(pc.match_substring_regex(texts, pattern)))


def _find_no_days(read_day: Callable[[str], date | None]) -> FindFaults:
    return lambda values: map_texts(
        values, lambda texts: pa.array([read_day(text) is None for text in texts.to_pylist()], pa.bool_())
    )
