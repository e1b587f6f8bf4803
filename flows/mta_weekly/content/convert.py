"""From a stream of published bytes to a checked, cleaned CSV in one gzip file; the whole file is right, or refused.

Knows neither HTTP nor the lake.
"""

import codecs
import csv
import hashlib
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from math import inf
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mta_weekly import csv_rows
from mta_weekly.checksums import crc32c_of
from mta_weekly.content.check import BLOCK, WeekValidator, cut_blocks
from mta_weekly.content.csv_tables import NOTHING, write_rows
from mta_weekly.content.gzip_file import GzipFile, read_gzip
from mta_weekly.content.profile import BadRow, WeekProfile
from mta_weekly.errors import Foreign, Refused, SpoolFailed, TooManyBadRows
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.sources import CsvDialect
from mta_weekly.feeds.weeks import Week
from mta_weekly.spool import cannot_write
from mta_weekly.telemetry import record_step

LONGEST_REJECT = 4 * BLOCK  # bytes of a row left out, its quotes doubled; older versions did not cut its text
IN_FLIGHT = 1  # blocks parsed ahead of the compression


@record_step(
    name="convert",
    about=lambda chunks, feed, week, *_: {"feed": feed.name, "week": week.label},
    result=lambda profile: {"rows": profile.rows, "size": profile.size},
)
def convert_week(
    chunks: Iterable[bytes],
    feed: Feed,
    week: Week,
    path: Path,
    allow_bad_rows: int = 0,
    dialect: CsvDialect | None = None,
    most_rows: float = inf,
) -> WeekProfile:
    """Write a week's object to `path`, and the rows left out to `rejected_path(path)` where there are any.

    Args:
        chunks: the published file, cut anywhere.
        week: every row must lie in its seven days.
        allow_bad_rows: how many rows with a wrong number of fields, or a value that is none of its kind, may be left
            out.
        dialect: how they are written; without it, as the feed's first source writes them.
        most_rows: as many, or lines, may come.

    Raises:
        Refused: the content is not a week of this feed. What is at `path` is then worth nothing.
        TooManyBadRows: likewise, for rows that may be left out.
        BrokenBody: it is one that broke on its way.
        SpoolFailed: `path` cannot be written.
    """
    dialect = dialect or feed.sources[0].dialect_of(week)
    validator = WeekValidator(feed, week, dialect, allow_bad_rows, most_rows)
    sums = _write(path, lambda out: _pipeline(chunks, validator, out))
    if validator.tally.bad_rows > allow_bad_rows:
        raise TooManyBadRows(validator.describe_bad_rows(), validator.tally.bad_rows)
    profile = validator.summarize(sums)
    if validator.bad:
        _write(rejected_path(path), lambda out: _write_rejects(validator.bad, out))
    return profile


def rejected_path(path: Path) -> Path:
    """Where the rows left out of `path` are kept: a gzip CSV of line, reason, text."""
    return path.with_name(f"rejected-{path.name}")


def compute_sums(path: Path) -> dict[str, Any]:
    """The size, crc32c and sha256 of a gzip file."""
    return {**_measure(path), "sha256": sum_content(path)}


def describe_file(path: Path) -> WeekProfile:
    """What is known of a file that is no week: its sums, that of its content being the file's."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    size, crc32c = path.stat().st_size, crc32c_of(path)
    return WeekProfile(0, 0, "", "", (), (), 0, 0, {}, size, crc32c, sha256, empty={}, sums={})


def _measure(path: Path) -> dict[str, Any]:
    return {"size": path.stat().st_size, "crc32c": crc32c_of(path)}


def examine_object(path: Path, feed: Feed, week: Week) -> WeekProfile:
    """Read a finished object again and say what is known of it.

    Raises:
        Refused: it is not a whole object of that week, or not written as those of the feed are.
    """
    _hold_little()
    validator, sha, right = WeekValidator(feed, week, published=None), hashlib.sha256(), _Sum()
    right.write(validator.header)
    try:
        for block in cut_blocks(read_gzip(path), validator.dialect):
            sha.update(block)
            rows = validator.take(block)
            if rows is not None:
                write_rows(_plain_counters(rows, feed), right)
    except (EOFError, OSError) as error:
        raise Refused(f"not a whole gzip file ({error})") from error
    if validator.bad:
        raise Refused(validator.describe_bad_rows())
    profile = validator.summarize({**_measure(path), "sha256": sha.hexdigest()})
    if right.sum.digest() != sha.digest():
        raise Refused("its rows are right, not how they are written (padding, line ends, quotes, a byte order mark)")
    return profile


def sum_content(path: Path) -> str:
    """The sha256 of what a gzip file unpacks to, read to its end before anything is made of it.

    Raises:
        EOFError: it is not one whole gzip member; see read_gzip.
    """
    sha = hashlib.sha256()
    for piece in read_gzip(path):
        sha.update(piece)
    return sha.hexdigest()


def count_rejected_rows(path: Path) -> int:
    """How many rows left out of an object a file holds, as `rejected_path` names it.

    Raises:
        Refused: it is no such file.
    """
    rows = 0
    try:
        for block in csv_rows.cut_blocks(read_gzip(path), quoted=True, size=LONGEST_REJECT):
            if not rows and not block.startswith(b"line,reason,text\n"):
                break
            rows += csv_rows.count_rows(block)
    except (EOFError, csv_rows.TooLong) as error:
        raise Refused(f"not a whole file of rejected rows ({error})") from error
    if not rows:
        raise Foreign("its header is not line,reason,text")
    return rows - 1


def _pipeline(chunks: Iterable[bytes], validator: WeekValidator, out: GzipFile) -> None:
    """Receive, write and compress here, parse in another thread: each leaves the interpreter to the other."""
    _hold_little()
    with ThreadPoolExecutor(1) as parsing:
        parsed: deque[Future[pa.RecordBatch | None]] = deque()
        try:
            out.write(validator.header)
            for block in cut_blocks(chunks, validator.dialect):
                parsed.append(parsing.submit(_clean, block, validator))
                if len(parsed) > IN_FLIGHT:
                    _pack(parsed.popleft().result(), out)
            for rows in parsed:
                _pack(rows.result(), out)
        finally:
            parsing.shutdown(wait=False, cancel_futures=True)


def _hold_little() -> None:
    if "jemalloc" in pa.supported_memory_backends():  # holds 45 MiB less than the default pool, at the same speed,
        pa.set_memory_pool(pa.jemalloc_memory_pool())
        pa.jemalloc_set_decay_ms(0)  # and 20 MiB less where it gives back at once what it has no use for


def _pack(rows: pa.RecordBatch | None, out: GzipFile) -> None:
    if rows is not None:
        write_rows(rows, out)


def _clean(block: bytes, validator: WeekValidator) -> pa.RecordBatch | None:
    """A block as the object has it: counters plain, rows numbered from 0 where the feed's are."""
    first = validator.tally.rows
    rows = validator.take(block)
    if rows is None:
        return None
    rows = _plain_counters(rows, validator.feed)
    if validator.feed.tidied:
        numbers = pc.cast(pa.arange(first, validator.tally.rows), pa.string())
        rows = pa.RecordBatch.from_arrays([numbers, *rows.columns], ["", *rows.schema.names])
    return rows


def _plain_counters(rows: pa.RecordBatch, feed: Feed) -> pa.RecordBatch:
    columns = dict(zip(rows.schema.names, rows.columns, strict=True))
    for name in feed.counters:
        counts = pc.ascii_ltrim(columns[name], "0")
        zeros = pc.equal(counts, NOTHING)
        columns[name] = pc.ascii_lpad(counts, width=1, padding="0") if zeros.true_count else counts
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


class _Sum:
    """What is written, as its sum alone."""

    closed = False  # what pyarrow writes to must say it

    def __init__(self) -> None:
        self.sum = hashlib.sha256()

    def write(self, data: bytes | memoryview) -> None:
        """Add content."""
        self.sum.update(data)


def _write_rejects(bad: list[BadRow], out: GzipFile) -> None:
    text = codecs.getwriter("utf-8")(out)  # type: ignore[arg-type] # nothing but written to
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("line", "reason", "text"))
    writer.writerows((row.line, row.reason, row.text) for row in bad)


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
