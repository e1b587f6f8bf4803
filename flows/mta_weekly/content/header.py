"""Is the beginning of a file that of its feed? Its first line, or a page that was sent instead. Knows bytes alone."""

import csv
import re
from collections import Counter

from mta_weekly.errors import Foreign
from mta_weekly.feeds.sources import CsvDialect
from mta_weekly.secrets import mask

LONGEST = 1 << 16  # bytes of it that are looked at, more than any feed's


def check_header(line: bytes, dialect: CsvDialect | None, names: list[str]) -> None:
    """Compare the first line, cleaned where a dialect says how, with the names expected."""
    text = line[:LONGEST].decode(errors="replace").removeprefix("\ufeff").rstrip("\r")
    try:
        found = next(csv.reader([text]), []) if dialect and dialect.quoted else text.split(",")
    except csv.Error:  # its lines end in CR alone
        found = text.split(",")
    if dialect:
        found = [dialect.clean(name) for name in found]
    if found == names:
        return
    missing = [name for name in names if name not in found]
    unexpected = [name for name in found if name not in names]
    twice = sorted(name for name, count in Counter(found).items() if count > 1)
    moved = [name for name, expected in zip(found, names, strict=False) if name != expected]
    faults = {"missing": ", ".join(missing), "unexpected": _listed(unexpected), "twice": _listed(twice)}
    said = [f"{fault} {listed}" for fault, listed in faults.items() if listed] or [f"another order, {_listed(moved)}"]
    if not dialect:
        raise Foreign(f"another header: {'; '.join(said)}")
    raise Foreign(
        f"the header has changed: {'; '.join(said)}; "
        f"expected {len(names)} columns, found {len(found)}; nothing loaded, look at the file before you load it"
    )


def _listed(names: list[str]) -> str:
    return ", ".join(_shown(name) for name in names[:8]) + (" ..." if len(names) > 8 else "")


def _shown(name: str) -> str:
    return (name if name.isprintable() else repr(name))[:40] or "(no name)"


def refuse_page(start: bytes, advice: str = "; try again later") -> None:
    """Refuse an error page that came with status 200."""
    text = start[:4096].decode(errors="replace").removeprefix("\ufeff").strip()
    if text.startswith("<"):
        shown = re.sub(r"\s+", " ", mask(text))[:80]
        raise Foreign(f"an HTML page instead of a CSV file, it starts with {shown!r}{advice}")
