"""What stands in a lake, read byte by byte as who comes next would; for tests of runs that failed, died or met."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
import shutil
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import google.cloud.storage

from conftest import KEY, expected
from gcs import Gcs
from lake_objects import budget
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.folder import FolderLake
from mta_weekly.lake.gcs import BucketLake
from mta_weekly.lake.objects import Lake, StoredObject
from mta_weekly.upkeep.tidy import list_litter, remove_litter
from weekly_files import SATURDAY
from weeks import make_week

LINES = make_week(SATURDAY, rows=60).decode().splitlines(keepends=True)
BAD = 7  # the line that is bad where one is
COMPANIONS = ("rejected/turnstile/", "held/turnstile/", "history/turnstile/")


@dataclass(frozen=True)
class Version:
    """The week as it was published once: in words of its own, with one bad row or none, and with rows twice or none."""

    word: str = "REGULAR"
    bad: bool = False
    twice: bool = False  # its first rows, which are enough for a week to be held

    @property
    def lines(self) -> list[str]:
        """Of the file, the bad one as it should be."""
        return LINES + LINES[1 : BAD - 1] * self.twice

    @cached_property
    def published(self) -> bytes:
        """The file."""
        lines = ("x," * (self.bad and n == BAD) + line for n, line in enumerate(self.lines, start=1))
        return "".join(lines).replace("REGULAR", self.word).encode()

    @cached_property
    def content(self) -> bytes:
        """What its object unpacks to."""
        lines = (line for n, line in enumerate(self.lines, start=1) if not (self.bad and n == BAD))
        return expected("".join(lines).replace("REGULAR", self.word).encode())

    @property
    def sha256(self) -> str:
        """Of its content."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Seen:
    """An object or a companion: what it unpacks to, and what the lake knows of it."""

    content: bytes
    found: StoredObject

    @property
    def facts(self) -> Any:
        """Those that fit it."""
        assert self.found.facts is not None, "without facts that fit it"
        return self.found.facts


class FolderPlace:
    """A lake in a folder, as its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "lake"
        self.kept: dict[Path, bytes | None] = {}
        self.lake = self.open()
        self.wipe()

    def open(self) -> Lake:
        """The lake, as another run opens it."""
        return FolderLake(self.folder)

    def wipe(self) -> None:
        """Be empty."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.lake.prepare()

    def keep(self) -> None:
        """Remember all there is."""
        paths = sorted(self.folder.rglob("*"))
        self.kept = {path: None if path.is_dir() else path.read_bytes() for path in paths}

    def restore(self) -> None:
        """Be as it was then."""
        for path in sorted(self.folder.rglob("*"), reverse=True):
            if path not in self.kept:
                path.rmdir() if path.is_dir() else path.unlink()
        for path, content in self.kept.items():
            if content is not None and (not path.exists() or path.read_bytes() != content):
                path.write_bytes(content)

    def find(self) -> dict[str, StoredObject]:
        """The week's object and all companions, as the lake itself finds them."""
        found = [self.lake.find([KEY], budget()), *(self.lake.find_all(prefix, budget()) for prefix in COMPANIONS)]
        return {key: each for some in found for key, each in some.items()}

    def list_files(self) -> dict[str, bytes]:
        """All there is."""
        files = [path for path in self.folder.rglob("*") if not path.is_dir()]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}

    def list_stamps(self) -> dict[str, object]:
        """What changes where anything is written again."""
        files = [path for path in self.folder.rglob("*") if path.suffix in (".gz", ".json")]
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes()) for path in files}


class BucketPlace:
    """A lake in a bucket, as the objects its server holds."""

    def __init__(self, gcs: Gcs) -> None:
        self.gcs = gcs
        self.kept: dict[str, Any] = {}
        self.lake = self.open()

    @staticmethod
    def open() -> Lake:
        """The lake, as another run opens it: a process has a client of its own."""
        client = google.cloud.storage.Client(project="test")
        client._http.trust_env = False  # it looks for proxies at every request, for a fifth of the time
        return BucketLake(client, "lake")

    def wipe(self) -> None:
        """Be empty."""
        self.gcs.objects["lake"] = {}

    def keep(self) -> None:
        """Remember all there is."""
        self.kept = {name: copy(blob) for name, blob in self.gcs.objects["lake"].items()}

    def restore(self) -> None:
        """Be as it was then."""
        self.gcs.faults.clear()
        self.gcs.objects["lake"] = {name: copy(blob) for name, blob in self.kept.items()}

    def find(self) -> dict[str, StoredObject]:
        """The week's object and all companions, as the lake would find them by many requests."""
        return {
            name: StoredObject(
                str(blob.generation), len(blob.data), blob.crc32c,
                Facts.read(blob.metadata, name, len(blob.data), blob.crc32c), str(blob.metageneration),
            )
            for name, blob in self.gcs.objects["lake"].items()
        }  # fmt: skip

    def list_files(self) -> dict[str, bytes]:
        """All there is."""
        return {name: blob.data for name, blob in self.gcs.objects["lake"].items()}

    def list_stamps(self) -> dict[str, object]:
        """What changes where anything is written again."""
        return {name: (blob.generation, blob.metageneration) for name, blob in self.gcs.objects["lake"].items()}


Place = FolderPlace | BucketPlace


def look(place: Place) -> dict[str, Seen]:
    """The week's object and all companions, which are whole whenever one looks, by the bytes and their facts."""
    files = place.list_files()
    seen = {key: Seen(gzip.decompress(files[key]), each) for key, each in place.find().items()}
    for key, each in seen.items():
        facts, packed = each.facts, files[key]
        assert len(packed) == facts.size, key
        assert facts.sha256 == hashlib.sha256(each.content).hexdigest(), key
        if key != KEY:
            assert facts.sha256[:16] in key, "its name is not that of its content"
            assert facts.why
            assert facts.last_seen
    return seen


def check_object(seen: dict[str, Seen], versions: Iterable[Version]) -> Version | None:
    """That the object is one of these versions, with its own rows left out; which one."""
    if KEY not in seen:
        return None
    here = seen[KEY]
    by_content = {version.content: version for version in versions}
    assert here.content in by_content, "what stands is no version of the week"
    check_rejected(seen, here.facts, by_content[here.content])
    return by_content[here.content]


def check_rejected(seen: dict[str, Seen], facts: Facts, version: Version) -> None:
    """That facts of a version name the rows that were left out of it, and no others."""
    assert facts.bad_rows == version.bad
    assert bool(facts.rejected) == version.bad
    if version.bad:
        aside = seen[facts.rejected]
        header, (line, _, text) = csv.reader(io.StringIO(aside.content.decode()))
        assert header == ["line", "reason", "text"]
        assert (int(line), text) == (BAD, version.published.decode().splitlines()[BAD - 1])
        assert aside.facts.of == facts.sha256


def list_replaced(seen: dict[str, Seen]) -> list[Seen]:
    """What the object replaced, and what that one did: the newest first."""
    chain, facts = list[Seen](), seen[KEY].facts
    while facts.replaces:
        chain.append(seen[facts.replaces])
        assert chain[-1].facts.revision == facts.revision - 1
        facts = chain[-1].facts
    assert facts.revision == 1
    return chain


def check_kept(before: dict[str, Seen], seen: dict[str, Seen]) -> None:
    """That no companion that was there is lost or another one."""
    for key, was in before.items():
        if key != KEY:
            assert seen[key].content == was.content


def list_unnamed(place: Place, seen: dict[str, Seen]) -> set[str]:
    """All that is no object, nothing that one names, neither history nor held, and none of their facts and locks."""
    named = {KEY, *(key for key in seen if key.startswith(("history/", "held/")))}
    named |= {seen[key].facts.rejected for key in named if key in seen}
    named |= {f"{key}.json" for key in named}
    return {name for name in place.list_files() if name not in named and not re.fullmatch(r"\.mta-etl/.*\.lock", name)}


def tidy(place: Place, spool: Path) -> set[str]:
    """Remove the litter, as in three days; what it was."""
    now, removed = datetime.now(UTC) + timedelta(days=3), set[str]()
    for each in list_litter(place.lake, [TURNSTILE], spool, now, budget()):
        assert remove_litter(place.lake, each, budget())
        removed.add(each.name)
    return removed
