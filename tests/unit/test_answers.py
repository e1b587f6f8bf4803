"""Answers without a body: waited for, given up or refused; and no server is asked for more than it bears."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from conftest import wait_until
from downloads import BODY, PATH, PLAIN, SETTINGS, Download
from mta_weekly.errors import GaveUp, NotPublished, SourceFailed
from mta_weekly.fetch import http as download_module
from mta_weekly.fetch.client import open_client
from mta_weekly.fetch.http import fetch_body
from mta_weekly.retry import RetryBudget
from web import Answer, Web

pytest_plugins = ["downloads"]

# Answers without a body


@pytest.mark.parametrize("status", [404, 410])
def test_a_week_that_is_not_published_is_asked_for_once(download: Download, status: int) -> None:
    with pytest.raises(NotPublished, match=rf"{status} .* 127\.0\.0\.1"):
        download(Answer(b"<html>", status=status))

    assert download.asked == [PLAIN]


@pytest.mark.parametrize("status", [204, 304, 400, 401, 403, 405, 416, 451])
def test_an_answer_that_no_retry_mends_is_asked_for_once(download: Download, status: int) -> None:
    with pytest.raises(SourceFailed, match=f"{status} .*{PATH}"):
        download(Answer(status=status))

    assert download.asked == [PLAIN]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_a_fault_that_passes_is_waited_for(download: Download, status: int) -> None:
    assert download(Answer(status=status), Answer(b"busy", status=status), Answer(BODY)) == BODY
    assert len(download.asked) == 3


def test_a_fault_that_does_not_pass_is_given_up_after_five_requests(download: Download) -> None:
    with pytest.raises(GaveUp, match=r"500 .* 127\.0\.0\.1.*5 attempts"):
        download(Answer(status=500))

    assert len(download.asked) == 5


def test_a_refused_connection_is_tried_five_times(download: Download) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}{PATH}"
    with pytest.raises(GaveUp, match=r"127\.0\.0\.1.*5 attempts"):
        download(url=url)

    assert download.budget.failures == 5


def test_a_silent_server_is_given_up(download: Download) -> None:
    with (
        open_client(SETTINGS.model_copy(update={"head_timeout": 0.05, "retry_wait": 0.5})) as download.client,
        pytest.raises(
            GaveUp, match=r"no answer from 127\.0\.0\.1 within 0.05 s \(MTA_HEAD_TIMEOUT\); gave up: nothing"
        ),
    ):
        download(Answer(BODY, wait=60))

    wait_until(lambda: len(download.asked) > 2, "a request is not noted")  # it may be after its client has gone


def test_a_slow_first_byte_is_waited_for_longer_than_a_silent_body(download: Download) -> None:
    with open_client(SETTINGS.model_copy(update={"read_timeout": 0.05})) as download.client:
        assert download(Answer(BODY, wait=0.3)) == BODY
    assert download.asked == [(None, None)]


def test_a_redirect_that_goes_round_is_an_expected_fault(download: Download) -> None:
    with pytest.raises(SourceFailed):
        download(Answer(status=302, headers={"Location": PATH}))


@pytest.mark.parametrize("url", ["http://127.0.0.1:port/x", "http://127.0.0.1/\x00"])
def test_an_address_that_is_none_is_an_expected_fault(download: Download, url: str) -> None:
    with pytest.raises(SourceFailed, match="address"):
        download(url=url)


# What a server asks for


def test_retry_after_in_seconds_is_obeyed(download: Download) -> None:
    assert download(Answer(status=503, headers={"Retry-After": "1"}), Answer(BODY)) == BODY

    first, second = download.web.requests
    assert second.at - first.at >= 1


def test_retry_after_as_a_date_is_obeyed(download: Download) -> None:
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    header = {"Retry-After": format_datetime(until, usegmt=True)}

    assert download(Answer(status=429, headers=header), Answer(BODY)) == BODY
    asked_again = datetime.now(UTC) - timedelta(seconds=time.monotonic() - download.web.requests[1].at)
    assert asked_again >= until - timedelta(milliseconds=5)  # two clocks


@pytest.mark.parametrize(
    "value",
    [
        "0",
        "-1",
        "soon",
        "",
        "1.5",
        "Sat, 06 Jan 2024 00:00:00 GMT",
        "99999-99-99",
        "\xb2",
        f"Wed, 21 Oct {10**20} 07:28:00 GMT",
    ],
)
def test_a_retry_after_that_asks_for_nothing_is_no_wait(download: Download, value: str) -> None:
    assert download(Answer(status=429, headers={"Retry-After": value}), Answer(BODY)) == BODY


class TestManners:
    """What a host asks of one week holds for all weeks of the run, and is held against none of them."""

    @pytest.fixture
    def run(self) -> Iterator[download_module.Web]:
        with open_client(SETTINGS.model_copy(update={"retry_wait": 60.0})) as run:
            yield run

    @staticmethod
    def fetched(run: download_module.Web, url: str, budget: RetryBudget) -> bytes:
        return fetch_body(run, url, lambda chunks, _: b"".join(chunks), budget)[0]

    def test_another_week_waits_too(self, web: Web, run: download_module.Web) -> None:
        web.serve(PATH, Answer(status=429, headers={"Retry-After": "1"}), Answer(BODY))
        web.serve("/other", Answer(BODY))
        waiting = RetryBudget(5, 60, 0.01)
        with ThreadPoolExecutor(2) as weeks:
            first = weeks.submit(self.fetched, run, web.url + PATH, RetryBudget(5, 60, 0.01))
            while not run.patience_with(web.url).asked_not_before:
                time.sleep(0.001)
            second = weeks.submit(self.fetched, run, web.url + "/other", waiting)
            assert first.result() == second.result() == BODY
        refused, *others = web.requests
        assert len(others) == 2
        assert min(seen.at for seen in others) >= refused.at + 1
        assert (waiting.failures, waiting.waited) == (0, 0.0)  # it was not refused itself

    def test_weeks_that_are_refused_together_all_come_back(self, web: Web, run: download_module.Web) -> None:
        """Each is asked to wait as long as a week may; what is left of another's pause takes nothing from its own."""
        paths = [f"/{n}" for n in range(4)]
        for n, path in enumerate(paths):
            web.serve(path, Answer(status=429, headers={"Retry-After": "1"}, wait=0.05 * n), Answer(BODY))
        with ThreadPoolExecutor(4) as weeks:
            bodies = [weeks.submit(self.fetched, run, web.url + path, RetryBudget(5, 1.0, 0.01)) for path in paths]
            assert [body.result() for body in bodies] == [BODY] * 4

    def test_a_host_that_asks_again_meanwhile_is_left_alone_longer(self, web: Web, run: download_module.Web) -> None:
        web.serve(PATH, Answer(BODY))
        url = httpx.URL(web.url)
        run.leave_alone(url, 0.3)
        began = time.monotonic()
        with ThreadPoolExecutor(1) as weeks:
            body = weeks.submit(self.fetched, run, web.url + PATH, RetryBudget(5, 60, 0.01))
            time.sleep(0.1)
            run.leave_alone(url, 0.5)
            assert body.result() == BODY
        assert web.requests[0].at >= began + 0.6

    def test_a_shorter_wish_does_not_shorten_a_longer_one(self, run: download_module.Web) -> None:
        url = httpx.URL("http://a.example:1/")
        for seconds in (50, 1):
            run.leave_alone(url, seconds)
        assert run.patience_with(url).asked_not_before > time.monotonic() + 40

    def test_it_is_who_was_asked_that_is_left_alone_wherever_it_sent_us(
        self, web: Web, run: download_module.Web
    ) -> None:
        with Web() as elsewhere:
            elsewhere.serve(PATH, Answer(status=429, headers={"Retry-After": "100"}))
            web.serve(PATH, Answer(status=302, headers={"Location": elsewhere.url + PATH}))
            with pytest.raises(GaveUp):
                self.fetched(run, web.url + PATH, RetryBudget(5, 60, 0.01))
        assert list(run.hosts.patience) == [httpx.URL(web.url).netloc]

    def test_a_week_that_may_not_wait_so_long_is_not_asked_for(self, web: Web, run: download_module.Web) -> None:
        web.serve(PATH, Answer(status=503, headers={"Retry-After": "3600"}))
        for _ in range(3):
            with pytest.raises(GaveUp) as caught:
                self.fetched(run, web.url + PATH, RetryBudget(5, 60, 0.01))
            assert str(caught.value) == (
                "503 Service Unavailable from 127.0.0.1; gave up: was asked to wait 3600 s and may wait 60 s in all "
                "(MTA_RETRY_WAIT), try again later"
            )
        assert len(web.requests) == 1


@pytest.mark.parametrize("value", ["61", "3600", "9" * 400, "Sat, 06 Jan 2199 00:00:00 GMT"])
def test_a_retry_after_beyond_the_budget_is_given_up_at_once(download: Download, value: str) -> None:
    with pytest.raises(GaveUp, match=r"429 .*may wait 3 s"):
        download(Answer(status=429, headers={"Retry-After": value}), Answer(BODY))

    assert len(download.asked) == 1
