"""The lake as pandas frames: each week proven by its facts on the way, each column as its feed's entry says.

| kind of column | in a frame |
|---|---|
| text | category; missing where it is empty |
| time | datetime64[us]: New York's wall clock, without a zone |
| clock | timedelta64[us] since midnight: DATE + TIME is the moment |
| counter | int64 |
| whole number | Int64; missing where it is empty |
| number | float64; missing where it is empty |

The row number of `turnstile` is the index, as of any frame. Nothing of this package imports this module, so that a load
never loads pandas and gcsfs. Knows no source, no run and no Prefect.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from mta_weekly.errors import BadArgument, LakeFailed
from mta_weekly.feeds import weeks as calendar
from mta_weekly.feeds.catalog import FEEDS, Feed
from mta_weekly.feeds.weeks import Week
from mta_weekly.reading.frames import join_frames, list_header, make_frame
from mta_weekly.reading.lake_files import LakeFiles, open_lake


def list_weeks(lake: str | Path, feed: str, storage_options: Mapping[str, Any] | None = None) -> list[Week]:
    """The weeks of a feed that are in the lake, in their order.

    Args:
        lake: a folder, or `gs://BUCKET`, or `gs://BUCKET/FOLDER`.
        feed: turnstile, ridership or daily.
        storage_options: for the file system, as pandas has them: `{"token": "KEY.json"}` for a bucket.

    Raises:
        BadArgument: there is no such feed, or no such kind of lake.
        LakeFailed: the lake is not there, or cannot be read.

    Example:
        >>> [week.label for week in list_weeks("data/lake", "turnstile")]
        ['231230', '240106']
    """
    return open_lake(lake, storage_options).list_weeks(_find_feed(feed))


def read_week(
    lake: str | Path, feed: str, week: str | date | Week, storage_options: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """A week of a feed, its rows in the order they have in the lake.

    Args:
        lake: a folder, or `gs://BUCKET`, or `gs://BUCKET/FOLDER`.
        feed: turnstile, ridership or daily.
        week: its Saturday, as `yyMMdd` or a date.
        storage_options: for the file system, as pandas has them: `{"token": "KEY.json"}` for a bucket.

    Raises:
        BadArgument: there is no such feed, week or kind of lake.
        LakeFailed: the lake cannot be read, or lacks the week; the object is not what its facts say; or a value is none
            of its column's kind. Nothing is guessed, and nothing left out.

    Example:
        >>> week = read_week("data/lake", "turnstile", "240106")
        >>> week["ENTRIES"].dtype, str((week["DATE"] + week["TIME"]).min())
        (dtype('int64'), '2023-12-30 00:00:00')
    """
    known, asked = _find_feed(feed), _find_week(week)
    if not known.coverage.holds(asked):
        raise BadArgument(f"week {asked}: {known.name} has published {_say_coverage(known)}; name one of these.")
    return _read_frame(open_lake(lake, storage_options), known, asked)


def read_weeks(
    lake: str | Path,
    feed: str,
    start: str | date | Week,
    end: str | date | Week,
    storage_options: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """The weeks of every Saturday from start to end, both included, as one frame: all of them, or an error.

    Args:
        lake: a folder, or `gs://BUCKET`, or `gs://BUCKET/FOLDER`.
        feed: turnstile, ridership or daily.
        start: any date, or a week as `read_week` takes it.
        end: likewise.
        storage_options: for the file system, as pandas has them: `{"token": "KEY.json"}` for a bucket.

    Raises:
        BadArgument: as of `read_week`; or the feed has no week from start to end.
        LakeFailed: as of `read_week`; of weeks that lack, a thousand are named, with the command that loads them all.

    Example:
        >>> weeks = read_weeks("data/lake", "turnstile", date(2023, 12, 25), "240106")
        >>> weeks.groupby("DATE").size().size
        14
    """
    known = _find_feed(feed)
    first, last = _find_day(start), _find_day(end)
    if last < first:
        raise BadArgument(f"start {first}, end {last}: the end is before the start; turn them round.")
    wanted = [week for week in calendar.list_weeks(first, last) if known.coverage.holds(week)]
    if not wanted:
        raise BadArgument(
            f"start {first}, end {last}: there is no week in it: a week is named by its Saturday, and {known.name} has "
            f"published {_say_coverage(known)}."
        )
    found = open_lake(lake, storage_options)
    there = {*found.list_weeks(known)}
    if lacking := [week for week in wanted if week not in there]:
        raise LakeFailed(found.say_lacking(known, lacking))
    return join_frames([_read_frame(found, known, week) for week in wanted], known)


def _read_frame(lake: LakeFiles, feed: Feed, week: Week) -> pd.DataFrame:
    header = ",".join(list_header(feed)) + "\n"
    return make_frame(lake.read_content(feed, week, header.encode()), feed, week)


def _find_feed(name: str) -> Feed:
    if name not in FEEDS:
        raise BadArgument(f"feed {str(name)[:40]!r}: there is no such feed; choose one of {', '.join(FEEDS)}.")
    return FEEDS[name]


def _find_day(day: str | date | Week) -> date:
    """A day of any kind, where it need be no Saturday."""
    if isinstance(day, date) and not pd.isna(day):
        return day.date() if isinstance(day, datetime) else day
    return _find_week(day).saturday


def _find_week(week: str | date | Week) -> Week:
    if isinstance(week, Week):
        return week
    try:
        if isinstance(week, date):
            day = week.date() if isinstance(week, datetime) else week
        elif re.fullmatch("[0-9]{6}", week):
            day = datetime.strptime(week, "%y%m%d").date()  # noqa: DTZ007 - a day has no zone
        else:
            raise ValueError(week)
        nearest = Week.on_or_after(day)  # of NaT, and of the first and last days of all, there is none
        last = nearest.days[-1]
    except (TypeError, ValueError, OverflowError):
        raise BadArgument(f"week {week!r}: name a week by its Saturday, as yyMMdd or as a date.") from None
    if nearest.saturday != day:
        raise BadArgument(
            f"week {week!r}: {day} is a {day:%A}, and a week is named by the Saturday after its seven days; those to "
            f"{last} are in week {nearest}."
        )
    return nearest


def _say_coverage(feed: Feed) -> str:
    first, last = feed.coverage.first, feed.coverage.last
    return f"weeks {first} to {last}" if last else f"week {first} and those after it"
