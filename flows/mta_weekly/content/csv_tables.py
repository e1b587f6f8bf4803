"""Bytes of whole rows to tables of text, and back. What the values mean is for others to know."""

from array import array
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from mta_weekly.csv_rows import MATCHED

NEEDS_QUOTES = r'[",\r\n]'
SPECIAL = b'",\r\n'
BLANKS = b" \t\r\n\v\f"  # what pyarrow's ascii trim strips
BATCH = 8192  # rows that pyarrow writes at once


# pa.array and pa.scalar load pandas, where there is one, to ask whether they were given a frame: 0.4 s and 30 MiB. So
# arrays are made of bytes here, and no plain value is given to a function that would make a scalar of it.


def make_texts(texts: Iterable[str]) -> pa.StringArray:
    """An array of texts."""
    encoded = [text.encode() for text in texts]
    ends = array("i", accumulate(map(len, encoded), initial=0))
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))


def make_mask(flags: Iterable[bool]) -> pa.BooleanArray:
    """An array of flags."""
    data = bytes(flags)
    return pa.Array.from_buffers(pa.uint8(), len(data), [None, pa.py_buffer(data)]).cast(pa.bool_())


NOTHING, COMMA, QUOTE, END = make_texts(["", ",", '"', "\n"])


def parse_rows(block: bytes, names: list[str], quoted: bool) -> tuple[pa.RecordBatch, dict[int, int]]:
    """Whole rows as text: those with a value for each name; and of every other row its number and that of its values.

    Rows are numbered from 0; blank lines are none. `block` is UTF-8. Where it is `quoted`, nothing between two
    commas, not even quotes, is null.
    """
    misfits: dict[int, int] = {}
    if not block.strip(b"\r\n"):
        return pa.RecordBatch.from_arrays([make_texts([])] * len(names), names), misfits
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
            column_types={name: pa.string() for name in names}, null_values=[""] if quoted else [],
            strings_can_be_null=quoted, quoted_strings_can_be_null=False, check_utf8=False,
        ),
    )  # fmt: skip
    return pa.RecordBatch.from_arrays([column.combine_chunks() for column in table.columns], names), misfits


def are_quotes_right(rows: pa.RecordBatch, block: bytes) -> bool:
    """Whether every quote of a block that became these rows opens a value, closes one, or is doubled in one.

    Most often it is what its values are written as, each in quotes, and null as nothing: that is quick to compare.
    """
    sink = pa.BufferOutputStream()
    pa.csv.write_csv(rows, sink, pa.csv.WriteOptions(include_header=False, batch_size=BATCH))
    return sink.getvalue().equals(pa.py_buffer(block)) or MATCHED.fullmatch(block) is not None


def clean_values(column: pa.Array, stripped: bool) -> pa.Array:
    """The values of a column, nothing as an empty text, and blanks round it left out where they are to be."""
    column = pc.fill_null(column, NOTHING) if column.null_count else column
    return pc.ascii_trim_whitespace(column) if stripped and _holds_any(column, BLANKS) else column


def join_texts(column: pa.Array) -> bytes:
    """The texts of a column, or more, one after the other: what all of them hold is quick to see there."""
    _, _, data = column.buffers()
    return data.to_pybytes() if data else b""


def _holds_any(column: pa.Array, marks: bytes) -> bool:
    texts = join_texts(column)
    return any(mark in texts for mark in marks)


def change_texts(column: pa.Array, change: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """A column with its texts changed; where they are few and coded, each of them once."""
    if not isinstance(column, pa.DictionaryArray):
        return change(column)
    return pa.DictionaryArray.from_arrays(column.indices, change(column.dictionary))


def find_texts(column: pa.Array, find: Callable[[pa.Array], pa.Array | None]) -> list[int]:
    """The rows of the texts that `find` gives the mask of; where they are few and coded, it sees each of them once."""
    coded = isinstance(column, pa.DictionaryArray)
    found = find(column.dictionary if coded else column)
    if found is None or not found.true_count:
        return []
    return pc.indices_nonzero(found.take(column.indices) if coded else found).to_pylist()  # type: ignore[no-any-return]


def decode(column: pa.Array) -> pa.Array:
    """A column as text."""
    return column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column


def trim_fractions(numbers: pa.Array) -> pa.Array:
    """Whole numbers without a fraction; what is no number as it is."""
    zeros = pc.and_(pc.match_substring(numbers, ".0"), pc.ends_with(numbers, "0"))
    if pc.or_(zeros, pc.ends_with(numbers, ".")).true_count:
        numbers = pc.replace_substring_regex(numbers, r"^(-?\d+)\.0*$", r"\1")
    if pc.starts_with(numbers, "-0").true_count:
        numbers = pc.replace_substring_regex(numbers, "^-(0+)$", r"\1")
    return numbers


def write_rows(rows: pa.RecordBatch, file: Any) -> None:
    """Write the rows as CSV (RFC 4180) to what has a `write`, with quotes only where a value needs them."""
    needy = [_holds_any(column, SPECIAL) for column in rows.columns]
    if not any(needy):
        options = pa.csv.WriteOptions(include_header=False, quoting_style="none", batch_size=BATCH)
        pa.csv.write_csv(rows, pa.PythonFile(file, mode="w"), options)
        return
    # pyarrow's own writer quotes every text, or none. Joined rows follow each other in one buffer: that is the file.
    columns = [
        decode(change_texts(each.dictionary_encode(), _quote)) if needs else each
        for each, needs in zip(rows.columns, needy, strict=True)
    ]
    lines = pc.binary_join_element_wise(*columns[:-1], pc.binary_join_element_wise(columns[-1], END, NOTHING), COMMA)
    file.write(memoryview(lines.buffers()[2]))


def _quote(texts: pa.Array) -> pa.Array:
    """A value with a quote, a comma or a line end stands in quotes, its own quotes doubled."""
    needs = pc.match_substring_regex(texts, NEEDS_QUOTES)
    if not needs.true_count:
        return texts
    doubled = pc.replace_substring(texts, '"', '""')
    return pc.if_else(needs, pc.binary_join_element_wise(QUOTE, doubled, QUOTE, NOTHING), texts)
