"""A week as a value, and Saturdays. Pure dates; knows no feed and no clock."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Self

from dateutil.relativedelta import SA, relativedelta

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
DAYS = 7  # in a week
SATURDAY = 5  # of date.weekday
LAST_DAY = date(9998, 12, 31)  # the last Saturday of 9999 has no week after it


@dataclass(frozen=True, order=True, repr=False)
class Week:
    """The seven days before a Saturday, which names them.

    >>> week = Week.named("240106")
    >>> week
    Week.named('240106')
    >>> week.label, str(week.start), str(week.end), len(week.days)
    ('240106', '2023-12-30', '2024-01-06', 7)
    """

    saturday: date

    def __post_init__(self) -> None:
        if self.saturday.weekday() != SATURDAY:
            raise ValueError(f"{self.saturday} is no Saturday")

    @classmethod
    def named(cls, label: str) -> Self:
        """The week of a label, yyMMdd."""
        return cls(datetime.strptime(label, "%y%m%d").date())  # noqa: DTZ007 - a day has no zone

    @classmethod
    def on_or_before(cls, day: date) -> Self:
        """The week of the last Saturday on or before a day."""
        return cls(day + relativedelta(weekday=SA(-1)))

    @classmethod
    def on_or_after(cls, day: date) -> Self:
        """The week of the first Saturday on or after a day."""
        return cls(day + relativedelta(weekday=SA(+1)))

    @property
    def label(self) -> str:
        """Its name: the Saturday as yyMMdd."""
        return f"{self.saturday:%y%m%d}"

    @property
    def start(self) -> date:
        """Its first day."""
        return self.saturday - WEEK

    @property
    def end(self) -> date:
        """The day after its last one: it ends at midnight."""
        return self.saturday

    @property
    def days(self) -> list[date]:
        """Its seven days, in order."""
        return [self.start + n * DAY for n in range(DAYS)]

    def __str__(self) -> str:
        return self.label

    def __repr__(self) -> str:
        return f"Week.named({self.label!r})"


def list_weeks(start: date, end: date) -> list[Week]:
    """The weeks of every Saturday from start to end, both included."""
    first = start.toordinal() + (SATURDAY - start.weekday()) % 7
    return [Week(date.fromordinal(day)) for day in range(first, min(end, LAST_DAY).toordinal() + 1, 7)]
