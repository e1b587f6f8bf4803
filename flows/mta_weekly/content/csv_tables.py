"""Bytes of whole rows to tables of text, and back. What the values mean is for misfits to know."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

WHOLE = r"^(-?\d+)\.0*$"  # written as a fraction
NEEDS_QUOTES = r'[",\r\n]'


def parse_rows(block: bytes, names: list[str], quoted: bool, stripped: bool) -> tuple[pa.Table, dict[int, int]]:
    """Whole rows as text: those with a value for each name; and of every other row its number and that of its values.

    Rows are numbered from 0; blank lines are none. `block` is UTF-8, with quotes that match where it is `quoted`.
    """
    misfits: dict[int, int] = {}
    if not block.strip(b"\r\n"):
        return pa.schema([(name, pa.string()) for name in names]).empty_table(), misfits
    if block.startswith(b"\xef\xbb\xbf"):
        block = b"\n" + block  # pyarrow would take a byte order mark here for the file's own

    def skip(row: Any) -> str:
        misfits[row.number - 1] = row.actual_columns
        return "skip"

    table = pa.csv.read_csv(
        pa.py_buffer(block),
        read_options=pa.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(block) + 1),
        parse_options=pa.csv.ParseOptions(
            quote_char='"' if quoted else False, double_quote=quoted, newlines_in_values=quoted,
            invalid_row_handler=skip,
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types={name: pa.string() for name in names}, null_values=[], strings_can_be_null=False
        ),
    )  # fmt: skip
    # Not pa.table(...), which loads pandas, where there is one, to ask whether it was given a frame.
    columns = [pc.ascii_trim_whitespace(column) for column in table.columns] if stripped else table.columns
    return pa.Table.from_arrays(columns, names), misfits


def map_texts(column: pa.ChunkedArray, change: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """A column of few different texts, each of them looked at once."""
    coded = column.combine_chunks().dictionary_encode()
    return change(coded.dictionary).take(coded.indices)


def trim_fractions(numbers: pa.Array) -> pa.Array:
    """Whole numbers without a fraction, misfits as they are."""
    return pc.replace_substring_regex(pc.replace_substring_regex(numbers, WHOLE, r"\1"), "^-(0+)$", r"\1")


def write_rows(table: pa.Table, quotes: bool) -> memoryview:
    """The rows as CSV, with quotes only where a value needs them; without `quotes` none does."""
    if not quotes:
        sink = pa.BufferOutputStream()
        pa.csv.write_csv(table, sink, pa.csv.WriteOptions(include_header=False, quoting_style="none", batch_size=8192))
        return memoryview(sink.getvalue())
    # pyarrow's own writer quotes every text, or none. Joined rows follow each other in one buffer: that is the file.
    columns = [map_texts(column, _quote) for column in table.columns]
    rows = pc.binary_join_element_wise(*columns[:-1], pc.binary_join_element_wise(columns[-1], "\n", ""), ",")
    return memoryview(rows.buffers()[2])


def _quote(texts: pa.Array) -> pa.Array:
    """RFC 4180: a value with a quote, a comma or a line end stands in quotes, its own quotes doubled."""
    needs = pc.match_substring_regex(texts, NEEDS_QUOTES)
    if not pc.any(needs).as_py():
        return texts
    return pc.if_else(needs, pc.binary_join_element_wise('"', pc.replace_substring(texts, '"', '""'), '"', ""), texts)
