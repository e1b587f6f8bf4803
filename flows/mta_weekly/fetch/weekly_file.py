"""A week's rows from a file of its own, plain or packed: a .gz, or a .zip that holds nothing else. Knows no CSV."""

import struct
import zlib
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from urllib.parse import urlsplit
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

from mta_weekly.errors import Refused, SourceFailed, SpoolFailed, TryAgain
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.sources import WeeklyFile
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.body import Body
from mta_weekly.fetch.client import Web
from mta_weekly.fetch.http import Stream, stream_answers
from mta_weekly.retry import RetryBudget
from mta_weekly.spool import cannot_write

PIECE = 1 << 20  # bytes unpacked at once
GZIP = 31  # zlib's window bits for a gzip file
BESIDE = "__MACOSX/"  # what macOS packs beside each file


def find_address(source: WeeklyFile, base: str, week: Week, feed: Feed) -> str:
    """Where the file of a week is."""
    return f"{base}/{source.file.format(week=week.saturday)}"


@contextmanager
def stream_week(source: WeeklyFile, base: str, week: Week, feed: Feed, late: str, folder: Path) -> Iterator[Stream]:
    """The file of a week, unpacked; a .zip is kept in `folder` meanwhile, for its list of files stands at its end."""
    name = source.file.lower()
    if name.endswith(".gz"):
        yield _stream_gzip
    else:
        yield partial(_stream_zip, folder) if name.endswith(".zip") else stream_answers


def _stream_gzip(client: Web, body: Body, budget: RetryBudget) -> Generator[bytes, None, None]:
    member = None
    try:
        for packed in stream_answers(client, body, budget):
            left = packed.lstrip(b"\0") if member and member.eof else packed  # one may be padded, as gzip takes it
            while left:
                if member is None or member.eof:  # a file may be several in a row (RFC 1952, 2.2)
                    member = zlib.decompressobj(GZIP)
                yield member.decompress(left, PIECE)
                left = member.unused_data.lstrip(b"\0") if member.eof else member.unconsumed_tail
    except zlib.error as error:
        raise _broken(body, "gzip", error) from error
    if member and not member.eof:
        raise _broken(body, "gzip", "it is cut")


def _stream_zip(folder: Path, client: Web, body: Body, budget: RetryBudget) -> Generator[bytes, None, None]:
    with ExitStack() as stack:
        try:
            file = stack.enter_context(TemporaryFile(dir=folder))
            for packed in stream_answers(client, body, budget):
                file.write(packed)
        except OSError as error:
            raise SpoolFailed(cannot_write(folder, error)) from error
        if body.received:
            yield from _unpack_zip(file, body)


def _unpack_zip(file: IO[bytes], body: Body) -> Iterator[bytes]:
    try:
        with ZipFile(_Careful(file)) as archive, _open_only_file(archive, body) as member:
            while piece := member.read(PIECE):
                yield piece
    except RuntimeError as error:  # it is locked, or packed in another way
        raise SourceFailed(f"the zip file from {_host(body)} cannot be unpacked: {error}") from error
    except (BadZipFile, zlib.error, OSError, EOFError, ValueError, IndexError, struct.error) as error:
        raise _broken(body, "zip", error) from error  # what is damaged shows where it is read


def _open_only_file(archive: ZipFile, body: Body) -> IO[bytes]:
    names = [each.filename for each in archive.infolist() if not each.is_dir() and not each.filename.startswith(BESIDE)]
    if len(names) != 1:
        listed = ", ".join(repr(name[:40]) for name in names[:5]) or "none"
        raise Refused(f"the zip file from {_host(body)} must hold one file, and holds {len(names)}: {listed}")
    if archive.getinfo(names[0]).compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise Refused(f"the zip file from {_host(body)} is packed in another way than deflate; pack it as others do")
    return archive.open(names[0])


class _Careful:
    """A file of which no more is read at once than its list of files may be long: a file of lists would fill memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def read(self, size: int = -1) -> bytes:
        """As the file does."""
        if size > PIECE:
            raise Refused(f"the zip file must hold one file, and has a list of files of {size:,} bytes")
        return self.file.read(size)


def _broken(body: Body, kind: str, fault: object) -> TryAgain:
    return TryAgain(f"{_host(body)} sent {body.received:,} bytes that are no whole {kind} file: {fault}")


def _host(body: Body) -> str:
    return urlsplit(body.url).hostname or ""
