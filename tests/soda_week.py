"""A pretend data.ny.gov with a week of hourly ridership, and who asks it."""

import csv
import io
from collections.abc import Iterator
from datetime import date

import httpx
import pytest

from hourly import RIDERSHIP, ridership_week
from soda import RIDERSHIP_SET, Soda

ROWS = 1500
WEEK = ridership_week(date(2026, 9, 5), ROWS)
IN_ORDER = sorted(WEEK, key=lambda row: (row[0], row[2], row[5], row[6]))
NAMES = [name for name, _ in RIDERSHIP]
ORDER = "transit_timestamp,station_complex_id,payment_method,fare_class_category,:id"
DAYS = "date_trunc_ymd(transit_timestamp) as day,count(*) as n,max(transit_timestamp) as last"


def window(first: str = "2026-08-29", end: str = "2026-09-05") -> str:
    return f"transit_timestamp >= '{first}T00:00:00' AND transit_timestamp < '{end}T00:00:00'"


OF_ROWS = {"$select": ",".join(NAMES), "$where": window(), "$order": ORDER, "$limit": "10000000"}
OF_FIGURES = {"$select": f"{DAYS},max(:updated_at) as updated", "$where": window(), "$group": "day", "$order": "day"}


class Ask:
    """Asks for the rows of the week, for its figures, and what the set is."""

    def __init__(self, site: Soda, http: httpx.Client) -> None:
        self.site, self.http, self.url = site, http, f"{site.url}/resource/{RIDERSHIP_SET}"

    def rows(self, packed: bool = True, **more: str) -> httpx.Response:
        asked = {**OF_ROWS, **{f"${name}": value for name, value in more.items()}}
        return self.http.get(f"{self.url}.csv", params=asked, headers={} if packed else {"Accept-Encoding": "identity"})

    def figures(self) -> httpx.Response:
        return self.http.get(f"{self.url}.json", params=OF_FIGURES)

    def view(self, **headers: str) -> httpx.Response:
        return self.http.get(f"{self.site.url}/api/views/{RIDERSHIP_SET}.json", headers=headers)


@pytest.fixture
def ask() -> Iterator[Ask]:
    with Soda() as site, httpx.Client(timeout=60, headers={"Accept-Encoding": "gzip"}) as http:
        site.put(RIDERSHIP_SET, RIDERSHIP, WEEK)
        yield Ask(site, http)


def parsed(answer: httpx.Response) -> list[tuple[str | None, ...]]:
    """The rows of a CSV; as a cell of the week is never the empty text, an empty one is null."""
    assert answer.status_code == 200, answer.text
    return [tuple(cell or None for cell in row) for row in csv.reader(io.StringIO(answer.text))][1:]
