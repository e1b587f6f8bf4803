"""How long a load waits before it tries again, and when it gives up."""

from collections.abc import Callable

import pytest

from mta_weekly import retry
from mta_weekly.errors import Busy, GaveUp, NoAnswer, OutOfDate, TryAgain, Unreachable
from mta_weekly.fetch.socrata.answers import Unsteady
from mta_weekly.retry import Patience, RetryBudget, seconds_to_wait


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
    [(60, 20, 3), (60, 20.5, 2), (60, 60, 1), (60, 61, 0), (0, 1, 0), (0, 0, 0), (59, 20, 2)],
)
def test_all_waiting_of_a_week_fits_its_budget(slept: list[float], wait: float, asked: float, pauses: int) -> None:
    budget = RetryBudget(5, wait, 1)

    message = give_up(budget, lambda: TryAgain("429", retry_after=asked))

    assert slept == [asked] * pauses
    assert budget.waited == sum(slept) <= wait
    assert f"may wait {wait} s" in message


def test_a_pause_that_would_not_fit_is_not_begun(slept: list[float]) -> None:
    give_up(RetryBudget(100, 10, 1), lambda: TryAgain("503"))

    assert len(slept) in (3, 4)
    assert sum(slept) <= 10


def test_a_wish_never_shortens_a_pause(slept: list[float]) -> None:
    give_up(RetryBudget(5, 60, 1), lambda: TryAgain("429", retry_after=0))

    assert [2**n / 2 <= pause <= 2**n for n, pause in enumerate(slept)] == [True] * 4


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, slept: list[float]) -> Callable[[float], None]:
    """Time that passes where one sleeps, or as a request takes it."""
    now = [1000.0]

    def advance(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(retry.time, "sleep", advance)
    monkeypatch.setattr(retry.time, "monotonic", lambda: now[0])
    return lambda seconds: now.__setitem__(0, now[0] + seconds)


def give_up_on(patience: Patience, error: TryAgain, take: Callable[[], object] = lambda: None) -> tuple[str, int]:
    """What is said at the end, and after how many tries, by a week of its own."""
    budget, tries = RetryBudget(5, 900, 1), 0
    with pytest.raises(GaveUp) as fault:
        while True:
            budget.began, tries = retry.time.monotonic(), tries + 1
            take()
            budget.pause(error, patience)
    return str(fault.value), tries


def test_a_busy_host_is_asked_again_until_it_has_brought_nothing_for_so_long(
    slept: list[float], clock: Callable[[float], None]
) -> None:
    patience = Patience(900)
    said, tries = give_up_on(patience, Busy("429"))

    assert said == "429; gave up: nothing came that could be kept for 900 s (MTA_RETRY_WAIT), try again later"
    assert sum(slept) == pytest.approx(900)
    pauses = slept[: tries - 2]  # without those of a minute in which a longer one is said again, and the last one
    assert 5 <= pauses[0] <= 7.5 <= 10 <= pauses[1] <= 15
    assert max(slept) <= 60
    assert 10 <= tries <= 15
    assert give_up_on(patience, Busy("503"))[1] == 1  # the weeks of a run share it
    patience.note_progress()
    assert give_up_on(patience, Busy("503"))[1] >= 10


def test_a_request_that_hangs_takes_of_the_patience(slept: list[float], clock: Callable[[float], None]) -> None:
    _, tries = give_up_on(Patience(900), Busy("no answer"), take=lambda: clock(300))

    assert tries == 3
    assert sum(slept) + 300 * tries <= 1200


def test_other_faults_have_their_tries_and_share_the_patience(clock: Callable[[float], None]) -> None:
    assert give_up_on(Patience(900), TryAgain("500"))[1] == 5
    assert give_up_on(Patience(900), TryAgain("500"), take=lambda: clock(400))[1] == 3


def test_what_is_out_of_date_is_taken_in_the_end_and_a_rest_of_the_patience_is_left(
    slept: list[float], clock: Callable[[float], None]
) -> None:
    patience, budget = Patience(900), RetryBudget(5, 900, 1)
    budget.pause(OutOfDate("behind"), patience)
    while not patience.takes_old:
        budget.began = retry.time.monotonic()
        budget.pause(Busy("502"), patience)  # whatever comes last
    assert sum(slept) == pytest.approx(900)
    give_up_on(patience, Busy("429"))
    assert sum(slept) == pytest.approx(900 + 225)


@pytest.mark.parametrize(("asked", "waits"), [(0, False), (600, True), (900, True), (901, False)])
def test_a_host_that_says_when_is_obeyed_where_that_is_within_the_patience(
    slept: list[float], clock: Callable[[float], None], asked: float, waits: bool
) -> None:
    patience, budget = Patience(900), RetryBudget(5, 900, 1)
    budget.began = retry.time.monotonic()
    clock(2)
    if asked == 901:
        with pytest.raises(GaveUp, match="was asked to wait 901 s and may wait 900 s in all"):
            budget.pause(Busy("429", asked), patience)
    else:
        budget.pause(Busy("429", asked), patience)
    assert (sum(slept) == asked) is waits
    assert bool(slept) is (asked < 901)


def test_a_long_wait_is_said_again_every_minute(caplog: pytest.LogCaptureFixture, slept: list[float]) -> None:
    caplog.set_level("INFO")
    retry.sleep_aloud(150, "x: waiting")

    assert slept == [60, 60, 30]
    assert [record.message for record in caplog.records] == ["x: waiting, 90 s more", "x: waiting, 30 s more"]


def test_one_attempt_is_no_retry(slept: list[float]) -> None:
    give_up(RetryBudget(1, 60, 1), lambda: TryAgain("503", retry_after=0))

    assert slept == []


def test_data_that_changes_has_a_patience_of_its_own_until_a_week_of_it_is_kept(clock: Callable[[float], None]) -> None:
    patience = Patience(900)
    give_up_on(patience, Unsteady("changed"))
    assert patience.over is None  # the host is there
    patience.note_progress()  # by rows of another week
    assert give_up_on(patience, Unsteady("changed"))[1] == 1
    assert give_up_on(patience, Busy("429"))[1] >= 10
    patience.note_kept()
    assert give_up_on(patience, Unsteady("changed"))[1] >= 10


def test_no_pause_is_longer_than_the_time_of_the_week() -> None:
    budget = RetryBudget(3, 900, 100, limit=10)
    over = r"gave up: it may take 10 s in all \(MTA_WEEK_TIMEOUT\)"
    with pytest.raises(GaveUp, match=over):
        budget.pause(TryAgain("broken"))
    with pytest.raises(Unreachable, match=over):
        budget.pause(NoAnswer("silent"))
    with pytest.raises(GaveUp, match=over):
        budget.sit_out(11, "host")


def test_a_number_of_seconds_without_end_is_cut() -> None:
    assert seconds_to_wait("9" * 5000) == 999_999_999
