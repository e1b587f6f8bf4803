"""The real command on a generated week, offline, into data/demo/lake; shows what landed. A second run loads nothing.

    python benchmarks/demo.py [turnstile|ridership]

It needs no network, no server, no account and no setting, heeds none of the user's, and writes in data/demo alone.
"""

import argparse
import gzip
import hashlib
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from alone import environment, serving
from hourly import RIDERSHIP, ridership_week
from hours import ORDINARY
from mta_weekly.settings import ROOT
from soda import RIDERSHIP_SET, Soda
from weeks import make_week

WEEKS = {"turnstile": date(2024, 1, 6), "ridership": date(2026, 9, 12)}
SATURDAY = WEEKS["turnstile"]
DEMO = ROOT / "data" / "demo"
LAKE = DEMO / "lake"
ROWS_SHOWN = 3


def main() -> int:
    """Run the command as a person would, from the project's root; return its exit code."""
    parser = argparse.ArgumentParser(description="Land a generated week in data/demo/lake, offline.")
    parser.add_argument("feed", nargs="?", choices=list(WEEKS), default="turnstile", help="default %(default)s")
    feed = parser.parse_args().feed
    week, path = WEEKS[feed], LAKE / feed / f"{WEEKS[feed]:%y%m%d}.csv.gz"
    period = f"--year {week.year} --month {week.month} --day {week.day}"
    command = ["flows/etl_web_to_gcs.py", *period.split(), "--feed", feed, "--lake", "data/demo/lake"]
    there = path.exists()
    DEMO.mkdir(parents=True, exist_ok=True)
    with weekly_host() if feed == "turnstile" else data_site(empty=there) as server:
        print(f"$ python {shlex.join(command)}\n", flush=True)
        # Whoever is not the source of this feed is asked for nothing, and could not answer.
        own = environment(
            DEMO / "prefect", lake=LAKE, spool=DEMO / "spool", turnstile_url=server.url, socrata_url=server.url,
            socrata_app_token="none", ping_url=server.url,
        )  # fmt: skip
        done = subprocess.run([sys.executable, *command], cwd=ROOT, env=own, check=False)
    if done.returncode:
        return done.returncode
    if there:
        assert not server.requests, f"the week was there already, and yet was asked for: {server.requests}"
        print("\nThe week is there already: 0 requests to the server, nothing loaded.")
    else:
        print(f"\nThe week has landed. Requests to the server: {len(server.requests)}.")
    show(path)
    return 0


@contextmanager
def weekly_host() -> Iterator[Any]:
    """A server of the weekly file, which is made once. It shows under its name when it is whole."""
    published = DEMO / "web" / f"turnstile_{SATURDAY:%y%m%d}.txt"
    published.parent.mkdir(parents=True, exist_ok=True)
    if not published.exists():
        with tempfile.NamedTemporaryFile(dir=published.parent, delete=False) as part:
            part.write(make_week(SATURDAY))
        Path(part.name).replace(published)
    with serving(published.parent) as server:
        print(f"A web server on this machine, {server.url}, serves a generated week: {named(published)}")
        yield server


@contextmanager
def data_site(empty: bool) -> Iterator[Soda]:
    """A pretend data.ny.gov with a week of hourly ridership, at an hour like others.

    An empty one will do where nothing is to be asked.
    """
    with Soda(ORDINARY) as site:
        rows = [] if empty else ridership_week(WEEKS["ridership"])
        site.put(RIDERSHIP_SET, RIDERSHIP, rows)
        print(f"A pretend data.ny.gov on this machine, {site.url}, has a generated week of {len(rows):,} rows")
        yield site


def show(path: Path) -> None:
    """Print what is in the lake, read from the object itself, and what its facts say of the source."""
    content = gzip.decompress(path.read_bytes())
    header, *rows = content.decode().splitlines()
    facts = json.loads(path.with_name(f"{path.name}.json").read_bytes())
    print(f"""
  path       {named(path)}
  rows       {len(rows):,}
  published  {facts["source_bytes"]:,} bytes
  object     {path.stat().st_size:,} bytes, unpacked {len(content):,}
  sha256     {hashlib.sha256(content).hexdigest()} (unpacked)
  facts      {named(path)}.json
""")
    print(header, *rows[:ROWS_SHOWN], sep="\n")


def named(path: Path) -> str:
    """A path as seen from the project's root."""
    return path.relative_to(ROOT).as_posix()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
