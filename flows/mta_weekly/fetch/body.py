"""A source's body, in words: which version it is, how long, and what the source said of it. Knows no HTTP."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

Sums = Mapping[str, float]  # by column


@dataclass(frozen=True)
class Version:
    """What a source said of a week that was loaded: what, besides the content, tells one version from another."""

    etag: str
    last_modified: str
    rows: int

    def same(self, body: "Body") -> bool:
        """Whether a source that counts its rows says so of this body too."""
        return (self.last_modified, self.rows) == (body.last_modified, body.rows)


@dataclass
class Body:
    """What a source said of the body it sent: where from, which version, how long.

    Attributes:
        unless: the version that need not be sent again.
        counted: whether a count of its rows proves that it is whole, whatever its length.
        answered: whether the head of an answer has come.
        size: bytes promised; None where the answer came in chunks.
        rows: promised; None where the source has not counted them.
        compare: raises TryAgain where sums, those of all rows and those of each day, are not what the source said.
        out_of_date: whether it comes from a copy that is behind.
        unknown_columns: those the source has and the feed does not know.
        notes: what a person should hear of it.
        wire: bytes as they came.
        received: bytes, unpacked.
    """

    url: str
    unless: Version | None = None
    counted: bool = False
    answered: bool = False
    etag: str = ""
    last_modified: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    size: int | None = None
    rows: int | None = None
    compare: Callable[[Sums, Mapping[date, Sums]], None] | None = None
    out_of_date: bool = False
    unknown_columns: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    resumable: bool = False
    wire: int = 0
    received: int = 0

    @property
    def validator(self) -> str:
        """What If-Range can compare; a weak ETag cannot be used there (RFC 9110, 13.1.5)."""
        return self.last_modified if self.etag.startswith("W/") else self.etag or self.last_modified
