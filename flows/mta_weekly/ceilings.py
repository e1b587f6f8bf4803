"""How much a week may come to: what goes on and on, or unpacks to more and more, is refused. Knows bytes alone."""

from collections.abc import Iterable, Iterator

from mta_weekly.errors import Refused


def refuse_more_bytes(pieces: Iterable[bytes], most: int) -> Iterator[bytes]:
    """The same pieces, `most` bytes in all.

    Raises:
        Refused: there are more.
    """
    received = 0
    for piece in pieces:
        received += len(piece)
        check_bytes(received, most)
        yield piece


def check_bytes(received: int, most: int) -> None:
    """Refuse a week of more bytes than `most`, as they come or unpacked."""
    if received > most:
        raise _too_much(f"{most:,} bytes", "MTA_MAX_BYTES")


def refuse_more_rows(rows: int, most: float) -> None:
    """Refuse a week of more rows, or lines, than `most`."""
    if rows > most:
        raise _too_much(f"{most:,} rows or lines", "MTA_MAX_ROWS")


def _too_much(most: str, variable: str) -> Refused:
    advice = "look at the file, or raise the variable where a week is so long"
    return Refused(f"more than {most} came ({variable}); nothing loaded, {advice}")
