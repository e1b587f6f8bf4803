"""A week that does not look like its neighbours is kept aside, and what stands stays; once it is right it lands."""

from pathlib import Path

import pytest

from conftest import WEEK, expected
from gcs import Gcs
from held_weeks import (
    AROUND,
    LONG_AGO,
    NEW_FIGURES,
    Runs,
    full_week,
    list_held,
    make_older,
    repeat_rows,
    take_rows,
)
from lake_objects import budget, made
from mta_weekly.lake.companions import HISTORY
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.gcs import BucketLake
from real_weeks import real_week

pytest_plugins = ["either_lake", "held_weeks"]

ROWS = {week: full_week(week).count(b"\n") - 1 for week in (*AROUND, WEEK)}
NEIGHBOURS = f"its neighbours {ROWS['240113']:,} to {ROWS['231230']:,}"  # the fewest and the most of them
CUT, TWICE = take_rows(full_week(), 0.4), repeat_rows(full_week())
FIFTH_TWICE = repeat_rows(full_week(), 0.2)


@pytest.mark.parametrize(
    ("published", "finding"),
    [
        (CUT, f"rows {int(0.4 * ROWS[WEEK]):,}, {NEIGHBOURS} (60 % fewer)"),
        (TWICE, f"doubled keys {ROWS[WEEK]:,}, its neighbours 0"),
        (FIFTH_TWICE, f"doubled keys {int(0.2 * ROWS[WEEK]):,}, its neighbours 0"),
    ],
    ids=["cut", "twice", "a fifth twice"],
)
def test_a_week_unlike_its_neighbours_is_held(runs: Runs, published: bytes, finding: str) -> None:
    outcome = runs.load(published)
    assert (outcome.state, outcome.missed, outcome.facts) == ("held", True, None)
    assert runs.find() is None
    (key,) = list_held(runs.lake)
    assert runs.unpack(key) == expected(published)
    facts = runs.held_facts()
    assert outcome.reason.startswith(f"held: {finding}")
    assert f"kept as {key}; if it is right: python flows/etl_web_to_gcs.py --year 2024 --month 1 --day 6" in (
        outcome.reason
    )
    assert outcome.reason.endswith("--accept WHY")
    assert facts.why.startswith(finding)
    assert (facts.of, facts.looked_at, facts.rows) == (facts.sha256, facts.last_seen, outcome.rows)
    assert runs.told == []


def test_a_refresh_that_is_held_leaves_what_stands(runs: Runs) -> None:
    assert runs.load().state == "landed"
    before = runs.see()
    outcome = runs.load(take_rows(full_week(), 1 / 3), refresh=True)
    assert (outcome.state, outcome.facts) == ("held", None)
    assert "; what is in the lake stays; if it is right: " in outcome.reason
    assert runs.see() == before
    revised = full_week().replace(b"REGULAR", b"RECOVR AUD", 9)
    assert runs.load(revised, refresh=True).state == "replaced"
    assert runs.unpack() == expected(revised)


def test_what_stands_is_the_first_neighbour(lake_runs: Runs) -> None:
    assert lake_runs.load().state == "landed"
    outcome = lake_runs.load(take_rows(full_week(), 0.9), refresh=True)
    assert outcome.state == "held"
    assert f"rows {int(0.9 * ROWS[WEEK]):,}, what stands has {ROWS[WEEK]:,}" in outcome.reason


def test_a_week_that_its_source_has_mended_lands_as_if_nothing_had_been(runs: Runs) -> None:
    runs.load(CUT)
    aside = runs.see(*list_held(runs.lake))
    assert runs.load(full_week()).state == "landed"
    found = runs.find()
    assert found
    assert found.facts
    assert (found.facts.revision, found.facts.replaces, found.facts.accepted) == (1, "", {})
    assert runs.unpack() == expected(full_week())
    assert runs.see(*list_held(runs.lake)) == aside
    assert runs.lake.find_all(HISTORY, budget()) == {}
    assert runs.load().state == "there"
    assert runs.told == []


def test_the_same_again_is_one_companion_and_other_content_is_another(runs: Runs) -> None:
    runs.load(CUT)
    (key,) = list_held(runs.lake)
    before, content = runs.see(key)
    make_older(runs.lake, key)
    assert runs.held_facts().looked_at == LONG_AGO
    assert runs.load(CUT, run_id="again").state == "held"
    now, same = runs.see(key)
    assert before
    assert now
    assert (now.generation, same) == (before.generation, content)
    facts = runs.held_facts()
    assert facts.looked_at >= facts.loaded_at > LONG_AGO
    assert facts.flow_run_id == "again"
    assert runs.load(TWICE).state == "held"
    assert runs.see(key) == (now, same)
    assert len(list_held(runs.lake)) == 2


@pytest.mark.parametrize("judge", ["warn", "off"])
def test_a_week_may_land_all_the_same_until_a_run_judges_it(
    runs: Runs, judge: str, caplog: pytest.LogCaptureFixture
) -> None:
    outcome = runs.load(CUT, judge=judge)
    said = f"rows {int(0.4 * ROWS[WEEK]):,}, {NEIGHBOURS} (60 % fewer)"
    assert (outcome.state, outcome.missed) == ("landed", False)
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert [f"turnstile {WEEK}: not like its neighbours: {said}" in line for line in warnings] == [True] * (
        judge == "warn"
    )
    assert (said in outcome.reason) == (judge == "warn")
    assert runs.told == []
    assert list_held(runs.lake) == {}
    caplog.clear()
    assert runs.load(judge=judge).state == "there"
    assert [said in record.message for record in caplog.records] == [True] * (judge == "warn")
    assert runs.told == []
    assert runs.load().state == "there"
    (told,) = runs.told
    assert (told.week, told.state, told.missed) == (WEEK, "suspect", True)
    assert told.reason.startswith(f"is in the lake, and not like its neighbours: {said}")


def test_fewer_than_three_neighbours_tell_only_at_the_end_of_a_run(lake_runs: Runs) -> None:
    lake_runs.publish(CUT)
    for state in ("landed", "there"):
        outcomes = lake_runs(*AROUND, WEEK)  # the wrong one last: those before it land while the run goes on
        assert [outcome.state for outcome in outcomes] == [state] * 5
        assert [(told.week, told.state) for told in lake_runs.told] == [(WEEK, "suspect")]


def test_neighbours_of_which_only_rows_are_known_judge_by_rows_alone(runs: Runs) -> None:
    """Facts of objects that landed before there were other figures."""
    for key, found in runs.lake.find_all("turnstile/", budget()).items():
        assert found.facts
        figures = {name: Facts.model_fields[name].default for name in NEW_FIGURES}
        runs.lake.set_facts(key, found, found.facts.model_copy(update=figures), budget())
    rows_alone = f"held: rows {int(0.4 * ROWS[WEEK]):,}, {NEIGHBOURS} (60 % fewer); kept as"
    assert runs.load(CUT).reason.startswith(rows_alone)
    assert runs.load(full_week()).state == "landed"
    assert runs.told == []


@pytest.mark.parametrize("lake", ["bucket"], indirect=True)
def test_a_run_lists_a_prefix_once(runs: Runs, gcs: Gcs) -> None:
    assert isinstance(runs.lake, BucketLake)
    runs.load(CUT)
    gcs.requests.clear()
    runs.prepare(*AROUND, WEEK)
    assert len(gcs.requests) == 1
    gcs.requests.clear()
    runs.prepare(*AROUND, WEEK, accept="an outage")
    assert len(gcs.requests) == 2


REAL_NEIGHBOURS = ("231209", "231216", "231223", "231230", "240113", "240120", "240127", "240203")


@pytest.mark.parametrize("lake", ["folder"], indirect=True)
def test_a_cut_of_a_real_week_is_held_among_real_ones(lake_runs: Runs, tmp_path: Path) -> None:
    reals = [real_week(week)[0] for week in (WEEK, "240113")]
    small, sums = made(tmp_path)
    facts = list[Facts]()
    for week, published in zip((WEEK, "240113"), reals, strict=True):
        lake_runs.publish(published, week)
        (landed,) = lake_runs(week)
        assert landed.facts
        facts.append(landed.facts)
        found = lake_runs.find(f"turnstile/{week}.csv.gz")
        assert found
        assert lake_runs.lake.remove(f"turnstile/{week}.csv.gz", found, budget())
    for n, week in enumerate(REAL_NEIGHBOURS):  # what is known of neighbours is their facts, nobody reads the files
        of_file = {"week": week, "size": sums.size, "crc32c": sums.crc32c}
        known = facts[n % 2].model_copy(update=of_file)
        lake_runs.lake.publish(small, f"turnstile/{week}.csv.gz", known, None, budget())
    outcome = lake_runs.load(take_rows(reals[0], 0.4))
    assert outcome.reason.startswith("held: rows 100,326, its neighbours 250,816 to 253,022 (60 % fewer); turnstiles ")
