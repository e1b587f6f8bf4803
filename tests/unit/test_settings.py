"""Settings: what holds where nothing is said, who wins where two speak, and what a bad value is told."""

import os
import re
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from mta_weekly import settings
from mta_weekly.errors import BadArgument
from mta_weekly.settings import ROOT, VERSION, Settings, new_york_today, read_settings

DEFAULTS = {
    "lake": None,
    "spool": ROOT / "data" / "spool",
    "turnstile_url": None,
    "socrata_url": None,
    "retry_attempts": 5,
    "retry_wait": 900.0,
    "week_timeout": 7200.0,
    "ping_url": None,
}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the machine, and a `.env` of the test's own."""
    for name in [name for name in os.environ if name.upper().startswith("MTA_")]:
        monkeypatch.delenv(name)
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")


def dotenv(folder: Path, *lines: str) -> Path:
    path = folder / ".env"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_without_a_word_the_defaults_hold() -> None:
    found = read_settings()

    assert {name: getattr(found, name) for name in DEFAULTS} == DEFAULTS
    assert found.connect_timeout > 0
    assert found.read_timeout > 0


def test_the_root_is_the_projects_wherever_the_command_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert (ROOT / "pyproject.toml").is_file()
    assert read_settings().spool == ROOT / "data" / "spool"
    assert settings.__file__ == str(ROOT / "flows" / "mta_weekly" / "settings.py")


def test_the_version_is_that_of_the_project() -> None:
    assert f'\nversion = "{VERSION}"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("variable", "value", "field", "found"),
    [
        ("MTA_LAKE", "gcs-bucket/blk-gcs-name", "lake", "gcs-bucket/blk-gcs-name"),
        ("MTA_SPOOL", "/var/spool/mta", "spool", Path("/var/spool/mta")),
        ("MTA_SPOOL", "~/spool", "spool", Path.home() / "spool"),
        ("MTA_TURNSTILE_URL", "https://mirror.example/mta", "turnstile_url", "https://mirror.example/mta"),
        ("MTA_TURNSTILE_URL", "http://127.0.0.1:8000/", "turnstile_url", "http://127.0.0.1:8000"),
        ("MTA_SOCRATA_URL", "https://[::1]:8443/mirror/@x", "socrata_url", "https://[::1]:8443/mirror/@x"),
        ("MTA_SOCRATA_APP_TOKEN", " t0ken ", "socrata_app_token", SecretStr("t0ken")),
        ("MTA_SOCRATA_APP_TOKEN", "  ", "socrata_app_token", None),
        ("MTA_PING_URL", " https://hc.example/u-u ", "ping_url", SecretStr("https://hc.example/u-u")),
        ("MTA_PING_URL", "http://127.0.0.1:8000/u?create=1", "ping_url", SecretStr("http://127.0.0.1:8000/u?create=1")),
        ("MTA_PING_URL", "  ", "ping_url", None),
        ("MTA_WEEK_TIMEOUT", "90.5", "week_timeout", 90.5),
        ("MTA_RETRY_ATTEMPTS", "3", "retry_attempts", 3),
        ("MTA_RETRY_WAIT", "0", "retry_wait", 0.0),
        ("MTA_RETRY_BASE", "0.5", "retry_base", 0.5),
        ("MTA_CONNECT_TIMEOUT", "2.5", "connect_timeout", 2.5),
        ("MTA_READ_TIMEOUT", "2.5", "read_timeout", 2.5),
        ("mta_retry_attempts", "3", "retry_attempts", 3),
    ],
)
@pytest.mark.parametrize("place", ["variable", ".env"])
def test_a_value_is_read_from_a_variable_or_a_line_of_dotenv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, variable: str, value: str, field: str, found: object
) -> None:
    if place == "variable":
        monkeypatch.setenv(variable, value)
    else:
        dotenv(tmp_path, f"{variable}={value}")

    assert getattr(read_settings(), field) == found


def test_a_variable_wins_over_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = dotenv(tmp_path, "# a comment", "MTA_LAKE=from-the-file", 'MTA_SPOOL="/from the/file"')
    monkeypatch.setenv("MTA_LAKE", "from-a-variable")

    for found in (read_settings(), Settings(_env_file=path)):
        assert (found.lake, found.spool) == ("from-a-variable", Path("/from the/file"))


def test_what_a_program_says_wins_over_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dotenv(tmp_path, "MTA_LAKE=from-the-file")
    monkeypatch.setenv("MTA_LAKE", "from-a-variable")

    assert Settings(lake="said").lake == "said"


@pytest.mark.parametrize("name", ["LAKE", "SPOOL", "TURNSTILE_URL", "RETRY_ATTEMPTS", "RETRY_WAIT", "READ_TIMEOUT"])
@pytest.mark.parametrize("place", ["variable", ".env"])
def test_an_empty_value_counts_as_unset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, place: str) -> None:
    default = read_settings()
    if place == "variable":
        monkeypatch.setenv(f"MTA_{name}", "")
    else:
        dotenv(tmp_path, f"MTA_{name}=")

    assert read_settings() == default


def test_an_empty_variable_leaves_the_word_to_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dotenv(tmp_path, "MTA_LAKE=from-the-file")
    monkeypatch.setenv("MTA_LAKE", "")

    assert read_settings().lake == "from-the-file"


def test_what_is_not_ours_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dotenv(tmp_path, "PREFECT_API_URL=http://127.0.0.1:4200/api", "MTA_UNKNOWN=1", "LAKE=elsewhere")
    monkeypatch.setenv("LAKE", "elsewhere")

    assert read_settings().lake is None


@pytest.mark.parametrize("field", Settings.model_fields)
def test_settings_are_frozen(field: str) -> None:
    found = read_settings()

    with pytest.raises(ValidationError, match="frozen"):
        setattr(found, field, getattr(found, field))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MTA_TURNSTILE_URL", "ftp://secret.example"),
        ("MTA_TURNSTILE_URL", "secret"),
        ("MTA_TURNSTILE_URL", "http://"),
        ("MTA_TURNSTILE_URL", "http://127.0.0.1:secret"),
        ("MTA_TURNSTILE_URL", "http://127.0.0.1:0"),
        ("MTA_SOCRATA_URL", "https://secret.example?x=1"),
        ("MTA_SOCRATA_URL", "https://secret.example/a#b"),
        ("MTA_SOCRATA_URL", "https://user:secret@data.example"),
        ("MTA_SOCRATA_URL", "https://secret..example"),
        ("MTA_SOCRATA_URL", "https://secret\t.example"),
        ("MTA_SOCRATA_URL", f"https://{'secret' * 11}.example"),
        ("MTA_SOCRATA_APP_TOKEN", "secret\x01 of two"),
        ("MTA_SOCRATA_APP_TOKEN", "sécret"),
        ("MTA_PING_URL", "ftp://secret.example/u-u"),
        ("MTA_PING_URL", "secret-u-u"),
        ("MTA_PING_URL", "https://user:secret@hc.example/u-u"),
        ("MTA_PING_URL", "https://hc.example/secret#71"),
        ("MTA_PING_URL", "https://hc.example:0/secret"),
        ("MTA_PING_URL", "https://hc.example/secret?a=b\x01c"),
        ("MTA_WEEK_TIMEOUT", "0"),
        ("MTA_WEEK_TIMEOUT", "nan"),
        ("MTA_WEEK_TIMEOUT", "secret"),
        ("MTA_RETRY_ATTEMPTS", "0"),
        ("MTA_RETRY_ATTEMPTS", "-71"),
        ("MTA_RETRY_ATTEMPTS", "secret"),
        ("MTA_RETRY_ATTEMPTS", "1.75"),
        ("MTA_RETRY_WAIT", "-71"),
        ("MTA_RETRY_WAIT", "secret"),
        ("MTA_RETRY_WAIT", "nan"),
        ("MTA_RETRY_BASE", "-71"),
        ("MTA_CONNECT_TIMEOUT", "0"),
        ("MTA_READ_TIMEOUT", "-71"),
        ("MTA_READ_TIMEOUT", "secret"),
        ("MTA_SPOOL", "~secret/spool"),
        ("MTA_SPOOL", "/secret\x1b[31m"),
    ],
)
@pytest.mark.parametrize("place", ["variable", ".env"])
def test_a_bad_value_is_a_bad_argument_that_names_its_variable_and_keeps_the_value_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, variable: str, value: str
) -> None:
    if place == "variable":
        monkeypatch.setenv(variable, value)
    else:
        dotenv(tmp_path, f"{variable}={value}")

    with pytest.raises(BadArgument) as fault:
        read_settings()

    message = str(fault.value).replace(str(ROOT), "")
    assert re.findall("MTA_[A-Z_]+", message) == [variable]
    assert not any(part in message for part in ("secret", "71", "75", "nan"))
    assert (fault.value.__cause__, fault.value.__suppress_context__) == (None, True)  # a traceback shows it neither


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTA_RETRY_ATTEMPTS", "many")
    monkeypatch.setenv("MTA_TURNSTILE_URL", "ftp://mirror.example")

    with pytest.raises(BadArgument, match=r"MTA_TURNSTILE_URL.*http://.*MTA_RETRY_ATTEMPTS.*integer"):
        read_settings()


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2024-01-06T04:59:59+00:00", "2024-01-05"),
        ("2024-01-06T05:00:00+00:00", "2024-01-06"),
        ("2024-07-06T03:59:59+00:00", "2024-07-05"),
        ("2024-07-06T04:00:00+00:00", "2024-07-06"),
    ],
)
def test_today_is_new_yorks_date(monkeypatch: pytest.MonkeyPatch, moment: str, day: str) -> None:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.fromisoformat(moment).astimezone(tz)

    monkeypatch.setattr(settings, "datetime", Stopped)

    assert str(new_york_today()) == day


def test_today_is_now() -> None:
    assert abs(new_york_today() - datetime.now(UTC).date()) <= timedelta(days=1)
