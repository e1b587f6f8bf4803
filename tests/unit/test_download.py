"""A body from a real socket is whole and of one version, or none; and no server is asked for more than it bears."""

import gzip
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random

import httpx
import pytest

from mta_weekly import retry
from mta_weekly.errors import GaveUp, NotPublished, Refused, SourceFailed, TryAgain
from mta_weekly.fetch import http as download_module
from mta_weekly.fetch.http import Body, fetch, not_too_slow, web_client
from mta_weekly.retry import Patience
from mta_weekly.settings import VERSION, Settings
from web import Answer, Web

BODY = Random(240106).randbytes(1_000_000)
OTHER = BODY[::-1]
CUT = 600_000
PATH = "/turnstile_240106.txt"
MONDAY, SUNDAY = "Mon, 08 Jan 2024 05:00:00 GMT", "Sun, 14 Jan 2024 05:00:00 GMT"
V1, V2 = '"v1"', '"v2"'
SETTINGS = Settings(_env_file=None, retry_base=0.001, read_timeout=5.0)


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as web:
        yield web


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with web_client(SETTINGS) as client:
        yield client


class Download:
    """One download of PATH, with all that was made of it."""

    def __init__(self, web: Web, client: httpx.Client) -> None:
        self.web, self.client = web, client
        client.quiet.clear()  # what another test was asked
        self.patience = Patience(SETTINGS.retry_attempts, SETTINGS.retry_wait, SETTINGS.retry_base)
        self.starts = 0
        self.body: Body | None = None

    def __call__(self, *answers: Answer, url: str | None = None) -> bytes:
        if answers:
            self.web.serve(PATH, *answers)
        whole, self.body = fetch(self.client, url or self.web.url + PATH, self.consume, self.patience)
        return whole

    def consume(self, chunks: Iterator[bytes], body: Body) -> bytes:
        self.starts += 1
        return b"".join(chunks)

    @property
    def asked(self) -> list[tuple[str | None, str | None]]:
        """Range and If-Range of each request."""
        return [(seen.headers.get("range"), seen.headers.get("if-range")) for seen in self.web.requests]


@pytest.fixture
def download(web: Web, client: httpx.Client) -> Download:
    return Download(web, client)


PLAIN = (None, None)


def rest(validator: str, start: int = CUT) -> tuple[str, str]:
    return f"bytes={start}-", validator


# A body that comes whole


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("body", [BODY, b"", b"x"], ids=["big", "empty", "a byte"])
def test_a_whole_body_comes_as_it_is(download: Download, framing: str, body: bytes) -> None:
    assert download(Answer(body, etag=V1, last_modified=MONDAY, framing=framing)) == body

    assert download.asked == [PLAIN]
    said = download.body
    assert (said.url, said.etag, said.last_modified, said.received) == (
        download.web.url + PATH, V1, MONDAY, len(body)
    )  # fmt: skip
    assert said.size == (len(body) if framing == "length" else None)


def test_a_body_comes_in_pieces(download: Download) -> None:
    sizes = []

    def consume(chunks: Iterator[bytes], body: Body) -> None:
        for chunk in chunks:
            sizes.append(len(chunk))
            assert body.received == sum(sizes)

    download.web.serve(PATH, Answer(BODY))
    fetch(download.client, download.web.url + PATH, consume, download.patience)

    assert sum(sizes) == len(BODY)
    assert max(sizes) < len(BODY) / 2


def test_a_file_is_asked_for_by_name_and_plain(download: Download) -> None:
    download(Answer(BODY))

    headers = download.web.requests[0].headers
    assert headers["user-agent"] == f"mta-weekly-etl/{VERSION}"
    assert headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_the_file_is_followed(download: Download, status: int) -> None:
    download.web.serve("/moved", Answer(BODY))

    assert download(Answer(status=status, headers={"Location": f"{download.web.url}/moved"})) == BODY


def test_a_redirected_body_is_resumed(download: Download) -> None:
    download.web.serve("/moved", Answer(BODY, etag=V1, ranges=True, cut_at=CUT), Answer(BODY, etag=V1, ranges=True))

    assert download(Answer(status=302, headers={"Location": "/moved"})) == BODY
    assert download.asked == [PLAIN, PLAIN, rest(V1), rest(V1)]


# A body that breaks


def good(**said: str) -> Answer:
    return Answer(BODY, ranges=True, **said)


def cut(at: int = CUT, **said: str) -> Answer:
    return Answer(BODY, ranges=True, cut_at=at, **said)


@pytest.mark.parametrize(
    ("said", "validator"),
    [
        ({"etag": V1}, V1),
        ({"last_modified": MONDAY}, MONDAY),
        ({"etag": V1, "last_modified": MONDAY}, V1),
        ({"etag": 'W/"v1"', "last_modified": MONDAY}, MONDAY),  # a weak ETag promises no equal bytes
    ],
)
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_that_breaks_goes_on_where_it_broke(
    download: Download, said: dict[str, str], validator: str, framing: str
) -> None:
    first = Answer(BODY, ranges=True, cut_at=CUT, framing=framing, **said)

    assert download(first, Answer(BODY, ranges=True, framing=framing, **said)) == BODY
    assert download.asked == [PLAIN, rest(validator)]
    assert download.starts == 1
    assert download.body.received == len(BODY)


def test_a_body_may_break_more_than_once(download: Download) -> None:
    answers = [cut(CUT, etag=V1), cut(100_000, etag=V1), cut(1, etag=V1), Answer(status=503), good(etag=V1)]

    assert download(*answers) == BODY
    assert download.asked == [PLAIN, rest(V1), rest(V1, 700_000), rest(V1, 700_001), rest(V1, 700_001)]
    assert download.starts == 1


def test_a_silence_in_a_body_is_a_break(download: Download) -> None:
    with web_client(SETTINGS.model_copy(update={"read_timeout": 0.2})) as download.client:
        assert download(Answer(BODY, etag=V1, ranges=True, pause_at=(CUT, 60)), good(etag=V1)) == BODY

    assert download.asked == [PLAIN, rest(V1)]


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([cut(0, etag=V1), good(etag=V1)], id="it broke before its first byte"),
        pytest.param([cut(), good()], id="no validator"),
        pytest.param([cut(etag='W/"v1"'), good(etag='W/"v1"')], id="a weak validator alone"),
        pytest.param([Answer(BODY, etag=V1, cut_at=CUT), Answer(BODY, etag=V1)], id="no ranges"),
        pytest.param([Answer(BODY, cut_at=CUT, framing="chunked"), Answer(BODY, framing="chunked")], id="chunked"),
        pytest.param([Answer(drop=True), Answer(BODY)], id="no answer at all"),
    ],
)
def test_a_body_that_cannot_be_resumed_starts_again(download: Download, answers: list[Answer]) -> None:
    assert download(*answers) == BODY
    assert download.asked == [PLAIN, PLAIN]
    assert download.starts == 2


def part(content_range: str | None, body: bytes = BODY[CUT:], etag: str | None = V1, **said: str) -> Answer:
    return Answer(body, status=206, etag=etag, content_range=content_range, **said)


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(Answer(BODY, etag=V1), id="a server that ignores Range"),
        pytest.param(part("bytes 600001-999999/1000000"), id="a later start"),
        pytest.param(part("bytes 0-999999/1000000", BODY), id="the first byte"),
        pytest.param(part("bytes 600000-999998/1000000"), id="an earlier end"),
        pytest.param(part("bytes 600000-999999/1000001"), id="another size"),
        pytest.param(part("bytes=600000-999999/1000000"), id="not the form"),
        pytest.param(part("lines 600000-999999/1000000"), id="another unit"),
        pytest.param(part(None), id="no Content-Range"),
        pytest.param(part("bytes 600000-999999/1000000", OTHER[CUT:], etag=V2), id="another version all the same"),
    ],
)
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_answer_that_is_not_the_rest_of_the_body_starts_again(
    download: Download, second: Answer, framing: str
) -> None:
    first = Answer(BODY, etag=V1, ranges=True, cut_at=CUT, framing=framing)

    assert download(first, second, good(etag=V1)) == BODY
    assert download.asked == [PLAIN, rest(V1), PLAIN]
    assert download.starts == 2


def test_a_part_with_another_date_is_another_version(download: Download) -> None:
    mixed = part("bytes 600000-999999/1000000", OTHER[CUT:], etag=None, last_modified=SUNDAY)

    assert download(cut(last_modified=MONDAY), mixed, Answer(OTHER, last_modified=SUNDAY)) == OTHER
    assert download.asked == [PLAIN, rest(MONDAY), PLAIN]


@pytest.mark.parametrize("content_range", ["bytes 600000-799999/1000000", "bytes 600000-799999/*"])
def test_a_part_that_ends_early_is_not_the_end_of_a_chunked_body(download: Download, content_range: str) -> None:
    first = Answer(BODY, etag=V1, ranges=True, cut_at=CUT, framing="chunked")
    second = part(content_range, BODY[CUT:800_000])

    assert download(first, second, good(etag=V1)) == BODY


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_part_that_is_shorter_than_it_says_is_not_the_end(download: Download, framing: str) -> None:
    first = Answer(BODY, etag=V1, ranges=True, cut_at=CUT, framing=framing)
    second = part("bytes 600000-999999/1000000", BODY[CUT:800_000])

    assert download(first, second, good(etag=V1)) == BODY


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"etag": V1}, {"etag": V2}),
        ({"last_modified": MONDAY}, {"last_modified": SUNDAY}),
        ({"etag": 'W/"v1"', "last_modified": MONDAY}, {"etag": 'W/"v2"', "last_modified": SUNDAY}),
        ({"etag": 'W/"v1"', "last_modified": MONDAY}, {"etag": 'W/"v2"', "last_modified": MONDAY}),
    ],
)
def test_a_file_that_changed_meanwhile_is_taken_anew(
    download: Download, old: dict[str, str], new: dict[str, str]
) -> None:
    assert download(cut(**old), Answer(OTHER, ranges=True, **new)) == OTHER

    assert download.starts == 2
    assert (download.body.etag, download.body.last_modified) == (new.get("etag", ""), new.get("last_modified", ""))


def test_a_file_that_shrank_meanwhile_is_taken_anew(download: Download) -> None:
    assert download(cut(etag=V1), Answer(OTHER[:100], etag=V2, ranges=True)) == OTHER[:100]


def test_a_chunked_body_that_lacks_only_its_last_mark_is_whole_in_the_end(download: Download) -> None:
    first = Answer(BODY, etag=V1, ranges=True, cut_at=len(BODY), framing="chunked")  # a Range past its end is a 416

    assert download(first, good(etag=V1)) == BODY


@pytest.mark.parametrize("ranges", [False, True])
def test_a_body_that_is_shorter_than_promised_is_never_whole(download: Download, ranges: bool) -> None:
    with pytest.raises(GaveUp, match="1,000,000"):
        download(Answer(BODY, etag=V1, ranges=ranges, length=len(BODY) + 10))

    assert len(download.asked) == 5


def test_a_body_that_breaks_for_ever_is_given_up(download: Download) -> None:
    with pytest.raises(GaveUp, match=r"127\.0\.0\.1 broke off at 1 of 1,000,000 bytes.*5 attempts"):
        download(cut(1))

    assert len(download.asked) == 5


def test_a_body_without_a_told_end_is_refused(download: Download) -> None:
    with pytest.raises(SourceFailed, match="how long"):
        download(Answer(BODY, framing="close"))

    assert download.asked == [PLAIN]


def test_a_body_that_is_packed_on_its_way_is_refused(download: Download) -> None:
    with pytest.raises(SourceFailed, match="gzip"):
        download(Answer(gzip.compress(BODY[:1000]), headers={"Content-Encoding": "gzip"}))

    assert download.asked == [PLAIN]


def test_a_part_where_all_was_asked_for_is_refused(download: Download) -> None:
    with pytest.raises(SourceFailed, match="206"):
        download(part("bytes 600000-999999/1000000"))

    assert download.asked == [PLAIN]


def test_a_fault_found_in_the_body_ends_the_download(download: Download) -> None:
    def consume(chunks: Iterator[bytes], body: Body) -> None:
        next(chunks)
        raise Refused("an HTML page")

    download.web.serve(PATH, Answer(BODY))
    with pytest.raises(Refused):
        fetch(download.client, download.web.url + PATH, consume, download.patience)

    assert download.asked == [PLAIN]


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

    assert download.patience.failures == 5


def test_a_silent_server_is_given_up(download: Download) -> None:
    with (
        web_client(SETTINGS.model_copy(update={"read_timeout": 0.05})) as download.client,
        pytest.raises(GaveUp, match=r"127\.0\.0\.1.*5 attempts"),
    ):
        download(Answer(BODY, wait=60))

    assert len(download.asked) == 5


def test_a_redirect_that_goes_round_is_an_expected_fault(download: Download) -> None:
    with pytest.raises(SourceFailed):
        download(Answer(status=302, headers={"Location": PATH}))


@pytest.mark.parametrize("url", ["http://127.0.0.1:port/x", "http://127.0.0.1/\x00"])
def test_an_address_that_is_none_is_an_expected_fault(download: Download, url: str) -> None:
    with pytest.raises(SourceFailed, match="address"):
        download(url=url)


# What a server asks for


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_in_seconds_is_obeyed(download: Download, status: int) -> None:
    assert download(Answer(status=status, headers={"Retry-After": "1"}), Answer(BODY)) == BODY

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
        with web_client(SETTINGS) as run:
            yield run

    @staticmethod
    def fetched(run: download_module.Web, url: str, patience: Patience) -> bytes:
        return fetch(run, url, lambda chunks, _: b"".join(chunks), patience)[0]

    def test_another_week_waits_too(self, web: Web, run: download_module.Web) -> None:
        web.serve(PATH, Answer(status=429, headers={"Retry-After": "1"}), Answer(BODY))
        web.serve("/other", Answer(BODY))
        waiting = Patience(5, 60, 0.01)
        with ThreadPoolExecutor(2) as weeks:
            first = weeks.submit(self.fetched, run, web.url + PATH, Patience(5, 60, 0.01))
            while not run.quiet:
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
            bodies = [weeks.submit(self.fetched, run, web.url + path, Patience(5, 1.0, 0.01)) for path in paths]
            assert [body.result() for body in bodies] == [BODY] * 4

    def test_a_host_that_asks_again_meanwhile_is_left_alone_longer(self, web: Web, run: download_module.Web) -> None:
        web.serve(PATH, Answer(BODY))
        url = httpx.URL(web.url)
        run.leave_alone(url, 0.5)
        began = time.monotonic()
        with ThreadPoolExecutor(1) as weeks:
            body = weeks.submit(self.fetched, run, web.url + PATH, Patience(5, 60, 0.01))
            time.sleep(0.2)
            run.leave_alone(url, 1.0)
            assert body.result() == BODY
        assert web.requests[0].at >= began + 1.2

    def test_a_shorter_wish_does_not_shorten_a_longer_one(self, run: download_module.Web) -> None:
        url = httpx.URL("http://a.example:1/")
        for seconds in (50, 1):
            run.leave_alone(url, seconds)
        assert run.quiet[b"a.example:1"] > time.monotonic() + 40

    def test_it_is_who_was_asked_that_is_left_alone_wherever_it_sent_us(
        self, web: Web, run: download_module.Web
    ) -> None:
        with Web() as elsewhere:
            elsewhere.serve(PATH, Answer(status=429, headers={"Retry-After": "100"}))
            web.serve(PATH, Answer(status=302, headers={"Location": elsewhere.url + PATH}))
            with pytest.raises(GaveUp):
                self.fetched(run, web.url + PATH, Patience(5, 60, 0.01))
        assert list(run.quiet) == [httpx.URL(web.url).netloc]

    def test_a_week_that_may_not_wait_so_long_is_not_asked_for(self, web: Web, run: download_module.Web) -> None:
        web.serve(PATH, Answer(status=503, headers={"Retry-After": "3600"}))
        for _ in range(3):
            with pytest.raises(GaveUp) as caught:
                self.fetched(run, web.url + PATH, Patience(5, 60, 0.01))
        assert len(web.requests) == 1
        assert str(caught.value) == (
            "127.0.0.1 wants no request for 3600 s more, and a week may wait 60 s (MTA_RETRY_WAIT), try again later"
        )


@pytest.mark.parametrize("value", ["61", "3600", "9" * 400, "Sat, 06 Jan 2199 00:00:00 GMT"])
def test_a_retry_after_beyond_the_budget_is_given_up_at_once(download: Download, value: str) -> None:
    with pytest.raises(GaveUp, match=r"429 .*may wait 60 s"):
        download(Answer(status=429, headers={"Retry-After": value}), Answer(BODY))

    assert len(download.asked) == 1


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", slept.append)
    return slept


def give_up(patience: Patience, errors: Callable[[], TryAgain]) -> str:
    with pytest.raises(GaveUp) as fault:
        while True:
            patience.pause(errors())
    return str(fault.value)


def test_pauses_double_with_jitter_until_the_attempts_are_used_up(slept: list[float]) -> None:
    assert "503; gave up after 5 attempts" in give_up(Patience(5, 60, 1), lambda: TryAgain("503"))

    assert len(slept) == 4
    assert [2**n / 2 <= pause <= 2**n for n, pause in enumerate(slept)] == [True] * 4


def test_pauses_differ_between_runs(slept: list[float]) -> None:
    for _ in range(5):
        Patience(5, 60, 1).pause(TryAgain("503"))

    assert len(set(slept)) > 1


@pytest.mark.parametrize(
    ("wait", "asked", "pauses"),
    [(60, 20, 3), (60, 20.5, 2), (60, 60, 1), (60, 61, 0), (0, 1, 0), (0, 0, 4), (59, 20, 2)],
)
def test_all_waiting_of_a_week_fits_its_budget(slept: list[float], wait: float, asked: float, pauses: int) -> None:
    patience = Patience(5, wait, 1)

    message = give_up(patience, lambda: TryAgain("429", retry_after=asked))

    assert slept == [asked] * pauses
    assert patience.waited == sum(slept) <= wait
    assert (f"may wait {wait} s" in message) is (pauses < 4)


def test_a_pause_that_would_not_fit_is_not_begun(slept: list[float]) -> None:
    give_up(Patience(100, 10, 1), lambda: TryAgain("503"))

    assert len(slept) in (3, 4)
    assert sum(slept) <= 10


def test_one_attempt_is_no_retry(slept: list[float]) -> None:
    give_up(Patience(1, 60, 1), lambda: TryAgain("503", retry_after=0))

    assert slept == []


def test_every_fault_of_a_week_counts_against_the_same_attempts(download: Download) -> None:
    download.patience = Patience(3, 60, 0.001)
    with pytest.raises(GaveUp, match="3 attempts"):
        download(Answer(status=503), cut(etag=V1), Answer(status=500, etag=V1), good(etag=V1))

    assert download.asked == [PLAIN, PLAIN, rest(V1)]


def test_a_206_without_the_etag_of_the_200_is_not_trusted(web: Web, download: Download) -> None:
    old, new = b"a" * 200_000, b"b" * 200_000
    answers = Answer(old, etag='"1"', ranges=True, cut_at=100_000), Answer(new, ranges=True), Answer(new)
    assert download(*answers) == new


def test_a_source_too_slow_to_ever_end_is_tried_again() -> None:
    def dripping() -> Iterator[bytes]:
        while True:
            time.sleep(0.02)
            yield b"x"

    with pytest.raises(TryAgain, match="too slow to go on"):
        list(not_too_slow(dripping(), "web.mta.info", window=0.1))
