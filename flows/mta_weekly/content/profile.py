"""What is known of a week when it has been read: its figures, and the rows that cannot be used."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import date
from math import isfinite
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mta_weekly.content.csv_tables import NOTHING
from mta_weekly.content.figures import FigureTally
from mta_weekly.errors import PartialWeek, Refused
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.weeks import DAYS, Week
from mta_weekly.secrets import mask

SHOWN = 5  # bad rows shown in an error
KEPT = 2000  # characters of a bad row's text


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used: its line in the published file (from 1), why, and its text."""

    line: int
    reason: str
    text: str

    def cut(self) -> "BadRow":
        """The same to be kept: thousands may be allowed, of hundreds of kilobytes each."""
        if len(self.text) <= KEPT:
            return self
        return replace(self, text=f"{self.text[:KEPT]}... (cut, {len(self.text):,} characters)")

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}: {mask(self.text.strip())[:200]!r}"


@dataclass(frozen=True)
class WeekProfile:
    """What is known of a converted week.

    Attributes:
        rows: rows written, without the header.
        bad_rows: rows left out.
        first_day, last_day: of the rows, as ISO dates.
        day_rows: rows of each of the week's seven days.
        hour_rows: rows of each hour of the day, of all days together; none where a row is of a whole day.
        keys: different turnstiles, station complexes or modes: what the feed's entry counts.
        doubled_keys: rows whose key another row has had, but for the hour that the clock repeats.
        series_rows: rows of each value of the column that the feed's entry follows.
        size, crc32c: of the gzip, in bytes and in base64 as GCS writes it.
        sha256: of the unpacked content, in hex.
        empty: how many values are empty, of each column that has such, those of the key among them.
        sums: of the columns that the feed sums.
        day_sums: those of each day, where rows came in the order of their time.
    """

    rows: int
    bad_rows: int
    first_day: str
    last_day: str
    day_rows: tuple[int, ...]
    hour_rows: tuple[int, ...]
    keys: int
    doubled_keys: int
    series_rows: dict[str, int]
    size: int
    crc32c: str
    sha256: str
    empty: dict[str, int]
    sums: dict[str, float]
    day_sums: dict[date, dict[str, float]] = field(default_factory=dict)


def check_days(profile: WeekProfile, feed: Feed) -> None:
    """Refuse a part of a week.

    Raises:
        PartialWeek: a day has no rows, though the feed's entry says that each has some.
    """
    days = sum(rows > 0 for rows in profile.day_rows)
    if feed.every_day and days < DAYS:
        raise PartialWeek(f"a partial week: rows of {days} day{'s' * (days != 1)} only, expected {DAYS}")


class Tally:
    """The figures of the rows so far."""

    def __init__(self, feed: Feed, week: Week, ordered: bool) -> None:
        self.feed, self.week, self.rows, self.bad_rows = feed, week, 0, 0
        self.figures = FigureTally(feed, week, ordered)
        self.empty: Counter[str] = Counter()
        self.sums: defaultdict[str, float] = defaultdict(float)
        self.day_sums: defaultdict[date, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))

    def add(self, rows: pa.RecordBatch, day: date | None = None) -> None:
        """Count rows in the columns of the feed, all of one day where that is known.

        Raises:
            Refused: a number is too large to be summed.
        """
        self.rows += rows.num_rows
        for name in self.feed.columns:
            self.empty[name] += pc.equal(rows[name], NOTHING).true_count
        for name in self.feed.summed:
            numbers = rows[name]
            if self.empty[name]:
                numbers = numbers.filter(pc.not_equal(numbers, NOTHING))
            total = pc.sum(pc.cast(numbers, pa.float64()), min_count=0).as_py()
            self.sums[name] += total
            if day:
                self.day_sums[day][name] += total
            if not isfinite(self.sums[name]):
                raise Refused(f"{name} has a number beyond all measure; nothing loaded, look at the file")

    def summarize(self, file_sums: dict[str, Any]) -> WeekProfile:
        """All figures, with the sums of the file; of one row at least."""
        figures = self.figures.summarize()
        days = [day for day, rows in zip(self.week.days, figures["day_rows"], strict=True) if rows]
        return WeekProfile(
            self.rows, self.bad_rows, str(days[0]), str(days[-1]), **figures, **file_sums,
            empty={name: count for name, count in self.empty.items() if count},
            sums={name: int(total) if float(total).is_integer() else total for name, total in self.sums.items()},
            day_sums={day: dict(sums) for day, sums in self.day_sums.items()},
        )  # fmt: skip
