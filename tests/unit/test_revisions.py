"""A refresh: looks where nothing changed, replaces what was revised, and says what changed."""

import json
from datetime import date

import pytest

from hourly import RIDERSHIP as COLUMNS
from hourly import TURNSTILE as TURNSTILE_COLUMNS
from hourly import ridership_week, turnstile_rows
from mta_weekly.errors import NotPublished, Refused
from mta_weekly.feeds.catalog import RIDERSHIP, TURNSTILE
from mta_weekly.feeds.weeks import Week
from socrata_weeks import (
    LIVE,
    MARCH,
    MIDDLE,
    REVISED,
    ROWS,
    SATURDAY,
    WEEK,
    Loads,
    asked,
    expected,
    in_order,
    published,
    raise_ridership,
)
from soda import Fault, Soda
from web import Answer, Web
from weeks import make_week

pytest_plugins = ["socrata_weeks"]

# Revisions


def test_a_refresh_of_a_set_that_has_not_changed_only_looks(load: Loads, site: Soda) -> None:
    load()
    outcome = load(refresh=True)
    assert outcome.state == "there"
    assert outcome.reason == f"the source has not changed since {load.facts()['source_last_modified']}"
    assert len(asked(site, ".csv")) == 7


def test_a_refresh_of_equal_content_updates_only_the_facts(load: Loads, site: Soda) -> None:
    load()
    path = load.lake.folder / RIDERSHIP.key(Week(SATURDAY))
    before, stat = load.facts(), path.stat()
    site.revise(LIVE, "UPDATE {set} SET ridership = '7' WHERE transit_timestamp > '2026-09-13'")
    outcome = load(refresh=True)
    assert (outcome.state, outcome.rows, outcome.reason) == ("unchanged", ROWS, "")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (stat.st_ino, stat.st_mtime_ns)
    after = load.facts()
    assert after["source_last_modified"] > before["source_last_modified"]
    same = ("sha256", "size", "crc32c", "rows", "sums")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert load(refresh=True).state == "there"


def test_a_refresh_replaces_what_was_revised_and_says_rows_and_sums(load: Loads, site: Soda) -> None:
    load()
    was = load.facts()
    raise_ridership(site)()
    site.revise(LIVE, "DELETE FROM {set} WHERE transit_timestamp = '2026-09-09T10:00:00.000'")
    outcome = load(refresh=True)
    assert outcome.state == "replaced"
    assert load.content() == expected(in_order([row for row in REVISED if row[0] != "2026-09-09T10:00:00.000"]))
    now = load.facts()
    ridership = [f"{facts['sums']['RIDERSHIP']:,.3f}".rstrip("0").rstrip(".") for facts in (was, now)]
    assert outcome.reason.startswith(
        f"rows {was['rows']:,} before, {now['rows']:,} now, "
        f"RIDERSHIP {ridership[0]} before, {ridership[1]} now, TRANSFERS "
    )


@pytest.mark.parametrize("facts", ["none", "without sums"])
def test_a_refresh_knows_an_object_whose_facts_say_less(load: Loads, site: Soda, facts: str) -> None:
    load()
    path = load.lake.folder / f"{RIDERSHIP.key(Week(SATURDAY))}.json"
    was = load.facts()
    kept = {name: value for name, value in was.items() if name not in ("sums", "empty", "source")}
    path.write_text("" if facts == "none" else json.dumps(kept))
    assert load(refresh=True).state == "unchanged"
    path.write_text("" if facts == "none" else json.dumps(kept))
    raise_ridership(site)()
    assert f"RIDERSHIP {was['sums']['RIDERSHIP']:,.3f}".rstrip("0").rstrip(".") in load(refresh=True).reason


def test_a_refresh_that_fails_leaves_the_object_and_says_so(load: Loads, site: Soda) -> None:
    load()
    site.revise(LIVE, "DELETE FROM {set} WHERE transit_timestamp LIKE '2026-09-11T23%'")
    with pytest.raises(NotPublished, match=r"has later ones; what is in the lake stays$"):
        Loads(site, load.folder)(refresh=True)
    assert load.content() == expected(in_order(WEEK))


def test_a_refresh_of_a_damaged_object_says_so_before_anything_is_downloaded(load: Loads, site: Soda) -> None:
    load()
    (load.lake.folder / RIDERSHIP.key(Week(SATURDAY))).write_bytes(b"junk")
    asked_before = len(site.queries)
    with pytest.raises(Refused, match=r"not a whole gzip file .*; --force loads it again"):
        load(refresh=True)
    assert len(site.queries) == asked_before


def test_a_refresh_of_two_sets_of_which_one_says_no_time_looks_at_both(load: Loads, site: Soda) -> None:
    saturday, turn = date(2025, 1, 4), "2025-01-01"
    rows = ridership_week(saturday, 1200)
    site.put(MIDDLE, COLUMNS, [row for row in rows if row[0] < turn])
    site.put(LIVE, COLUMNS, [row for row in rows if row[0] >= turn])
    silent = Fault(on=f"{MIDDLE}.json", headers={"Last-Modified": None}, times=9)
    site.fail(silent)
    load(saturday=saturday)
    site.revise(MIDDLE, "UPDATE {set} SET ridership = '99' WHERE transit_timestamp LIKE '2024-12-30T08%'")
    assert load(saturday=saturday, refresh=True).state == "replaced"


def test_a_refresh_does_not_take_another_source_for_a_revision(turnstile: Loads, site: Soda, web: Web) -> None:
    web.serve("/turnstile_160312.txt", Answer(make_week(MARCH, 500), last_modified="Sat, 12 Mar 2016 12:00:00 GMT"))
    site.put("ekwu-khcy", TURNSTILE_COLUMNS, turnstile_rows(published(MARCH)))
    turnstile(TURNSTILE, MARCH)
    was = turnstile.content(TURNSTILE, MARCH)
    web.serve("/turnstile_160312.txt", Answer(status=404))
    with pytest.raises(NotPublished, match="404"):
        turnstile(TURNSTILE, MARCH, refresh=True)
    assert turnstile.content(TURNSTILE, MARCH) == was
    web.serve("/turnstile_160312.txt", Answer(last_modified="Sat, 12 Mar 2016 12:00:00 GMT"))
    assert turnstile(TURNSTILE, MARCH, refresh=True).state == "there"
