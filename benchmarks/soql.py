"""The part of SoQL that the pretend data.ny.gov in `soda` understands, as SQL for SQLite.

A column of the table is text, whatever its type; here it is compared and sorted as what it is: numbers by value,
floating timestamps by time, whichever way a literal spells it. What the real service refuses is refused with its code.
Knows no table but the columns handed in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn

DEFAULT_LIMIT = 1000  # rows
PARAMETERS = frozenset({"$select", "$where", "$order", "$limit", "$offset"})
TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^']|'')*')
      | (?P<number>-?(?:\d+\.?\d*|\.\d+))
      | (?P<name>:?[A-Za-z_][A-Za-z0-9_]*|`[^`]+`)
      | (?P<sign><=|>=|<>|!=|==|[<>=(),*])
    )""",
    re.VERBOSE,
)
MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{3})?)?)?", re.ASCII)
SIGNS = {"=": "=", "==": "=", "!=": "<>", "<>": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
RESERVED = frozenset({"and", "or", "not", "is", "null", "in", "between", "as", "asc", "desc"})
AGGREGATES = frozenset({"count", "max", "min", "sum"})
NUMBER, MOMENTS, TEXT = "number", "floating_timestamp", "text"


class BadQuery(Exception):
    """The service answers 400; `code` and `data` go with the message."""

    def __init__(self, code: str, message: str, **data: object) -> None:
        super().__init__(message)
        self.code, self.data = code, data


@dataclass(frozen=True)
class Query:
    """A question understood.

    Attributes:
        names: The columns of the answer.
        sql: The SELECT, with `{set}` for the table and `{order}` for the order; rows have text or NULL for each name.
        order: What was asked for, "" if nothing was.
        values: The parameters of the SQL.
    """

    names: tuple[str, ...]
    sql: str
    order: str
    values: tuple[object, ...]


@dataclass(frozen=True)
class _Operand:
    """A column or a literal; a literal has its text in `literal`, and the type of a quoted one is open."""

    sql: str
    type: str
    literal: str | None = None


def translate(parameters: Mapping[str, str], columns: Mapping[str, str]) -> Query:
    """The SELECT that answers the parameters of a request.

    Args:
        parameters: By name. One without `$` is a column and the value it must have, `$$app_token` says nothing.
        columns: The type of every column, in the order of the table; ":id" is known without being named.

    Raises:
        BadQuery: an unknown parameter or column, a wrong type or wrong syntax.
    """
    known = {**columns, ":id": TEXT}
    for name in parameters:
        if name.startswith("$") and name not in PARAMETERS | {"$$app_token"}:
            raise BadQuery("query.soql.unrecognized-parameter", f"Unrecognized parameter {name}", parameter=name)
    selected = _Parser(parameters.get("$select", "*"), known).select(tuple(columns))
    parser = _Parser(parameters.get("$where", ""), known)
    where = [parser.condition()] if "$where" in parameters else []
    for name, value in parameters.items():
        if not name.startswith("$"):
            where.append(parser.compared(parser.column(name), "=", _Operand("?", TEXT, value)))
    order = ""
    if "$order" in parameters:
        if selected.aggregated:
            raise BadQuery("query.soql.column-not-in-group-bys", "$order by a column that is in no group")
        order = _Parser(parameters["$order"], known).order()
    limit = _whole("$limit", parameters.get("$limit", str(DEFAULT_LIMIT)))
    offset = _whole("$offset", parameters.get("$offset", "0"))
    sql = f"SELECT {', '.join(selected.sql)} FROM {{set}}"
    if where:
        sql += f" WHERE {' AND '.join(f'({each})' for each in where)}"
    # Without an order the rows come as they were stored, and rows equal by an order likewise: shuffled.
    sql += "" if selected.aggregated else " ORDER BY {order}rowid"
    return Query(tuple(selected.names), f"{sql} LIMIT ? OFFSET ?", order, (*parser.values, limit, offset))


def _whole(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise BadQuery("query.soql.invalid-parameter", f"Invalid value {text!r} for {name}", parameter=name)
    return int(text)


@dataclass
class _Selection:
    """What is selected: a piece of SQL for each name."""

    names: list[str] = field(default_factory=list)
    sql: list[str] = field(default_factory=list)
    aggregated: bool = False


class _Parser:
    """Reads one clause from left to right; `values` are those of the literals met so far."""

    def __init__(self, text: str, columns: Mapping[str, str]) -> None:
        self.text, self.columns = text, columns
        self.values: list[object] = []
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            found = TOKEN.match(text, at)
            if not found or not found.lastgroup:
                self._malformed(text[at:].strip())
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()

    def select(self, every: tuple[str, ...]) -> _Selection:
        """The whole text as a $select."""
        selection, plain = _Selection(), False
        while not selection.names or self._take(","):
            if self._take("*"):
                selection.names += every
                selection.sql += map(_quoted, every)
                plain = True
                continue
            name = self._name()
            if name in AGGREGATES and self._take("("):
                sql, default = self._aggregate(name)
                selection.aggregated = True
            else:
                sql, default = self.column(name).sql, name
                plain = True
            selection.sql.append(sql)
            selection.names.append(self._name() if self._take("as") else default)
        self._end()
        if plain and selection.aggregated:
            raise BadQuery("query.soql.column-not-in-group-bys", "A column beside an aggregate is in no group")
        if len(set(selection.names)) < len(selection.names):
            raise BadQuery("query.soql.duplicate-alias", "Two columns of the answer have one name")
        return selection

    def condition(self) -> str:
        """The whole text as a $where."""
        sql = self._either()
        self._end()
        return sql

    def order(self) -> str:
        """The whole text as an $order, with a comma at its end."""
        parts = []
        while not parts or self._take(","):
            column = self.column(self._name())
            downwards = self._take("desc")
            if not downwards:
                self._take("asc")
            way = "DESC NULLS FIRST" if downwards else "ASC NULLS LAST"  # as PostgreSQL has it
            parts.append(f"{_sortable(column)} {way}, ")
        self._end()
        return "".join(parts)

    def column(self, name: str) -> _Operand:
        """A column that exists."""
        if name not in self.columns:
            raise BadQuery("query.soql.no-such-column", f"No such column: {name}", column=name)
        kind = self.columns[name]
        return _Operand(_quoted(name), kind if kind in (NUMBER, MOMENTS) else TEXT)

    def compared(self, left: _Operand, sign: str, right: _Operand) -> str:
        """One comparison, of values of one type."""
        kind = next((each.type for each in (left, right) if each.literal is None), left.type)
        return f"{self._as(left, kind)} {sign} {self._as(right, kind)}"

    def _as(self, operand: _Operand, kind: str) -> str:
        if operand.literal is None and operand.type == kind:
            return _sortable(operand)
        if operand.literal is not None:
            value = _value(operand, kind)
            if value is not None:
                self.values.append(value)
                return "?"
        shown = operand.sql if operand.literal is None else operand.literal
        raise BadQuery("query.soql.type-mismatch", f"Type mismatch: {shown} is no {kind}", type=kind)

    def _either(self) -> str:
        parts = [self._all()]
        while self._take("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"

    def _all(self) -> str:
        parts = [self._one()]
        while self._take("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else f"({' AND '.join(parts)})"

    def _one(self) -> str:
        if self._take("not"):
            return f"NOT ({self._one()})"
        if self._take("("):
            sql = self._either()
            self._must(")")
            return f"({sql})"
        left = self._operand()
        if self._take("is"):
            no = "NOT " if self._take("not") else ""
            self._must("null")
            if left.literal is not None:
                self._malformed(left.literal)
            return f"{left.sql} IS {no}NULL"
        no = "NOT " if self._take("not") else ""
        if self._take("between"):
            low = self.compared(left, ">=", self._operand())
            self._must("and")
            return f"{no}({low} AND {self.compared(left, '<=', self._operand())})"
        if self._take("in"):
            self._must("(")
            parts = [self.compared(left, "=", self._operand())]
            while self._take(","):
                parts.append(self.compared(left, "=", self._operand()))
            self._must(")")
            return f"{no}({' OR '.join(parts)})"
        kind, sign = self._next()
        if no or kind != "sign" or sign not in SIGNS:
            self._malformed(sign)
        return self.compared(left, SIGNS[sign], self._operand())

    def _operand(self) -> _Operand:
        kind, text = self._next()
        if kind == "string":
            return _Operand("?", TEXT, text[1:-1].replace("''", "'"))
        if kind == "number":
            return _Operand("?", NUMBER, text)
        return self.column(self._as_name(kind, text))

    def _aggregate(self, function: str) -> tuple[str, str]:
        """What follows the opening parenthesis: the SQL, as text, and the name it has without `as`."""
        if function == "count" and self._take("*"):
            self._must(")")
            return "CAST(count(*) AS TEXT)", "count"
        column = self.column(name := self._name())
        self._must(")")
        if function == "sum" and column.type != NUMBER:
            raise BadQuery("query.soql.type-mismatch", f"Type mismatch: {name} is no number", type=NUMBER)
        return f"CAST({function}({_sortable(column)}) AS TEXT)", f"{function}_{name.lstrip(':')}"

    def _name(self) -> str:
        return self._as_name(*self._next())

    def _as_name(self, kind: str, text: str) -> str:
        name = text.strip("`").lower()
        if kind != "name" or (name in RESERVED and name == text.lower()):
            self._malformed(text)
        return name

    def _next(self) -> tuple[str, str]:
        return self.tokens.pop(0) if self.tokens else self._malformed("end of input")

    def _take(self, word: str) -> bool:
        """Whether this sign or keyword is next; if so it is taken."""
        found = bool(self.tokens) and self.tokens[0][0] in ("sign", "name") and self.tokens[0][1].lower() == word
        if found:
            self.tokens.pop(0)
        return found

    def _must(self, word: str) -> None:
        if not self._take(word):
            self._malformed(self.tokens[0][1] if self.tokens else "end of input")

    def _end(self) -> None:
        if self.tokens:
            self._malformed(self.tokens[0][1])

    def _malformed(self, found: str) -> NoReturn:
        raise BadQuery("query.compiler.malformed", f"Could not parse SoQL query {self.text!r} at {found!r}")


def _value(literal: _Operand, kind: str) -> object:
    """What a literal is as a value of a type, None if it is none."""
    text = literal.literal or ""
    if kind == NUMBER:
        return float(text) if re.fullmatch(r"-?(\d+\.?\d*|\.\d+)", text, re.ASCII) else None
    if literal.type != TEXT:
        return None
    return text if kind == TEXT else _moment(text)


def _moment(text: str) -> str | None:
    """A time as the table writes it, from any of the spellings: to the day, the minute, the second, its thousandth."""
    try:
        return datetime.fromisoformat(text).isoformat(timespec="milliseconds") if MOMENT.fullmatch(text) else None
    except ValueError:
        return None


def _sortable(column: _Operand) -> str:
    return f"CAST({column.sql} AS NUMERIC)" if column.type == NUMBER else column.sql


def _quoted(name: str) -> str:
    return f'"{name}"'
