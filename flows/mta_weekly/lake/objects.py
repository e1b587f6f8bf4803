"""The lake in words: what an object is, what rides on it, and what any lake must be able to do.

Publishing creates an object or replaces the very one that was seen; an object is whole, checked and with its facts, or
it is not there. `folder` and `gcs` are the two lakes. Knows no feed, no source and no Prefect.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from mta_weekly.errors import BadArgument
from mta_weekly.retry import RetryBudget

BLOCK = "gcs-bucket/"  # a bucket is named by this and the name of its block; anything else is a folder
DEFAULT_BLOCK = f"{BLOCK}blk-gcs-name"  # the lake where none is named and this one is registered


def check_name(where: str | None) -> None:
    """Refuse what is meant as a bucket and would be taken for a folder.

    Raises:
        BadArgument: it is an address, or names no block.
    """
    try:
        home = Path(where or ".").expanduser()
    except RuntimeError:
        raise BadArgument(f"lake {where!r}: there is no such home folder.") from None
    if "\0" in str(home):
        raise BadArgument(f"lake {where!r}: no folder has such a name.")
    kind, _, name = (where or "").partition("/")
    meant = kind.lower().replace("_", "-").rstrip("s") == BLOCK.rstrip("/")
    if where and ("://" in where or (meant and (not where.startswith(BLOCK) or not name or "/" in name))):
        raise BadArgument(f"lake {where!r}: name a folder, or {BLOCK}NAME of a registered GCS Bucket block.")


def _from_text(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value  # metadata of a bucket is text


class Facts(BaseModel):
    """What rides on an object: where it came from, what is in it, when and by which run it was loaded.

    Days are ISO dates, `loaded_at` an ISO time in UTC, `crc32c` base64, `sha256` that of the unpacked content in hex.
    `source`, `empty` (values, by column) and `sums` (by column) came with 0.4.0; `unknown_columns` (of the source, not
    loaded) and `out_of_date` (whether the source said that it was) with 0.7.0.
    """

    model_config = ConfigDict(frozen=True)

    feed: str
    week: str
    source: str = ""
    source_url: str
    source_etag: str
    source_last_modified: str
    source_bytes: int
    rows: int
    bad_rows: int
    first_day: str
    last_day: str
    empty: Annotated[dict[str, int], BeforeValidator(_from_text)] = {}
    sums: Annotated[dict[str, int | float], BeforeValidator(_from_text)] = {}
    unknown_columns: Annotated[tuple[str, ...], BeforeValidator(_from_text)] = ()
    out_of_date: bool = False
    size: int
    crc32c: str
    sha256: str
    loaded_at: str
    flow_run_id: str
    version: str

    @classmethod
    def read(cls, said: Any, key: str, size: int, crc32c: str) -> "Facts | None":
        """The facts as stored, or None where some are missing or they speak of another file or another week."""
        try:
            facts = cls.model_validate(said)
        except ValidationError:
            return None
        fit = (facts.size, facts.crc32c) == (size, crc32c) and key.endswith(f"{facts.feed}/{facts.week}.csv.gz")
        return facts if fit else None


@dataclass(frozen=True)
class StoredObject:
    """An object in the lake: its generation (a folder's: the file's crc32c), size in bytes, crc32c and facts."""

    generation: str
    size: int
    crc32c: str
    facts: Facts | None
    metageneration: str = ""

    def holds(self, facts: Facts) -> bool:
        """Whether it is the file these facts speak of."""
        return (self.size, self.crc32c) == (facts.size, facts.crc32c)

    def holds_content(self, facts: Facts) -> bool:
        """Whether it unpacks to what these facts speak of; another version of ours may compress otherwise."""
        return self.holds(facts) or (self.facts is not None and self.facts.sha256 == facts.sha256)


@dataclass(frozen=True)
class PublishResult:
    """How publishing ended: the object is ours, `unchanged` but for its facts, or `there`: another run was first."""

    state: Literal["landed", "replaced", "unchanged", "there"]
    found: StoredObject


class Lake(Protocol):
    """Where files land. Every method may raise LakeFailed, and GaveUp where faults did not pass."""

    def __str__(self) -> str:
        """The lake's name, as every run's first line shows it."""

    def prepare(self) -> None:
        """Make sure, before anything is downloaded, that the lake can be written, as far as that can be told."""

    def find(self, keys: Iterable[str], budget: RetryBudget) -> dict[str, StoredObject]:
        """Those of the objects that are there."""

    def read(self, key: str, path: Path, budget: RetryBudget) -> None:
        """Copy an object to a file."""

    def publish(
        self, path: Path, key: str, facts: Facts, replaces: StoredObject | None, budget: RetryBudget
    ) -> PublishResult:
        """Create the object, or replace the generation seen; never another one. Verified when it returns."""

    def set_facts(self, key: str, found: StoredObject, facts: Facts, budget: RetryBudget) -> None:
        """Give the object seen its facts."""

    def remove(self, key: str, found: StoredObject, budget: RetryBudget) -> None:
        """Remove the object seen; one that another run put there meanwhile stays."""


def say_changed(key: str) -> str:
    """The sentence for an object that is no longer the one that was seen."""
    return f"{key}: another run changed it meanwhile, and what it did stands; look at it before you load it again"
