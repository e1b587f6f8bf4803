"""A checkout beside another one, as of an earlier version: the same commands in turns, and the ratio of each cost.

    python benchmarks/bench.py --beside FOLDER

Both run on this Python and its packages, each with a Prefect home and lake of its own, against the same servers.
"""

from pathlib import Path

from many import COMMAND
from measure import Cost, Row, middle, run
from mta_weekly.feeds.weeks import Week
from mta_weekly.settings import ROOT

WORSE = 1.05  # x as long, or as much memory, is no worse


def compare(other: Path, url: str, weeks: list[Week], tables: dict[str, list[str]], work: Path, runs: int) -> list[Row]:
    """What a week, a further week of a run, and tables cost here and in the other checkout.

    Args:
        other: the root of the other checkout.
        url: where the weekly files of `weeks` are, which follow each other.
        tables: the flags of runs that load a table, by the address of its site.
    """
    own = {name: {"MTA_LAKE": str(work / name / "lake"), "PREFECT_HOME": str(work / name / "prefect")} for name in "ab"}

    def both(*arguments: str, **variables: str) -> tuple[list[Cost], list[Cost]]:
        """The costs of a command here and there; the first run of each, which fills caches, does not count."""
        here, there = [], []
        for _ in range(runs + 1):
            here.append(run([COMMAND, *arguments, "--force"], ROOT, **own["a"], **variables))
            there.append(run([COMMAND, *arguments, "--force"], other, **own["b"], **variables))
        return here[1:], there[1:]

    def period(some: list[Week]) -> list[str]:
        return ["--feed", "turnstile", "--start", str(some[0].saturday), "--end", str(some[-1].saturday)]

    one = both(*period(weeks[:1]), MTA_TURNSTILE_URL=url)
    many = both(*period(weeks), MTA_TURNSTILE_URL=url)
    rows = [Row(f"beside {other.name}, in turns", "here, there, ratio"), *_rows("one week, the whole process", *one)]
    further = [
        (middle(long).seconds - middle(short).seconds) / (len(weeks) - 1) for short, long in zip(one, many, strict=True)
    ]
    rows += [_row("  each further week", *further, "s"), *_rows(f"{len(weeks)} weeks in one run", *many)]
    for site, flags in tables.items():
        rows += _rows(" ".join(flags), *both(*flags, MTA_SOCRATA_URL=site))
    return rows


def _rows(what: str, here: list[Cost], there: list[Cost]) -> list[Row]:
    ours, theirs = middle(here), middle(there)
    return [
        Row(f"  {what}"),
        _row("    time", ours.seconds, theirs.seconds, "s"),
        _row("    memory", ours.memory, theirs.memory, "MiB"),
    ]


def _row(what: str, here: float, there: float, unit: str) -> Row:
    ratio = here / there
    return Row(what, f"{here:.2f}, {there:.2f} {unit}, {ratio:.2f} x", f"<= {WORSE} x", ratio <= WORSE)
