"""A dry run of weeks that are held, or stand and do not look like their neighbours; of others see test_landing.py."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from prefect.states import State

from bucket_blocks import registered
from conftest import FILE, KEY, ONE_WEEK, small_week
from flow_runs import JANUARY, Land
from gcs import Gcs
from web import Answer, Web

pytest_plugins = ["flow_runs"]

OTHERS = ("--start", "2024-01-13", "--end", "2024-01-27")
STUMP = b"".join(small_week().splitlines(keepends=True)[:201])
FINDING = r"rows 200, its neighbours 500 \(60 % fewer\); .*"


def command(lake: Path) -> str:
    return re.escape(
        f"python flows/etl_web_to_gcs.py --year 2024 --month 1 --day 6 --feed turnstile --lake {lake} --accept WHY"
    )


@pytest.fixture
def stump(land: Land, january: Web) -> Web:
    """Of January the source has the first week by less than half; the lake has the others."""
    assert land(*OTHERS).code == 0
    january.serve(FILE, Answer(STUMP))
    return january


def first_line(land: Land, *flags: str) -> str:
    """What a dry run of January says of its first week."""
    ran = land(*JANUARY, *flags, "--dry-run")
    assert (ran.code, ran.err) == (0, "")
    _, *weeks = ran.out.splitlines()
    assert [line[8:23].rstrip() in ("there", "would compare", "would replace") for line in weeks[1:]] == [True] * 3
    return weeks[0]


def test_a_held_week_is_said_with_its_figures_and_how_it_is_accepted(land: Land, stump: Web, tmp_path: Path) -> None:
    assert land().code == 1
    requests, files = len(stump.requests), sorted(tmp_path.rglob("*"))
    line, lake = first_line(land), tmp_path / "lake"
    said = rf"looked at 20\S+\+00:00: {FINDING}"
    start = rf"{KEY}  {stump.url}{FILE}  "
    assert re.fullmatch(rf"240106  held             {start}{said}; if it is right: {command(lake)}", line)
    accepting = land(*JANUARY, "--accept", "a strike", "--dry-run").out.splitlines()
    assert re.fullmatch(rf"240106  would accept     {start}{said}", accepting[1])
    assert [each[:14] for each in accepting[2:]] == [f"{week}  there " for week in ("240113", "240120", "240127")]
    assert (len(stump.requests), sorted(tmp_path.rglob("*"))) == (requests, files)
    stump.serve(FILE, Answer(small_week()))
    assert land().code == 0
    assert "240106  there " in first_line(land)
    stump.serve(FILE, Answer(STUMP))
    assert land(*ONE_WEEK, "--refresh").code == 1
    assert re.search(rf"240106  there .*  held, what is in the lake stays, {said}", first_line(land))
    assert re.search(
        rf"240106  would compare .*  held, what is in the lake stays, {said}", first_line(land, "--refresh")
    )


def test_a_name_in_held_that_is_no_weeks_is_left_alone(land: Land, stump: Web, tmp_path: Path) -> None:
    assert land().code == 1
    (held,) = (tmp_path / "lake" / "held" / "turnstile").glob("240106-*.gz")
    other = held.with_name(held.name.replace("240106", "999999"))
    other.write_bytes(held.read_bytes())
    facts = Path(f"{held}.json").read_text()
    Path(f"{other}.json").write_text(facts.replace('"240106"', '"999999"'))
    assert "240106  held " in first_line(land)


def test_a_week_that_stands_unlike_its_neighbours_is_suspect_until_it_is_accepted(
    land: Land, stump: Web, tmp_path: Path
) -> None:
    assert land(*ONE_WEEK, "--judge", "off").code == 0
    line, lake = first_line(land), tmp_path / "lake"
    healed = "if its source has mended it, --refresh; if it is right"
    said = rf"is in the lake, and not like its neighbours: {FINDING}; {healed}: {command(lake)}"
    assert re.fullmatch(rf"240106  suspect          {KEY}  {stump.url}{FILE}  {said}", line)
    assert line.partition("  is in")[2] in land().err  # the run says it in the same words
    assert re.fullmatch(rf"240106  there            {KEY}  {stump.url}{FILE}", first_line(land, "--judge", "off"))
    warned = land(*JANUARY, "--judge", "warn", "--dry-run")
    assert "WARNING turnstile 240106: not like its neighbours: rows 200" in warned.err
    assert "240106  there " in warned.out
    assert "240106  would accept " in land(*JANUARY, "--accept", "a strike", "--dry-run").out
    assert land(*ONE_WEEK, "--accept", "a strike").code == 0
    assert "240106  there " in first_line(land)


def test_what_cannot_be_accepted_is_a_bad_argument_as_of_a_run(land: Land, stump: Web) -> None:
    requests = len(stump.requests)
    for period, says in (
        (JANUARY, "accept: turnstile 240106 is not held, and not in the lake; load it."),
        (
            OTHERS,
            "accept: turnstile 240113, 240120, 240127 are not held: each is in the lake; there is nothing to accept.",
        ),
    ):
        for dry in ([], ["--dry-run"]):
            ran = land(*period, "--accept", "a strike", *dry)
            assert (ran.code, ran.err.count(says)) == (2, 1), ran
            assert "Traceback" not in ran.err
    assert len(stump.requests) == requests


def test_as_a_flow_it_ends_so_too(flow: Callable[..., State[Any]], land: Land, stump: Web) -> None:
    state = flow(year=2024, month=1, accept="a strike", dry_run=True)
    assert (state.name, state.is_failed()) == ("BadArgument", True)
    assert land().code == 1
    assert flow(year=2024, month=1, accept="a strike", dry_run=True).is_completed()


def test_it_lists_a_bucket_twice_however_many_weeks_it_covers(land: Land, gcs: Gcs) -> None:
    with registered(gcs, "blk-dry") as lake:
        for period in (ONE_WEEK, ("--year", "2023")):
            for code, flags in ((0, []), (0, ["--refresh"]), (2, ["--accept", "a strike"])):
                gcs.requests.clear()
                assert land(*period, *flags, "--dry-run", lake=lake).code == code
                asked = [urlsplit(seen.path) for seen in gcs.requests if "/token" not in seen.path]
                objects, held = (parse_qs(each.query)["prefix"][0] for each in asked)
                assert (objects[:11], held) == ("turnstile/2", "held/turnstile/")
