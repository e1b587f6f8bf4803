"""What the project promises of time, memory and size, measured side by side in one run and printed as one table.

    python benchmarks/bench.py [--quick] [--beside FOLDER]

Competitors take turns, so that a slow minute of the machine is everyone's; values are medians. The real week of
`../shared/data` where it is present, a generated one elsewhere. A reach that is not met is a result, not an error.
"""

import argparse
import gzip
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from statistics import median

import alone
import beside
import by_day
import many
import soda
from measure import PEER, PEER_IS_HERE, Cost, Row, curl_gzip, memory_row, middle, run, seconds, speed
from mta_weekly.content.convert import convert_week
from mta_weekly.content.profile import WeekProfile
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.body import Body
from mta_weekly.fetch.client import open_client
from mta_weekly.fetch.http import fetch_body
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import ROOT, read_settings
from weeks import make_week, write_big

WEEK = Week.named("240106")
FILE = f"turnstile_{WEEK}.txt"
REAL = ROOT.parent / "shared" / "data" / f"{FILE}.gz"
OURS = ["flows/etl_web_to_gcs.py", "--year", "2024", "--month", "1", "--day", "6", "--force"]
EMPTY = ["benchmarks/empty_flow.py"]
STAGE_RUNS = 7
TABLE_ROWS = (350_000, 620_000)  # in a week of late 2026, and of mid 2025

WHOLE_REACH = 1.2  # x an empty flow
STAGE_REACH = 0.34 / 33.5e6  # seconds a published byte
SIZE_REACH = 1.1  # x gzip -6


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="Measure the project beside the reference; takes some minutes.")
    parser.add_argument("--quick", action="store_true", help="fewer runs, and 100 MB instead of 1 GB")
    parser.add_argument("--beside", type=Path, metavar="FOLDER", help="measure beside another checkout, and only that")
    options = parser.parse_args()
    quick = options.quick
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        work = Path(name)
        size = publish(work / "web" / FILE)
        with server(alone.__file__, str(work / "web")) as url:
            own = alone.environment(
                work / "prefect", lake=work / "lake", spool=work / "spool", turnstile_url=url, socrata_url=url,
                socrata_app_token="none", ping_url=url,
            )  # fmt: skip
            os.environ.clear()  # what is measured in this process keeps to itself as the others do
            os.environ.update(own)
            if options.beside:
                print(*compare(url, work, options.beside.resolve(), quick), sep="\n")
                return
            # The processes first: a system may count as a process's peak what the one that started it held by then.
            rows, peer, empty = whole(url, work, runs=2 if quick else 5)
            rows += big(url, work, empty, size=10**8 if quick else 10**9)
            rows += tables(work, empty, runs=1 if quick else 3)
            rows += answers(work, runs=1 if quick else 5)
            rows += backfill(url, work, peer.seconds - empty.seconds, empty, quick)
            rows += stage(f"{url}/{FILE}", work, size)
    kind = "real" if REAL.exists() else "generated"
    python = f"Python {platform.python_version()}, Prefect {version('prefect')}"
    print(f"\nWeek {WEEK}, {kind}, {size / 1e6:.1f} MB; {os.cpu_count()} cores, {python}; medians\n")
    print(Row("what", "value", "reach"), *rows, sep="\n")


def publish(path: Path) -> int:
    """Write the published file and return its size in bytes."""
    path.parent.mkdir(parents=True)
    if REAL.exists():
        with gzip.open(REAL) as packed, path.open("wb") as file:
            shutil.copyfileobj(packed, file)
    else:
        path.write_bytes(make_week(WEEK.saturday))
    return path.stat().st_size


@contextmanager
def server(script: str, *arguments: str) -> Iterator[str]:
    """A server in a process of its own, which shares no interpreter lock with what is measured."""
    command = [sys.executable, script, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip()


def whole(url: str, work: Path, runs: int) -> tuple[list[Row], Cost, Cost]:
    """One week as a whole process: the rows, and the costs of the reference and of an empty flow."""
    reference = ["benchmarks/reference.py", f"{url}/{FILE}", str(work / "reference")]
    competitors = {"the reference": reference, "an empty Prefect flow": EMPTY, "ours": OURS}
    for command in competitors.values():
        run(command)  # makes Prefect's database and fills the caches
    costs: dict[str, list[Cost]] = {name: [] for name in competitors}
    for _ in range(runs):
        for name, command in competitors.items():
            costs[name].append(run(command))
    medians = {name: middle(of) for name, of in costs.items()}
    peer, empty, ours = medians.values()
    ratio = ours.seconds / empty.seconds
    return (
        [
            Row("one week, the whole process"),
            *(Row(f"  {name}", str(cost)) for name, cost in medians.items()),
            Row("  time, ours / empty", f"{ratio:.2f} x", f"<= {WHOLE_REACH} x", ratio <= WHOLE_REACH),
            Row("  time, ours / reference", f"{ours.seconds / peer.seconds:.2f} x"),
            memory_row("  memory, ours - empty", ours, empty),
        ],
        peer,
        empty,
    )


def compare(url: str, work: Path, other: Path, quick: bool) -> list[Row]:
    """The checkout beside another one."""
    weeks = many.YEAR[: 5 if quick else 13]
    many.move(work / "web" / FILE, WEEK, work / "web" / "year", weeks)
    there = str(other / "benchmarks" / "soda.py")  # what a checkout asks, its own pretend site answers
    with server(soda.__file__, *map(str, TABLE_ROWS)) as here_url, server(there, *map(str, TABLE_ROWS)) as there_url:
        flags = ["--feed", "ridership", "--start", str(soda.FIRST_SATURDAY), "--end", str(soda.FIRST_SATURDAY)]
        runs = 2 if quick else 5
        return beside.compare(other, f"{url}/year", weeks, flags, (here_url, there_url), work, runs)


def big(url: str, work: Path, empty: Cost, size: int) -> list[Row]:
    """The whole command on a file many times the size of a week."""
    path = work / "web" / "big" / FILE
    path.parent.mkdir()
    write_big(path, WEEK.saturday, size)
    cost = run(OURS, MTA_TURNSTILE_URL=f"{url}/big")
    path.unlink()
    return [
        Row(f"a file of {size / 1e6:,.0f} MB, the whole process"),
        Row("  ours", str(cost)),
        Row("  speed, start of Prefect included", f"{size / cost.seconds / 1e6:.0f} MB/s"),
        memory_row("  memory, ours - empty", cost, empty),
    ]


def tables(work: Path, empty: Cost, runs: int) -> list[Row]:
    """The whole command on weeks of hourly ridership, from a pretend data.ny.gov that has its answers at hand."""
    rows = [Row("a week of hourly ridership, the whole process")]
    measured: list[tuple[int, Cost]] = []
    with server(soda.__file__, *map(str, TABLE_ROWS)) as url:
        for number, count in enumerate(TABLE_ROWS):
            week = soda.FIRST_SATURDAY + timedelta(weeks=number)
            period = f"--year {week.year} --month {week.month} --day {week.day}"
            command = ["flows/etl_web_to_gcs.py", "--feed", "ridership", *period.split(), "--force"]
            _, *costs = [run(command, MTA_SOCRATA_URL=url) for _ in range(runs + 1)]  # the first one renders the answer
            path = work / "lake" / "ridership" / f"{week:%y%m%d}.csv.gz"
            facts = json.loads(path.with_name(f"{path.name}.json").read_bytes())
            size, cost = facts["source_bytes"], middle(costs)
            measured.append((size, cost))
            rows += [
                Row(f"  {count:,} rows, {size / 1e6:.0f} MB", str(cost)),
                Row("  speed, start of Prefect included", f"{size / cost.seconds / 1e6:.0f} MB/s"),
                memory_row("  memory, ours - empty", cost, empty),
                *weight(path),
            ]
    (size, cost), (more, longer) = measured
    speed = f"{(more - size) / max(longer.seconds - cost.seconds, 0.01) / 1e6:.0f} MB/s"
    return [*rows, Row("  speed, of what the second has more", speed)]


def answers(work: Path, runs: int) -> list[Row]:
    """A week in seven answers beside one; plain on the wire, and packed."""
    rows = str(TABLE_ROWS[-1])
    with server(soda.__file__, rows, "--hour", "never packed") as plain, server(soda.__file__, rows) as packed:
        return by_day.compare_answers(plain, packed, Week(soda.FIRST_SATURDAY), work, runs)


def backfill(url: str, work: Path, reference: float, empty: Cost, quick: bool) -> list[Row]:
    """Many weeks in one run; `reference` is what a week costs there, in seconds."""
    weeks = many.YEAR[:8] if quick else many.YEAR
    many.move(work / "web" / FILE, WEEK, work / "web" / "year", weeks)
    return [
        *many.year(f"{url}/year", work, weeks, reference, runs=1 if quick else 3),
        *many.memory(f"{url}/year", work, weeks[: 4 if quick else 12], empty),
        *many.long(f"{url}/long", work, work / "web" / "long", 120 if quick else 500),
    ]


def stage(url: str, work: Path, size: int) -> list[Row]:
    """From loopback HTTP to a gzip file on disk, without Prefect: ours, checked, beside curl and gzip, unchecked."""
    path, peer_path = work / "ours.csv.gz", work / "peer.gz"

    def consume(chunks: Iterator[bytes], body: Body) -> WeekProfile:
        return convert_week(chunks, TURNSTILE, WEEK, path)

    def ours() -> None:
        fetch_body(client, url, consume, RetryBudget(attempts=1, wait=0, base=0))

    competitors = {"ours": ours, PEER: lambda: curl_gzip(url, peer_path)}
    if not PEER_IS_HERE:
        del competitors[PEER]
    took: dict[str, list[float]] = {name: [] for name in competitors}
    with open_client(read_settings()) as client:
        cold = seconds(ours)
        for _ in range(STAGE_RUNS):
            for name, competitor in competitors.items():
                took[name].append(seconds(competitor))

    took_ours, reach = median(took["ours"]), size * STAGE_REACH
    rows = [
        Row("loopback HTTP to gzip on disk, no Prefect"),
        Row("  ours, first in its process", speed(size, cold)),
        Row("  ours", speed(size, took_ours), f"<= {reach:.2f} s", took_ours <= reach),
    ]
    if peer_took := took.get(PEER):
        assert len(gzip.decompress(peer_path.read_bytes())) == size, "curl has not fetched the file"
        ratio = took_ours / median(peer_took)
        rows += [
            Row(f"  {PEER}", speed(size, median(peer_took))),
            Row(f"  time, ours / {PEER}", f"{ratio:.2f} x", "< 1 x", ratio < 1),
        ]
    else:
        rows.append(Row(f"  {PEER}", "skipped: not here"))
    return rows + weight(path)


def weight(path: Path) -> list[Row]:
    """The size of an object beside `gzip -6` of the same content."""
    size = path.stat().st_size
    ratio = size / len(gzip.compress(gzip.decompress(path.read_bytes()), 6))
    return [
        Row("  the object", f"{size:,} bytes"),
        Row("  its size, ours / gzip -6", f"{ratio:.3f} x", f"<= {SIZE_REACH} x", ratio <= SIZE_REACH),
    ]


if __name__ == "__main__":
    main()
