"""What nobody may read is masked, whole and in parts, however it is written; and what is no secret is not."""

import base64
import logging
import re
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from mta_weekly.errors import EtlError
from mta_weekly.secrets import MASK, clean, keep_address_secret, keep_login_secret, keep_secret, mask
from mta_weekly.settings import Settings, read_settings

TOKEN = "Kq7Zr2Xw9LbT4mNc"
HARD = "p/a@ss#Wörd?9x"  # a password with all that an address is cut at
PLAIN = (
    "turnstile 240106: landed, 250,816 rows, 1.9 MB, https://data.ny.gov/resource/wujg-7c2s.csv",
    "the Prefect API at http://127.0.0.1:4200/api/ cannot be reached (All connection attempts failed); start it",
    "lake: gcs-bucket/blk-gcs-name",
)


@pytest.mark.parametrize(
    "said",
    [TOKEN, TOKEN[:12], TOKEN[4:], TOKEN.lower(), TOKEN.upper(), TOKEN[:12].swapcase(), quote(TOKEN), TOKEN * 2],
)
def test_a_secret_shows_in_no_case_and_in_no_part(said: str) -> None:
    keep_secret(TOKEN)
    assert mask(f"it was {said}!") == f"it was {MASK}!"
    assert str(EtlError(f"it was {said}!")) == f"it was {MASK}!"


def test_two_secrets_that_overlap_are_one_mask() -> None:
    keep_secret("abcdefghij")
    keep_secret("ghijklmnop")
    assert mask("-abcdefghijklmnop-") == f"-{MASK}-"


def test_a_letter_that_is_longer_in_lower_case_moves_nothing() -> None:
    keep_secret(TOKEN)
    assert mask(f"İİİ {TOKEN} İ") == f"İİİ {MASK} İ"


@pytest.mark.parametrize("password", [HARD, "Short#1", quote(HARD, safe=""), "a:b:c:d:e"])
def test_a_login_in_an_address_shows_neither_whole_nor_where_it_is_cut(password: str) -> None:
    keep_login_secret(f"http://operator:{password}@proxy.example:3128/a?b=c")
    basic = base64.b64encode(f"operator:{password}".encode()).decode()
    for said in (password, password.upper(), quote(password, safe=""), f"operator:{password}", basic, "OPERATOR"):
        assert mask(f"<{said}>") == f"<{MASK}>"
    for piece in re.split(r"[/?#@]", password):  # where httpx, or another, may think that it ends
        assert len(piece) < 4 or mask(f"Invalid port: {piece!r}") == f"Invalid port: '{MASK}'"
    assert mask("at http://operator:x@proxy.example:3128/") == "at http://proxy.example:3128/"
    assert [mask(line) for line in PLAIN] == [*PLAIN]


@pytest.mark.parametrize("password", ["%2f%2f", "%41%42%43", "%e2%82%ac"])
def test_a_password_that_is_short_when_it_is_read(password: str) -> None:
    keep_login_secret(f"http://me:{password}@host/")
    assert mask(f"<{password}>") == f"<{MASK}>"


def test_a_port_and_a_path_are_no_login() -> None:
    keep_login_secret("http://mirror.example:8080/data/@v2/turnstile")
    assert mask("turnstile from mirror.example:8080") == "turnstile from mirror.example:8080"


def test_the_login_of_any_address_is_left_out_though_nobody_told() -> None:
    assert mask("at http://me:pa#ss@host/x and ftp://you@there") == "at http://host/x and ftp://there"


def test_of_a_secret_address_plain_words_may_be_said() -> None:
    """Its host, and names such as a person gives: masked, every line with the word would be unreadable."""
    keep_address_secret("https://hc-ping.example/k3yOfThePings/turnstile-weekly?create=1&key=0a1b2c3d4e")
    assert mask("https://hc-ping.example/k3yOfThePings/turnstile-weekly") == (
        f"https://hc-ping.example/{MASK}/turnstile-weekly"
    )
    assert mask("0A1B2C3D") == MASK
    assert [mask(line) for line in PLAIN] == [*PLAIN]


def test_an_address_without_a_name_that_looks_secret_keeps_all_of_its_path() -> None:
    keep_address_secret("https://ping.example/the-heartbeat/of-ours")
    assert mask("GET /the-heartbeat/of-ours") == f"GET {MASK}"


def test_nothing_is_masked_for_a_word_that_is_too_short() -> None:
    keep_secret("")
    keep_secret("an")
    keep_login_secret("http://me:pw@host")
    assert [mask(line) for line in PLAIN] == [*PLAIN]


def test_what_comes_from_outside_is_one_short_line_that_prints() -> None:
    keep_secret(TOKEN)
    assert clean("  a\x1b[31mb\r\nc\u202e\ud800 d ", 100) == "a [31mb c d"
    assert clean("x" * 60_000, 20) == "x" * 17 + "..."
    assert clean(f"0123 {TOKEN}", 12) == "0123 ..."  # masked before it is cut
    assert clean(OSError("gone"), 12) == "gone"


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def test_every_line_of_the_log_is_masked_with_its_traceback(logged: pytest.LogCaptureFixture) -> None:
    keep_secret(TOKEN)
    log = logging.getLogger("somebody.elses")
    log.info("sent %s to %r", TOKEN, {"token": TOKEN})
    try:
        raise RuntimeError(f"refused {TOKEN}") from ValueError(TOKEN.lower())
    except RuntimeError:
        log.exception("failed")
    log.info("%d of %s", 1, "two")
    assert TOKEN.lower() not in logged.text.lower()
    assert f"sent {MASK} to {{'token': '{MASK}'}}" in logged.text
    assert f"RuntimeError: refused {MASK}" in logged.text
    assert logged.records[-1].args == (1, "two")  # as it was: others may read them


def test_the_settings_tell_what_is_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTA_SOCRATA_APP_TOKEN", TOKEN)
    monkeypatch.setenv("MTA_PING_URL", "https://hc-ping.example/0a1b2c3d4e5f")
    monkeypatch.setenv("https_proxy", "http://me:Sesam#Oeffne@proxy.example:3128")
    monkeypatch.setenv("PREFECT_API_KEY", "pnu_1234567890")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=0tel%20Header,x=y,sampled=true,dataset=turnstile")
    read_settings()
    for said in (TOKEN, "0a1b2c3d4e5f", "Sesam", "Oeffne", "pnu_1234567890", "0tel Header"):
        assert mask(said) == MASK
    assert [mask(line) for line in PLAIN] == [*PLAIN]


def test_an_address_that_is_refused_for_its_login_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTA_TURNSTILE_URL", "http://me:Sesam-Oeffne-Dich@host")
    with pytest.raises(EtlError, match="MTA_TURNSTILE_URL: must be an address"):
        read_settings()
    assert mask("sesam-oeffne") == MASK


def test_masking_costs_little_and_threads_may_tell_and_mask_at_once() -> None:
    line = " ".join(PLAIN)
    for number in range(30):
        keep_secret(f"{number:02}-{TOKEN}-{number * 7919:09}")
    began = time.perf_counter()
    for _ in range(1000):
        mask(line)
    assert time.perf_counter() - began < 1.0
    with ThreadPoolExecutor(4) as threads:
        told = [threads.submit(keep_secret, f"{n * 104729:020}") for n in range(300)]
        masked = [threads.submit(mask, line) for _ in range(300)]
    assert all(each.exception() is None for each in [*told, *masked])


def test_settings_made_by_hand_tell_too() -> None:
    Settings(_env_file=None, socrata_app_token=TOKEN)
    assert mask(TOKEN) == MASK
