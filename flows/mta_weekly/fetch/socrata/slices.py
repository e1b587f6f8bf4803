"""A week's rows from the data sets of a Socrata site, as one CSV stream: put in order and counted by the site itself.

No answer of the site says that it was cut, so its rows are compared with `count(*)` under the same `$where`. Nothing
holds the data still, so that is asked before and after, with the time of the set's last change. SODA 2.1, see
https://dev.socrata.com/docs/queries. Knows the site's CSV; nothing of what it says, of the lake and of Prefect.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import partial
from heapq import merge
from pathlib import Path

from mta_weekly import csv_rows
from mta_weekly.errors import NotPublished, Refused, SourceFailed, Unchanged
from mta_weekly.feeds.sources import CsvDialect, Table
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.client import Web
from mta_weekly.fetch.http import Body, Stream
from mta_weekly.fetch.socrata.answers import DataChanged, ask_figures, read_time
from mta_weekly.fetch.socrata.queries import Slice, address_of_set, build_query, cut_week
from mta_weekly.fetch.socrata.rows import split_values, stream_rows
from mta_weekly.retry import RetryBudget

COUNTABLE = 12  # digits
QUOTE = '"'


@dataclass(frozen=True)
class SliceStatus:
    """What the site says of a slice: how many rows, the time of the last one, and when the whole set last changed."""

    rows: int
    last: datetime | None
    last_modified: str
    etag: str  # of this one answer

    def same(self, other: "SliceStatus") -> bool:
        """Whether the data is what it was, as far as the site says."""
        dated = self.last_modified == other.last_modified
        return (self.rows, self.last) == (other.rows, other.last) and (
            dated if self.last_modified else self.etag == other.etag
        )


def find_complete_week(
    client: Web, table: Table, base: str, budget: RetryBudget, today: date, due: Week
) -> Week | None:
    """The newest week of which the table has all rows; None where it is empty.

    Where the rows of a time do not come together, it is no newer than the newest week that is `due`.

    Raises:
        EtlError: the site does not say, or says a time that no row can have by now.
    """
    newest = table.sets[-1]
    last = _find_last_time(client, address_of_set(base, newest.id), table, budget)
    if last is None:
        return None
    if not newest.first <= last.date() <= today:
        raise SourceFailed(f"{newest.id} says that its newest row is of {last:%Y-%m-%d}, which cannot be")
    complete = table.complete_week(last)
    return complete if table.at_once else min(complete, due)


def stream_week(table: Table, base: str, week: Week, late: str, folder: Path) -> Stream:
    """The rows of a week under one header, for `http.fetch_body`; a week spread over sets still is in order.

    The stream raises, besides what a request does:
        NotPublished: the site has no rows up to the week's end yet; where it still grows, `late` says when to ask.
        Unchanged: the site has not changed since the load that the body speaks of.
    """
    slices, dialect = cut_week(table, base, week), table.dialect_of(week)
    return partial(_stream_slices, table, slices, dialect, late if table.grows(week) else "")


def _stream_slices(
    table: Table, slices: list[Slice], dialect: CsvDialect, late: str, client: Web, body: Body, budget: RetryBudget
) -> Generator[bytes, None, None]:
    before = [_ask_status(client, part, budget) for part in slices]
    body.rows = sum(status.rows for status in before)
    body.etag = _join([status.etag for status in before])
    body.last_modified = _join([status.last_modified for status in before])
    for part, status in zip(slices, before, strict=True):
        _check_complete(client, part, status, late, budget)
    if body.last_modified and body.unless and body.unless.same(body):
        raise Unchanged(f"the source has not changed since {body.last_modified}")
    yield from _join_slices(
        [
            stream_rows(client, part, status.rows, status.last_modified, body, budget)
            for part, status in zip(slices, before, strict=True)
        ],
        table,
        dialect,
    )
    for part, status in zip(slices, before, strict=True):
        _check_unchanged(client, part, status, budget)


def _join_slices(
    slices: list[Generator[bytes, None, None]], table: Table, dialect: CsvDialect
) -> Generator[bytes, None, None]:
    """One header, and the rows of all slices in order; each begins with its header."""
    first, *others = slices
    names = _clean_names(next(first), dialect)
    yield (",".join(f'"{name.replace(QUOTE, QUOTE * 2)}"' for name in names) + "\n").encode()
    if others and not dialect.ordered:
        for rows in others:
            _check_same(names, _clean_names(next(rows), dialect))
        yield from merge(*map(_split_rows, slices), key=_find_key(names, table, dialect))
        return
    yield from first
    for rows in others:  # asked for when its turn has come: no site waits for ever with an answer
        _check_same(names, _clean_names(next(rows), dialect))
        yield from rows


def _join(versions: list[str]) -> str:
    """What the sites say of all of it; nothing where one says nothing."""
    return "; ".join(versions) if all(versions) else ""


def _split_rows(rows: Iterator[bytes]) -> Iterator[bytes]:
    """Row by row, each with its line end."""
    return (row + b"\n" for some in rows for _, row in csv_rows.split_records(some, quoted=True) if row)


def _find_key(names: list[str], table: Table, dialect: CsvDialect) -> Callable[[bytes], list[str]]:
    """What a row is put in order by; a row that has not all of it is for others to refuse."""
    columns = [dialect.clean(field) for field in table.key]
    if lacking := set(columns) - set(names):
        raise Refused(f"the header has changed: missing {', '.join(sorted(lacking))}; nothing loaded")
    at = [names.index(column) for column in columns]

    def find_key(row: bytes) -> list[str]:
        values = split_values(row)
        return [values[n] if n < len(values) else "" for n in at]

    return find_key


def _check_same(names: list[str], others: list[str]) -> None:
    if others != names:
        raise Refused(f"the columns of the data sets differ: {', '.join(names)}; {', '.join(others)}; nothing loaded")


def _clean_names(header: bytes, dialect: CsvDialect) -> list[str]:
    return [dialect.clean(name) for name in split_values(header.removeprefix(b"\xef\xbb\xbf"))]


def _ask_status(client: Web, part: Slice, budget: RetryBudget) -> SliceStatus:
    said, body = ask_figures(client, part.count, budget)
    count = str(said.get("n"))
    if not (count.isascii() and count.isdecimal() and len(count) < COUNTABLE):
        raise SourceFailed(f"{part.host} was asked for a count and said {str(said)[:200]!r}")
    return SliceStatus(int(count), read_time(said.get("last"), part.count), body.last_modified, body.etag)


def _find_last_time(client: Web, set_address: str, table: Table, budget: RetryBudget) -> datetime | None:
    url = build_query(f"{set_address}.json", {"$select": f"max({table.time}) as last"})
    said, _ = ask_figures(client, url, budget)
    return read_time(said.get("last"), url)


def _check_complete(client: Web, part: Slice, status: SliceStatus, late: str, budget: RetryBudget) -> None:
    last = datetime.combine(part.end, time()) - part.table.step
    if not status.rows or status.last is None or status.last < last:
        raise NotPublished(_describe_incomplete(client, part, status, late, budget))


def _check_unchanged(client: Web, part: Slice, before: SliceStatus, budget: RetryBudget) -> None:
    after = _ask_status(client, part, budget)
    if not after.same(before):
        raise DataChanged(
            f"the data on {part.host} changed while it was read, {before.rows:,} rows before and {after.rows:,} after"
        )


def _describe_incomplete(client: Web, part: Slice, status: SliceStatus, late: str, budget: RetryBudget) -> str:
    """What to say of a slice whose last rows are not there: a week is loaded whole."""
    upto = f"its rows of the week end at {status.last:%Y-%m-%d %H:%M}" if status.last else "it has no rows of the week"
    newest = _find_last_time(client, part.address, part.table, budget)
    if newest and newest >= datetime.combine(part.end, time()):
        return f"not published: {part.host} says that {upto}, and has later ones"
    return "; ".join(filter(None, [f"not published yet: {part.host} says that {upto}", late]))
