"""A week's rows from the data sets of a Socrata site, as one CSV stream: put in order and counted by the site itself.

It is asked for day by day where rows come in the order of their time, and what it says of each day before and after
must agree with itself and with the rows. SODA 2.1, see https://dev.socrata.com/docs/queries. Knows the site's CSV;
nothing of what it says, of the lake and of Prefect.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date
from heapq import merge
from itertools import chain
from pathlib import Path

from mta_weekly import csv_rows
from mta_weekly.ceilings import refuse_more_bytes
from mta_weekly.errors import NotPublished, Unchanged
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.sources import Table
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.body import Body, Sums
from mta_weekly.fetch.client import Web
from mta_weekly.fetch.http import Stream
from mta_weekly.fetch.redirects import move_to
from mta_weekly.fetch.socrata.answers import LONGEST, DataChanged, Unsteady
from mta_weekly.fetch.socrata.copies import Copies
from mta_weekly.fetch.socrata.figures import (
    DayFigures,
    SeriesState,
    SliceFigures,
    are_near,
    ask_figures,
    check_complete,
    choose_fields,
    describe_set,
    find_lack,
    is_changing,
    sum_figures,
)
from mta_weekly.fetch.socrata.queries import Slice, cut_week, list_fields
from mta_weekly.fetch.socrata.rows import Piece, Trust, split_values
from mta_weekly.retry import RetryBudget
from mta_weekly.secrets import clean


@contextmanager
def stream_week(table: Table, base: str, week: Week, feed: Feed, late: str, folder: Path) -> Iterator[Stream]:
    """The rows of a week under one header, for `http.fetch_body`; a week spread over sets still is in order.

    The stream raises, besides what a request does:
        NotPublished: the site has no rows up to the week's end yet; where it still grows, `late` says when to ask.
        Refused: a column is missing.
        Unchanged: the site has not changed since the load that the body speaks of.
    """
    parts = cut_week(table, base, week)
    with Copies.open(folder) as copies:
        yield TableWeek(table, feed, parts, late if table.grows(week) else "", copies).stream


class TableWeek:
    """A week of a table, over all tries to have it.

    Attributes:
        pieces: what is asked for by itself, each with the number of the slice it is of.
        copies: of the pieces that have come, by their number.
        said: what the site says of each slice, in this try.
    """

    def __init__(self, table: Table, feed: Feed, parts: list[Slice], late: str, copies: Copies) -> None:
        self.table, self.feed, self.parts, self.late, self.copies = table, feed, parts, late, copies
        self.fields, self.pieces, self.said = list[list[str]](), list[tuple[Piece, int]](), list[SliceFigures]()
        self.unknown, self.news = list[str](), list[str]()
        self._trust = Trust()
        self._changed = False  # whether the last try ended because the data changed, and not for what rows said

    def stream(self, client: Web, body: Body, budget: RetryBudget) -> Generator[bytes, None, None]:
        """The header, and the rows; what is there of an earlier try is not asked for again while it is as it was."""
        if not self._changed:
            self.copies.drop(range(len(self.pieces)))
        self._changed = False
        try:
            with closing(self._stream(client, body, budget)) as chunks:
                for chunk in chunks:
                    body.received += len(chunk)
                    yield chunk
        except DataChanged:
            self._changed = True
            raise

    def _stream(self, client: Web, body: Body, budget: RetryBudget) -> Generator[bytes, None, None]:
        if not self.pieces:
            self._cut_pieces(client, budget)
        self._ask_before(client, body, budget)
        yield (",".join(f'"{column}"' for column in self.feed.columns) + "\n").encode()
        if self.table.ordered:
            for number in range(len(self.pieces)):
                yield from self._stream_piece(number, client, body, budget)
        else:
            yield from self._merge_pieces(client, body, budget)
        self._ask_after(client, body, budget)
        body.compare = self._compare

    def _cut_pieces(self, client: Web, budget: RetryBudget) -> None:
        for number, part in enumerate(self.parts):
            fields, unknown = choose_fields(self.table, self.feed, describe_set(client, part.address, budget))
            self.fields.append(fields)
            self.pieces += [(Piece(each, fields, self._trust), number) for each in part.cut_days()]
            self.unknown += [name for name in unknown if name not in self.unknown]
            news = f"{part.host} has columns that are not loaded: {clean(', '.join(unknown), 400)}"
            if unknown and client.warn_once(news):
                self.news.append(news)

    def _ask_before(self, client: Web, body: Body, budget: RetryBudget) -> None:
        """What the site says now; what came of pieces that are no longer as they were is dropped."""
        said, series = self._ask_until_complete(client, budget)
        for number, (piece, of) in enumerate(self.pieces):
            if self.said and not said[of].agrees(self.said[of], piece.part):
                self.copies.drop([number])
                piece.renew()
        self.said = said
        rows = [part.rows(fields) for part, fields in zip(self.parts, self.fields, strict=True)]
        body.url = " ".join(rows)
        body.came_from = " ".join(
            move_to(address, figures.came_from) for address, figures in zip(rows, said, strict=True)
        )
        body.rows = sum(figures.rows for figures in said)
        body.etag = _join([figures.etag for figures in said])
        body.last_modified = _join(["" if figures.behind else figures.last_modified for figures in said])
        body.notes = [*self.news, *chain(*(each.notes for each in series))]
        body.ended, body.unknown_columns = tuple(chain(*(each.ended for each in series))), tuple(self.unknown)
        if body.unless and body.unless.is_of(body):
            raise Unchanged(body.unless.say())

    def _ask_until_complete(self, client: Web, budget: RetryBudget) -> tuple[list[SliceFigures], list[SeriesState]]:
        """What the site says of each slice, and of its series; in the middle of a release it is asked again."""
        while True:
            said = [ask_figures(client, part, self._summed(n), budget) for n, part in enumerate(self.parts)]
            try:
                series = [
                    check_complete(client, part, figures, self.late, budget)
                    for part, figures in zip(self.parts, said, strict=True)
                ]
                return said, series
            except NotPublished as error:
                if not any(is_changing(client, part.address, budget) for part in self.parts):
                    raise
                lacks = [
                    f"not published yet: {part.host} says that {lack}"
                    for part, figures in zip(self.parts, said, strict=True)
                    if (lack := find_lack(part, figures))
                ]
                why = lacks[0] if lacks else str(error)
                client.pause(self.parts[0].address, budget, Unsteady(f"{why}; the data is changing now"))

    def _ask_after(self, client: Web, body: Body, budget: RetryBudget) -> None:
        """Make sure that the site says what it said before, and note which copy of its data that was."""
        times = list[str]()
        for n, (part, before) in enumerate(zip(self.parts, self.said, strict=True)):
            after = ask_figures(client, part, self._summed(n), budget, before.behind)
            if not after.agrees(before, part):
                raise Unsteady(
                    f"the data on {part.host} changed while it was read, "
                    f"{before.rows:,} rows before and {after.rows:,} after"
                )
            said = {before.last_modified, after.last_modified}
            said = said.union(*(piece.times for piece, of in self.pieces if of == n))
            times.append(said.pop() if len(said) == 1 and not before.behind else "")
            if before.behind:
                body.out_of_date = True
                body.notes.append(f"from a copy of {part.host} that is out of date")
        body.last_modified = _join(times)
        body.came_from = self._find_sender() or body.came_from

    def _find_sender(self) -> str:
        """The address that sent the rows of each slice, with the condition of all of them; a copy says nothing new."""
        senders = {of: piece.came_from for piece, of in self.pieces if piece.came_from}
        if len(senders) < len(self.parts):
            return ""
        return " ".join(
            f"{senders[n].partition('?')[0]}?{part.rows(fields).partition('?')[2]}"
            for n, (part, fields) in enumerate(zip(self.parts, self.fields, strict=True))
        )

    def _compare(self, sums: Sums, sums_of_day: Mapping[date, Sums]) -> None:
        """Compare sums of the rows that came, of all and where they come by days of each, with those that were said.

        Raises:
            DataChanged: they differ; those pieces are asked for again.
        """
        numbers = range(len(self.pieces))
        groups = [[n] for n in numbers] if self.table.ordered else [[*numbers]]
        wrong = list[int]()
        for group in groups:
            parts = [self.pieces[n][0].part for n in group]
            said = sum_figures([day for n, part in zip(group, parts, strict=True) for day in self._days_of(n, part)])
            if not are_near(said, sums_of_day.get(parts[0].first, {}) if self.table.ordered else sums):
                wrong += group
        if wrong:
            self.copies.drop(wrong)
            self._changed = True
            days = ", ".join(str(self.pieces[n][0].part.first) for n in wrong)
            raise Unsteady(f"rows came from {self.parts[0].host} whose sums are not what it says, from {days} on")

    def _stream_piece(self, number: int, client: Web, body: Body, budget: RetryBudget) -> Generator[bytes, None, None]:
        """A piece's rows, and a copy of them; or those that have been copied."""
        if number in self.copies:
            yield from self.copies.read(number)
            return
        rows = refuse_more_bytes(self._receive_piece(number, client, body, budget), client.max_bytes)
        yield from self.copies.keep(number, rows)

    def _receive_piece(self, number: int, client: Web, body: Body, budget: RetryBudget) -> Generator[bytes, None, None]:
        piece, of = self.pieces[number]
        said = self.said[of]
        yield from piece.stream(client, said.count_rows(piece.part), said.behind, body, budget)

    def _merge_pieces(self, client: Web, body: Body, budget: RetryBudget) -> Generator[bytes, None, None]:
        """The rows of all pieces in the order of the key; one after another is asked for, so that no two wait."""
        others = range(1, len(self.pieces))
        for number in others:
            for _ in self._stream_piece(number, client, body, budget):
                pass
        first = self._receive_piece(0, client, body, budget)
        if not others:
            yield from first
            return
        streams = [first, *(self.copies.read(number) for number in others)]
        columns = list_fields(self.table, self.feed.columns)
        at = [columns.index(field) for field in self.table.key]
        yield from merge(*map(_split_rows, streams), key=lambda row: _read_key(row, at))

    def _days_of(self, number: int, part: Slice) -> list[DayFigures]:
        """What the site says of the days of a piece."""
        return self.said[self.pieces[number][1]].of(part)

    def _summed(self, number: int) -> dict[str, str]:
        """The columns to sum, each with its field in a slice's set."""
        return {column: self.fields[number][self.feed.columns.index(column)] for column in self.feed.summed}


def _join(versions: list[str]) -> str:
    """What the sites say of all of it; nothing where one says nothing."""
    return "; ".join(versions) if all(versions) else ""


def _split_rows(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Row by row, each with its line end, of chunks that are cut anywhere."""
    blocks = csv_rows.cut_blocks(chunks, quoted=True, size=2 * LONGEST)
    return (row + b"\n" for block in blocks for _, row in csv_rows.split_records(block, quoted=True) if row)


def _read_key(row: bytes, at: list[int]) -> list[str]:
    """What a row is put in order by; a row that has not all of it is for others to refuse."""
    values = split_values(row)
    return [values[n] if n < len(values) else "" for n in at]
