"""The lake in words: what an object is, what rides on it, and what any lake must be able to do.

Publishing creates an object or replaces the very one that was seen; an object is whole, checked and with its facts, or
it is not there. `folder` and `gcs` are the two lakes. Knows no feed, no source and no Prefect.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from mta_weekly.errors import BadArgument
from mta_weekly.lake.facts import Facts
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import NO_TEXT

BLOCK = "gcs-bucket/"  # a bucket is named by this and the name of its block; anything else is a folder
BLOCK_NAME = re.compile("[a-z0-9-]+")  # Prefect's rule; another name could be read as more than a name in its address
LONGEST_NAME, SHOWN = 1000, 200  # characters
DEFAULT_BLOCK = f"{BLOCK}blk-gcs-name"  # the lake where none is named and this one is registered


def check_name(where: str | None) -> None:
    """Refuse what is meant as a bucket and would be taken for a folder, or another one, and what nobody can read.

    Raises:
        BadArgument: it is an address, or names no block, or holds what does not print.
    """
    try:
        here = Path.cwd()
    except FileNotFoundError:
        raise BadArgument("the folder this was started in is gone; start it in another one.") from None
    if not where:
        return
    said = f"lake {where[:SHOWN]!r}"
    if len(where) > LONGEST_NAME:
        raise BadArgument(f"{said}...: no lake has so long a name.")
    kind, _, name = where.partition("/")
    meant = kind.strip().lower().replace("_", "-").rstrip("s") == BLOCK.rstrip("/")
    if "://" in where or (meant and not where.startswith(BLOCK)) or not where.strip():
        raise BadArgument(f"{said}: name a folder, or {BLOCK}NAME of a registered GCS Bucket block.")
    if meant and not BLOCK_NAME.fullmatch(name):
        raise BadArgument(f"{said}: {BLOCK}NAME, and NAME that of a block: lowercase letters, digits and dashes only.")
    if not where.isprintable():
        raise BadArgument(f"{said}: {NO_TEXT}.")
    try:
        folder = str(here / Path(where).expanduser())
    except RuntimeError:
        raise BadArgument(f"{said}: there is no such home folder.") from None
    if not folder.isprintable():
        raise BadArgument(f"lake {folder!r}: {NO_TEXT}.")


@dataclass(frozen=True)
class StoredObject:
    """An object in the lake: its generation (a folder's: the file's crc32c), size in bytes, crc32c and facts.

    Attributes:
        facts: None where there are none, or they speak of another file or another week.
        said: facts of its week that are with it, and speak of another file.
        fault: why it cannot be read, where that shows; then nothing else is known of it.
    """

    generation: str
    size: int
    crc32c: str
    facts: Facts | None
    metageneration: str = ""
    said: Facts | None = None
    fault: str = ""

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

    def find(self, keys: Iterable[str], budget: RetryBudget, unread: Iterable[str] = ()) -> dict[str, StoredObject]:
        """Those of the objects that are there; of the `unread` those that have facts, at their word."""

    def find_all(self, prefix: str, budget: RetryBudget, unread: bool = False) -> dict[str, StoredObject]:
        """All objects whose names begin so, by one listing; `unread`, their facts are taken at their word.

        Facts that fit the size of an object count then, and of one without any neither generation nor crc32c are known;
        what has an object's name and is no file is told, too.
        """

    def read(self, key: str, found: StoredObject, path: Path, budget: RetryBudget) -> None:
        """Copy the object seen to a file, and make sure by its crc32c that it is that."""

    def publish(
        self, path: Path, key: str, facts: Facts, replaces: StoredObject | None, budget: RetryBudget
    ) -> PublishResult:
        """Create the object, or replace the generation seen; never another one. Verified when it returns."""

    def set_facts(self, key: str, found: StoredObject, facts: Facts, budget: RetryBudget) -> Facts:
        """Give the object seen its facts; those it has now, which another run may have given it meanwhile."""

    def remove(self, key: str, found: StoredObject, budget: RetryBudget) -> bool:
        """Remove the object seen with its facts; one that another run put there, or gave new facts meanwhile, stays.

        Returns:
            Whether it is gone.
        """

    def list_leftovers(self) -> dict[str, str]:
        """The names of work files of runs that died while they published, and of which object each is."""

    def remove_leftover(self, name: str) -> bool:
        """Remove one of them; one that a run is using by now stays. Whether it is gone."""


def say_gone(key: str) -> str:
    """The sentence for an object that is no longer there."""
    return f"{key}: somebody removed it meanwhile; load it again"


def say_changed(key: str) -> str:
    """The sentence for an object that is no longer the one that was seen."""
    return f"{key}: another run changed it meanwhile, and what it did stands; look at it before you load it again"
