"""The functions of Azure Data Factory's expressions that the resources may use, as Microsoft documents them.

https://learn.microsoft.com/en-us/azure/data-factory/control-flow-expression-language-functions

Stricter than the service, so that nothing hangs on what it makes of odd arguments: types are those of the annotations
(true is no number), a time is ISO 8601, values of two types are not compared. Wrong use is a ValueError.
"""

import inspect
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, get_args, get_origin
from zoneinfo import ZoneInfo

Number = int | float
Items = list[Any]
Members = dict[str, Any]
MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?(Z?))?")
BEGIN = datetime(1, 1, 1)
SECOND = 10_000_000  # ticks
LONGEST = 2**63
PATTERNS = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
RUN = re.compile(r"(.)\1*")  # of one character: dd is the day, dddd its name
ZONES = {"Eastern Standard Time": ZoneInfo("America/New_York")}


@cache
def read_moment(text: str) -> tuple[int, str]:
    """The ticks of a time, 100 ns each since the year 1, and its Z where it has one."""
    found = MOMENT.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no time as yyyy-MM-ddTHH:mm:ss.fffffffZ")
    day, time, fraction, zone = found.groups(default="")
    seconds = datetime.fromisoformat(f"{day}T{time or '00:00:00'}") - BEGIN
    return seconds // timedelta(seconds=1) * SECOND + int(fraction.ljust(7, "0")), zone


@cache
def write_moment(ticks: int, zone: str, form: str = "") -> str:
    """A time as text, in the round-trip form unless another is asked for."""
    moment = BEGIN + timedelta(microseconds=ticks // 10)
    if not form:
        return f"{moment.isoformat(timespec='seconds').partition('.')[0]}.{ticks % SECOND:07d}{zone}"
    parts = [run[0] for run in RUN.finditer(form)]
    if len(form) < 2 or any(part not in (*PATTERNS, "-", ":", "T") for part in parts):
        raise ValueError(f"format {form!r}: known are {', '.join(PATTERNS)} and - : T")
    return "".join([moment.strftime(PATTERNS.get(part, part)) for part in parts])


def add(one: Number, other: Number) -> Number:
    return fit(one + other)


def sub(one: Number, other: Number) -> Number:
    return fit(one - other)


def mul(one: Number, other: Number) -> Number:
    return fit(one * other)


def fit(number: Number) -> Number:
    """The number, if the service has room for it."""
    if abs(number) >= LONGEST:
        raise ValueError(f"{number} has more than 64 bits")
    return number


def div(one: int, other: int) -> int:
    """Towards zero, as .NET divides."""
    if not other:
        raise ValueError("division by 0")
    return abs(one) // abs(other) * (1 if (one < 0) == (other < 0) else -1)


def mod(one: int, other: int) -> int:
    """With the sign of the dividend, as .NET has it."""
    return one - div(one, other) * other


def list_numbers(values: tuple[Any, ...]) -> list[Number]:
    """The numbers, or those of the one list."""
    numbers = values[0] if len(values) == 1 and isinstance(values[0], list) else list(values)
    if not numbers or any(type(number) not in (int, float) for number in numbers):
        raise ValueError(f"{numbers!r} are no numbers")
    return numbers


def max_(*values: Number | Items) -> Number:
    return max(list_numbers(values))


def min_(*values: Number | Items) -> Number:
    return min(list_numbers(values))


def range_(start: int, count: int) -> list[int]:
    if count < 1:
        raise ValueError(f"{count} numbers")
    return list(range(start, start + count))


def ticks(moment: str) -> int:
    return read_moment(moment)[0]


def add_days(moment: str, days: int, form: str = "") -> str:
    at, zone = read_moment(moment)
    return write_moment(at + days * 86_400 * SECOND, zone, form)


def day_of_month(moment: str) -> int:
    return int(write_moment(ticks(moment), "", "dd"))


def format_date_time(moment: str, form: str) -> str:
    return write_moment(*read_moment(moment), form)


def convert_from_utc(moment: str, zone: str, form: str = "") -> str:
    if zone not in ZONES:
        raise ValueError(f"time zone {zone!r}: known are {', '.join(ZONES)}")
    at = read_moment(moment)[0]
    utc = (BEGIN + timedelta(seconds=at // SECOND)).replace(tzinfo=UTC)
    away = utc.astimezone(ZONES[zone]).utcoffset() or timedelta()
    return write_moment(at + away // timedelta(seconds=1) * SECOND, "", form)


def concat(one: str, other: str, *more: str) -> str:
    return "".join([one, other, *more])


def replace(text: str, old: str, new: str) -> str:
    if not old:
        raise ValueError("nothing to replace")
    return text.replace(old, new)


def string(value: str | int | Items | Members) -> str:
    """Lists and objects as JSON without blanks."""
    if isinstance(value, list | dict):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return str(value)


def int_(value: str | int) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", str(value)):
        raise ValueError(f"{value!r} is no whole number")
    return int(fit(int(value)))


def if_(condition: bool, yes: object, no: object) -> object:
    return yes if condition else no


def and_(one: bool, other: bool) -> bool:
    return one and other


def or_(one: bool, other: bool) -> bool:
    return one or other


def not_(one: bool) -> bool:
    return not one


def equals(one: object, other: object) -> bool:
    if None not in (one, other) and type(one) is not type(other):
        raise ValueError(f"{one!r} and {other!r} are of two types")
    return one == other


def greater(one: Number, other: Number) -> bool:
    return one > other


def greater_or_equals(one: Number, other: Number) -> bool:
    return one >= other


def less(one: Number, other: Number) -> bool:
    return one < other


def less_or_equals(one: Number, other: Number) -> bool:
    return one <= other


def contains(collection: str | Items | Members, value: object) -> bool:
    if isinstance(collection, str) and not isinstance(value, str):
        raise ValueError(f"{value!r} is no text, to be found in {collection!r}")
    return value in collection


def create_array(one: object, other: object, *more: object) -> list[object]:
    items = [one, other, *more]
    if len({type(item) for item in items}) > 1:
        raise ValueError(f"{items!r} are of several types")
    return items


def coalesce(*values: object) -> object:
    return next((value for value in values if value is not None), None)


def length(collection: str | Items) -> int:
    return len(collection)


def empty(collection: str | Items | Members) -> bool:
    return not collection


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    function.__name__.replace("_", ""): function
    for function in (
        add, sub, mul, div, mod, max_, min_, range_, ticks, add_days, day_of_month, format_date_time,
        convert_from_utc, concat, replace, string, int_, if_, and_, or_, not_, equals, greater, greater_or_equals,
        less, less_or_equals, contains, create_array, coalesce, length, empty,
    )
}  # fmt: skip


def find_function(name: str, count: int) -> Callable[..., Any]:
    """The function of that name, in any case, for so many arguments, which it checks."""
    function = FUNCTIONS.get(name.lower())
    if function is None:
        raise ValueError(f"{name}: not among the functions that are known here")
    signature = inspect.signature(function)
    try:
        signature.bind(*range(count))
    except TypeError as error:
        raise ValueError(f"{name}: {error}") from error
    asked = list(signature.parameters.values())
    kinds = [[get_origin(kind) or kind for kind in get_args(each.annotation) or (each.annotation,)] for each in asked]
    kinds = (kinds + kinds[-1:] * count)[:count]

    def call(*values: Any) -> Any:
        for value, allowed in zip(values, kinds, strict=True):
            if type(value) not in allowed and object not in allowed:
                raise ValueError(f"{name}: {value!r} is none of {', '.join(kind.__name__ for kind in allowed)}")
        return function(*values)

    return call
