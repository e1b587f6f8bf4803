"""Releases of the pretend data.ny.gov in `soda`, as changes of its sets: rows go, come back, or change in place.

Which rows is said by the day of the week, so that a release fits any week. A change needs nothing but the sets, so an
hour may be used again, and what a week is after it can be known beforehand. Knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import queries
from tables import DataSet, Row, Tables

DAYS = "('2', '5')"  # Tuesday and Friday, as strftime() has them
SCRATCH = "0000-0000"


def take_away(tables: Tables) -> None:
    """The rows of some days go, in every set."""
    for known in [*tables.sets.values()]:
        tables.revise(known.id, f"DELETE FROM {{set}} WHERE {_belongs(known)}")


def give_back(tables: Tables) -> None:
    """The rows of those days that went last come back, as many, with other numbers."""
    for known in [*tables.sets.values()]:
        tables.revise(
            known.id,
            f"INSERT INTO {{set}} SELECT NULL, {', '.join(_change_number(known))} FROM {known.past} "
            f'WHERE {_belongs(known)} AND ":until" = (SELECT max(":until") FROM {known.past} WHERE {_belongs(known)})',
        )


def change_numbers(tables: Tables) -> None:
    """A number in each row of those days changes: there are as many rows as before."""
    for known in [*tables.sets.values()]:
        changed = dict(zip(known.columns, _change_number(known), strict=True))
        column = _name_first(known, queries.NUMBER)
        tables.revise(known.id, f'UPDATE {{set}} SET "{column}" = {changed[column]} WHERE {_belongs(known)}')


def turn_numbers(tables: Tables) -> None:
    """Each row of those days has the number of another row of its day: as many rows as before, and of the same sum."""
    for known in [*tables.sets.values()]:
        column, names = _name_first(known, queries.NUMBER), queries.quote(known.columns)
        turn = f'(PARTITION BY substr("{_name_first(known, queries.MOMENT)}", 1, 10) ORDER BY {names})'
        tables.revise(
            known.id,
            f'UPDATE {{set}} SET "{column}" = turned.other FROM (SELECT rowid AS id, '
            f'coalesce(lag("{column}") OVER {turn}, last_value("{column}") OVER {turn[:-1]} '
            f"ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)) AS other FROM {{set}} "
            f"WHERE {_belongs(known)}) AS turned WHERE {{set}}.rowid = turned.id",
        )


def rehearse(
    columns: Sequence[tuple[str, str]], rows: Iterable[Row], *changes: Callable[[Tables], object]
) -> list[list[tuple[str | None, ...]]]:
    """The rows of a set before the first change and after each one, in no order."""
    tables = Tables()
    tables.put(SCRATCH, columns, rows)
    states = [tables.rows(SCRATCH)]
    for change in changes:
        change(tables)
        states.append(tables.rows(SCRATCH))
    return states


def _belongs(known: DataSet) -> str:
    return f"strftime('%w', \"{_name_first(known, queries.MOMENT)}\") IN {DAYS}"


def _change_number(known: DataSet) -> list[str]:
    """What a changed row has in each column: a 1 before the digits of the first number."""
    number = _name_first(known, queries.NUMBER)
    return [f"'1' || ltrim(\"{name}\", '-')" if name == number else f'"{name}"' for name in known.columns]


def _name_first(known: DataSet, kind: str) -> str:
    return next(name for name, each in known.columns.items() if each == kind)
