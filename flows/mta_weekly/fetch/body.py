"""A source's body, in words: which version it is, how long, and what the source said of it. Knows no HTTP."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

Sums = Mapping[str, float]  # by column


@dataclass(frozen=True)
class Version:
    """What a source said of a week that was loaded: what, besides the content, tells one version from another."""

    url: str
    etag: str
    last_modified: str
    rows: int

    def is_of(self, body: "Body") -> bool:
        """Whether a source says of this body that it is the same: from that address, of that time."""
        same = (self.url, self.last_modified) == (body.source_url, body.last_modified)
        # The ETag of a count says nothing of the rows; where they are counted, their number does.
        told = self.etag == body.etag if body.rows is None else self.rows == body.rows
        return bool(body.last_modified) and same and told

    def say(self) -> str:
        """The sentence for a source that has nothing else."""
        return f"the source has not changed since {self.last_modified or 'it was loaded'}"


@dataclass
class Body:
    """What a source said of the body it sent: where from, which version, how long.

    Attributes:
        url: where it was asked for.
        came_from: the address that sent it, where that is known, without what only a redirect said.
        host: who is asked for it now.
        unless: the version that need not be sent again. Equal is equal: a source that was set back has an older one.
        counted: whether a count of its rows proves that it is whole, whatever its length.
        answered: whether the head of an answer has come.
        size: bytes promised; None where the answer came in chunks.
        rows: promised; None where the source has not counted them.
        compare: raises TryAgain where sums, those of all rows and those of each day, are not what the source said.
        out_of_date: whether it comes from a copy that is behind.
        unknown_columns: those the source has and the feed does not know.
        ended: series that it had once, and that the source says have ended.
        notes: what a person should hear of it.
        wire: bytes as they came.
        received: bytes, unpacked.
    """

    url: str
    unless: Version | None = None
    came_from: str = ""
    host: str = ""
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
    ended: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    resumable: bool = False
    wire: int = 0
    received: int = 0

    @property
    def source_url(self) -> str:
        """Where it came from, for the facts."""
        return self.came_from or self.url

    @property
    def validator(self) -> str:
        """What If-Range can compare: no weak ETag (RFC 9110, 13.1.5), and nothing that cannot be sent."""
        said = self.last_modified if self.etag.startswith("W/") else self.etag or self.last_modified
        return said if said.isascii() else ""
