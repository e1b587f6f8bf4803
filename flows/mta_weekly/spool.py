"""The work folder: one sub-folder a run, locked while the run lives, so that what a dead run left is known and removed.

Nothing in it is ever taken for a finished object. Knows no feed and no lake.
"""

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# flock where the system has it; the kernel lets go when a run dies, however it dies.
from filelock import FileLock

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
        spool.mkdir(parents=True, exist_ok=True)
        with FileLock(spool / ".mta-etl.lock"):  # else a folder that is new and not yet locked would look dead
            _sweep(spool)
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


def cannot_write(spool: Path, error: OSError) -> str:
    """The sentence for a work folder that refuses to be written."""
    return f"work folder {spool}: {error.strerror or error}; make room there, or set MTA_SPOOL to another folder"


def _sweep(spool: Path) -> None:
    for folder in spool.glob(f"{PREFIX}*"):
        try:
            with FileLock(folder / LOCK, timeout=0):
                pass
        except OSError:  # a Timeout too
            continue  # its run is alive, or is just taking its folder away; or it is a person's file
        log.info("removing the work files of a dead run: %s", folder.name)
        shutil.rmtree(folder, ignore_errors=True)
