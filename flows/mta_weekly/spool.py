"""The work folder: one sub-folder a run, locked while the run lives, so that what a dead run left is known and removed.

Nothing in it is ever taken for a finished object. Several users may share it. Knows no feed and no lake.
"""

import logging
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

# flock where the system has it; the kernel lets go when a run dies, however it dies.
from filelock import FileLock

from mta_weekly import files
from mta_weekly.errors import SpoolFailed

log = logging.getLogger("mta.spool")
LOCK = "alive.lock"
PREFIX = "mta-etl-run-"  # the work folder may be shared, /tmp even


@contextmanager
def work_folder(spool: Path) -> Iterator[Path]:
    """A folder for one run's work files; gone with its content at the end. Folders of dead runs are removed first.

    Raises:
        SpoolFailed: the folder cannot be made.
    """
    try:
        files.make_folder(spool, spool)
        # Else a folder that is new and not yet locked would look dead.
        with _taking_turns(spool):
            for dead in _find_dead(spool):
                if _sweep(dead):
                    log.info("removed the work files of a dead run: %s", dead.name)
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=spool))
            alive = FileLock(folder / LOCK)
            alive.acquire()
    except OSError as error:
        raise SpoolFailed(cannot_write(spool, error)) from error
    try:
        yield folder
    finally:
        alive.release()
        shutil.rmtree(folder, ignore_errors=True)  # what stays is swept by the next run


def write_work_file(path: Path, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Write pieces to a file of a run; the same pieces, as they go by.

    Raises:
        SpoolFailed: it cannot be written.
    """
    try:
        file = path.open("wb", buffering=0)  # so that its end has nothing left to write, and to fail at
    except OSError as error:
        raise SpoolFailed(cannot_write(path.parent, error)) from error
    with file:
        for piece in pieces:
            try:
                rest = memoryview(piece)
                while rest:
                    rest = rest[file.write(rest) :]
            except OSError as error:
                raise SpoolFailed(cannot_write(path.parent, error)) from error
            yield piece


def cannot_write(spool: Path, error: OSError) -> str:
    """The sentence for a work folder that refuses to be written."""
    if isinstance(error, files.Irregular):
        return f"work folder {spool}: {error}, or set MTA_SPOOL to another folder"
    denial = files.describe_denial(error, write=True) or "make room there"
    return f"work folder {spool}: {error.strerror or error}; {denial}, or set MTA_SPOOL to another folder"


def list_dead(spool: Path) -> list[Path]:
    """The folders of runs that died.

    Raises:
        SpoolFailed: the work folder cannot be read.
    """
    if not spool.is_dir():
        return []
    try:
        with _taking_turns(spool):
            return _find_dead(spool)
    except OSError as error:
        raise SpoolFailed(cannot_write(spool, error)) from error


def remove_dead(folder: Path) -> bool:
    """Remove the folder of a run that died; False where it is gone, or stays.

    Raises:
        SpoolFailed: the work folder cannot be read.
    """
    try:
        with _taking_turns(folder.parent):
            return _is_dead(folder) and _sweep(folder)
    except OSError as error:
        raise SpoolFailed(cannot_write(folder.parent, error)) from error


@contextmanager
def _taking_turns(spool: Path) -> Iterator[None]:
    turn = spool / ".mta-etl.lock"
    files.check_own(turn)
    with FileLock(turn, mode=files.file_mode(spool)):
        yield


def _find_dead(spool: Path) -> list[Path]:
    return [folder for folder in sorted(spool.glob(f"{PREFIX}*")) if _is_dead(folder)]


def _is_dead(folder: Path) -> bool:
    try:
        files.check_own_folder(folder)  # a link would have the lock made elsewhere
        with FileLock(folder / LOCK, timeout=0):
            return True
    except OSError:  # a Timeout too: its run is alive, or is just taking its folder away; or it is somebody else's
        return False


def _sweep(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
