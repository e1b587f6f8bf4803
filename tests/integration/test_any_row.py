"""What becomes of a row depends on that row alone: not on its neighbours, nor on where a block ends.

Rows with every kind of fault, in the dialects of all feeds; beside it the rule, as the csv module would have it.
"""

import csv
import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from mta_weekly import csv_rows
from mta_weekly.content import check
from mta_weekly.content.check import WeekValidator
from mta_weekly.errors import BrokenBody, Refused
from mta_weekly.feeds.catalog import FEEDS, TURNSTILE, Feed
from mta_weekly.feeds.sources import CsvDialect, LegacyDialect
from mta_weekly.feeds.weeks import Week
from tries import tries

NOW = Week.named("260905")
WEEK = {feed.name: (feed.coverage.last or NOW).label for feed in FEEDS.values()}
DIALECTS: list[tuple[str, Feed, CsvDialect, str]] = [
    (f"{feed.name} {source.name}", feed, source.dialect_of(Week.named(WEEK[feed.name])), WEEK[feed.name])
    for feed in FEEDS.values()
    for source in feed.sources
] + [("turnstile legacy", TURNSTILE, TURNSTILE.sources[0].dialect_of(Week.named("120107")), "120107")]
GOOD = {
    "CA": "A002", "UNIT": "R051", "SCP": "02-00-00", "STATION": "59 ST", "LINENAME": "NQR456W", "DIVISION": "BMT",
    "TIME": "03:00:00", "DESC": "REGULAR", "ENTRIES": "0000102019", "EXITS": "0000073801",
    "TRANSIT_MODE": "subway", "STATION_COMPLEX_ID": "611", "STATION_COMPLEX": "Times Sq (N,Q,R)/42 St",
    "BOROUGH": "Manhattan", "PAYMENT_METHOD": "omny", "FARE_CLASS_CATEGORY": "OMNY - Full Fare", "RIDERSHIP": "12.0",
    "TRANSFERS": "-1", "LATITUDE": "40.75", "LONGITUDE": "-73.99", "GEOREFERENCE": "POINT (-73.99 40.75)",
    "MODE": "Subway", "COUNT": "2990",
}  # fmt: skip
ODD = [
    "", " ", "x", '"', 'a"b', 'a"b"c', '"a"', "a,b", "é", "\uff11", "\ufeff", "\ufeffa", "\0", "a\x0bb", "\x0c", "\x1c",
    "\x7f", "\x85", "a\tb", "\u2028", "-5", "+5", "1.0", "1e3", "1e999", "0x1A", "1_0", "NaN", ".", "-", "9" * 18,
    "9" * 19, "9" * 300, "0" * 30, "noon", "24:00:00", "3:00:00", "02/2/2024", "2026-09-02T00:00:00Z", "13/01/2024",
    "999", "NULL", "\\",
]  # fmt: skip
BLANK = " \t\r\n\v\f"
Verdict = tuple[str, object]  # "good" with its values, "bad" with its text, or "foreign" with its day


def make_row(draw: random.Random, feed: Feed, dialect: CsvDialect, week: str) -> bytes:
    """A row as the dialect has it; half of them with something wrong, in values, their number, or their quotes."""
    day = draw.choice(Week.named(week).days)
    if draw.random() < 0.02:
        day += draw.choice([-7, 7, 365]) * timedelta(days=1)
    kinds = {
        **dict.fromkeys(feed.counters, "7"),
        **dict.fromkeys(feed.numbers, "7.5"),
        **dict.fromkeys(feed.clocks, "03:00:00"),
    }
    good = kinds | GOOD | {feed.day[0]: f"{day:{dialect.day}}"}
    names = (
        [*dialect.keys, *dialect.group * draw.randint(1, dialect.most)]
        if isinstance(dialect, LegacyDialect)
        else feed.columns
    )
    values = [good.get(name, "any text") for name in names]
    wrong = draw.random() < 0.5
    if wrong:
        for _ in range(draw.choice([1, 1, 2])):
            values[draw.randrange(len(values))] = draw.choice(ODD)
        if draw.random() < 0.3:
            values = values[: draw.randrange(1, len(values))] if draw.random() < 0.5 else [*values, draw.choice(ODD)]
    if dialect.quoted:
        values = [write_value(draw, value, wrong) for value in values]
    return ",".join(values).encode()


def write_value(draw: random.Random, value: str, wrong: bool) -> str:
    if wrong and draw.random() < 0.1:
        return draw.choice(['"Sub"way', 'a"b', '"a""b"', '"', '"a\nb"', '"a\rb"', '"a,b"', '"a\tb"', '""x', value])
    if draw.random() < 0.2 and not set(value) & set('",\r\n'):
        return value
    return '"' + value.replace('"', '""') + '"'


def split_rows(lines: list[bytes], quoted: bool) -> list[bytes]:
    """The rows that these lines are: where quotes are odd, a row goes on in the next one. The last one ends."""
    rows, held = list[bytes](), list[bytes]()
    for line in b"\n".join(lines).split(b"\n"):
        held.append(line)
        if not quoted or sum(part.count(b'"') for part in held) % 2 == 0:
            rows.append(b"\n".join(held))
            held = []
    return rows


def judge(row: str, feed: Feed, dialect: CsvDialect, week: str) -> list[Verdict]:
    """The rule, as the csv module would have it."""
    if not row.strip("\r\n"):
        return []
    if not dialect.quoted:
        fields = row.split(",")
    else:
        try:
            (fields,) = csv.reader([row], strict=True)
        except csv.Error:
            return [("bad", row)]
    if isinstance(dialect, LegacyDialect):
        groups, rest = divmod(len(fields) - len(dialect.keys), len(dialect.group))
        if rest or not 1 <= groups <= dialect.most:
            return [("bad", row)]
        width = len(dialect.group)
        rows = [fields[:3] + fields[at : at + width] for at in range(3, len(fields), width)]
        return [
            judge_values(each, [*dialect.keys, *dialect.group], ",".join(each), feed, dialect, week) for each in rows
        ]
    return [judge_values(fields, list(feed.columns), row, feed, dialect, week)]


def judge_values(fields: list[str], names: list[str], row: str, feed: Feed, dialect: CsvDialect, week: str) -> Verdict:
    if len(fields) != len(names):
        return "bad", row
    if feed.tidied:
        fields = [field.strip(BLANK) for field in fields]
    values = dict(zip(names, fields, strict=True))
    for name in feed.numbers if not dialect.quoted else (*feed.numbers, *feed.counters):
        values[name] = re.sub(r"\A-(0+)\Z", r"\1", re.sub(r"\A(-?[0-9]+)\.0*\Z", r"\1", values[name]))
    control = "[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff%s]" % ("" if dialect.quoted else "\t")
    try:
        day = datetime.strptime(values[feed.day[0]], dialect.day)
        written = f"{day:{dialect.day}}" == values[feed.day[0]]
    except ValueError:
        written = False
    if not (
        all(re.fullmatch("[0-9]+", values[name]) and len(values[name].lstrip("0")) <= 18 for name in feed.counters)
        and all(
            re.fullmatch(r"(-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?)?", values[name])
            for name in feed.numbers
        )
        and all(re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]", values[name]) for name in feed.clocks)
        and all(values[name] for name in dialect.required)
        and not any(re.search(control, value) for value in values.values())
        and written
    ):
        return "bad", row
    if day.date() not in Week.named(week).days:
        return "foreign", values[feed.day[0]]
    return "good", [values[name] for name in names if name != feed.day[0]]


def read(
    blocks: list[bytes], feed: Feed, dialect: CsvDialect, week: str
) -> tuple[list[list[str]], list[tuple[int, str]], str]:
    """What was made of blocks: the values of the good rows, lines and texts of the bad ones, and what was refused."""
    dialect = replace(dialect, ordered=False)  # the order is that of all rows
    reading, good, refused = WeekValidator(feed, Week.named(week), dialect, allowed=1000), [], ""
    reading.line = 1  # after the header
    names = [*dialect.keys, *dialect.group] if isinstance(dialect, LegacyDialect) else feed.columns
    try:
        for block in blocks:
            table = reading.take(block)
            if table is not None:
                columns = [table[name].to_pylist() for name in names if name != feed.day[0]]
                good += [list(values) for values in zip(*columns, strict=True)]
    except BrokenBody:
        raise
    except Refused as error:
        refused = str(error)
    return good, [(row.line, row.text) for row in reading.bad], refused


@pytest.fixture
def draw(request: pytest.FixtureRequest) -> Callable[[str], random.Random]:
    return lambda name: random.Random(f"{request.config.getoption('hypothesis_seed')} {name}")


@pytest.mark.parametrize(("name", "feed", "dialect", "week"), DIALECTS, ids=[name for name, *_ in DIALECTS])
def test_a_row_becomes_the_same_whatever_stands_beside_it(
    name: str,
    feed: Feed,
    dialect: CsvDialect,
    week: str,
    draw: Callable[[str], random.Random],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance, dense = draw(name), check.DENSE
    for number in range(tries(20_000) // len(DIALECTS)):
        monkeypatch.setattr(check, "DENSE", chance.choice([3, 50, dense]))
        lines = [make_row(chance, feed, dialect, week) for _ in range(chance.randint(1, 8))]
        rows = split_rows(lines, dialect.quoted)
        if not rows:
            continue
        starts, line = [], 2
        for row in rows:
            starts.append(line)
            line += row.count(b"\n") + 1
        verdicts = [
            (line, verdict)
            for line, row in zip(starts, rows, strict=True)
            for verdict in judge(row.decode(), feed, dialect, week)
        ]
        end = chance.choice([b"\n", b"\r\n"])
        size = chance.randint(max(map(len, rows)) + 2, 2000)
        blocks = list(csv_rows.cut_blocks([b"".join(row + end for row in rows)], dialect.quoted, size))
        good, bad, refused = read(blocks, feed, dialect, week)
        foreign = [(line, day) for line, (kind, day) in verdicts if kind == "foreign"]
        if foreign:
            assert refused.startswith(f"line {foreign[0][0]}: {feed.day[0]} {foreign[0][1]!r} is not in the week"), (
                number
            )
            continue
        assert (refused, good) == ("", [values for _, (kind, values) in verdicts if kind == "good"]), (rows, size)
        assert bad == [(line, text) for line, (kind, text) in verdicts if kind == "bad"], (rows, size)
