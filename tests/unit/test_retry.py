"""How long a load waits before it tries again, and when it gives up."""

from collections.abc import Callable

import pytest

from mta_weekly import retry
from mta_weekly.errors import GaveUp, TryAgain
from mta_weekly.retry import RetryBudget


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", slept.append)
    return slept


def give_up(budget: RetryBudget, errors: Callable[[], TryAgain]) -> str:
    with pytest.raises(GaveUp) as fault:
        while True:
            budget.pause(errors())
    return str(fault.value)


def test_pauses_double_with_jitter_until_the_attempts_are_used_up(slept: list[float]) -> None:
    assert "503; gave up after 5 attempts" in give_up(RetryBudget(5, 60, 1), lambda: TryAgain("503"))

    assert len(slept) == 4
    assert [2**n / 2 <= pause <= 2**n for n, pause in enumerate(slept)] == [True] * 4


def test_pauses_differ_between_runs(slept: list[float]) -> None:
    for _ in range(5):
        RetryBudget(5, 60, 1).pause(TryAgain("503"))

    assert len(set(slept)) > 1


@pytest.mark.parametrize(
    ("wait", "asked", "pauses"),
    [(60, 20, 3), (60, 20.5, 2), (60, 60, 1), (60, 61, 0), (0, 1, 0), (0, 0, 4), (59, 20, 2)],
)
def test_all_waiting_of_a_week_fits_its_budget(slept: list[float], wait: float, asked: float, pauses: int) -> None:
    budget = RetryBudget(5, wait, 1)

    message = give_up(budget, lambda: TryAgain("429", retry_after=asked))

    assert slept == [asked] * pauses
    assert budget.waited == sum(slept) <= wait
    assert (f"may wait {wait} s" in message) is (pauses < 4)


def test_a_pause_that_would_not_fit_is_not_begun(slept: list[float]) -> None:
    give_up(RetryBudget(100, 10, 1), lambda: TryAgain("503"))

    assert len(slept) in (3, 4)
    assert sum(slept) <= 10


def test_one_attempt_is_no_retry(slept: list[float]) -> None:
    give_up(RetryBudget(1, 60, 1), lambda: TryAgain("503", retry_after=0))

    assert slept == []
