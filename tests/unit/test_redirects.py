"""A redirect is followed by rules of ours: so many, never down to what anybody can read, its body never read."""

import logging

import httpx
import pytest

from downloads import BODY, CUT, MONDAY, PATH, V1, Download, cut, part
from mta_weekly.errors import GaveUp, SourceFailed, Unchanged
from mta_weekly.fetch.body import Version
from mta_weekly.fetch.http import fetch_body
from mta_weekly.fetch.redirects import find_next, keep_location, move_to
from web import Answer

pytest_plugins = ["downloads"]

ENDLESS = b"x" * 100_000


def lead(to: str, body: bytes = b"") -> Answer:
    """A redirect, with a body whose end is long in coming."""
    headers = {"Location": to, "Set-Cookie": "said=before"}
    return Answer(body, status=302, headers=headers, pause_at=(1000, 60) if body else None)


def lay_out(download: Download, hops: int) -> str:
    """So many redirects, one to the next, and the file behind them; the address of the first."""
    for hop in range(hops):
        download.web.serve(f"/{hop}", lead(f"/{hop + 1}", ENDLESS))
    download.web.serve(f"/{hops}", Answer(BODY))
    return f"{download.web.url}/0"


def test_five_redirects_are_followed_and_their_bodies_are_not_read(download: Download) -> None:
    assert download(url=lay_out(download, 5)) == BODY  # each of them takes a minute to read
    assert [seen.path for seen in download.web.requests] == [f"/{hop}" for hop in range(6)]
    assert not any("cookie" in seen.headers for seen in download.web.requests)


def test_a_sixth_is_not_followed(download: Download) -> None:
    with pytest.raises(SourceFailed, match="sends us on once more, after 5 redirects; check the address"):
        download(url=lay_out(download, 6))
    assert len(download.web.requests) == 6


@pytest.mark.parametrize(
    ("asked", "to", "said"),
    [
        ("https://a.example/x", "http://a.example/x", r"from https to http, which is not followed \(http://a.example/x\)"),
        ("http://a.example/x", "file:///etc/passwd", "from http to file"),
        ("http://a.example/x", "ftp://b.example/x", "from http to ftp"),
        ("http://a.example/x", "data:text/csv,x", "from http to data"),
        ("http://a.example/x", "javascript:alert(1)", "from http to javascript"),
        ("http://a.example/x", "https:", "no address"),
        ("http://a.example/x", "http://b.example:port/", "no address"),
        ("http://a.example/x", "https://xn--zz/", "no address"),
        ("http://a.example/x", "http://b.example:99999/", "no address"),
        ("http://a.example/x", "https://b.example/\x00", "no address"),
        ("http://a.example/x", "http://me:pa55/word@b.example/x", "no address"),
        ("http://a.example/x", "ftp://me:pa55word@b.example/x?key=s3cret", "which is not followed"),
    ],
)  # fmt: skip
def test_a_redirect_that_leads_elsewhere_is_refused(asked: str, to: str, said: str) -> None:
    response = httpx.Response(302, headers={"Location": to})
    keep_location(response)
    with pytest.raises(
        SourceFailed, match=f"^a.example answers 302 and sends us on .*{said}.*; check the address$"
    ) as no:
        find_next(response, httpx.URL(asked))
    assert not any(secret in str(no.value) for secret in ("pa55", "word", "s3cret"))


def test_a_redirect_to_a_safe_address_is_followed_from_any_other() -> None:
    response = httpx.Response(302, headers={"Location": "https://b.example/y#part"})
    keep_location(response)
    assert find_next(response, httpx.URL("http://a.example/x")) == httpx.URL("https://b.example/y")
    assert find_next(httpx.Response(200), httpx.URL("http://a.example/x")) is None


def test_a_redirect_garbles_no_word_of_ours(download: Download) -> None:
    """A login in it is not sent, and so need not be masked: a source would choose what its runs say and write down."""
    to = download.web.url.replace("//", "//turnstile:landed-240106@") + "/turnstile_240106.txt?for=me@here"
    download.web.serve("/turnstile_240106.txt?for=me@here", Answer(BODY, etag='"turnstile"'))
    assert download(lead(to)) == BODY
    assert "authorization" not in download.web.requests[-1].headers
    body = download.body
    assert body is not None
    assert (body.source_url, body.etag) == (f"{download.web.url}/turnstile_240106.txt", '"turnstile"')
    assert str(SourceFailed("turnstile landed-240106")) == "turnstile landed-240106"


def test_where_it_leads_to_nobody_both_are_named(download: Download) -> None:
    with pytest.raises(GaveUp, match=r"no answer from nobody.invalid, where 127.0.0.1 sends us on: "):
        download(lead("http://nobody.invalid/x"))


@pytest.mark.parametrize("site", ["https://[::1]", "http://b.example:8080", "http://[::1]:8080", "https://b.example"])
def test_other_rows_are_asked_for_where_a_redirect_led(site: str) -> None:
    assert move_to("http://a.example/x?y=z", f"{site}/w?v=u") == f"{site}/x?y=z"


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("key=s3cret#part", "key=s3cret"),
        ("a='b'&key=s3cret", "a='b'&key=s3cret"),
        ('a="b"&key=s3cret', "a=%22b%22&key=s3cret"),
        ("a=b c&key=s3cret", "a=b%20c&key=s3cret"),
        ("a#key=s3cret", "a"),
    ],
)
def test_facts_and_log_name_the_address_that_sent_the_bytes_and_no_key(
    download: Download, caplog: pytest.LogCaptureFixture, query: str, asked: str
) -> None:
    caplog.set_level(logging.DEBUG)
    to = download.web.url.replace("//", "//someone:pa55word@") + f"/moved?{query}"
    download.web.serve(f"/moved?{asked}", Answer(BODY, etag=V1, last_modified=MONDAY))
    assert download(lead(to)) == BODY
    body = download.body
    assert body is not None
    assert (body.url, body.source_url) == (download.web.url + PATH, download.web.url + "/moved")
    assert f"GET {body.source_url}?... " in caplog.text  # httpx's own line
    assert "receive_response_headers.complete return_value=...\n" in caplog.text  # httpcore's, with all headers
    assert "s3cret" not in caplog.text


def test_who_sent_the_bytes_is_asked_whether_they_are_new(download: Download) -> None:
    download.web.serve(PATH, lead("/moved"))
    download.web.serve("/moved", Answer(BODY, etag=V1, last_modified=MONDAY, conditional=True))
    had = Version(f"{download.web.url}/moved", V1, MONDAY, 0)
    with pytest.raises(Unchanged):
        fetch_body(download.client, download.web.url + PATH, download.consume, download.budget, unless=had)
    assert [seen.headers.get("if-none-match") for seen in download.web.requests] == [None, V1]


def test_what_another_address_has_is_not_the_rest_of_a_body(download: Download) -> None:
    """Whatever it sends and says: an ETag is that of an address."""
    other = BODY[::-1]
    download.web.serve("/one", cut(etag=V1))
    download.web.serve("/two", part(f"bytes {CUT}-{len(BODY) - 1}/{len(BODY)}", other[CUT:]), Answer(other, etag=V1))
    assert download(lead("/one"), lead("/two")) == other
    body = download.body
    assert body is not None
    assert body.source_url == f"{download.web.url}/two"
