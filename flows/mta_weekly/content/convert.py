"""From a stream of published bytes to a checked, cleaned CSV in one gzip file; the whole file is right, or refused.

isal compresses: its level 3 is within 1.05 of `gzip -6` in size at a twentieth of its time. Knows neither HTTP nor the
lake.
"""

import csv
import hashlib
import io
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
from isal import igzip, isal_zlib
from isal.igzip_lib import IsalError

from mta_weekly.checksums import Crc32c, crc32c_of
from mta_weekly.content.check import BLOCK, Reading, blocks
from mta_weekly.content.csv_tables import written
from mta_weekly.content.summary import SHOWN, BadRow, Content
from mta_weekly.errors import Refused, SpoolFailed
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.sources import Form
from mta_weekly.feeds.weeks import saturday
from mta_weekly.spool import cannot_write

SLICE = 1 << 20  # bytes compressed at once; always the same cut, for isal's output depends on it
IN_FLIGHT = 1  # blocks parsed ahead of the compression
GZIP = 31  # zlib's window bits for one gzip member: no time stamp and no name in its header


class GzipFile:
    """A new file of one gzip member; the same content is the same bytes, however it was cut on the way in."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._held = file, bytearray()
        self._deflate = isal_zlib.compressobj(3, isal_zlib.DEFLATED, GZIP)
        self._sha256, self._crc32c, self.size = hashlib.sha256(), Crc32c(), 0

    def write(self, data: bytes | memoryview) -> None:
        """Add content."""
        self._sha256.update(data)
        self._held += data
        whole = len(self._held) // SLICE * SLICE
        with memoryview(self._held) as held:
            for start in range(0, whole, SLICE):
                self._put(self._deflate.compress(held[start : start + SLICE]))
        del self._held[:whole]

    def finish(self) -> None:
        """Write what is left."""
        self._put(self._deflate.compress(bytes(self._held)) + self._deflate.flush())

    def _put(self, packed: bytes) -> None:
        self._file.write(packed)
        self._crc32c.update(packed)
        self.size += len(packed)

    @property
    def sums(self) -> dict[str, Any]:
        """The size, the crc32c of the gzip and the sha256 of the content."""
        return {"size": self.size, "crc32c": str(self._crc32c), "sha256": self._sha256.hexdigest()}


def convert(
    chunks: Iterable[bytes], feed: Feed, week: str, path: Path, allow_bad_rows: int = 0, form: Form | None = None
) -> Content:
    """Write a week's object to `path`, and the rows left out to `rejects(path)` where there are any.

    Args:
        chunks: the published file, cut anywhere.
        week: yyMMdd; every row must lie in its seven days.
        allow_bad_rows: how many rows with a wrong number of fields, or a number that is none, may be left out.
        form: how they are written; without it, as the feed's first source writes them.

    Raises:
        Refused: the content is not a week of this feed. What is at `path` is then worth nothing.
        SpoolFailed: `path` cannot be written.
    """
    form = form or feed.sources[0].form_of(saturday(week))
    reading = Reading(feed, week, form, keep=max(SHOWN, allow_bad_rows))
    sums = _write(path, lambda out: _pipeline(chunks, reading, out))
    if reading.bad_rows > allow_bad_rows:
        raise Refused(_too_many_bad_rows(reading, allow_bad_rows))
    content = reading.content(sums)
    if reading.bad:
        _write(rejects(path), lambda out: _write_rejects(reading.bad, out))
    return content


def rejects(path: Path) -> Path:
    """Where the rows left out of `path` are kept: a gzip CSV of line, reason, text."""
    return path.with_name(f"rejected-{path.name}")


def sums_of(path: Path) -> dict[str, Any]:
    """The size, crc32c and sha256 of a small gzip file."""
    content = igzip.decompress(path.read_bytes())
    return {"size": path.stat().st_size, "crc32c": crc32c_of(path), "sha256": hashlib.sha256(content).hexdigest()}


def examine(path: Path, feed: Feed, week: str) -> Content:
    """Read a finished object again and say what is known of it.

    Raises:
        Refused: it is not a whole object of that week.
    """
    reading, sha = Reading(feed, week, published=None), hashlib.sha256()
    try:
        with igzip.open(path, "rb") as unpacked:
            for block in blocks(iter(lambda: unpacked.read(BLOCK), b""), reading.form):
                sha.update(block)
                reading.take(block)
    except (EOFError, OSError, IsalError) as error:  # type: ignore[misc] # its stub forgets the base class
        raise Refused(f"not a whole gzip file ({error})") from error
    if reading.bad_rows:
        raise Refused(_too_many_bad_rows(reading, 0))
    return reading.content({"size": path.stat().st_size, "crc32c": crc32c_of(path), "sha256": sha.hexdigest()})


def _pipeline(chunks: Iterable[bytes], reading: Reading, out: GzipFile) -> None:
    """Receive here, parse in one thread, compress in another: each stage leaves the interpreter to the others."""
    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())  # holds 45 MiB less than the default one, at the same speed
    with ThreadPoolExecutor(1) as parsing, ThreadPoolExecutor(1) as packing:
        parsed: deque[Future[bytes | memoryview]] = deque()
        packed: deque[Future[None]] = deque([packing.submit(out.write, reading.header)])
        try:
            for block in blocks(chunks, reading.form):
                parsed.append(parsing.submit(_cleaned, block, reading))
                if len(parsed) > IN_FLIGHT:
                    packed.append(packing.submit(out.write, parsed.popleft().result()))
                if len(packed) > IN_FLIGHT:
                    packed.popleft().result()
            while parsed:
                packed.append(packing.submit(out.write, parsed.popleft().result()))
            while packed:
                packed.popleft().result()
        finally:
            for stage in (parsing, packing):
                stage.shutdown(wait=False, cancel_futures=True)


def _cleaned(block: bytes, reading: Reading) -> bytes | memoryview:
    """A block as the object has it: counters plain, rows numbered from 0 where the feed's are."""
    first = reading.rows
    table = reading.take(block)
    if table is None:
        return b""
    columns = {"": pc.cast(pa.arange(first, reading.rows), pa.string())} if reading.feed.tidied else {}
    columns |= {name: table[name] for name in table.column_names}
    for name in reading.feed.counters:
        columns[name] = pc.ascii_lpad(pc.ascii_ltrim(table[name], "0"), width=1, padding="0")  # all zeros is one zero
    return written(pa.Table.from_arrays(list(columns.values()), list(columns)), quotes=b'"' in block)


def _write_rejects(bad: list[BadRow], out: GzipFile) -> None:
    text = io.StringIO()
    rows = [("line", "reason", "text"), *((row.line, row.reason, row.text) for row in bad)]
    csv.writer(text, lineterminator="\n").writerows(rows)
    out.write(text.getvalue().encode())


def _write(path: Path, fill: Callable[[GzipFile], None]) -> dict[str, Any]:
    """Make a new gzip file and say its sums."""
    try:
        with path.open("wb") as file:
            out = GzipFile(file)
            fill(out)
            out.finish()
    except OSError as error:
        raise SpoolFailed(cannot_write(path.parent, error)) from error
    return out.sums


def _too_many_bad_rows(reading: Reading, allowed: int) -> str:
    """The sentence for more bad rows than are allowed."""
    rows = "1 bad row" if reading.bad_rows == 1 else f"{reading.bad_rows:,} bad rows"
    shown = "; ".join(map(str, reading.bad[:SHOWN]))
    hint = f"--allow-bad-rows {reading.bad_rows} would leave them out" if reading.published else "the object is damaged"
    return f"{rows}, {allowed} allowed; {shown}; {hint}"
