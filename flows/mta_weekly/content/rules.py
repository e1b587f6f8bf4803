"""What a value may be: rules by name, each a reason and what finds the values that are none of its kind.

A new rule is one entry in `list_rules`. The first one that a row breaks, in their order, is its reason. Knows tables of
text; nothing of lines and files.
"""

import codecs
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mta_weekly.content.csv_tables import NOTHING, join_texts, make_mask
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.sources import CsvDialect

MOST_DIGITS = 18  # of a counter: it fits 64 bits
NUMBER = r"^(-?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?)?$"  # or nothing
CLOCK = r"^([01]\d|2[0-3]):[0-5]\d:[0-5]\d$"
CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x{80}-\x{9f}]"
FORMATS = {"%Y": "YYYY", "%m": "MM", "%d": "DD", "%H": "HH", "%M": "MM", "%S": "SS", "%y": "YY"}

MOST = pa.arange(MOST_DIGITS, MOST_DIGITS + 1)[0]
PLAIN = bytes({*range(32, 256)} - {0x7F, 0xC2})  # in UTF-8, 0xC2 begins what lies between U+0080 and U+00BF

FindFaults = Callable[[pa.Array], pa.Array | None]


@dataclass(frozen=True)
class Rule:
    """A rule for the values of a column.

    Attributes:
        column: its name.
        reason: what is said after the column's name and the value.
        find: the mask of the texts that break the rule; None where it is quick to see that none does.
    """

    column: str
    reason: str
    find: FindFaults


def list_rules(feed: Feed, dialect: CsvDialect, read_day: Callable[[str], date | None]) -> list[Rule]:
    """The rules for the rows of a feed in a dialect; `read_day` gives the day of a text, where it is written as one."""
    name, _ = feed.day
    texts = [column for column in feed.columns if column not in {*feed.counters, *feed.numbers, *feed.clocks, name}]
    return [
        *(Rule(column, "is no whole number", _find_no_decimals) for column in feed.counters),
        *(Rule(column, "is no number", _find_all_but(NUMBER)) for column in feed.numbers),
        Rule(name, f"is not written as {written_out(dialect.day)}", _find_no_days(read_day)),
        *(Rule(column, f"has more than {MOST_DIGITS} digits", _find_too_long) for column in feed.counters),
        *(Rule(column, "is not written as HH:MM:SS", _find_all_but(CLOCK)) for column in feed.clocks),
        *(Rule(column, "is empty", _find_empty) for column in dialect.required),
        *(Rule(column, "holds a control character", _find_controls(dialect.quoted)) for column in texts),
        *(Rule(column, "holds a byte order mark", _find_byte_order_marks) for column in texts),
    ]


def written_out(format: str) -> str:
    """A strptime format as people write it.

    >>> written_out("%m/%d/%Y")
    'MM/DD/YYYY'
    """
    for code, letters in FORMATS.items():
        format = format.replace(code, letters)
    return format


def _find_no_decimals(texts: pa.Array) -> pa.Array:
    return pc.invert(pc.ascii_is_decimal(texts))


def _find_too_long(texts: pa.Array) -> pa.Array | None:
    if not pc.greater(pc.binary_length(texts), MOST).true_count:
        return None
    return pc.greater(pc.binary_length(pc.ascii_ltrim(texts, "0")), MOST)


def _find_empty(texts: pa.Array) -> pa.Array:
    return pc.equal(texts, NOTHING)


def _find_controls(tabs: bool) -> FindFaults:
    """What finds texts with a control character; in quotes a tab may stand, as line ends may."""
    pattern, plain = (CONTROL, PLAIN + b"\t\r\n") if tabs else (CONTROL.replace("[", r"[\t"), PLAIN)

    def find(texts: pa.Array) -> pa.Array | None:
        return pc.match_substring_regex(texts, pattern) if join_texts(texts).translate(None, plain) else None

    return find


def _find_byte_order_marks(texts: pa.Array) -> pa.Array | None:
    return pc.match_substring(texts, "\ufeff") if codecs.BOM_UTF8 in join_texts(texts) else None


def _find_all_but(pattern: str) -> FindFaults:
    return lambda texts: pc.invert(pc.match_substring_regex(texts, pattern))


def _find_no_days(read_day: Callable[[str], date | None]) -> FindFaults:
    return lambda texts: make_mask(read_day(text) is None for text in texts.to_pylist())
