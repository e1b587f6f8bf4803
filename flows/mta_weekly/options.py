"""How a run loads its weeks: made once, at its edge, and handed down."""

import shlex
from dataclasses import dataclass
from datetime import date

from mta_weekly.errors import BadArgument
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.client import Hosts
from mta_weekly.outcomes import JUDGING, Judging
from mta_weekly.settings import Settings

MOST = 999_999_999  # weeks at once, or bad rows; the API takes no number of more than 64 bits


@dataclass(frozen=True)
class Options:
    """How a run loads its weeks.

    Attributes:
        today: New York's.
        lake: its name, as `--lake` takes it.
        run_id: of the flow run, for the facts.
        force: replace an object that is there.
        refresh: compare an object that is there with what the source has now, and replace it if it differs.
        allow_bad_rows: how many rows of a week may be left out.
        concurrency: how many weeks are in the making at once.
        hosts: what the run knows of the hosts it asks.
        accept: why weeks that are held are right; then these land, and nothing is asked of a source.
        judge: what becomes of a week that does not look like its neighbours.
    """

    settings: Settings
    today: date
    lake: str = ""
    run_id: str = ""
    force: bool = False
    refresh: bool = False
    allow_bad_rows: int = 0
    concurrency: int = 2
    hosts: Hosts | None = None
    accept: str = ""
    judge: Judging = "hold"

    def write_command(self, feed: Feed, week: Week, *flags: str, last: Week | None = None) -> str:
        """The command that loads a week by itself, or the weeks up to the `last`, into the lake, with these flags."""
        return write_command(self.lake, feed, week, *flags, last=last)


def write_command(lake: str, feed: Feed, week: Week, *flags: str, last: Week | None = None) -> str:
    """The command that loads a week by itself, or the weeks up to the `last`, into a lake, with these flags."""
    day = week.saturday
    where = [f"--lake {shlex.quote(lake)}"] if lake else []
    one = f"--year {day.year} --month {day.month} --day {day.day}"
    period = f"--start {day} --end {last.saturday}" if last else one
    return " ".join(["python flows/etl_web_to_gcs.py", f"{period} --feed {feed.name}", *where, *flags])


def check_options(
    concurrency: int,
    allow_bad_rows: int,
    force: bool = False,
    refresh: bool = False,
    accept: str = "",
    judge: str = "hold",
) -> None:
    """Refuse options that no run can have.

    Raises:
        BadArgument: with the value and the rule.
    """
    if not 1 <= concurrency <= MOST:
        raise BadArgument(f"concurrency {concurrency}: must be 1 or more, below a billion.")
    if not 0 <= allow_bad_rows <= MOST:
        raise BadArgument(f"allow_bad_rows {allow_bad_rows}: must be 0 or more, below a billion.")
    if force and refresh:
        raise BadArgument("force and refresh: force replaces, refresh replaces what differs; give one of them.")
    if accept and (force or refresh):
        again = "force" if force else "refresh"
        raise BadArgument(f"accept and {again}: accept lands what is held, {again} asks the source; give one of them.")
    if judge not in JUDGING:
        raise BadArgument(f"judge {judge[:40]!r}: must be one of {', '.join(JUDGING)}.")
