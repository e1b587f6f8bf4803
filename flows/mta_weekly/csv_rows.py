"""Where rows begin and end in the bytes of a CSV file: a quoted value (RFC 4180) may hold line ends."""

from collections.abc import Iterable, Iterator

QUOTE, END = b'"', b"\n"
TEXT = bytes(set(range(256)) - set(QUOTE + END))  # all bytes that are neither


class TooLong(Exception):
    """A row without an end, with its first bytes."""


def whole(data: bytes | bytearray, quoted: bool, limit: int | None = None) -> int:
    """Where the last whole row ends, up to `limit`; 0 where none does. `data` begins with a row."""
    end = data.rfind(END, 0, limit) + 1
    odd = quoted and data.count(QUOTE, 0, end) % 2 == 1
    while odd:  # the last line end is in a value, as all are after the quote that opens it
        before = data.rfind(END, 0, data.rfind(QUOTE, 0, end)) + 1
        odd = odd != (data.count(QUOTE, before, end) % 2 == 1)
        end = before
    return end


def count(rows: bytes | bytearray) -> int:
    """How many whole, quoted rows these are."""
    marks = rows.translate(None, TEXT).replace(QUOTE * 2, b"")
    if QUOTE not in marks:  # an even number of quotes before each line end: none of them is in a value
        return len(marks)
    return sum(part.count(END) for part in bytes(rows).split(QUOTE)[::2])


def records(rows: bytes, quoted: bool) -> Iterator[tuple[int, bytes]]:
    """Each row without its line end, and how many lines come before it; what opens a quote for ever is one row."""
    held, first = b"", 0
    for number, line in enumerate(rows.split(END)):
        held, first = (held + END + line, first) if held else (line, number)
        if not quoted or held.count(QUOTE) % 2 == 0:
            yield first, held
            held = b""
    if held:
        yield first, held


def blocks(chunks: Iterable[bytes], quoted: bool, size: int) -> Iterator[bytes]:
    """Cut a stream into blocks of whole rows, up to `size` bytes; where it is cut depends on the content alone.

    Raises:
        TooLong: a row is longer.
    """
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= size:
            end = whole(held, quoted, size)
            if not end:
                raise TooLong(bytes(held[:4096]))
            yield bytes(memoryview(held)[:end])
            del held[:end]
    if held:
        yield bytes(held)
