"""The real command on a generated week, offline, into data/demo/lake; shows what landed. A second run loads nothing.

    python benchmarks/demo.py

It needs no network, no server, no account and no setting, heeds none of the user's, and writes in data/demo alone.
"""

import gzip
import hashlib
import shlex
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

from alone import environment, serving
from settings import ROOT
from weeks import make_week

SATURDAY = date(2024, 1, 6)
DEMO = ROOT / "data" / "demo"
PUBLISHED = DEMO / "web" / f"turnstile_{SATURDAY:%y%m%d}.txt"
OBJECT = DEMO / "lake" / "turnstile" / f"{SATURDAY:%y%m%d}.csv.gz"
COMMAND = ["flows/etl_web_to_gcs.py", "--year", "2024", "--month", "1", "--day", "6", "--lake", "data/demo/lake"]
ROWS_SHOWN = 3


def main() -> int:
    """Run the command as a person would, from the project's root; return its exit code."""
    publish()
    there = OBJECT.exists()
    with serving(PUBLISHED.parent) as server:
        print(f"A web server on this machine, {server.url}, serves a generated week: {named(PUBLISHED)}")
        print(f"$ python {shlex.join(COMMAND)}\n", flush=True)
        own = environment(DEMO / "prefect", lake=OBJECT.parents[1], spool=DEMO / "spool", turnstile_url=server.url)
        done = subprocess.run([sys.executable, *COMMAND], cwd=ROOT, env=own, check=False)
    if done.returncode:
        return done.returncode
    if there:
        assert not server.requests, f"the week was there already, and yet was asked for: {server.requests}"
        print("\nThe week is there already: 0 requests to the server, nothing loaded.")
    else:
        print(f"\nThe week has landed. Requests to the server: {len(server.requests)}.")
    show()
    return 0


def publish() -> None:
    """Make the published file, once. It shows under its name when it is whole."""
    if PUBLISHED.exists():
        return
    PUBLISHED.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=PUBLISHED.parent, delete=False) as part:
        part.write(make_week(SATURDAY))
    Path(part.name).replace(PUBLISHED)


def show() -> None:
    """Print what is in the lake, read from the object itself."""
    content = gzip.decompress(OBJECT.read_bytes())
    header, *rows = content.decode().splitlines()
    print(f"""
  path       {named(OBJECT)}
  rows       {len(rows):,}
  published  {PUBLISHED.stat().st_size:,} bytes
  object     {OBJECT.stat().st_size:,} bytes, unpacked {len(content):,}
  sha256     {hashlib.sha256(content).hexdigest()} (unpacked)
  facts      {named(OBJECT)}.json
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
