"""What is known of a week when it has been read: its figures, and the rows that cannot be used."""

from dataclasses import dataclass

SHOWN = 5  # bad rows shown in an error


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used: its line in the published file (from 1), why, and its text."""

    line: int
    reason: str
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}: {self.text.strip()[:200]!r}"


@dataclass(frozen=True)
class Content:
    """What is known of a converted week.

    Attributes:
        rows: rows written, without the header.
        bad_rows: rows left out.
        first_day, last_day: of the rows, as ISO dates.
        days: how many of the week's seven days have rows.
        size, crc32c: of the gzip, in bytes and in base64 as GCS writes it.
        sha256: of the unpacked content, in hex.
        empty: how many values are empty, of each column that has such.
        sums: of the columns that the feed sums.
    """

    rows: int
    bad_rows: int
    first_day: str
    last_day: str
    days: int
    size: int
    crc32c: str
    sha256: str
    empty: dict[str, int]
    sums: dict[str, float]
