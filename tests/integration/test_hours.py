"""A week in hours of the pretend data.ny.gov as awkward as the real one: it lands, whole and of one release."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from behaviour import Hour, Replica, Step
from hourly import RIDERSHIP as COLUMNS
from hourly import ridership_week
from hours import NAMED, name_hours, random_hour
from releases import change_numbers, give_back, rehearse, take_away, turn_numbers
from socrata_weeks import LIVE, SATURDAY, Loads, asked, expected, in_order
from soda import Soda
from tries import ALL, SHOWN, tries

ROWS = 1500
WEEK = ridership_week(SATURDAY, ROWS)
NEXT = ridership_week(SATURDAY.replace(day=19), 200)
PATIENCE, BRIEF = 9.0, 4.5  # seconds, a hundredth of what it is, and half of that
STATES = {
    changes: [hashlib.sha256(expected(in_order(rows))).hexdigest() for rows in rehearse(COLUMNS, WEEK, *changes)]
    for changes in ((), (take_away, give_back), (change_numbers,), (turn_numbers,))
}


@dataclass(frozen=True)
class Told:
    """What became of a week in an hour."""

    seed: object
    requests: int
    waited: float
    reason: str

    def __str__(self) -> str:
        return f"{self.seed!s:>40} {self.requests:5} requests {self.waited:7.1f} s waited  {self.reason}"


def spend(hour: Hour, seed: object, folder: Path, patience: float = PATIENCE) -> Told:
    """Load the week in an hour; see that it is that of one state of the data, and that the site was asked with care."""
    folder.mkdir()
    with Soda() as site:
        site.put(LIVE, COLUMNS, [*WEEK, *NEXT])
        site.hour = hour
        load = Loads(site, folder, retry_base=patience / 900, retry_wait=patience, token="t0p" * (hour.token == ""))
        part = load.begin()
        outcome = part.publish(part.make(load.client, lambda chunks, _, __: chunks))
        before, *_, after = STATES[tuple(step.change for step in hour.steps)] * 2
        behind = "out of date" in outcome.reason
        assert load.facts()["sha256"] in ({before} if behind else {before, after}), outcome
        assert (load.facts()["out_of_date"], outcome.rows) == (behind, ROWS)
        assert not (behind and load.facts()["source_last_modified"])
        rows = asked(site, ".csv")
        assert all("$select" in query for query in rows)
        assert {query["$where"] for query in rows} == {
            query["$where"] for query in rows if is_of_a_day(query["$where"])
        }
        assert site.most_at_once <= 2
        return Told(seed, len(site.queries), part.target.budget.waited, outcome.reason)


def is_of_a_day(where: str) -> bool:
    first, end = (int(bound[:10].replace("-", "")) for bound in where.split("'")[1::2])
    return end - first == 1  # all days of the week are of one month


@pytest.mark.parametrize("name", [name for name in NAMED if name != "behind without a word"])
def test_a_week_lands_in_every_kind_of_hour(tmp_path: Path, name: str) -> None:
    spend(name_hours(BRIEF)[name], name, tmp_path / "hour", BRIEF)


def spend_hours(request: pytest.FixtureRequest, folder: Path, hours: int, at_once: int, patience: float) -> str:
    """So many random hours, some at once; the table of what they took."""
    seed = int(request.config.getoption("hypothesis_seed")) * 1000
    with ThreadPoolExecutor(at_once) as several:
        begun = [
            several.submit(spend, random_hour(n, patience), n, folder / str(n), patience)
            for n in range(seed, seed + hours)
        ]
        return "\n".join(str(each.result()) for each in begun)


def test_a_week_lands_in_random_hours(
    tmp_path: Path, request: pytest.FixtureRequest, record_property: Callable[[str, str], None]
) -> None:
    record_property(SHOWN, spend_hours(request, tmp_path, tries(200), at_once=4, patience=PATIENCE))


@pytest.mark.skipif(not ALL, reason="hours of the real patience take minutes: `make test-faults`")
def test_a_week_lands_in_random_hours_of_full_length(
    tmp_path: Path, request: pytest.FixtureRequest, record_property: Callable[[str, str], None]
) -> None:
    record_property(SHOWN, spend_hours(request, tmp_path, hours=5, at_once=5, patience=900.0))


def test_a_mixture_would_be_seen(tmp_path: Path) -> None:
    """A copy that is behind and says it is not is believed, for nobody can tell: then the test must not pass."""
    silent = Replica(None, behind=1)
    hour = Hour(replicas=(Replica(), silent), steps=(Step(turn_numbers, after_answers=5),), seed=3)
    with pytest.raises(AssertionError, match="landed"):
        spend(hour, "silent", tmp_path / "hour")
