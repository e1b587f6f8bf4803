"""Many weeks in one run: what a further week costs, whether the five hundredth costs what the fifth does, the memory.

The weeks of full size are one week moved to other Saturdays; the many small ones are generated. Every run is of the
whole command, into a lake of its own.
"""

from datetime import date, timedelta
from pathlib import Path
from shutil import rmtree
from statistics import median

from measure import PEER, PEER_IS_HERE, Cost, Row, curl_gzip, memory_row, middle, run, seconds
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.feeds.weeks import Week, list_weeks
from weeks import make_legacy_week, make_week

COMMAND = "flows/etl_web_to_gcs.py"
YEAR = list_weeks(date(2023, 1, 1), date(2023, 12, 31))  # 52 of them
SMALL = 500  # rows
EARLY, LATE = slice(4, 55), slice(-51, None)  # the landings between which a week's cost is taken, 50 weeks each

FURTHER_REACH = 0.40  # seconds
REFERENCE_REACH = 15  # x as fast
GROWTH_REACH = 1.2  # x week 5


def move(published: Path, of: Week, folder: Path, weeks: list[Week]) -> None:
    """Write the weekly file of a Saturday as that of others, its days moved with it."""
    content = published.read_bytes()
    folder.mkdir()
    for week in weeks:
        moved = content
        if week != of:
            for was, becomes in zip(of.days, week.days, strict=True):
                moved = moved.replace(f",{was:%m/%d/%Y},".encode(), f",{becomes:%m/%d/%Y},".encode())
        source(folder, week).write_bytes(moved)


def year(url: str, work: Path, weeks: list[Week], reference: float, runs: int) -> list[Row]:
    """What each further week of a run costs, beside the seconds of the reference's own and a pipe through a shell."""
    one, whole, peer = [], [], []
    for _ in range(runs):
        one.append(land(url, work, weeks[:1])[0])
        whole.append(land(url, work, weeks)[0])
        if PEER_IS_HERE:
            peer.append(seconds(lambda: curl_gzip(f"{url}/{source(Path(), weeks[0])}", work / "peer.gz")))
    further = median(after.seconds - before.seconds for before, after in zip(one, whole, strict=True))
    further /= len(weeks) - 1
    faster = reference / further
    rows = [
        Row(f"{len(weeks)} weeks of full size in one run"),
        Row("  ours", str(middle(whole))),
        Row("  ours, each further week", f"{further:.3f} s", f"<= {FURTHER_REACH:.2f} s", further <= FURTHER_REACH),
        Row("  the reference, without the empty flow", f"{reference:.2f} s"),
        Row("  time, the reference / ours", f"{faster:.1f} x", f">= {REFERENCE_REACH} x", faster >= REFERENCE_REACH),
    ]
    if peer:
        rows += [
            Row(f"  {PEER}", f"{median(peer):.3f} s"),
            Row(f"  time, ours / {PEER}", f"{further / median(peer):.2f} x"),
        ]
    return rows


def memory(url: str, work: Path, weeks: list[Week], empty: Cost) -> list[Row]:
    """The peak of a run of many weeks, so many at once."""
    rows = [Row(f"{len(weeks)} weeks of full size, memory, ours - empty")]
    for concurrency in (4,):
        cost, _ = land(url, work, weeks, "--concurrency", str(concurrency))
        rows.append(memory_row(f"  --concurrency {concurrency}", cost, empty))
    return rows


def long(url: str, work: Path, folder: Path, count: int) -> list[Row]:
    """Whether a week late in a run of many costs what one at its beginning does; the newest weeks of the feed."""
    last, legacy = TURNSTILE.coverage.last, TURNSTILE.sources[0].legacy
    assert last
    assert legacy
    weeks = list_weeks(last.saturday - timedelta(weeks=count - 1), last.saturday)
    folder.mkdir()
    for week in weeks:
        make = make_legacy_week if week <= legacy.last else make_week
        source(folder, week).write_bytes(make(week.saturday, SMALL))
    cost, landed = land(url, work, weeks)
    early, late = (((part := landed[which])[-1] - part[0]) / (len(part) - 1) for which in (EARLY, LATE))
    return [
        Row(f"{count} weeks of {SMALL} rows in one run"),
        Row("  ours", str(cost)),
        Row("  a week, from the 5th to the 55th", f"{early:.3f} s"),
        Row("  a week, the last 50", f"{late:.3f} s"),
        Row("  time, late / early", f"{late / early:.2f} x", f"<= {GROWTH_REACH} x", late / early <= GROWTH_REACH),
    ]


def land(url: str, work: Path, weeks: list[Week], *more: str) -> tuple[Cost, list[float]]:
    """Land weeks that follow each other in an empty lake; returns the cost, and the times they landed at, in order."""
    lake = work / "many"
    period = ["--start", str(weeks[0].saturday), "--end", str(weeks[-1].saturday)]
    cost = run([COMMAND, *period, "--lake", str(lake), *more], MTA_TURNSTILE_URL=url)
    landed = sorted((lake / TURNSTILE.key(week)).stat().st_mtime for week in weeks)  # none is missing
    rmtree(lake)
    return cost, landed


def source(folder: Path, week: Week) -> Path:
    """Where a week is published."""
    return folder / f"turnstile_{week}.txt"
