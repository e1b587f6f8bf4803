"""One gzip file, made as it is written; the same content is always the same bytes. Knows bytes alone.

isal is fifteen times as fast as `gzip -6`, and makes weekly files a twelfth larger than it does, but tables a quarter:
there zlib-ng is three times as fast as `gzip -6`, within 1.08 of its size.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from isal import isal_zlib
from isal.igzip_lib import IsalError
from zlib_ng import zlib_ng

from mta_weekly.checksums import Crc32c

SLICE = 1 << 18  # bytes compressed at once; always the same cut, for isal's output depends on it
MAGIC = b"\x1f\x8b"  # how a member begins
GZIP = 31  # zlib's window bits for one gzip member: no time stamp and no name in its header
FAST = 1  # isal's level: a fifteenth of the time of `gzip -6`
MORE = 1.075  # of the size of zlib-ng's level 6, which is that of `gzip -6`: as much may the fast one have more
SMALL = 4  # zlib-ng's level: a third of the time of `gzip -6`, within 1.08 of its size


class CutGzip(EOFError):
    """A file that is empty, or ends before its member does."""


class NoGzip(EOFError):
    """A file that does not begin as a member does."""


def choose_deflate(sample: bytearray | memoryview) -> Any:
    """What compresses a file that begins with `sample`: the fast one, unless its bytes are not worth the time."""
    fast = isal_zlib.compress(sample, FAST)
    if len(fast) <= MORE * len(zlib_ng.compress(sample, 6)):
        return isal_zlib.compressobj(FAST, isal_zlib.DEFLATED, GZIP)
    return zlib_ng.compressobj(SMALL, zlib_ng.DEFLATED, GZIP)


def read_gzip(path: Path) -> Iterator[bytes]:
    """The content of a file that is one gzip member and nothing else.

    Raises:
        EOFError: it is not; says what it is. CutGzip or NoGzip, where it is that.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        yield from unpack_gzip(file)


def unpack_gzip(file: IO[bytes]) -> Iterator[bytes]:
    """The content of an open file, as `read_gzip` gives it."""
    member, begin = isal_zlib.decompressobj(GZIP), file.read(len(MAGIC))
    fault = EOFError if MAGIC.startswith(begin) else NoGzip
    file.seek(0)
    try:
        while packed := file.read(SLICE):
            while packed and not member.eof:
                yield member.decompress(packed, SLICE)
                packed = member.unconsumed_tail
            if member.eof and (member.unused_data or file.read(1)):
                raise EOFError("something follows its end")
    except IsalError as error:  # type: ignore[misc] # its stub forgets the base class
        raise fault(re.sub(r"^Error -\d+ ", "", str(error))) from error
    if not member.eof:
        cut = CutGzip if fault is EOFError else fault
        raise cut("it is cut" if begin else "it is empty")


class GzipFile:
    """A new file of one gzip member; the same content is the same bytes, however it was cut on the way in."""

    closed = False  # what pyarrow writes to must say it

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._held = file, bytearray()
        self._deflate: Any = None  # chosen by the first bytes
        self._sha256, self._crc32c, self.size = hashlib.sha256(), Crc32c(), 0

    def write(self, data: bytes | memoryview) -> None:
        """Add content."""
        self._sha256.update(data)
        start = SLICE - len(self._held) if self._held else 0
        with memoryview(data) as view:
            self._held += view[:start]
            if len(self._held) == SLICE:
                self._put(self._compress(self._held))
                self._held.clear()
            while len(view) - start >= SLICE:
                self._put(self._compress(view[start : start + SLICE]))
                start += SLICE
            self._held += view[start:]

    def finish(self) -> None:
        """Write what is left."""
        self._put(self._compress(self._held))
        self._put(self._deflate.flush())

    def _compress(self, data: bytearray | memoryview) -> bytes:
        if self._deflate is None:
            self._deflate = choose_deflate(data)
        packed: bytes = self._deflate.compress(data)
        return packed

    def _put(self, packed: bytes) -> None:
        self._file.write(packed)
        self._crc32c.update(packed)
        self.size += len(packed)

    @property
    def sums(self) -> dict[str, Any]:
        """The size, the crc32c of the gzip and the sha256 of the content."""
        return {"size": self.size, "crc32c": str(self._crc32c), "sha256": self._sha256.hexdigest()}
