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
from mta_weekly.content.check import BLOCK, WeekValidator, cut_blocks
from mta_weekly.content.csv_tables import write_rows
from mta_weekly.content.profile import SHOWN, BadRow, WeekProfile
from mta_weekly.errors import Refused, SpoolFailed, TooManyBadRows
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.sources import CsvDialect
from mta_weekly.feeds.weeks import Week
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


def convert_week(
    chunks: Iterable[bytes],
    feed: Feed,
    week: Week,
    path: Path,
    allow_bad_rows: int = 0,
    dialect: CsvDialect | None = None,
) -> WeekProfile:
    """Write a week's object to `path`, and the rows left out to `rejected_path(path)` where there are any.

    Args:
        chunks: the published file, cut anywhere.
        week: every row must lie in its seven days.
        allow_bad_rows: how many rows with a wrong number of fields, or a value that is none of its kind, may be left
            out.
        dialect: how they are written; without it, as the feed's first source writes them.

    Raises:
        Refused: the content is not a week of this feed. What is at `path` is then worth nothing.
        TooManyBadRows: likewise, for rows that may be left out.
        BrokenBody: it is one that broke on its way.
        SpoolFailed: `path` cannot be written.
    """
    dialect = dialect or feed.sources[0].dialect_of(week)
    validator = WeekValidator(feed, week, dialect, keep=max(SHOWN, allow_bad_rows))
    sums = _write(path, lambda out: _pipeline(chunks, validator, out))
    if validator.tally.bad_rows > allow_bad_rows:
        raise TooManyBadRows(_describe_bad_rows(validator, allow_bad_rows), validator.tally.bad_rows)
    profile = validator.summarize(sums)
    if validator.bad:
        _write(rejected_path(path), lambda out: _write_rejects(validator.bad, out))
    return profile


def rejected_path(path: Path) -> Path:
    """Where the rows left out of `path` are kept: a gzip CSV of line, reason, text."""
    return path.with_name(f"rejected-{path.name}")


def compute_sums(path: Path) -> dict[str, Any]:
    """The size, crc32c and sha256 of a small gzip file."""
    content = igzip.decompress(path.read_bytes())
    return {"size": path.stat().st_size, "crc32c": crc32c_of(path), "sha256": hashlib.sha256(content).hexdigest()}


def examine_object(path: Path, feed: Feed, week: Week) -> WeekProfile:
    """Read a finished object again and say what is known of it.

    Raises:
        Refused: it is not a whole object of that week.
    """
    validator, sha = WeekValidator(feed, week, published=None), hashlib.sha256()
    try:
        with igzip.open(path, "rb") as unpacked:
            for block in cut_blocks(iter(lambda: unpacked.read(BLOCK), b""), validator.dialect):
                sha.update(block)
                validator.take(block)
    except (EOFError, OSError, IsalError) as error:  # type: ignore[misc] # its stub forgets the base class
        raise Refused(f"not a whole gzip file ({error})") from error
    if validator.bad:
        raise Refused(_describe_bad_rows(validator, 0))
    return validator.summarize({"size": path.stat().st_size, "crc32c": crc32c_of(path), "sha256": sha.hexdigest()})


def _pipeline(chunks: Iterable[bytes], validator: WeekValidator, out: GzipFile) -> None:
    """Receive here, parse in one thread, write and compress in another: each leaves the interpreter to the others."""
    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())  # holds 45 MiB less than the default one, at the same speed

    def pack(table: pa.Table | None, quotes: bool) -> None:
        if table is not None:
            out.write(write_rows(table, quotes))

    with ThreadPoolExecutor(1) as parsing, ThreadPoolExecutor(1) as packing:
        parsed: deque[tuple[Future[pa.Table | None], bool]] = deque()
        packed: deque[Future[None]] = deque([packing.submit(out.write, validator.header)])
        try:
            for block in cut_blocks(chunks, validator.dialect):
                parsed.append((parsing.submit(_clean, block, validator), b'"' in block))
                if len(parsed) > IN_FLIGHT:
                    table, quotes = parsed.popleft()
                    packed.append(packing.submit(pack, table.result(), quotes))
                if len(packed) > IN_FLIGHT:
                    packed.popleft().result()
            for table, quotes in parsed:
                packed.append(packing.submit(pack, table.result(), quotes))
            for future in packed:
                future.result()
        finally:
            for stage in (parsing, packing):
                stage.shutdown(wait=False, cancel_futures=True)


def _clean(block: bytes, validator: WeekValidator) -> pa.Table | None:
    """A block as the object has it: counters plain, rows numbered from 0 where the feed's are."""
    first = validator.tally.rows
    table = validator.take(block)
    if table is None:
        return None
    columns = {name: table[name] for name in table.column_names}
    for name in validator.feed.counters:
        columns[name] = pc.ascii_lpad(pc.ascii_ltrim(table[name], "0"), width=1, padding="0")  # all zeros is one zero
    if validator.feed.tidied:
        columns = {"": pc.cast(pa.arange(first, validator.tally.rows), pa.string()), **columns}
    return pa.Table.from_arrays(list(columns.values()), list(columns))


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


def _describe_bad_rows(validator: WeekValidator, allowed: int) -> str:
    """The sentence for more bad rows than are allowed."""
    count = validator.tally.bad_rows
    rows = "1 bad row" if count == 1 else f"{count:,} bad rows"
    shown = "; ".join(map(str, validator.bad[:SHOWN]))
    hint = f"--allow-bad-rows {count} would leave them out" if validator.published else "the object is damaged"
    return f"{rows}, {allowed} allowed; {shown}; {hint}"
