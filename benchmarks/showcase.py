"""A lake of years with weeks in every state, as `status` would find it: for the picture of its page, and for tests.

Made of facts alone, without a lake; the riders are invented, and the same arguments give the same lake.
"""

from dataclasses import replace
from datetime import date
from math import cos, pi
from random import Random

from mta_weekly.feeds.catalog import DAILY, FEEDS, RIDERSHIP, TURNSTILE, Feed
from mta_weekly.feeds.plans import newest_due
from mta_weekly.feeds.weeks import WEEK, Week
from mta_weekly.held import HeldWeek
from mta_weekly.lake.facts import CompanionFacts, Facts
from mta_weekly.lake.objects import StoredObject
from mta_weekly.neighbourhood import judge_all_standing, read_all
from mta_weekly.options import Options
from mta_weekly.settings import Settings
from mta_weekly.upkeep.status import FeedStatus, LakeStatus

TODAY = date(2026, 11, 21)
LEVELS = {TURNSTILE.name: (205_000, 0.02, 16.3), RIDERSHIP.name: (480_000, 0.12, 10.6), DAILY.name: (49, 0.0, 14.0)}
STORM = "a storm closed the lines above ground from Sunday to Tuesday"


def show_lake(each: int = 250, today: date = TODAY, why: str = STORM) -> LakeStatus:
    """How a lake stands that has the newest weeks of three feeds, so many of each, in every state there is.

    Args:
        why: what somebody says who accepts a week.
    """
    options = Options(Settings(_env_file=None), today, "gcs-bucket/blk-gcs-name")
    return LakeStatus(options, [_show_feed(feed, each, options, why) for feed in FEEDS.values()])


def _show_feed(feed: Feed, count: int, options: Options, why: str) -> FeedStatus:
    newest = min(filter(None, [newest_due(feed, options.today), feed.coverage.last]))
    due = [Week(newest.saturday - n * WEEK) for n in reversed(range(count))]
    feed = replace(feed, coverage=replace(feed.coverage, first=due[0]))
    rng = Random(f"{feed.name} {count}")
    objects = {week: _make_object(feed, week, rng) for week in due}
    if not feed.coverage.last:
        objects[Week(newest.saturday + WEEK)] = _make_object(feed, Week(newest.saturday + WEEK), rng)

    def change(week: Week, share: float = 1.0, **facts: object) -> None:
        known = objects[week].facts
        assert known
        rows = int(known.rows * share)
        objects[week] = replace(objects[week], facts=known.model_copy(update={"rows": rows, **facts}))

    at = [due[count * n // 100] for n in range(100)]
    for week in [at[8], *due[count * 3 // 10 :][:3], at[70]]:
        objects.pop(week)  # lacking
    for week in (at[15], at[44], at[45]):
        change(week, revision=2)
    change(at[22], revision=3, bad_rows=41)
    change(at[55], bad_rows=3)
    change(at[62], 0.55)  # suspect
    for week in (at[80], at[82]):
        change(week, 0.5, accepted={"why": why, "when": f"{week.saturday}T14:00:31Z"})
    objects[at[37]] = replace(objects[at[37]], facts=None)  # unproved
    fault = f"{feed.key(at[90])} is a folder, where a file was expected; move it away"
    objects[at[90]] = StoredObject("", 0, "", None, fault=fault)
    held = {week: _hold(feed, week, objects[week]) for week in (at[50], at[95])}
    objects.pop(at[95])
    findings = judge_all_standing(feed, read_all(feed, {feed.key(week): found for week, found in objects.items()}))
    return FeedStatus(feed, True, due, dict(sorted(objects.items())), held, findings, options.today)


def _make_object(feed: Feed, week: Week, rng: Random) -> StoredObject:
    level, season, bytes_a_row = LEVELS[feed.name]
    turn = cos(2 * pi * (week.saturday.timetuple().tm_yday - 200) / 365)
    rows = round(level * (1 + season * turn + (rng.gauss(0, 0.012) if season else 0)))
    size = round(rows * bytes_a_row * rng.uniform(0.98, 1.02))
    landed = f"{feed.coverage.due_on(week)}T14:00:31Z"
    facts = Facts(
        feed=feed.name, week=week.label, source=feed.sources[0].name, source_url="https://data.ny.gov", source_etag="",
        source_last_modified="", source_bytes=size * 9, rows=rows, bad_rows=0, first_day=f"{week.days[0]}",
        last_day=f"{week.days[-1]}", landed_at=landed, size=size, crc32c="AAAAAA==", sha256="0" * 64,
        loaded_at=landed, flow_run_id="", version="",
    )  # fmt: skip
    return StoredObject("1", size, facts.crc32c, facts)


def _hold(feed: Feed, week: Week, found: StoredObject) -> HeldWeek:
    assert found.facts
    rows = found.facts.rows * 2 // 5
    said = {**vars(found.facts), "rows": rows, "of": "1" * 64}
    why = f"rows {rows:,}, its neighbours {found.facts.rows:,} (60 % fewer)"
    facts = CompanionFacts(**said, why=why, last_seen=found.facts.loaded_at, looked_at=found.facts.loaded_at)
    return HeldWeek(f"held/{feed.name}/{week}-{'0' * 16}.csv.gz", found, facts)
