"""A held week lands as it is when somebody says why it is right; nothing is asked of the source for it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from conftest import FILE, KEY, WEEK, expected
from either_lake import Put
from held_weeks import AROUND, LONG_AGO, Runs, full_week, list_held, make_older, take_rows
from lake_objects import budget
from mta_weekly.errors import BadArgument, EtlError
from mta_weekly.lake.companions import HISTORY
from mta_weekly.lake.folder import FolderLake
from mta_weekly.lake.objects import StoredObject
from mta_weekly.load import Load
from mta_weekly.outcomes import Outcome
from web import Answer

pytest_plugins = ["either_lake", "held_weeks"]

WHY = "half of the stations were closed"
SAT = "Sat, 06 Jan 2024 12:00:00 GMT"
CUT, THIRD = take_rows(full_week(), 0.4), take_rows(full_week(), 1 / 3)


def check_accepted(runs: Runs, by: str = "run") -> StoredObject:
    """That the object says who accepted it, and why."""
    found = runs.find()
    assert found
    assert found.facts
    accepted = found.facts.accepted
    assert (accepted["why"], accepted["by"]) == (WHY, by)
    assert accepted["when"] >= LONG_AGO
    return found


def test_a_held_week_lands_without_a_request_to_its_source(runs: Runs) -> None:
    runs.load(CUT, run_id="held")
    (key,) = list_held(runs.lake)
    held, aside = runs.held_facts(), runs.see(key)
    with runs.asking_nothing():
        outcome = runs.load(accept=WHY, run_id="accepting")
    assert (outcome.state, outcome.reason) == ("landed", f"accepted: {WHY}")
    found = check_accepted(runs, by="accepting")
    assert found.facts
    assert (found.facts.sha256, found.facts.size, found.facts.crc32c) == (held.sha256, held.size, held.crc32c)
    assert (found.facts.flow_run_id, found.facts.revision) == ("accepting", 1)
    assert (found.facts.source_url, found.facts.loaded_at) == (held.source_url, held.loaded_at)
    assert runs.unpack() == expected(CUT)
    assert runs.see(key) == aside
    assert runs.load().state == "there"
    assert runs.told == []


@pytest.mark.parametrize("again", [False, True], ids=["the second", "the first again"])
def test_of_two_contents_the_one_that_was_seen_last_lands(runs: Runs, again: bool) -> None:
    runs.load(CUT)
    (key,) = list_held(runs.lake)
    runs.load(THIRD)
    (other,) = list_held(runs.lake).keys() - {key}
    make_older(runs.lake, key)
    if again:
        make_older(runs.lake, other)
        runs.load(CUT)
    assert runs.load(accept=WHY).state == "landed"
    assert runs.unpack() == expected(CUT if again else THIRD)
    with pytest.raises(BadArgument, match="is not held"):  # the other one is, of a look before
        runs.prepare(accept=WHY)


def test_it_replaces_what_stands_where_a_refresh_was_held(runs: Runs) -> None:
    runs.load()
    make_older(runs.lake, KEY)
    before, content = runs.see()
    runs.load(CUT, refresh=True)
    with runs.asking_nothing():
        assert runs.load(accept=WHY).state == "replaced"
    assert runs.unpack() == expected(CUT)
    now = check_accepted(runs)
    assert before
    assert before.facts
    assert now.facts
    assert now.facts.revision == before.facts.revision + 1
    history = runs.lake.find_all(f"{HISTORY}/", budget())
    assert list(history) == [now.facts.replaces]
    assert runs.unpack(now.facts.replaces) == content


def test_a_week_that_its_source_mended_is_held_no_longer(runs: Runs) -> None:
    runs.load()
    make_older(runs.lake, KEY)
    runs.load(CUT, refresh=True)
    make_older(runs.lake, *list_held(runs.lake), when="2024-01-07T12:00:00+00:00")
    assert runs.load(full_week(), refresh=True).state == "unchanged"
    with pytest.raises(BadArgument, match="is not held: it is in the lake; there is nothing to accept"):
        runs.prepare(accept=WHY)


def test_a_week_that_its_source_set_back_is_held_no_longer(runs: Runs) -> None:
    for etag, published, state in (("a", full_week(), "landed"), ("b", CUT, "held"), ("a", full_week(), "there")):
        runs.web.serve(FILE, Answer(published, conditional=True, etag=f'"{etag}"', last_modified=SAT))
        assert runs.load(refresh=state != "landed").state == state
    with pytest.raises(BadArgument, match="is not held: it is in the lake; there is nothing to accept"):
        runs.prepare(accept=WHY)


@pytest.mark.parametrize(
    ("stands", "threads"), [(False, 2), (True, 2), (True, 1)], ids=["lacking", "standing", "one behind the other"]
)
def test_by_two_runs_that_have_seen_it_held_it_lands_once(runs: Runs, stands: bool, threads: int) -> None:
    if stands:
        runs.load()
        make_older(runs.lake, KEY)
    runs.load(CUT, refresh=stands)
    both = [runs.prepare(accept=WHY, run_id=name)[0] for name in ("one", "other")]
    together = Barrier(threads)

    def accept(load: Load) -> Outcome | EtlError:
        local = load.make(runs.client, lambda chunks, _, __: chunks)
        together.wait()
        try:
            return load.publish(local)
        except EtlError as error:
            return error

    with ThreadPoolExecutor(threads) as pool:
        ends = list(pool.map(accept, both))
    assert runs.unpack() == expected(CUT)
    outcomes = [end for end in ends if isinstance(end, Outcome)]
    assert ends == outcomes
    assert {outcome.state for outcome in outcomes} == {"replaced" if stands else "landed", "there"}
    (first,) = (load.target.run_id for load, end in zip(both, outcomes, strict=True) if end.state != "there")
    check_accepted(runs, by=first)
    (second,) = (end for end in outcomes if end.state == "there")
    assert second.reason == f"another run {first} was first, with the same content"
    assert len(runs.lake.find_all(f"{HISTORY}/", budget())) == stands


def test_what_is_not_held_cannot_be_accepted(runs: Runs) -> None:
    with runs.asking_nothing():
        for said in (refuse(runs, WEEK), refuse(runs, WEEK, *AROUND)):
            assert said == f"accept: turnstile {WEEK} is not held, and not in the lake; load it."
        said = refuse(runs, *AROUND)
        assert said == (
            f"accept: turnstile {', '.join(AROUND)} are not held: each is in the lake; there is nothing to accept."
        )
    runs.load(CUT)
    runs.load(accept=WHY)
    assert refuse(runs, WEEK).startswith(f"accept: turnstile {WEEK} is not held: it was accepted, 20")
    assert refuse(runs, WEEK).endswith(f": {WHY}; there is nothing to accept.")


def refuse(runs: Runs, *weeks: str) -> str:
    """What is said to who accepts them."""
    with pytest.raises(BadArgument) as error:
        runs.prepare(*weeks, accept=WHY)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_of_some_weeks_those_that_are_held_land_and_the_others_stay(runs: Runs) -> None:
    runs.load(CUT)
    before = {week: runs.find(f"turnstile/{week}.csv.gz") for week in AROUND}
    with runs.asking_nothing():
        states = {outcome.week: outcome.state for outcome in runs(*AROUND, WEEK, accept=WHY)}
    assert states == dict.fromkeys(AROUND, "there") | {WEEK: "landed"}
    assert {week: runs.find(f"turnstile/{week}.csv.gz") for week in AROUND} == before


def test_a_run_that_was_under_way_does_not_forget_what_was_accepted_meanwhile(runs: Runs) -> None:
    runs.load(CUT, judge="warn")
    (load,) = runs.prepare(force=True, judge="warn")
    runs.load(accept=WHY)
    runs.finish(load)  # the same content: only facts are renewed
    check_accepted(runs)


@pytest.mark.parametrize("meanwhile", ["damaged", "removed"])
def test_a_companion_that_is_gone_or_another_one_is_said_in_one_line(runs: Runs, put: Put, meanwhile: str) -> None:
    runs.load(CUT)
    ((key, found),) = list_held(runs.lake).items()
    (load,) = runs.prepare(accept=WHY)
    if meanwhile == "damaged":
        put(b"junk", key)
    else:
        assert runs.lake.remove(key, found, budget())
    with pytest.raises(EtlError, match=f"^{key}: (another run changed it|somebody removed it) meanwhile.*$") as error:
        runs.finish(load)
    assert "\n" not in str(error.value)
    assert runs.find() is None
    assert refuse(runs, WEEK) == f"accept: turnstile {WEEK} is not held, and not in the lake; load it."
    assert runs.load(full_week()).state == "landed"


def test_a_week_that_stands_is_noted_as_accepted_and_nothing_else_changes(runs: Runs) -> None:
    runs.load(CUT, judge="warn")
    make_older(runs.lake, KEY)
    before, content = runs.see()
    with runs.asking_nothing():
        outcome = runs.load(accept=WHY)
    assert (outcome.state, outcome.reason, runs.told) == ("there", f"accepted: {WHY}", [])
    now = check_accepted(runs)
    assert before
    assert before.facts
    assert now.facts
    assert now.generation == before.generation
    assert (now.metageneration != before.metageneration) == (not isinstance(runs.lake, FolderLake))
    assert now.facts.model_copy(update={"accepted": {}}) == before.facts
    assert runs.unpack() == content
    assert runs.load().state == "there"
    assert runs.told == []


def test_what_is_like_an_accepted_week_is_accepted_too(runs: Runs) -> None:
    runs.load(CUT)
    runs.load(accept=WHY, run_id="accepting")
    make_older(runs.lake, KEY)
    for published in (CUT.replace(b"REGULAR", b"RECOVR AUD", 9), take_rows(full_week(), 0.41)):
        assert runs.load(published, refresh=True, run_id="refreshing").state == "replaced"
        check_accepted(runs, by="accepting")
        assert runs.unpack() == expected(published)
    before = runs.see()
    outcome = runs.load(take_rows(full_week(), 0.3), refresh=True)
    assert (outcome.state, runs.see()) == ("held", before)
    assert outcome.reason.startswith("held: rows 1,198, its neighbours 4,003 to 4,020 ")
    assert runs.load(full_week(), refresh=True).state == "replaced"  # as its neighbours are: accepted no more
    (found, _) = runs.see()
    assert found
    assert found.facts
    assert found.facts.accepted == {}
