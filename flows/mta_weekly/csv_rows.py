"""Where rows begin and end in the bytes of a CSV file: a quoted value (RFC 4180) may hold line ends."""

import csv
import re
from collections.abc import Iterable, Iterator

QUOTE, END = b'"', b"\n"
# Each quote that opens stands at a border, and so does each that closes; two that touch are one of the text.
MATCHED = re.compile(rb'[^"]*+(?:(?<![^,\r\n"])"[^"]*+"(?![^,\r\n"])[^"]*+)*+')
TEXT = bytes(set(range(256)) - set(QUOTE + END))  # all bytes that are neither

csv.field_size_limit(1 << 30)  # its own limit is 128 KiB; how long a row may be is said where blocks are cut


class TooLong(Exception):
    """A row without an end, with its first bytes."""


def find_end(data: bytes | bytearray, quoted: bool, limit: int | None = None) -> int:
    """Where the last whole row ends, up to `limit`; 0 where none does. `data` begins with a row."""
    end = data.rfind(END, 0, limit) + 1
    odd = quoted and data.count(QUOTE, 0, end) % 2 == 1
    while odd:  # the last line end is in a value, as all are after the quote that opens it
        before = data.rfind(END, 0, data.rfind(QUOTE, 0, end)) + 1
        odd = odd != (data.count(QUOTE, before, end) % 2 == 1)
        end = before
    return end


def find_first_end(data: bytes, quoted: bool) -> int:
    """Where the first row ends; at the end of `data`, where it does not. `data` begins with a row."""
    start, odd = 0, False
    while end := data.find(END, start) + 1:
        odd = odd != (quoted and data.count(QUOTE, start, end) % 2 == 1)
        if not odd:
            return end
        start = end
    return len(data)


def count_rows(rows: bytes | bytearray) -> int:
    """How many whole, quoted rows these are."""
    marks = rows.translate(None, TEXT).replace(QUOTE * 2, b"")
    if QUOTE not in marks:  # an even number of quotes before each line end: none of them is in a value
        return len(marks)
    return sum(part.count(END) for part in bytes(rows).split(QUOTE)[::2])


def split_records(rows: bytes, quoted: bool) -> Iterator[tuple[int, bytes]]:
    """Each row without its line end, and how many lines come before it; what opens a quote for ever is one row."""
    parts, odd = list[bytes](), False
    for number, line in enumerate(rows.split(END)):
        parts.append(line)
        odd = odd != (quoted and line.count(QUOTE) % 2 == 1)
        if not odd:
            yield number - len(parts) + 1, END.join(parts)
            parts = []
    if parts:
        yield number - len(parts) + 1, END.join(parts)


def cut_blocks(chunks: Iterable[bytes], quoted: bool, size: int) -> Iterator[bytes]:
    """Cut a stream into blocks of whole rows, up to `size` bytes; where it is cut depends on the content alone.

    Raises:
        TooLong: a row is longer.
    """
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= size:
            end = find_end(held, quoted, size)
            if not end:
                raise TooLong(bytes(held[:4096]))
            yield bytes(memoryview(held)[:end])
            del held[:end]
    if held:
        yield bytes(held)


def cut_rows(rows: bytes, quoted: bool, size: int) -> Iterator[bytes]:
    """Cut whole rows into pieces of whole rows, up to `size` bytes, or of one row that is longer."""
    while rows:
        end = len(rows) if len(rows) <= size else find_end(rows, quoted, size) or find_first_end(rows, quoted)
        yield rows[:end]
        rows = rows[end:]


def split_rows(record: bytes, quoted: bool) -> list[bytes]:
    """The rows of what `split_records` takes for one: a CR alone ends a row too. Blank ones are left out.

    Raises:
        csv.Error: its quotes do not match. Those within a value that does not begin with one are text.
    """
    if b"\r" not in record and (not quoted or MATCHED.fullmatch(record)):
        return [record] if record else []
    if not quoted:
        return [part for part in record.split(b"\r") if part]
    lines = re.split("(?<=\r)", record.decode())
    reader, rows, start = csv.reader(lines, strict=True), [], 0
    for _ in reader:
        rows.append("".join(lines[start : reader.line_num]).removesuffix("\r").encode())
        start = reader.line_num
    return [row for row in rows if row]
