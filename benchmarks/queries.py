"""The queries that the pretend data.ny.gov in `soda` answers, as SQL for SQLite, and the forms of the answers.

They are those that are asked, and no language. A column of the table is text, whatever its type: times are all of one
spelling and compare as text, numbers are sorted and summed as numbers. Knows no table but the columns handed in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import cast

DEFAULT_LIMIT = "1000"  # rows
TEXT, NUMBER, MOMENT = "text", "number", "floating_timestamp"
TIME = r"'(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)'"
WINDOW = re.compile(rf"(\w+) >= {TIME} AND \1 < {TIME}", re.ASCII)
DAYS = r"date_trunc_ymd\((?P<time>\w+)\) as day,count\(\*\) as n"
FIGURES = {  # what may be selected, and what it is then grouped and ordered by
    r"max\((?P<time>\w+)\) as last": "",
    DAYS + r",max\((?P=time)\) as last(?:,sum\((?P<of>\w+)\) as sum_(?P=of))*,max\(:updated_at\) as updated": "day",
    rf"(?P<series>\w+),{DAYS}": "{series},day",
}
FIGURE = re.compile(r"(?:(\w+)\(([^)]+)\) as )?(\w+)")
FUNCTIONS = {  # the type of the column, that of the figure, and the SQL of its text
    "": (TEXT, TEXT, "{}"),  # the column itself
    "count": ("", NUMBER, "CAST(count({}) AS TEXT)"),
    "sum": (NUMBER, NUMBER, "CAST(sum(CAST({} AS NUMERIC)) AS TEXT)"),
    "max": (MOMENT, MOMENT, "max({})"),
    "date_trunc_ymd": (MOMENT, MOMENT, "substr({}, 1, 10) || 'T00:00:00.000'"),
}


class BadQuery(Exception):
    """The service answers 400; `code` goes with the message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = f"query.soql.{code}"


@dataclass(frozen=True)
class Query:
    """A question understood.

    Attributes:
        columns: The type of each column of the answer.
        sql: The SELECT, with `{set}` for the table and `{order}` for the order; rows have text or NULL for each column.
        order: What was asked for.
        values: The parameters of the SQL.
    """

    columns: dict[str, str]
    sql: str
    order: str
    values: tuple[str | int, ...]

    @property
    def span(self) -> timedelta:
        """How long the window is, where there is one."""
        first, end = (datetime.fromisoformat(str(bound)) for bound in self.values[:2])
        return end - first


def read_rows_query(asked: Mapping[str, str], columns: Mapping[str, str]) -> Query:
    """The SELECT for the rows of a window of time.

    Args:
        asked: The parameters of the request.
        columns: The type of every column, in the order of the table.

    Raises:
        BadQuery: it is none of the queries known, or names what is not there.
    """
    check_parameters(asked, {"$where", "$order"}, ("$select", "$limit", "$offset"))
    names = asked["$select"].split(",") if "$select" in asked else [*columns]
    *keys, last = asked["$order"].split(",")
    _check_columns(names, columns)
    _check_columns(keys, columns)
    _check(last == ":id", "unstable-order", "The order does not end in :id")
    limits = asked.get("$limit", DEFAULT_LIMIT), asked.get("$offset", "0")
    _check(all(re.fullmatch("[0-9]{1,18}", each) for each in limits), "wrong-number", "Not a number of rows")
    _, where, bounds = _read_window(asked["$where"], columns)
    sortable = [f'CAST("{key}" AS NUMERIC)' if columns[key] == NUMBER else f'"{key}"' for key in keys]
    order = ", ".join([*(f"{key} NULLS LAST" for key in sortable), "rowid"])  # as PostgreSQL has it
    sql = f"SELECT {quote(names)} FROM {{set}} WHERE {where} ORDER BY {{order}} LIMIT ? OFFSET ?"
    return Query({name: columns[name] for name in names}, sql, order, (*bounds, *map(int, limits)))


def read_figures_query(asked: Mapping[str, str], columns: Mapping[str, str]) -> Query:
    """The SELECT for the last time of a set, or the figures of a window's days; arguments and faults as above."""
    select = asked.get("$select", "")
    found = next(((by, found) for form, by in FIGURES.items() if (found := re.fullmatch(form, select))), None)
    if not found:
        raise BadQuery("unknown-figures", f"Not a known selection of figures: {select}")
    group = found[0].format_map(found[1].groupdict())
    check_parameters(asked, {"$select", "$where", "$group", "$order"} if group else {"$select"})
    types, expressions = {}, []
    for function, column, name in FIGURE.findall(select):
        wanted, kind, sql = FUNCTIONS[function]
        if column not in ("*", ":updated_at"):
            _check_columns([column or name], columns, wanted)
        _check(name not in types, "duplicate-alias", "Two columns of the answer have one name")
        types[name] = kind
        expressions.append(sql.format(column if column == "*" else quote([column or name])))
    sql = f"SELECT {', '.join(expressions)} FROM {{set}}"
    if not group:
        return Query(types, sql, "", ())
    column, where, bounds = _read_window(asked["$where"], columns)
    _check(column == found[1]["time"], "another-time", f"The window is one of {column}, the figures are of another")
    _check(asked["$group"] == asked["$order"] == group, "wrong-group", f"Not grouped and ordered by {group}")
    by = ["1", "2"][: 1 + group.count(",")]
    order = ", ".join(f"{each} NULLS LAST" for each in by)
    return Query(types, f"{sql} WHERE {where} GROUP BY {', '.join(by)} ORDER BY {{order}}", order, bounds)


def check_parameters(asked: Mapping[str, str], needed: set[str], more: Iterable[str] = ()) -> None:
    """Refuses a query that has not these parameters, or has others but those that may be there."""
    for name in sorted(needed ^ (asked.keys() - set(more))):
        _check(False, "wrong-parameter", f"Parameter {name} is {'unknown here' if name in asked else 'missing'}")


def quote(names: Iterable[str]) -> str:
    """Names of columns as SQL has them."""
    return ", ".join(f'"{name}"' for name in names)


def write_csv(names: Sequence[str], rows: Iterable[Sequence[str | None]]) -> Iterator[str]:
    """A line for the header and one for each row, every cell quoted; null is nothing, which the empty text is not."""
    inner = 2 * (len(names) - 1)  # quotes between the cells
    for row in chain([names], rows):
        if None not in row and (line := '","'.join(cast(Sequence[str], row))).count('"') == inner:
            yield f'"{line}"\n'  # most rows, at a third of the cost
        else:
            yield ",".join(["" if cell is None else '"' + cell.replace('"', '""') + '"' for cell in row]) + "\n"


def write_json(names: Sequence[str], rows: Iterable[Sequence[str | None]]) -> Iterator[str]:
    """The opening bracket, an object for each row without its nulls, the closing bracket."""
    yield "["
    comma = ""
    for row in rows:
        cells = {name: cell for name, cell in zip(names, row, strict=True) if cell is not None}
        yield comma + json.dumps(cells, ensure_ascii=False, separators=(",", ":"))
        comma = "\n,"
    yield "]\n"


def _read_window(where: str, columns: Mapping[str, str]) -> tuple[str, str, tuple[str, str]]:
    """The column of a window of time, its condition in SQL, and its bounds."""
    with suppress(ValueError):  # a day that no month has
        if found := WINDOW.fullmatch(where):
            column, *bounds = found.groups()
            first, end = (datetime.fromisoformat(bound).isoformat(timespec="milliseconds") for bound in bounds)
            _check_columns([column], columns, MOMENT)
            return column, f'"{column}" >= ? AND "{column}" < ?', (first, end)
    raise BadQuery("unknown-condition", f"Not a window of time: {where}")


def _check_columns(names: Sequence[str], columns: Mapping[str, str], kind: str = "") -> None:
    for name in names:
        _check(name in columns, "no-such-column", f"No such column: {name}")
        _check(kind in ("", columns[name]), "type-mismatch", f"Type mismatch: {name} is no {kind}")
    _check(len(set(names)) == len(names), "duplicate-alias", "A column is named twice")


def _check(right: bool, code: str, message: str) -> None:
    if not right:
        raise BadQuery(code, message)
