"""Files as convert makes them, with their facts, for a lake."""

import gzip
import hashlib
from pathlib import Path

from mta_weekly.checksums import crc32c_of
from mta_weekly.lake.facts import Facts
from mta_weekly.retry import RetryBudget


def budget() -> RetryBudget:
    return RetryBudget(attempts=3, wait=10, base=0.001)


def made(folder: Path, content: bytes = b",CA\n0,A002\n", run: str = "run-1") -> tuple[Path, Facts]:
    """A file as convert would make it, with its facts."""
    path = folder / f"{hashlib.sha256(content).hexdigest()[:8]}.csv.gz"
    path.write_bytes(gzip.compress(content, mtime=0))
    return path, Facts(
        feed="turnstile",
        week="240106",
        source_url="http://web.mta.info/x",
        source_etag='"v1"',
        source_last_modified="Sat, 06 Jan 2024 12:00:00 GMT",
        source_bytes=99,
        rows=max(content.count(b"\n") - 1, 0),
        bad_rows=0,
        first_day="2023-12-30",
        last_day="2024-01-05",
        size=path.stat().st_size,
        crc32c=crc32c_of(path),
        sha256=hashlib.sha256(content).hexdigest(),
        loaded_at="2024-01-06T14:00:00+00:00",
        flow_run_id=run,
        version="0.1.0",
    )


def with_key(file: tuple[Path, Facts]) -> tuple[Path, str, Facts]:
    path, facts = file
    return path, f"{facts.feed}/{facts.week}.csv.gz", facts
