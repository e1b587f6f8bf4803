"""Variables as shells, editors and slips of the hand write them: `.env`, names like ours, authorities that are none."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mta_weekly import settings
from mta_weekly.environment import AUTHORITIES, check_authorities
from mta_weekly.errors import BadArgument
from mta_weekly.settings import Settings, read_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the machine, and a `.env` of the test's own."""
    for name in [name for name in os.environ if name.upper().startswith("MTA_") or name in AUTHORITIES]:
        monkeypatch.delenv(name)
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (os.mkfifo, "a pipe"),
        (Path.mkdir, "a folder"),
        (lambda path: path.symlink_to("/dev/zero"), "a device"),
        (lambda path: path.symlink_to("nowhere"), "a link to what is not there"),
    ],
)
def test_a_dotenv_that_is_no_file_is_a_bad_argument(make: Callable[[Path], None], kind: str, tmp_path: Path) -> None:
    make(tmp_path / ".env")
    with pytest.raises(BadArgument, match=rf"/\.env is {kind}, where a file was expected; move it away$"):
        read_settings()


def test_a_dotenv_that_is_no_text_is_a_bad_argument(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"MTA_LAKE=caf\xe9\n")

    with pytest.raises(BadArgument, match=r"\.env"):
        read_settings()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('MTA_LAKE="hidden', 1),
        ("# all of it\n\n\nMTA_LAKE='hidden\nMTA_SPOOL=/x\n", 4),
        ('MTA_LAKE="hidden\nMTA_SPOOL="/x"\n', 1),
        ("MTA_LAKE=right\r\n\r\nhidden\r\n", 3),
        ("MTA_LAKE hidden", 1),
        ("MTA LAKE=hidden", 1),
        ("export MTA_LAKE", 1),
        ("MTA-LAKE=hidden", 1),
        ("=hidden", 1),
        ("M\0T\0A\0=\0h\0", 1),
    ],
)
def test_a_line_of_dotenv_that_cannot_be_read_is_a_bad_argument_and_not_shown(
    tmp_path: Path, content: str, line: int
) -> None:
    (tmp_path / ".env").write_bytes(content.encode())
    with pytest.raises(BadArgument, match=rf"/\.env, line {line}: must be NAME=VALUE") as fault:
        read_settings()
    assert "hidden" not in str(fault.value)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfMTA_LAKE=here\n",
        b"MTA_LAKE=here\r\nMTA_RETRY_WAIT=5\r\n",
        b"\n  export MTA_LAKE = 'here'  # where\n",
        b'OTHER="two\nlines"\nMTA_LAKE="here"',
        b"# MTA_LAKE=there\nMTA_LAKE=here",
    ],
)
def test_dotenv_as_editors_and_shells_write_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".env").write_bytes(content)
    assert read_settings().lake == "here"


def test_a_dotenv_of_any_size_is_not_read_whole(tmp_path: Path) -> None:
    with (tmp_path / ".env").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(BadArgument, match=r"/\.env has more than 1,048,576 bytes"):
        read_settings()


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("MTA_LAKES", "MTA_LAKE"),
        ("MTA_SOCRATA_TOKEN", "MTA_SOCRATA_APP_TOKEN"),
        ("mta_timeout", "MTA_WEEK_TIMEOUT"),
        ("MTA_", "MTA_LAKE"),
    ],
)
@pytest.mark.parametrize("place", ["variable", ".env"])
def test_a_variable_that_begins_like_ours_and_is_none_is_said_once_with_the_nearest(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    nearest: str,
    place: str,
) -> None:
    monkeypatch.setattr(settings, "_told", set())
    if place == "variable":
        monkeypatch.setenv(name, "hidden")
    else:
        (tmp_path / ".env").write_text(f"{name}=hidden\n")
    for _ in range(2):
        read_settings()
    assert caplog.messages == [f"{name}: no variable of this project; the nearest is {nearest}"]


@pytest.mark.parametrize("variable", ["MTA_LAKE", "mta_lake", "MTA_PING_URL", "PREFECT_MTA_X", "AMTA_LAKE"])
def test_other_variables_are_not_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, variable: str
) -> None:
    monkeypatch.setenv(variable, "https://here")
    read_settings()
    assert caplog.messages == []


@pytest.mark.parametrize(
    "variable", ["SSL_CERT_FILE", "PREFECT_API_SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR"]
)
def test_authorities_that_are_none_are_said_with_their_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    check_authorities()
    (tmp_path / "no.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    for named in ("nowhere", "no.pem"):
        monkeypatch.setenv(variable, str(tmp_path / named))
        with pytest.raises(BadArgument, match=rf"^{variable}: .*{named}"):
            check_authorities()
