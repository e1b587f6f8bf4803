"""The pretend data.ny.gov changes in the middle, and keeps every state that it was in."""

from collections.abc import Callable
from datetime import date
from random import Random

import pytest

from behaviour import Hour, Replica, Step
from hourly import RIDERSHIP
from hours import release
from releases import change_numbers, give_back, rehearse, take_away, turn_numbers
from soda import RIDERSHIP_SET
from soda_week import ROWS, WEEK, Ask, parsed
from tables import Row, Tables

pytest_plugins = ["soda_week"]

GONE = [row for row in WEEK if date.fromisoformat(row[0][:10]).isoweekday() in (2, 5)]
STAY = [row for row in WEEK if row not in GONE]
FLAG = "x-soda2-data-out-of-date"


def same(rows: list[Row], others: list[Row]) -> bool:
    return sorted(map(repr, map(tuple, rows))) == sorted(map(repr, map(tuple, others)))


def riders(rows: list[Row]) -> float:
    return sum(float(row[7]) for row in rows)


def test_rows_go_and_come_back_changed(ask: Ask) -> None:
    ask.site.hour = Hour(steps=release(2, 4))
    answers = [ask.rows() for _ in range(6)]
    sizes = [len(parsed(answer)) for answer in answers]
    assert sizes == [ROWS, ROWS, len(STAY), len(STAY), ROWS, ROWS]
    assert len({answer.headers["last-modified"] for answer in answers}) == 3
    before, without, after = rehearse(RIDERSHIP, WEEK, take_away, give_back)
    for answer, rows in zip(answers[::2], (before, without, after), strict=True):
        assert same(parsed(answer), rows)
    assert same(before, WEEK)
    assert same(without, STAY)
    assert same(after, STAY + [(*row[:7], f"1{row[7]}", *row[8:]) for row in GONE])
    assert [day["updated"][14:16] for day in ask.figures().json()] == ["31", "31", "31", "33", "31", "31", "33"]
    assert [same(ask.site.rows(RIDERSHIP_SET, n), rows) for n, rows in enumerate((before, without, after), 1)] == [
        1
    ] * 3


@pytest.mark.parametrize(("change", "of_one_sum"), [(change_numbers, False), (turn_numbers, True)])
def test_rows_change_at_equal_counts(ask: Ask, change: Callable[[Tables], object], of_one_sum: bool) -> None:
    before = ask.figures().json()
    ask.site.hour = Hour(steps=(Step(change),))
    rows = parsed(ask.rows())
    changed = {row[:7] + row[8:] for row in set(rows) - set(WEEK)}
    assert changed <= {row[:7] + row[8:] for row in GONE}
    assert len(changed) > len(GONE) / 2  # some have the number of another row, which is theirs too
    assert (riders(rows) == riders(WEEK)) == of_one_sum
    after = ask.figures().json()
    assert [day["n"] for day in after] == [day["n"] for day in before]
    assert [day for day in after if day not in before] == [after[3], after[6]]
    assert same(rows, rehearse(RIDERSHIP, WEEK, change)[1])


def test_a_change_waits_for_its_seconds_too(ask: Ask) -> None:
    ask.site.hour = Hour(steps=(Step(take_away, after_answers=1, after_seconds=0.0), Step(give_back, 0, 1e9)))
    assert [len(parsed(ask.rows())) for _ in range(3)] == [ROWS, len(STAY), len(STAY)]


def test_a_replica_that_is_behind_has_the_rows_of_before_a_release(ask: Ask) -> None:
    ask.site.hour = Hour(replicas=(Replica(), Replica("true", behind=1)), steps=release(0, 20))
    first, second = [ask.rows() for _ in range(20)], [ask.rows() for _ in range(20)]
    sizes = [{(answer.headers[FLAG], len(parsed(answer))) for answer in answers} for answers in (first, second)]
    assert sizes == [{("false", len(STAY)), ("true", ROWS)}, {("false", ROWS), ("true", len(STAY))}]


def test_every_state_of_a_set_is_kept() -> None:
    """Whatever rows were put, changed and deleted, one by one or all, and changed again."""
    rng, tables, states = Random(7), Tables(), [[]]
    columns = (("at", "floating_timestamp"), ("name", "text"), ("many", "number"))
    for number in range(40):
        what = rng.randrange(4) if number else 0
        if what == 0:
            rows = [(f"2026-09-{rng.randrange(1, 30):02}T00:00:00.000", f"{number} {n}", None) for n in range(9)]
            tables.put("a-b", columns, rows)
        elif what == 1:
            tables.revise("a-b", "DELETE FROM {set} WHERE rowid % 5 = ?", rng.randrange(5))
        else:
            tables.revise("a-b", "UPDATE {set} SET many = ? WHERE rowid % 3 = ?", str(number), rng.randrange(3))
        states.append(tables.rows("a-b"))
        for version, rows in enumerate(states):
            assert same(tables.rows("a-b", version), rows)
    assert len({len(rows) for rows in states}) > 5
