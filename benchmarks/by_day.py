"""A week of hourly ridership in seven answers beside the same week in one; on the wire plain and packed.

Without Prefect: from the pretend data.ny.gov, a process of its own, to a checked gzip file. Processor time is what this
process took; competitors take turns.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from measure import Row
from mta_weekly.content.convert import convert_week
from mta_weekly.content.profile import WeekProfile
from mta_weekly.feeds.catalog import RIDERSHIP
from mta_weekly.feeds.sources import Table
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.body import Body
from mta_weekly.fetch.client import open_client
from mta_weekly.fetch.http import fetch_body
from mta_weekly.fetch.socrata.queries import find_address
from mta_weekly.fetch.socrata.week import stream_week
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import read_settings

REACH = 1.1  # x the processor time of one answer


class WholeWeeks(Table):
    """A table that is asked for a week in one answer."""

    ordered = False  # type: ignore[assignment] # so that no day is asked for by itself


@dataclass(frozen=True)
class Taken:
    """What a week took: processor and wall time in seconds, and what came over the wire."""

    processor: float
    seconds: float
    wire: int
    rows: int


def compare_answers(plain_url: str, packed_url: str, week: Week, work: Path, runs: int) -> list[Row]:
    """The rows of the table; two addresses of the same data, which comes plain from the one, packed from the other."""
    (table,) = RIDERSHIP.sources
    assert isinstance(table, Table)
    whole = WholeWeeks(**vars(table))
    competitors = {
        "in one answer, plain": (whole, plain_url),
        "in seven, plain": (table, plain_url),
        "in seven, gzip": (table, packed_url),
    }
    took: dict[str, list[Taken]] = {name: [] for name in competitors}
    for _ in range(runs + 1):  # the first one fills caches
        for name, (source, url) in competitors.items():
            took[name].append(_take(source, url, week, work))
    rows = [Row(f"ridership, {took['in seven, plain'][0].rows:,} rows, no Prefect")]
    cost = {name: median(each.processor for each in of[1:]) for name, of in took.items()}
    for name, of in took.items():
        seconds = median(each.seconds for each in of[1:])
        rows += [
            Row(f"  {name}", f"{cost[name]:.2f} s CPU"),
            Row("    rows a second", f"{of[0].rows / seconds:,.0f}"),
            Row("    on the wire", f"{of[0].wire / 1e6:.1f} MB"),
        ]
    ratio = cost["in seven, plain"] / cost["in one answer, plain"]
    return [*rows, Row("  processor, seven / one", f"{ratio:.2f} x", f"<= {REACH} x", ratio <= REACH)]


def _take(table: Table, url: str, week: Week, work: Path) -> Taken:
    def consume(chunks: Iterator[bytes], body: Body) -> WeekProfile:
        profile = convert_week(chunks, RIDERSHIP, week, work / "by_day.csv.gz", dialect=table.dialect)
        assert body.compare
        body.compare(profile.sums, profile.day_sums)
        return profile

    began = time.perf_counter(), time.process_time()
    with (
        open_client(read_settings()) as client,
        stream_week(table, url, week, RIDERSHIP, "", work) as stream,
    ):
        budget = RetryBudget(attempts=1, wait=0, base=0)
        profile, body = fetch_body(client, find_address(table, url, week, RIDERSHIP), consume, budget, stream)
    return Taken(time.process_time() - began[1], time.perf_counter() - began[0], body.wire, profile.rows)
