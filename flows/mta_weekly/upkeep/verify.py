"""Proves a lake: every object and companion is read back and judged, a line a fault, and a line a feed.

Knows no source and no Prefect.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from datetime import date

from rich.filesize import decimal

from mta_weekly.errors import LakeFailed
from mta_weekly.feeds.catalog import FEEDS, Feed
from mta_weekly.feeds.plans import check_watch
from mta_weekly.feeds.weeks import Week
from mta_weekly.lake.companions import HELD, HISTORY, REJECTED
from mta_weekly.lake.objects import Lake
from mta_weekly.options import Options
from mta_weekly.outcomes import count_noun, count_states
from mta_weekly.retry import RetryBudget
from mta_weekly.secrets import clean
from mta_weekly.spool import work_folder
from mta_weekly.upkeep.proof import STATES
from mta_weekly.upkeep.readback import FeedReader, Verdict
from mta_weekly.upkeep.remedies import read_name
from mta_weekly.upkeep.report import count_faults
from mta_weekly.upkeep.status import look_at_lake

NOT_SO = "is not as it should be"
LONGEST = 1000  # characters of what is wrong with a file, whose facts may be of another hand


def verify_lake(
    lake: Lake,
    options: Options,
    feed: str = "",
    since: date | None = None,
    concurrency: int = 2,
    count_weeks: Callable[[int], AbstractContextManager[object]] = nullcontext,
    add_done: Callable[[int, int], None] = lambda weeks, rows: None,
    **_: object,
) -> Iterator[str]:
    """Read all that a lake has of a feed, or of every one, back: a line a fault, and a line a feed.

    Args:
        since: the first day whose Saturday counts; else all weeks do.
        concurrency: files read at once.
        count_weeks: shows how many of so many weeks are done ...
        add_done: ... as this one counts them, and their rows.

    Raises:
        BadArgument: there is no such feed, or no such time yet.
        LakeFailed: the lake cannot be read; or, when all is said, something is not as it should be.
    """
    check_watch(feed, since, options.today)
    yield f"lake: {options.lake}"
    feeds = [FEEDS[feed]] if feed else [*FEEDS.values()]
    listed = {each.name: _list_keys(lake, each, options) for each in feeds}
    if not any(listed.values()):
        faults = look_at_lake(lake, options, feed, since).list_faults()
        yield from map(str, faults)
        if faults:
            raise LakeFailed(f"{options.lake} {NOT_SO}: {count_faults(faults)}")
        return
    wanted = {
        name: [key for key in keys if _is_since(key, FEEDS[name], options, since)] for name, keys in listed.items()
    }
    states = Counter[str]()
    with work_folder(options.settings.spool) as folder, count_weeks(sum(map(_count_objects, wanted.values()))):
        for name, keys in wanted.items():
            if listed[name]:
                report = FeedReport(FEEDS[name])
                for verdict in _verify_all(FeedReader(lake, FEEDS[name], options, folder), keys, concurrency):
                    add_done(_count_objects([verdict.key]), verdict.proof.rows)
                    yield from report.take(verdict)
                yield str(report)
                states += report.states
                if report.gone and not _list_keys(lake, FEEDS[name], options):
                    raise LakeFailed(f"{options.lake} has nothing of {name} any more; look where it went, verify again")
    if states:
        raise LakeFailed(f"{options.lake} {NOT_SO}: {count_states([*states.elements()], STATES)}")


class FeedReport:
    """What was found of the files of a feed, and how many were `gone`; its last line is the `str` of it."""

    def __init__(self, feed: Feed) -> None:
        self.feed, self.states = feed, Counter[str]()
        self._objects = self._companions = self._rows = self._bytes = self._filled = self.gone = 0

    def take(self, verdict: Verdict) -> Iterator[str]:
        """Count a file; its fault in one line, where it has one that was not said of another one."""
        if verdict.gone:
            self.gone += 1
            return
        is_object = _count_objects([verdict.key])
        self._objects += is_object
        self._companions += not is_object
        self._rows += verdict.proof.rows * is_object
        self._bytes += verdict.size
        self._filled += verdict.filled
        state = verdict.proof.state
        if state and not (state == "unwritten" and self.states[state]):  # what cannot be written is said once
            said = clean(f"{verdict.key} {state}: {verdict.proof.reason}", LONGEST)
            yield f"{said}; {verdict.remedy}" if verdict.remedy else said
        self.states += Counter([state] if state else [])

    def __str__(self) -> str:
        files = f"{count_noun(self._objects, 'object')} of {self._rows:,} rows"
        files += f", {count_noun(self._companions, 'companion')}" if self._companions else ""
        files += f" ({self.gone} more gone meanwhile)" if self.gone else ""
        found = count_states([*self.states.elements()], STATES) or "all sound"
        filled = f"; {count_noun(self._filled, 'week')} of older versions: profiles filled in" if self._filled else ""
        return f"{self.feed.name}: {files}, {decimal(self._bytes)}: {found}{filled}"


def _list_keys(lake: Lake, feed: Feed, options: Options) -> list[str]:
    """The names of all objects and companions of a feed, in order; a bucket's "folders" are none."""
    budget = RetryBudget.of(options.settings, f"{options.lake} {feed.name}")
    prefixes = [f"{kind}{feed.name}/" for kind in ("", f"{HELD}/", f"{HISTORY}/", f"{REJECTED}/")]
    keys = [key for prefix in prefixes for key in lake.find_all(prefix, budget, unread=True)]
    return sorted(key for key in keys if not key.endswith("/"))


def _is_since(key: str, feed: Feed, options: Options, since: date | None) -> bool:
    """Whether a name counts; one that is of no week always does."""
    name = read_name(key, feed, options.today)
    return since is None or name is None or Week.on_or_after(since) <= name.week


def _count_objects(keys: Sequence[str]) -> int:
    return sum(not key.startswith((f"{HELD}/", f"{HISTORY}/", f"{REJECTED}/")) for key in keys)


def _verify_all(reader: FeedReader, keys: Sequence[str], concurrency: int) -> Iterator[Verdict]:
    """The verdicts, in the order of the names; a file is in the work folder only while a thread is at it."""
    with ThreadPoolExecutor(concurrency) as threads:
        try:
            yield from threads.map(reader.verify, keys)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
