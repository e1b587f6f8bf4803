"""Weekly files as the MTA published them, written row by row, and the way of one through `convert`."""

import csv
import gzip
import io
import re
import zipfile
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mta_weekly.content.convert import convert_week, rejected_path
from mta_weekly.content.profile import WeekProfile
from mta_weekly.errors import BrokenBody, Refused
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.feeds.weeks import Week
from weeks import make_week

WEEK, SATURDAY = "240106", date(2024, 1, 6)
HEADER = "C/A,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS"
NAMES = HEADER.split(",")
DAYS = ["12/30/2023", "12/31/2023", *(f"01/0{n}/2024" for n in range(1, 6))]
SMALL = make_week(SATURDAY, rows=60)
BIG = make_week(SATURDAY, rows=25_000)  # several slices of gzip, several blocks
Load = Callable[..., tuple[WeekProfile, bytes]]


def row(**values: str) -> list[str]:
    good = ["A002", "R051", "02-00-00", "59 ST", "NQR456W", "BMT", "01/01/2024", "03:00:00", "REGULAR"]
    return [values.get(name, value) for name, value in zip(NAMES, [*good, "0000102019", "0000073801"], strict=True)]


def published(*rows: list[str] | str, header: str = HEADER) -> bytes:
    lines = [header, *(line if isinstance(line, str) else ",".join(line) for line in rows)]
    return "".join(f"{line}\n" for line in lines).encode()


def packed(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file of these, by name and content."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return made.getvalue()


@pytest.fixture
def load_file(tmp_path: Path) -> Load:
    """Convert a published file, and give back what is known of the object and what it unpacks to."""

    def run(body: bytes | Iterable[bytes], allow_bad_rows: int = 0, week: str = WEEK) -> tuple[WeekProfile, bytes]:
        path = tmp_path / "object.csv.gz"
        chunks = [body] if isinstance(body, bytes) else body
        return convert_week(chunks, TURNSTILE, Week.named(week), path, allow_bad_rows), gzip.decompress(
            path.read_bytes()
        )

    return run


def read(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))


def rejected(path: Path) -> list[list[str]]:
    return read(gzip.decompress(rejected_path(path).read_bytes()))


def blank_lines(body: bytes, end: bytes) -> bytes:
    return b"".join(line + end * (1 + n % 3) for n, line in enumerate(body.splitlines()))


PAGE = b"<!DOCTYPE html>\n<html><head><title>Error 404</title></head><body>Not here</body></html>\n"


def is_faulty(text: str, kind: str) -> bool:
    return re.fullmatch(kind, text) is None or re.search("[\0-\x1f\x7f-\x9f\ufeff]", text) is not None


def converted_as_ruled(body: bytes, week: str, path: Path, allowed: int, ruled: Any) -> Any:
    """What is known of a published file's object; None where it is refused, as (rows, bad rows) or None have it too."""
    path.unlink(missing_ok=True)
    rejected_path(path).unlink(missing_ok=True)
    try:
        return convert_week([body], TURNSTILE, Week.named(week), path, allowed)
    except (BrokenBody, Refused):
        may_be_cut = not body.endswith((b"\n", b"\r"))
        assert ruled is None or not ruled[0] or len(ruled[1]) > allowed or may_be_cut
        return None
