"""A lake in a folder of this machine. Knows files and locks; no network, no feed and no Prefect."""

import errno
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

# flock where the system has it: two runs on one folder take turns, and a dead one lets go.
from filelock import FileLock

from mta_weekly.checksums import crc32c_of
from mta_weekly.errors import LakeFailed
from mta_weekly.lake.objects import Facts, PublishResult, StoredObject, say_changed
from mta_weekly.retry import RetryBudget

COPY = 1 << 20  # bytes
ASIDE = ".mta-etl"  # in the lake, for locks and for files that are being written


class FolderLake:
    """A folder on this machine; the facts stand beside an object as `NAME.json`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().absolute()

    def prepare(self) -> None:
        """See Lake."""
        with self._failing("be written"):
            (self.folder / ASIDE).mkdir(parents=True, exist_ok=True)
            if not os.access(self.folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def __str__(self) -> str:
        return f"folder {self.folder}"

    def find(self, keys: Iterable[str], budget: RetryBudget) -> dict[str, StoredObject]:
        """See Lake. An object's facts count only where they fit the file."""
        with self._failing("be read"):
            return {key: found for key in keys if (found := self._found(key))}

    def read(self, key: str, path: Path, budget: RetryBudget) -> None:
        """See Lake."""
        with self._failing("be read"):
            _copy(self.folder / key, path)

    def publish(
        self, path: Path, key: str, facts: Facts, replaces: StoredObject | None, budget: RetryBudget
    ) -> PublishResult:
        """See Lake. A lock per object covers check, facts and file; the file shows last, whole, by a rename."""
        target = self.folder / key
        part = self._aside(key, "part")  # one name: the next run writes over it
        with self._failing("be written"), self._locked(key):
            now = self._found(key)
            if now and (replaces is None or (now.generation != replaces.generation and now.holds(facts))):
                return PublishResult("there", now)
            if replaces and (now is None or now.generation != replaces.generation):
                raise LakeFailed(say_changed(key))
            try:
                _copy(path, part)
                if crc32c_of(part) != facts.crc32c:
                    raise LakeFailed(f"{key}: what was written to {self} is not what was read back; check the disk")
                self._write_facts(key, facts)
                part.replace(target)
                _sync_folder(target.parent)
            finally:
                part.unlink(missing_ok=True)
        return PublishResult(
            "replaced" if replaces else "landed", StoredObject(facts.crc32c, facts.size, facts.crc32c, facts)
        )

    def set_facts(self, key: str, found: StoredObject, facts: Facts, budget: RetryBudget) -> None:
        """See Lake."""
        with self._failing("be written"), self._locked(key):
            now = self._found(key)
            if now is None or now.generation != found.generation:
                raise LakeFailed(say_changed(key))
            self._write_facts(key, facts)

    def _found(self, key: str) -> StoredObject | None:
        target = self.folder / key
        try:
            size, crc = target.stat().st_size, crc32c_of(target)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:  # something that is no file: for the one who reads it to say, not for all the others
            return StoredObject("", 0, "", None)
        try:
            said = json.loads(_facts_file(target).read_bytes())
        except (OSError, ValueError, RecursionError):
            said = None
        return StoredObject(crc, size, crc, Facts.read(said, key, size, crc))

    def remove(self, key: str, found: StoredObject, budget: RetryBudget) -> None:
        """See Lake."""
        with self._failing("be written"), self._locked(key):
            now = self._found(key)
            if now and now.generation == found.generation:
                (self.folder / key).unlink()
                _facts_file(self.folder / key).unlink(missing_ok=True)

    def _aside(self, key: str, kind: str) -> Path:
        return self.folder / ASIDE / f"{key.replace('/', '-')}.{kind}"

    def _write_facts(self, key: str, facts: Facts) -> None:
        part = self._aside(key, "json.part")
        with part.open("w") as file:
            file.write(facts.model_dump_json(indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(_facts_file(self.folder / key))

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        (self.folder / key).parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._aside(key, "lock"), mode=0o666):
            yield

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LakeFailed(
                f"{self} cannot {what}: {error.strerror or error}; make room or give access there, or name another lake"
            ) from error


def _facts_file(target: Path) -> Path:
    return target.with_name(f"{target.name}.json")


def _copy(source: Path, target: Path) -> None:
    """Copy a file and wait until it is on the disk."""
    with source.open("rb") as read, target.open("wb") as written:
        while piece := read.read(COPY):
            written.write(piece)
        written.flush()
        os.fsync(written.fileno())


def _sync_folder(folder: Path) -> None:
    """Wait until a rename in a folder is on the disk; where a system cannot, the rename itself still is whole."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
