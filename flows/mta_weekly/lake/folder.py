"""A lake in a folder of this machine. Knows files and locks; no network, no feed and no Prefect."""

import errno
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

# flock where the system has it: two runs on one folder take turns, and a dead one lets go.
from filelock import FileLock, Timeout

from mta_weekly import files
from mta_weekly.checksums import Crc32c
from mta_weekly.errors import LakeFailed, ObjectChanged
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.folder_names import ASIDE, key_of_leftover, list_leftover_names, lock_name, name_aside
from mta_weekly.lake.objects import PublishResult, StoredObject, say_changed, say_gone
from mta_weekly.retry import RetryBudget
from mta_weekly.spool import write_work_file

LOOKS, LARGEST = 3, 1 << 20  # at an object that is replaced while it is read; bytes of a file of facts, ours are 2,000


class FolderLake:
    """A folder on this machine; the facts stand beside an object as `NAME.json`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().absolute()

    def prepare(self) -> None:
        """See Lake. Facts of a run that died between its object and them come to their place."""
        with self._failing("be written", write=True):
            self._make_aside()
            for inside in (self.folder / ASIDE, self.folder / ASIDE / "lock"):
                if not os.access(inside.parent, os.W_OK | os.X_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(inside))
            names = sorted(each.name for each in (self.folder / ASIDE).glob("*.json.part"))
        for name in names:
            key = key_of_leftover(f"{ASIDE}/{name}")
            if key and self._look(key)[1]:
                with suppress(OSError, LakeFailed), self._locked(key, timeout=0):  # whoever holds it does the same
                    self._look_to_write(key)

    def __str__(self) -> str:
        return f"folder {self.folder}"

    def find(self, keys: Iterable[str], budget: RetryBudget, unread: Iterable[str] = ()) -> dict[str, StoredObject]:
        """See Lake. An object's facts count only where they fit the file; of one that is not read, its size."""
        looks = {key: self._look(key)[0] for key in keys}
        around = {key: self._look(key, unread=True)[0] for key in unread}
        looks |= {key: found for key, found in around.items() if found and found.facts}
        return {key: found for key, found in looks.items() if found}

    def find_all(self, prefix: str, budget: RetryBudget, unread: bool = False) -> dict[str, StoredObject]:
        """See Lake."""
        top, keys = self.folder / prefix.rpartition("/")[0], list[str]()
        with self._failing("be read"):
            if top.is_dir():
                for folder, below, names in os.walk(top, onerror=_raise):
                    below[:] = sorted(set(below) - {ASIDE})
                    paths = [Path(folder, name) for name in sorted(names + below) if name.endswith(".csv.gz")]
                    keys += [path.relative_to(self.folder).as_posix() for path in paths if unread or path.is_file()]
        looks = {key: self._look(key, unread)[0] for key in keys if key.startswith(prefix)}
        return {key: found for key, found in looks.items() if found}

    def read(self, key: str, found: StoredObject, path: Path, budget: RetryBudget) -> None:
        """See Lake."""
        if found.fault:
            raise LakeFailed(found.fault)
        crc = Crc32c()
        with self._failing("be read"):
            try:
                for piece in write_work_file(path, files.read_pieces(self.folder / key)):
                    crc.update(piece)
            except FileNotFoundError:
                raise ObjectChanged(say_gone(key)) from None
        if str(crc) != found.crc32c:
            raise ObjectChanged(say_changed(key))

    def publish(
        self, path: Path, key: str, facts: Facts, replaces: StoredObject | None, budget: RetryBudget
    ) -> PublishResult:
        """See Lake. A lock per object covers check, facts and file.

        A new file shows last. One that is replaced shows before its facts, which `_look` finds aside until they follow.
        """
        target = self.folder / key
        part, aside = self._aside(key, "part"), self._aside(key, "json.part")  # one name: the next run writes over it
        moves = [(part, target), (aside, _facts_file(target))]
        with self._failing("be written", write=True), self._locked(key):
            files.make_folder(target.parent, self.folder)
            now = self._look_to_write(key)
            if now and (replaces is None or (now.generation != replaces.generation and now.holds(facts))):
                return PublishResult("there", now)
            if replaces and (now is None or now.generation != replaces.generation):
                raise ObjectChanged(say_changed(key) if now else say_gone(key))
            try:
                files.write_new(part, files.read_pieces(path), files.file_mode(self.folder))
                if _sum(part, follow=False)[1] != facts.crc32c:
                    raise LakeFailed(f"{key}: what was written to {self} is not what was read back; check the disk")
                self._write_aside(aside, facts)
                for source, place in moves if replaces else reversed(moves):
                    files.move(source, place)
                files.sync_folder(target.parent)
            except BaseException:
                with suppress(OSError):
                    if files.remove(part):  # else the file is in its place, and these are its facts
                        files.remove(aside)
                raise
        return PublishResult(
            "replaced" if replaces else "landed", StoredObject(facts.crc32c, facts.size, facts.crc32c, facts)
        )

    def set_facts(self, key: str, found: StoredObject, facts: Facts, budget: RetryBudget) -> Facts:
        """See Lake."""
        target, aside = self.folder / key, self._aside(key, "json.part")
        with self._failing("be written", write=True), self._locked(key):
            now = self._look_to_write(key)
            if now is None or now.generation != found.generation:
                raise ObjectChanged(say_changed(key) if now else say_gone(key))
            if now.facts and now.facts != found.facts:
                return now.facts
            try:
                self._write_aside(aside, facts)
                files.move(aside, _facts_file(target))
                files.sync_folder(target.parent)
            except BaseException:
                with suppress(OSError):
                    files.remove(aside)
                raise
        return facts

    def remove(self, key: str, found: StoredObject, budget: RetryBudget) -> bool:
        """See Lake."""
        with self._failing("be written", write=True), self._locked(key):
            now, is_aside = self._look(key)
            if now and (now.fault or (now.generation, now.facts) != (found.generation, found.facts)):
                return False
            files.remove(self.folder / key)
            files.remove(_facts_file(self.folder / key))
            if is_aside:
                files.remove(self._aside(key, "json.part"))
            return True

    def list_leftovers(self) -> dict[str, str]:
        """See Lake. Facts that stand aside because their object has no others are none."""
        if not self.folder.is_dir():
            raise LakeFailed(f"{self}: there is no such folder; check its name")
        with self._failing("be read"):
            found = list_leftover_names(self.folder).items()
            return {name: key for name, key in found if self._is_left(name, key) and self._is_free(key)}

    def remove_leftover(self, name: str) -> bool:
        """See Lake."""
        key = key_of_leftover(name)
        if key is None:
            return False
        with self._failing("be written", write=True):
            try:
                with self._locked(key, timeout=0):
                    if self._is_left(name, key):
                        files.remove(self.folder / name)
                    return not os.path.lexists(self.folder / name)
            except Timeout:
                return False

    def _is_left(self, name: str, key: str) -> bool:
        if not name.startswith(f"{ASIDE}/"):
            return not os.path.lexists(self.folder / key)
        return not (name.endswith(".json.part") and self._look(key)[1])

    def _is_free(self, key: str) -> bool:
        """Whether no run is at it; makes no lock, for nobody can be where there is none."""
        lock = self.folder / ASIDE / lock_name(key)
        try:
            files.check_own(lock)
            if lock.exists():
                with FileLock(lock, timeout=0):
                    pass
        except PermissionError:
            return True  # so that it is listed: who removes it hears of the permission
        except OSError:  # a Timeout too
            return False
        return True

    def _look(self, key: str, unread: bool = False) -> tuple[StoredObject | None, bool]:
        """What is there, and whether its facts still stand aside: those beside it do not fit it, and they do."""
        target = self.folder / key
        for _ in range(LOOKS):
            try:
                size, crc, seen = _sum(target, unread=unread)
                # First what moves to its place, then the place: in one of them they are found.
                aside = self._read_said(self._aside(key, "json.part"), follow=False)
                beside = self._read_said(_facts_file(target))
                own = Facts.read(beside, key, size, crc or None)
                facts = own or Facts.read(aside, key, size, crc or None)
                if facts or seen == files.identify(target.stat()):
                    break
            except (FileNotFoundError, NotADirectoryError):
                return None, False
            except OSError as error:
                return StoredObject("", 0, "", None, fault=files.say_unreadable(target, error)), False
        said = None if facts else Facts.read_of_any(beside, key)
        crc = crc or (facts.crc32c if facts else "")
        return StoredObject(crc, size, crc, facts, said=said), own != facts

    def _look_to_write(self, key: str) -> StoredObject | None:
        """What is there, for one who holds its lock; its facts come to their place.

        Raises:
            LakeFailed: it cannot be read, or something that is not to be replaced has the place of its facts.
        """
        now, is_aside = self._look(key)
        if now and now.fault:
            raise LakeFailed(now.fault)
        place = _facts_file(self.folder / key)
        try:
            for _ in files.read_pieces(place):
                break
        except FileNotFoundError:
            pass
        except OSError as error:
            raise LakeFailed(files.say_unreadable(place, error)) from error
        if is_aside:
            files.move(self._aside(key, "json.part"), place)
            files.sync_folder(place.parent)
        return now

    def _read_said(self, path: Path, follow: bool = True) -> Any:
        try:
            if not follow:
                files.check_own_folder(path.parent)
            said = b""
            for piece in files.read_pieces(path, follow):
                said += piece
                if len(said) > LARGEST:
                    return None
            return json.loads(said)
        except (OSError, ValueError, RecursionError):
            return None

    def _aside(self, key: str, kind: str) -> Path:
        return self.folder / ASIDE / name_aside(key, kind)

    def _write_aside(self, aside: Path, facts: Facts) -> None:
        files.write_new(aside, [facts.as_text().encode()], files.file_mode(self.folder))
        files.sync_folder(aside.parent)

    def _make_aside(self) -> None:
        files.make_folder(self.folder, self.folder)
        files.make_folder(self.folder / ASIDE, self.folder)
        files.check_own_folder(self.folder / ASIDE)

    @contextmanager
    def _locked(self, key: str, timeout: float = -1) -> Iterator[None]:
        self._make_aside()
        lock = self.folder / ASIDE / lock_name(key)
        files.check_own(lock)
        with FileLock(lock, timeout=timeout, mode=files.file_mode(self.folder)):
            yield

    @contextmanager
    def _failing(self, what: str, write: bool = False) -> Iterator[None]:
        try:
            yield
        except files.Irregular as error:
            raise LakeFailed(str(error)) from error
        except OSError as error:
            place = f": {error.filename}" if error.filename else ""
            advice = files.describe_denial(error, write) or f"make room or give access there{place}"
            raise LakeFailed(
                f"{self} cannot {what}: {error.strerror or error}: {advice}, or name another lake"
            ) from error


def _raise(error: OSError) -> None:
    raise error


def _facts_file(target: Path) -> Path:
    return target.with_name(f"{target.name}.json")


def _sum(path: Path, follow: bool = True, unread: bool = False) -> tuple[int, str, tuple[int, int, int]]:
    """Size and crc32c of a file, and which file that was; of one that could be read and is not, "" for its crc32c."""
    crc, size = Crc32c(), 0
    with files.open_regular(path, follow) as handle:
        found = os.fstat(handle)
        seen = files.identify(found)
        if unread:
            return found.st_size, "", seen
        while piece := os.read(handle, files.PIECE):
            crc.update(piece)
            size += len(piece)
    return size, str(crc), seen
