"""From the content of a week's object to a pandas frame, by the kinds of its columns: strict, without a guess.

What is no value of its column's kind raises; only an empty one is missing, and `NA` or `null` is text. Knows bytes and
frames; no lake.
"""

import re

import pandas as pd
import pyarrow as pa
import pyarrow.csv

from mta_weekly.errors import LakeFailed
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.columns import CLOCK, COUNTER, NUMBER, TEXT, TIME, WHOLE, Column
from mta_weekly.feeds.weeks import Week
from mta_weekly.secrets import clean

TYPES = {
    TEXT: pa.dictionary(pa.int32(), pa.string()),
    TIME: pa.timestamp("us"),
    CLOCK: pa.time64("us"),
    COUNTER: pa.int64(),
    WHOLE: pa.int64(),
    NUMBER: pa.float64(),
}
NEVER_EMPTY = (TIME, CLOCK, COUNTER)
MISFIT = re.compile(r"CSV column #(\d+):.* CSV conversion error to .*: invalid value '(.*)'", re.DOTALL)
LONGEST = 100  # characters of a value that is shown


def list_header(feed: Feed) -> list[str]:
    """The names in the first line of an object: that of the row number is empty."""
    return [*([""] if feed.tidied else []), *feed.columns]


def make_frame(content: bytes | bytearray, feed: Feed, week: Week) -> pd.DataFrame:
    """The rows of a week; the columns of the feed, without a row number.

    Raises:
        LakeFailed: a value is none of its column's kind, or a day is none of the week.
    """
    names = list_header(feed)
    try:
        table = pa.csv.read_csv(
            pa.py_buffer(content),
            read_options=pa.csv.ReadOptions(column_names=names, skip_rows=1),
            parse_options=pa.csv.ParseOptions(newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                include_columns=list(feed.columns),
                column_types={column.name: TYPES[column.kind] for column in feed.schema},
                null_values=[""],
                strings_can_be_null=True,
                timestamp_parsers=[feed.day[1]],
            ),
        )
    except pa.ArrowInvalid as error:
        raise LakeFailed(_explain_misfit(str(error), names, feed, week)) from error
    for column in feed.schema:
        if column.kind in NEVER_EMPTY and table[column.name].null_count:
            raise LakeFailed(_say_misfit(column, "", feed, week))
    frame = pd.DataFrame({column.name: _make_series(table[column.name], column) for column in feed.schema}, copy=False)
    days = frame[feed.day[0]]
    if len(days) and not (pd.Timestamp(week.start) <= days.min() and days.max() < pd.Timestamp(week.end)):
        raise LakeFailed(
            f"{feed.name} {week}: it has rows from {days.min()} to {days.max()}, and the week is from {week.start} to "
            f"{week.days[-1]}; load it again with --force"
        )
    return frame


def join_frames(frames: list[pd.DataFrame], feed: Feed) -> pd.DataFrame:
    """The rows of all frames, which are empty then: each column is there twice for a while, not all of them."""
    columns: dict[str, pd.Series] = {}
    for column in feed.schema:
        parts = [frame.pop(column.name) for frame in frames]
        if column.kind == TEXT:
            columns[column.name] = pd.Series(pd.api.types.union_categoricals(parts, sort_categories=True), copy=False)
        else:
            columns[column.name] = pd.concat(parts, ignore_index=True)
    return pd.DataFrame(columns, copy=False)


def _make_series(values: pa.ChunkedArray, column: Column) -> pd.Series:
    if column.kind == CLOCK:
        values = values.cast(pa.int64()).cast(pa.duration("us"))
    kept = {pa.int64(): pd.Int64Dtype()} if column.kind == WHOLE else {}
    series: pd.Series = values.to_pandas(types_mapper=kept.get)
    if column.kind == TEXT:  # in the order of the texts, as pandas itself has them; of none, pyarrow forgets the type
        return series.cat.set_categories(series.cat.categories.astype("str").sort_values())
    return series


def _explain_misfit(said: str, names: list[str], feed: Feed, week: Week) -> str:
    found = MISFIT.search(said)
    if not found:
        return f"{feed.name} {week}: its rows cannot be read: {clean(said, LONGEST)}; look at the file"
    column = feed.schema[feed.columns.index(names[int(found[1])])]
    return _say_misfit(column, found[2], feed, week)


def _say_misfit(column: Column, value: str, feed: Feed, week: Week) -> str:
    shown = repr(value[:LONGEST]) if value else "an empty value"
    return (
        f"{feed.name} {week}: {shown} in {column.name}, which is of kind {column.kind}; nothing is guessed: read the "
        f"file by pandas.read_csv with dtype=str, and decide what it is"
    )
