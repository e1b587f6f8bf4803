"""The rows of a slice at a Socrata site, whole and all; an answer that breaks goes on after its last whole one."""

import csv
from collections.abc import Generator

from mta_weekly import csv_rows
from mta_weekly.errors import Refused, TryAgain
from mta_weekly.fetch.client import Web, hide_tokens
from mta_weekly.fetch.http import Body
from mta_weekly.fetch.socrata.answers import LONGEST, DataChanged, receive_rows
from mta_weekly.fetch.socrata.queries import Slice
from mta_weekly.retry import RetryBudget


def stream_rows(
    client: Web, part: Slice, count: int, last_modified: str, body: Body, budget: RetryBudget
) -> Generator[bytes, None, None]:
    """The header by itself, and then whole rows, as many as were counted.

    Args:
        count: of the rows, one at least.
        last_modified: what the site said of the set when they were counted.
        body: of the week; its bytes are counted there.

    Raises:
        DataChanged: it is not the data that was counted.
    """
    rows = _Rows(part, count, last_modified)
    while rows.got < count:
        try:
            yield from rows.receive(client, body, budget)
        except DataChanged:
            raise
        except TryAgain as error:
            hide_tokens(client, error)
            budget.pause(error)


class _Rows:
    """What has come of a slice: its header, so many rows, and the first bytes of another one."""

    def __init__(self, part: Slice, count: int, last_modified: str) -> None:
        self.part, self.count, self.last_modified = part, count, last_modified
        self.header, self.got, self.held, self.begun = b"", 0, b"", False

    def receive(self, client: Web, body: Body, budget: RetryBudget) -> Generator[bytes, None, None]:
        """The rows that are lacking, by one answer."""
        answer = Body(self.part.rows(self.got))
        self.held, self.begun = b"", False
        for chunk in receive_rows(client, answer, budget):
            body.received += len(chunk)
            if answer.last_modified and self.last_modified and answer.last_modified != self.last_modified:
                raise DataChanged(f"the data on {self.part.host} changed while it was read")
            known = self.header
            rows = self._cut_whole_rows(chunk)
            if not known and self.header:
                yield self.header
            if rows:
                yield rows
        if self.got == self.count - 1 and self._ends_with_a_row():
            self.got += 1  # only the very last line end is missing
            yield self.held + b"\n"
        if self.got < self.count:
            raise DataChanged(f"{self.part.host} sent {self.got:,} of {self.count:,} rows and ended")

    def _cut_whole_rows(self, chunk: bytes) -> bytes:
        self.held += chunk
        end = csv_rows.find_end(self.held, quoted=True)
        if not end and len(self.held) > LONGEST:
            raise Refused(f"{self.part.host} sent a line of more than {LONGEST:,} bytes: not a CSV file")
        rows, self.held = self.held[:end], self.held[end:]
        if rows and not self.begun:
            rows = self._without_header(rows)
        self.got += csv_rows.count_rows(rows)
        if self.got > self.count:
            raise DataChanged(f"{self.part.host} sent more rows than the {self.count:,} it had counted")
        return rows

    def _without_header(self, rows: bytes) -> bytes:
        self.begun, first = True, rows[: rows.index(b"\n") + 1]
        if self.header and first != self.header:
            raise DataChanged(f"the columns on {self.part.host} changed while they were read")
        self.header = first
        return rows[len(first) :]

    def _ends_with_a_row(self) -> bool:
        closed = self.held.endswith(csv_rows.QUOTE) and self.held.count(csv_rows.QUOTE) % 2 == 0
        return closed and len(split_values(self.held)) == len(split_values(self.header))


def split_values(row: bytes) -> list[str]:
    """The values of a row; none where it is no CSV."""
    try:
        return next(csv.reader([row.decode(errors="replace")]), [])
    except csv.Error:
        return []
