"""What a Socrata site is asked for a week: the addresses of its rows and of figures about them, in SODA 2.1.

See https://dev.socrata.com/docs/queries. Pure: asks nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from urllib.parse import quote, urlencode, urlsplit

from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.sources import Table
from mta_weekly.feeds.weeks import DAY, Week

LIMIT = 10_000_000  # rows; without a limit the site sends 1,000
SUM = "sum_"  # before the name of a column: its sum, which may not have the column's own name


@dataclass(frozen=True)
class Slice:
    """Rows of a week that one data set holds: from midnight of `first` to that of `end`."""

    table: Table
    address: str
    first: date
    end: date

    @property
    def host(self) -> str:
        """Who is asked, for a person."""
        return urlsplit(self.address).hostname or ""

    @property
    def days(self) -> list[date]:
        """Its days."""
        return [self.first + n * DAY for n in range((self.end - self.first).days)]

    def cut_days(self) -> "list[Slice]":
        """A slice for each of its days, where rows come in the order of their time; else itself."""
        if not self.table.ordered:
            return [self]
        return [replace(self, first=day, end=day + DAY) for day in self.days]

    @property
    def _where(self) -> str:
        cut = self.table.time
        return f"{cut} >= '{self.first}T00:00:00' AND {cut} < '{self.end}T00:00:00'"

    def rows(self, fields: Sequence[str], offset: int = 0) -> str:
        """The address of these fields of its rows, without the first so many of them."""
        order = ",".join([*self.table.key, ":id"])  # rows may share a key
        asked = {"$select": ",".join(fields), "$where": self._where, "$order": order, "$limit": str(LIMIT)}
        return build_query(f"{self.address}.csv", asked | ({"$offset": str(offset)} if offset else {}))

    def figures(self, summed: Sequence[str]) -> str:
        """The address of what the site says of each day: rows, time of the last one, sums, time of the last change."""
        time = self.table.time
        sums = [f"sum({name}) as {SUM}{name}" for name in summed]
        day = f"date_trunc_ymd({time}) as day"
        select = ",".join([day, "count(*) as n", f"max({time}) as last", *sums, "max(:updated_at) as updated"])
        asked = {"$select": select, "$where": self._where, "$group": "day", "$order": "day"}
        return build_query(f"{self.address}.json", asked)

    @property
    def series(self) -> str:
        """The address of the days that each series of the table has."""
        name = self.table.series
        select = f"{name},date_trunc_ymd({self.table.time}) as day,count(*) as n"
        asked = {"$select": select, "$where": self._where, "$group": f"{name},day", "$order": f"{name},day"}
        return build_query(f"{self.address}.json", asked)


def cut_week(table: Table, base: str, week: Week) -> list[Slice]:
    """The slices of a week at the site `base`, in the order of their days; one, but at a turn of data sets."""
    return [Slice(table, address_of_set(base, each.id), first, end) for each, first, end in table.parts(week)]


def list_fields(table: Table, columns: Sequence[str]) -> list[str]:
    """The fields that are a feed's columns, as the table's entry spells them."""
    spelled = {column: field for field, column in table.names.items()}
    return [spelled.get(column, column.lower()) for column in columns]


def find_address(table: Table, base: str, week: Week, feed: Feed) -> str:
    """Where the rows of a week are; they are asked for day by day."""
    return " ".join(part.rows(list_fields(table, feed.columns)) for part in cut_week(table, base, week))


def address_of_set(base: str, name: str) -> str:
    """Where a data set is asked, without the form of the answer."""
    return f"{base}/resource/{name}"


def address_of_view(set_address: str) -> str:
    """Where a data set says what it is."""
    base, _, name = set_address.rpartition("/resource/")
    return f"{base}/api/views/{name}.json"


def build_query(address: str, parameters: dict[str, str]) -> str:
    """The address of a query."""
    return f"{address}?{urlencode(parameters, quote_via=quote, safe='$:,()*')}"
