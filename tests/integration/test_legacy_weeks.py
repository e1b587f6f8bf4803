"""Weeks up to 141011 by the command: they land like later ones, alone and together with them."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

from conftest import Ran, content, small_week
from legacy_files import SMALL, WEEK, unrolled
from web import Answer, Web
from weeks import make_legacy_week


def test_a_legacy_week_lands_like_any_other(land: Callable[..., Ran], web: Web, tmp_path: Path) -> None:
    key, asked = f"turnstile/{WEEK}.csv.gz", ("--year", "2012", "--month", "1", "--day", "7")
    web.serve(f"/turnstile_{WEEK}.txt", Answer(SMALL))

    assert land(*asked).lines[-1] == "INFO    1 week: 1 landed"
    assert content(tmp_path / "lake", key) == unrolled(SMALL)

    facts = tmp_path / "lake" / f"{key}.json"
    first, requests = json.loads(facts.read_text()), len(web.requests)
    assert (first["rows"], first["first_day"], first["last_day"]) == (500, "2011-12-31", "2012-01-06")
    facts.unlink()
    assert land(*asked).lines[-1] == "INFO    1 week: 1 there"
    again = json.loads(facts.read_text())
    same = ("rows", "bad_rows", "first_day", "last_day", "size", "crc32c", "sha256")
    assert {name: again[name] for name in same} == {name: first[name] for name in same}
    assert len(web.requests) == requests


def test_a_period_may_hold_weeks_of_both_forms(land: Callable[..., Ran], web: Web, tmp_path: Path) -> None:
    old, new = date(2014, 10, 11), date(2014, 10, 18)
    web.serve("/turnstile_141011.txt", Answer(make_legacy_week(old, 500)))
    web.serve("/turnstile_141018.txt", Answer(small_week(new)))

    assert land("--start", "2014-10-11", "--end", "2014-10-18").lines[-1] == "INFO    2 weeks: 2 landed"
    assert content(tmp_path / "lake", "turnstile/141011.csv.gz") == unrolled(make_legacy_week(old, 500))
