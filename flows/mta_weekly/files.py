"""Files of a folder that others use too: regular ones alone are opened, what is made is shared as the folder is.

All that changes a lake in a folder goes through here, but for its locks. Knows no lake, no work folder and no settings.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PIECE = 1 << 20  # bytes
# Never waits for the other end of a pipe, and never becomes the terminal of a process.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS | getattr(os, "O_BINARY", 0)
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a link",
}


class Irregular(OSError):
    """Something else than was expected has the name; `str` of it is what a person reads."""

    def __init__(self, path: Path, found: str, expected: str = "a file") -> None:
        super().__init__(errno.EINVAL, f"is {found}, where {expected} was expected", str(path))

    def __str__(self) -> str:
        return f"{self.filename} {self.strerror}; move it away"


def identify(found: os.stat_result) -> tuple[int, int, int]:
    """Which file it is, in which state: device, inode, time of its last change in nanoseconds."""
    return found.st_dev, found.st_ino, found.st_mtime_ns


@contextmanager
def open_regular(path: Path, follow: bool = True) -> Iterator[int]:
    """A handle to read a regular file.

    Raises:
        Irregular: it is none, or a link to nothing, or, where links are not followed, a link.
        OSError: it cannot be read.
    """
    try:
        _check(path, (os.stat if follow else os.lstat)(path))  # a socket or a device is not even opened
    except FileNotFoundError:
        if path.is_symlink():
            raise Irregular(path, "a link to what is not there") from None
        raise
    handle = os.open(path, _READ | (0 if follow else _NO_LINKS))
    try:
        _check(path, os.fstat(handle))
        yield handle
    finally:
        os.close(handle)


def read_pieces(path: Path, follow: bool = True) -> Iterator[bytes]:
    """The content of a file, as `open_regular` gives it."""
    with open_regular(path, follow) as handle:
        while piece := os.read(handle, PIECE):
            yield piece


def _check(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise Irregular(path, _KINDS.get(stat.S_IFMT(found.st_mode), "no regular file"))


def check_own(path: Path) -> None:
    """Refuse what has the name of a file of ours and is none, a link included.

    Raises:
        Irregular: it is something else.
    """
    with suppress(FileNotFoundError):
        _check(path, path.lstat())


def check_own_folder(folder: Path) -> None:
    """Likewise of a folder."""
    found = folder.lstat().st_mode
    if not stat.S_ISDIR(found):
        raise Irregular(folder, _KINDS.get(stat.S_IFMT(found), "a file"), "a folder of its own")


def file_mode(top: Path) -> int:
    """The permissions of files below a folder: who may read it, or write, may do so with them."""
    return top.stat().st_mode & 0o666 | 0o600


def make_folder(folder: Path, top: Path) -> None:
    """Make a folder below another one, or that one, and those between; what is below is shared as the other one is."""
    if folder.is_dir():
        return
    if folder == top:
        os.makedirs(top, exist_ok=True)  # noqa: PTH103 - pathlib's own sets other modes
        return
    make_folder(folder.parent, top)
    try:
        os.mkdir(folder)  # noqa: PTH102
    except FileExistsError:
        if not folder.is_dir():  # another run may have made it
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
    else:
        _share(folder, top.stat().st_mode & 0o2777 | 0o700)


def write_new(path: Path, pieces: Iterable[bytes], mode: int) -> None:
    """Write a file and wait until it is on the disk; what had its name is removed, and never written to."""
    remove(path)
    handle = os.open(path, _CREATE, 0o600)
    try:
        _share(handle, mode)
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _share(what: Path | int, mode: int) -> None:
    """Give what was just made its permissions, whatever the umask has taken; some file systems have none to give."""
    if stat.S_IMODE(os.stat(what).st_mode) != mode:  # noqa: PTH116 - of a handle too
        with suppress(PermissionError):
            if isinstance(what, int):
                os.fchmod(what, mode)
            else:
                os.chmod(what, mode)  # noqa: PTH101 - beside fchmod


def move(source: Path, target: Path) -> None:
    """Give a file another name; what had that is replaced, in one step."""
    os.replace(source, target)  # noqa: PTH105


def remove(path: Path) -> bool:
    """Remove a file or a link; False where there was none."""
    try:
        os.unlink(path)  # noqa: PTH108
    except FileNotFoundError:
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Wait until a rename in a folder is on the disk; where a system cannot, the rename itself still is whole."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def describe_denial(error: OSError, write: bool) -> str:
    """Which permission is missing, on what, and how to give it; "" where the error is another one, or none shows."""
    if not isinstance(error, PermissionError):
        return ""
    for name in (error.filename, error.filename2):
        if isinstance(name, str | os.PathLike) and (lacks := _find_denial(Path(name), write)):
            path, missing = lacks
            found = path.lstat()
            return (
                f"user {os.geteuid()} may not {missing} {path} (of user {found.st_uid}, group {found.st_gid}, mode "
                f"{stat.S_IMODE(found.st_mode):o}); {_HOW[missing]}"
            )
    return ""


_HOW = {
    "enter": "give access, as by chmod g+x for a group of both",
    "read": "give access, as by chmod g+r for a group of both",
    "write": "give access, as by chmod g+w for a group of both",
    "replace": "its folder is sticky (chmod -t), so that only its owner may",
}


def _find_denial(path: Path, write: bool) -> tuple[Path, str] | None:
    for folder in reversed(path.parents):
        if folder.is_dir() and not _may(folder, os.X_OK):
            return folder, "enter"
    if write and path.parent.is_dir():
        if not _may(path.parent, os.W_OK):
            return path.parent, "write"
        parent = path.parent.stat()
        others = os.path.lexists(path) and os.geteuid() not in (path.lstat().st_uid, parent.st_uid)
        if others and parent.st_mode & stat.S_ISVTX:
            return path, "replace"
    if path.exists():
        if not _may(path, os.R_OK):
            return path, "read"
        if write and not _may(path, os.W_OK):
            return path, "write"
    return None


def _may(path: Path, what: int) -> bool:
    return os.access(path, what, effective_ids=os.access in os.supports_effective_ids)


def say_unreadable(path: Path, error: OSError) -> str:
    """The sentence for a file that is there and cannot be read, or of which nobody can tell."""
    if isinstance(error, Irregular):
        return str(error)
    denial = describe_denial(error, write=False)
    return f"{path} cannot be read: {denial or f'{error.strerror or error}; look at the disk, or move it away'}"
