"""Addresses of any hand: they are refused, or can be asked; and no secret shows in what is said of them."""

import base64
import time
from collections.abc import Iterator
from urllib.parse import quote

import httpcore
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from mta_weekly import secrets
from mta_weekly.errors import EtlError, SourceFailed
from mta_weekly.fetch.client import Web, open_client
from mta_weekly.fetch.http import fetch_body
from mta_weekly.fetch.redirects import find_next, keep_location, move_to, name_sender
from mta_weekly.retry import RetryBudget
from mta_weekly.secrets import MASK, PART, clean, keep_login_secret, keep_secret, mask
from mta_weekly.settings import Settings, plain_address
from tries import tries

few = settings(
    max_examples=tries(2000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # fmt: skip
PIECES = [
    "http", "https", "HTTP", "ftp", "file", "data", "javascript", "", ":", "://", "//", "/", "\\", "?", "#", "@", "&",
    "=",
    "%", "%00", "%2f", "%zz", "[", "]", "[::1]", "[::1%25eth0]", "[:::]", "[v1.x]", "127.0.0.1", "999.1.1.1", "0x7f.1",
    "1.2.3.4.5", "localhost", "a.example", "a..b", ".a", "a.", "-a", "a_b", "xn--", "xn--zz", "\u00e9", "\u212a",
    "\uff0e",
    "\u00df", "\u0130", "\u200b", "\u202e", "x" * 64, "x" * 300, ":0", ":80", ":443", ":65535", ":65536", ":99999",
    ":-1",
    ":8o", ":\u0661", ":" + "9" * 5_000, "user", "user:pass", "user:pa:ss", "..", "/../", "/./", ";", ",", " ", "\t",
    "\r\n",
    "\n", "\x00", "\x1b[31m", "\x7f", "\x85", "\u2028", "\ud800", "\ufeff", "+", "~", "*", "'", '"', "<", ">", "{",
    "|", "^",
]  # fmt: skip
HOSTS = [
    "a.example",
    "xn--zz",
    "xn--",
    "[::1]",
    "[:::]",
    "[::1%25eth0]",
    "999.1.1.1",
    "a.",
    "-a",
    "\u00e9",
    "a_b",
    "x" * 64,
]
words = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=9).map("".join)
starts = st.builds("{}://{}".format, st.sampled_from(["http", "https", "HTTPS"]), st.sampled_from([*HOSTS, ""]))
addresses = words | st.tuples(starts, words).map("".join)
NOBODY = Settings(_env_file=None, retry_attempts=1, retry_wait=0.01)


@pytest.fixture(scope="module")
def client() -> Iterator[Web]:
    """A way to sources where nobody is at home."""

    def connect(*_: object, **__: object) -> httpcore.NetworkStream:
        raise httpcore.ConnectError("nobody")

    with pytest.MonkeyPatch.context() as patch, open_client(NOBODY) as client:
        patch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
        yield client


def forget() -> None:
    """What one example told is no secret to the next."""
    for parts in secrets._parts.values():
        parts.clear()


@few
@given(addresses)
def test_an_address_in_a_variable_is_refused_or_can_be_asked(client: Web, said: str) -> None:
    try:
        taken = Settings(_env_file=None, turnstile_url=said, socrata_url=said)
    except ValidationError as error:
        assert "must be an address as in http://HOST/PATH" in str(error) or "unicode" in str(error)
    else:
        assert str(taken.turnstile_url).isascii()
        assert str(taken.turnstile_url).isprintable()
        with pytest.raises(EtlError, match=r"no answer from|check the address"):
            fetch_body(
                client, f"{taken.turnstile_url}/x", lambda chunks, _: b"".join(chunks), RetryBudget.of(NOBODY, "x")
            )
    try:
        ping = plain_address(SecretStr(said))
    except ValueError as error:
        assert len(said) < 12 or said not in str(error)
    else:
        assert (ping is None) == (not said.strip())
        assert ping is None or ping.get_secret_value().isascii()


ASKED = ["http://a.example/x", "https://a.example:8443/x?y=z", "http://me:pa55word@a.example/x", "https://[::1]/x"]


@few
@given(st.sampled_from(ASKED), addresses)
def test_a_redirect_leads_to_an_address_of_the_web_or_nowhere(asked: str, said: str) -> None:
    try:
        response = httpx.Response(302, headers={b"Location": said.encode()})
    except UnicodeEncodeError:
        return
    keep_location(response)
    try:
        onward = find_next(response, httpx.URL(asked))
    except SourceFailed as error:
        assert str(error).isprintable()
        assert len(str(error)) < 400
        return
    assert onward is not None
    assert onward.host
    assert (httpx.URL(asked).scheme, onward.scheme) in [("http", "http"), ("http", "https"), ("https", "https")]
    assert onward.fragment == ""
    httpx.Request("GET", onward)
    sender = name_sender(onward, asked)
    if onward != httpx.URL(asked) and not sender.endswith("..."):
        assert httpx.URL(sender).userinfo == b""
        assert httpx.URL(sender).query == httpx.URL(asked).query
    assert sender.isprintable()
    assert httpx.URL(move_to(asked, sender)).netloc == httpx.URL(sender).netloc


letters = st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=MASK) | st.sampled_from(
    "\u00e9\u0130\u00df\u212a \U0001f511"
)
SAID = "no answer from {}, which says '{}' (http://{}@host/{}?key={}#{}) {}{}"


@few
@given(
    st.text(letters, min_size=PART, max_size=40).filter(lambda each: each == each.strip()),
    st.lists(st.sampled_from(["", "x", "//", "@", "\x1b[0m", "\n", "  ", "\u0130", "...", "/"]), max_size=4),
    st.lists(st.sampled_from(["", "upper", "lower", "swapcase", "title"]), min_size=8, max_size=8),
    st.lists(st.tuples(st.integers(0, 32), st.integers(8, 60)), min_size=8, max_size=8),
    st.sampled_from(["secret", "login", "quoted", "encoded"]),
)
def test_of_a_secret_no_eight_letters_in_a_row_are_said(
    secret: str, around: list[str], cases: list[str], cuts: list[tuple[int, int]], how: str
) -> None:
    forget()
    if how == "login":
        keep_login_secret(f"http://someone:{secret}@host/x")
    else:
        keep_secret(secret)
    if how == "login" and (set(secret) & set("/?#@\\: ") or not secret.isascii()):
        return
    echoed = {"quoted": quote(secret, safe=""), "encoded": base64.b64encode(secret.encode()).decode()}.get(how, secret)
    pieces = [echoed[at : at + count] for at, count in cuts]
    pieces = [getattr(each, case)() if case else each for each, case in zip(pieces, cases, strict=True)]
    said = "".join(around) + SAID.format(*pieces) + "".join(around)
    hidden = {fold(echoed[at : at + PART]) for at in range(len(echoed) - PART + 1)}
    for shown in (mask(said), clean(said, 10_000), clean(said, 60), clean(clean(said, 10_000), 100)):
        found = {fold(shown[at : at + PART]) for at in range(len(shown) - PART + 1)}
        assert not hidden & found, (shown, hidden & found)
    assert clean(said, 60).isprintable()
    assert len(clean(said, 60)) <= 60


def fold(text: str) -> str:
    return "".join(each.lower()[0] for each in text)


@few
@given(st.text() | st.text(st.characters(categories=["Cs", "Cc", "Cf", "Zs", "Ll"])), st.text())
def test_any_text_is_cleaned(said: str, secret: str) -> None:
    forget()
    keep_secret(secret)
    keep_login_secret(f"http://{secret}@host")
    shown = clean(said, 50)
    assert shown.isprintable()
    assert len(shown) <= 50
    assert mask(mask(said)) == mask(said)


@pytest.mark.parametrize(
    "said", ["x" * 10**6, "//" * 500_000, "//x@" * 250_000, "//:" * 300_000, "Zaunkoenig7281" * 70_000]
)
def test_a_megabyte_is_masked_in_time(said: str) -> None:
    keep_secret("Zaunkoenig7281-mVq")
    began = time.process_time()
    clean(said, 100)
    keep_login_secret(said)
    assert time.process_time() - began < 10
