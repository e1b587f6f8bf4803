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


def compare(
    other: Path, url: str, weeks: list[Week], table: list[str], sites: tuple[str, str], work: Path, runs: int
) -> list[Row]:
    """What a week, a further week of a run, and tables cost here and in the other checkout.

    Args:
        other: the root of the other checkout.
        url: where the weekly files of `weeks` are, which follow each other.
        table: the flags of a run that loads a week of a table.
        sites: the addresses of its site, for the run here and for that there.
    """
    own = {name: {"MTA_LAKE": str(work / name / "lake"), "PREFECT_HOME": str(work / name / "prefect")} for name in "ab"}

    def both(*arguments: str) -> tuple[list[Cost], list[Cost]]:
        """The costs of a command here and there; the first run of each, which fills caches, does not count."""
        here, there = list[Cost](), list[Cost]()
        for _ in range(runs + 1):
            for of, root, name, site in (here, ROOT, "a", sites[0]), (there, other, "b", sites[1]):
                urls = {"MTA_TURNSTILE_URL": url, "MTA_SOCRATA_URL": site}
                of.append(run([COMMAND, *arguments, "--force"], root, **own[name], **urls))
        return here[1:], there[1:]

    def period(some: list[Week]) -> list[str]:
        return ["--feed", "turnstile", "--start", str(some[0].saturday), "--end", str(some[-1].saturday)]

    one, many = both(*period(weeks[:1])), both(*period(weeks))
    rows = [Row(f"beside {other.name}, in turns", "here, there, ratio"), *_rows("one week, the whole process", *one)]
    further = [
        (middle(long).seconds - middle(short).seconds) / (len(weeks) - 1) for short, long in zip(one, many, strict=True)
    ]
    rows += [_row("  each further week", *further, "s"), *_rows(f"{len(weeks)} weeks in one run", *many)]
    return rows + _rows(" ".join(table), *both(*table))


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
