"""The rows of a piece of a week, a day most often: whole and all; an answer that breaks off goes on where it did."""

import csv
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass

from mta_weekly import csv_rows
from mta_weekly.errors import Refused, TryAgain
from mta_weekly.fetch.body import Body
from mta_weekly.fetch.client import Web
from mta_weekly.fetch.socrata.answers import LONGEST, DataChanged, Unsteady, count_others, quote_start, receive_copy
from mta_weekly.fetch.socrata.queries import Slice
from mta_weekly.retry import Patience, RetryBudget

RENEWALS = 2  # times that a piece which has changed may be read from its beginning, as if for the first time
IDLE = 2  # answers in a row that bring nothing new, until the count is asked for again


@dataclass
class Trust:
    """Whether a site's times of last change say anything: not where they have differed among answers once before."""

    times: bool = True


class Piece:
    """A piece of a week at a site, over all tries to have it.

    Attributes:
        part: what is asked for.
        trust: in the site, by all pieces of the week.
        most: how many of its rows have ever come, of those that were counted first.
        times: the times of last change that its answers said.
        came_from: the address that sent the last one.
    """

    def __init__(self, part: Slice, fields: Sequence[str], trust: Trust) -> None:
        self.part, self.fields, self.trust = part, list(fields), trust
        self.most = self.first_count = self.renewals = 0
        self.times: set[str] = set()
        self.came_from = ""

    def renew(self) -> None:
        """It has changed: to read it again is to get on; but not for ever."""
        if self.renewals < RENEWALS:
            self.renewals += 1
            self.most = self.first_count = 0

    def stream(
        self, client: Web, count: int, behind: bool, body: Body, budget: RetryBudget
    ) -> Generator[bytes, None, None]:
        """Its rows without the header, as many as were counted; none of a piece without rows.

        Args:
            behind: whether they were counted by a copy of the data that is behind.
            body: of the week; what came over the wire is counted there.

        Raises:
            DataChanged: it is not the data that was counted.
        """
        self.times = set()
        if not count:
            return
        received, idle, others = _Received(self, count), 0, 0
        self.first_count = self.first_count or count
        while received.got < count:
            before = received.got
            try:
                yield from received.receive(client, behind, body, budget)
            except DataChanged:
                raise
            except TryAgain as error:
                idle = 0 if received.got > before else idle + received.ended
                if idle == IDLE:
                    raise Unsteady(str(error)) from error
                others = count_others(error, others)
                client.pause(self.part.address, budget, error)


class _Received:
    """What has come of a piece in this try: so many rows, the last ones of them, and the first bytes of another one."""

    def __init__(self, piece: Piece, count: int) -> None:
        self.piece, self.host, self.count = piece, piece.part.host, count
        self.got, self.tail, self.held = 0, b"", b""
        self.begun = self.joined = self.ended = False  # of the answer: its header, the row that was there, its end

    def receive(self, client: Web, behind: bool, body: Body, budget: RetryBudget) -> Generator[bytes, None, None]:
        """The rows that are lacking, by one answer, which begins with the last one that is there."""
        answer = Body(self.piece.part.rows(self.piece.fields, max(0, self.got - 1)))
        patience = client.patience_with(answer.url)
        self.held, self.begun, self.joined, self.ended = b"", False, not self.got, False
        with closing(receive_copy(client, answer, budget, behind)) as chunks:
            for chunk in chunks:
                if not self.begun:
                    self._compare_times(answer)
                if rows := self._cut_whole_rows(chunk):
                    yield rows
                    self._note_progress(patience, budget)
        body.wire += answer.wire
        self.piece.came_from = answer.came_from
        self.ended = True
        if self.joined and self.got == self.count - 1 and self._ends_with_a_row():
            self.got += 1  # only the very last line end is missing
            yield self.held + b"\n"
        if self.got < self.count:
            raise TryAgain(f"{self.host} sent {self.got:,} of {self.count:,} rows and ended")

    def _compare_times(self, answer: Body) -> None:
        """The answers of one piece are of one release, as far as their times of last change tell."""
        times = self.piece.times
        times.add(answer.last_modified)
        if self.got and self.piece.trust.times and len(times - {""}) > 1:
            self.piece.trust.times = False
            raise DataChanged(f"the data on {self.host} changed while it was read")

    def _note_progress(self, patience: Patience, budget: RetryBudget) -> None:
        if self.piece.most < self.got <= self.piece.first_count:
            self.piece.most = self.got
            patience.note_progress()
            budget.note_progress()

    def _cut_whole_rows(self, chunk: bytes) -> bytes:
        """The rows that end here and are new."""
        self.held += chunk
        end = csv_rows.find_end(self.held, quoted=True)
        if not end and len(self.held) > LONGEST:
            raise Refused(f"{self.host} sent a line of more than {LONGEST:,} bytes: not a CSV file")
        rows, self.held = self.held[:end], self.held[end:]
        if rows and not self.begun:
            rows = self._without_header(rows)
        if rows and not self.joined:
            last = self.tail[csv_rows.find_end(self.tail, True, len(self.tail) - 1) :]
            if not rows.startswith(last):
                raise Unsteady(f"{self.host} was asked to go on after {self.got:,} rows and sent others")
            self.joined, rows = True, rows[len(last) :]
        if rows:
            self.got += csv_rows.count_rows(rows)
            self.tail = rows
        if self.got > self.count:
            raise Unsteady(f"{self.host} sent more rows than the {self.count:,} it had counted")
        return rows

    def _without_header(self, rows: bytes) -> bytes:
        header, _, rows = rows.partition(b"\n")
        if split_values(header.removeprefix(b"\xef\xbb\xbf")) != self.piece.fields:
            raise TryAgain(f"{self.host} answered {quote_start(header)} where data was asked for")
        self.begun = True
        return rows

    def _ends_with_a_row(self) -> bool:
        closed = self.held.endswith(csv_rows.QUOTE) and self.held.count(csv_rows.QUOTE) % 2 == 0
        return closed and len(split_values(self.held)) == len(self.piece.fields)


def split_values(row: bytes) -> list[str]:
    """The values of a row; none where it is no CSV."""
    try:
        return next(csv.reader([row.decode(errors="replace")]), [])
    except csv.Error:
        return []
