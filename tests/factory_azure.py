"""A factory of the project's own resources, with a lake and sources on the loopback."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from build_template import HERE
from conftest import small_week
from factory_copy import Lake, Stores
from factory_runs import Factory, Run
from hourly import RIDERSHIP, ridership_week
from socrata_weeks import LIVE
from soda import Soda
from web import Answer, Web

NOW = "2026-11-28T14:00:00.0000000Z"  # Saturday, 9 in the morning in New York
WEEK, SEPTEMBER = {"year": 2024, "month": 1, "day": 6}, {"year": 2026, "month": 9, "day": 12}
HALF = small_week()[: small_week().index(b"\n", len(small_week()) // 2) + 1]


@dataclass(frozen=True)
class Azure:
    """A factory, its lake, and the sources that it asks."""

    factory: Factory
    lake: Lake
    web: Web
    site: Soda

    def run(self, pipeline: str = "pl_week", /, **parameters: Any) -> Run:
        return self.factory.run(pipeline, **parameters)

    def publish(self, *saturdays: date) -> None:
        """Lets there be weekly files."""
        for saturday in saturdays:
            self.web.serve(f"/turnstile_{saturday:%y%m%d}.txt", Answer(small_week(saturday)))

    def content(self, name: str) -> bytes:
        return gzip.decompress(self.lake.read(name))

    @property
    def asked(self) -> int:
        """How often the sources were."""
        return len(self.web.requests) + len(self.site.queries)


@pytest.fixture
def azure(web: Web, tmp_path: Path) -> Iterator[Azure]:
    """With a small week of turnstile and one of ridership at the sources."""
    with Soda() as site:
        site.put(LIVE, RIDERSHIP, ridership_week(date(2026, 9, 12), 400))
        hosts = {
            "http://web.mta.info/developers/data/nyct/turnstile/": f"{web.url}/",
            "https://data.ny.gov/": f"{site.url}/",
        }
        lake = Lake(tmp_path / "lake")
        yield Azure(Factory(HERE, Stores(lake, hosts), NOW), lake, web, site)


def as_the_code_has_it(content: bytes) -> bytes:
    """Turnstile without what differs: rows are not numbered, counters have ten digits, blanks follow the last one."""
    header, *lines = content.decode().split("\n")[:-1]
    rows = [line.split(",") for line in lines]
    whole = [
        ",".join([str(n), *row[:9], str(int(row[9])), str(int(row[10].rstrip(" ")))]) for n, row in enumerate(rows)
    ]
    return "".join(f"{line}\n" for line in [f",{header}", *whole]).encode()
