"""What a Socrata site is asked for a week: the addresses of its rows and of their count, in SODA 2.1.

See https://dev.socrata.com/docs/queries. Pure: asks nobody.
"""

from dataclasses import dataclass
from datetime import date
from urllib.parse import quote, urlencode, urlsplit

from mta_weekly.feeds.sources import Table
from mta_weekly.feeds.weeks import Week

LIMIT = 10_000_000  # rows; without a limit the site sends 1,000


@dataclass(frozen=True)
class Slice:
    """The rows of a week that one data set holds: from midnight of `first` to that of `end`."""

    table: Table
    address: str
    first: date
    end: date

    @property
    def host(self) -> str:
        """Who is asked, for a person."""
        return urlsplit(self.address).hostname or ""

    @property
    def _where(self) -> str:
        cut = self.table.time
        return f"{cut} >= '{self.first}T00:00:00' AND {cut} < '{self.end}T00:00:00'"

    def rows(self, offset: int = 0) -> str:
        """The address of its rows, without the first so many of them."""
        order = ",".join([*self.table.key, ":id"])  # rows may share a key
        more = {"$offset": str(offset)} if offset else {}
        return build_query(f"{self.address}.csv", {"$where": self._where, "$order": order, "$limit": str(LIMIT)} | more)

    @property
    def count(self) -> str:
        """The address of how many they are, and of the time of the last one."""
        select = f"count(*) as n,max({self.table.time}) as last"
        return build_query(f"{self.address}.json", {"$select": select, "$where": self._where})


def cut_week(table: Table, base: str, week: Week) -> list[Slice]:
    """The slices of a week at the site `base`, in the order of their days; one, but at a turn of data sets."""
    return [Slice(table, address_of_set(base, each.id), first, end) for each, first, end in table.parts(week)]


def find_address(table: Table, base: str, week: Week) -> str:
    """Where the rows of a week are."""
    return " ".join(part.rows() for part in cut_week(table, base, week))


def address_of_set(base: str, name: str) -> str:
    """Where a data set is asked, without the form of the answer."""
    return f"{base}/resource/{name}"


def build_query(address: str, parameters: dict[str, str]) -> str:
    """The address of a query."""
    return f"{address}?{urlencode(parameters, quote_via=quote, safe='$:,()*')}"
