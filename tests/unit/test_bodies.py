"""A body from a real socket is whole and of one version, or none."""

import gzip
import time
from collections.abc import Iterator

import pytest

from downloads import BODY, CUT, MONDAY, OTHER, PATH, PLAIN, SETTINGS, SUNDAY, V1, V2, Download, cut, good, part, rest
from mta_weekly.errors import GaveUp, Refused, SourceFailed, TryAgain
from mta_weekly.fetch.body import Body
from mta_weekly.fetch.client import open_client
from mta_weekly.fetch.http import fetch_body, refuse_slow_chunks
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import VERSION
from web import Answer, Web

pytest_plugins = ["downloads"]

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
    fetch_body(download.client, download.web.url + PATH, consume, download.budget)

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
    assert download.asked == [PLAIN, PLAIN, PLAIN, rest(V1)]


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
    with open_client(SETTINGS.model_copy(update={"read_timeout": 0.2})) as download.client:
        assert download(Answer(BODY, etag=V1, ranges=True, pause_at=(CUT, 60)), good(etag=V1)) == BODY

    assert download.asked == [PLAIN, rest(V1)]


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([cut(0, etag=V1), good(etag=V1)], id="it broke before its first byte"),
        pytest.param([cut(), good()], id="no validator"),
        pytest.param([cut(etag='W/"v1"'), good(etag='W/"v1"')], id="a weak validator alone"),
        pytest.param([cut(etag='"caf\u00e9"'), good(etag='"caf\u00e9"')], id="a validator that cannot be sent"),
        pytest.param([Answer(BODY, etag=V1, cut_at=CUT), Answer(BODY, etag=V1)], id="no ranges"),
        pytest.param([Answer(BODY, cut_at=CUT, framing="chunked"), Answer(BODY, framing="chunked")], id="chunked"),
        pytest.param([Answer(drop=True), Answer(BODY)], id="no answer at all"),
    ],
)
def test_a_body_that_cannot_be_resumed_starts_again(download: Download, answers: list[Answer]) -> None:
    assert download(*answers) == BODY
    assert download.asked == [PLAIN, PLAIN]
    assert download.starts == 2


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


def test_a_body_that_is_packed_on_its_way_is_unpacked_and_whole(download: Download) -> None:
    """Though it was asked for plain; one that is cut, or damaged, is asked for again."""
    packed = {"Content-Encoding": "gzip"}
    whole = gzip.compress(BODY)
    wrong = (whole[:-500], whole[:5000] + bytes(5000) + whole[10000:], whole[:-8] + bytes(8))
    assert download(*(Answer(body, headers=packed, etag=V1, ranges=True) for body in (*wrong, whole))) == BODY

    assert download.asked == [PLAIN] * 4
    assert (download.body.received, download.body.wire) == (len(BODY), len(whole))


@pytest.mark.parametrize("name", ["GZIP", "x-gzip", "gzip"])
def test_gzip_has_several_names_and_may_come_in_members(download: Download, name: str) -> None:
    packed = gzip.compress(BODY[:1000]) + gzip.compress(BODY[1000:]) + bytes(100)
    assert download(Answer(packed, headers={"Content-Encoding": name})) == BODY


def test_a_body_that_goes_on_after_its_gzip_is_left(download: Download) -> None:
    endless = Answer(gzip.compress(BODY) + bytes(10**6), headers={"Content-Encoding": "gzip"}, framing="chunked")
    assert download(endless, Answer(BODY)) == BODY
    assert download.asked == [PLAIN] * 2


def test_a_body_that_is_packed_in_an_unknown_way_is_refused(download: Download) -> None:
    with pytest.raises(SourceFailed, match="sent the body as 'br'"):
        download(Answer(BODY, headers={"Content-Encoding": "br"}))

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
        fetch_body(download.client, download.web.url + PATH, consume, download.budget)

    assert download.asked == [PLAIN]


def test_tries_that_bring_nothing_count_together_and_one_that_gets_on_begins_anew(download: Download) -> None:
    download.budget = RetryBudget(3, 60, 0.001)
    wrong = Answer(status=500, etag=V1)
    assert download(wrong, wrong, cut(etag=V1), wrong, Answer(status=503), good(etag=V1)) == BODY
    assert download.asked == [PLAIN] * 3 + [rest(V1)] * 3
    with pytest.raises(GaveUp, match="3 attempts"):
        download(cut(etag=V1), wrong, wrong, good(etag=V1))


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
        list(refuse_slow_chunks(dripping(), "web.mta.info", window=0.1))
