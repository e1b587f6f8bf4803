"""The edge of a run: its settings, from MTA_* variables and `.env` in the project's root, and its clock.

Nothing else in the project reads the environment for its own settings, or the time of day; everyone is handed them.
"""

import difflib
import logging
import os
import re
import time
from collections.abc import Generator, Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from mta_weekly.environment import keep_environment_secret, list_names
from mta_weekly.errors import BadArgument
from mta_weekly.secrets import clean, keep_address_secret, keep_login_secret, keep_secret

log = logging.getLogger("mta.settings")
VERSION = "0.13.0"
DAY = 86_400.0  # seconds; no wait for a source is longer
LONGEST = 30 * DAY  # nor one for a part of a backfill
LONGEST_HOST = 253  # characters: RFC 1035, 2.3.4
ADDRESS = re.compile(
    r"https?://(\[[0-9a-f:.]+\]|[\w-]{1,63}(\.[\w-]{1,63})*\.?)(:(?P<port>\d{1,5}))?(/(?:(?![?#])[!-~])*)?",
    re.ASCII | re.IGNORECASE,
)
PREFIX = "MTA_"
# Of a folder: Prefect's API takes no half letters, and a terminal that is not UTF-8 makes some of others than A to Z.
NO_TEXT = "its name holds what does not print; name another folder, or, for letters beyond A to Z, set PYTHONUTF8=1"
ROOT = Path(__file__).resolve().parents[2]  # the project's root, wherever the command was started


def is_address(value: str) -> bool:
    """Whether it is the address of a host, or of what is there, that can be asked."""
    found = ADDRESS.fullmatch(value)
    return found is not None and len(found[1]) <= LONGEST_HOST and 0 < int(found["port"] or 80) < 2**16


def _web_address(value: str | None) -> str | None:
    if value is None:
        return None
    keep_login_secret(value)  # it is refused for one, and nobody reads it all the same
    if not is_address(value):
        raise ValueError("must be an address as in http://HOST/PATH, without a user name, a password or a query")
    return value.rstrip("/")


def plain_token(value: SecretStr) -> SecretStr | None:
    """A token without the blanks that a file or a page may add; None where nothing is left.

    Raises:
        ValueError: it cannot be sent; does not quote it.
    """
    token = value.get_secret_value().strip()
    keep_secret(token)
    if not (token.isascii() and token.isprintable()):
        raise ValueError("must be a token of plain letters and digits")
    return SecretStr(token) if token else None


def plain_address(value: SecretStr) -> SecretStr | None:
    """A secret address without the blanks that a file or a page may add; None where nothing is left.

    Raises:
        ValueError: it is no address that can be asked; does not quote it.
    """
    address = value.get_secret_value().strip()
    keep_address_secret(address)
    path, _, query = address.partition("?")
    if address and not (is_address(path) and query.isascii() and query.isprintable()):
        raise ValueError("must be an address as in https://HOST/PATH, without a user name or a password")
    return SecretStr(address) if address else None


def _home(value: Path) -> Path:
    try:
        folder = value.expanduser()
    except RuntimeError:
        raise ValueError("there is no such home folder") from None
    if not str(folder).isprintable():
        raise ValueError(NO_TEXT)
    return folder


class Settings(BaseSettings):
    """Frozen; a field `x` is the variable `MTA_X`. An empty variable counts as unset."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ROOT / ".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    lake: str | None = None  # a folder, or gcs-bucket/NAME
    spool: Annotated[Path, AfterValidator(_home)] = ROOT / "data" / "spool"  # work folder
    turnstile_url: Annotated[str | None, AfterValidator(_web_address)] = None  # in place of that in the feed's entry
    socrata_url: Annotated[str | None, AfterValidator(_web_address)] = None  # likewise
    socrata_app_token: Annotated[SecretStr | None, AfterValidator(lambda v: v and plain_token(v))] = None
    retry_attempts: int = Field(default=5, ge=1)  # tries without getting on, the first one included
    retry_wait: float = Field(default=900.0, ge=0, le=DAY)  # seconds in which a host brings nothing that is kept
    retry_base: float = Field(default=1.0, ge=0.001, le=DAY)  # seconds of the first pause; at a busy host five times
    connect_timeout: float = Field(default=15.0, gt=0, le=DAY)  # seconds
    head_timeout: float = Field(default=300.0, gt=0, le=DAY)  # seconds, for the head of an answer
    read_timeout: float = Field(default=60.0, gt=0, le=DAY)  # seconds without a byte
    week_timeout: float = Field(default=7200.0, gt=0, le=DAY)  # seconds; a run that shows no life for longer is dead
    max_bytes: int = Field(default=2_000_000_000, ge=1)  # of a week, unpacked
    max_rows: int = Field(default=10_000_000, ge=1)  # of a week; lines too
    ping_url: Annotated[SecretStr | None, AfterValidator(lambda v: v and plain_address(v))] = None  # a secret address

    def __iter__(self) -> Generator[tuple[str, Any], None, None]:
        """Its fields but for the secrets: so Prefect writes it down among the parameters of a run, for all to read."""
        yield from ((name, value) for name, value in super().__iter__() if not isinstance(value, SecretStr))

    @property
    def overrides(self) -> dict[str, str | None]:
        """Addresses of sources that take the place of those in the entries of feeds, by variable."""
        return {"MTA_TURNSTILE_URL": self.turnstile_url, "MTA_SOCRATA_URL": self.socrata_url}

    @property
    def tokens(self) -> dict[str, SecretStr | None]:
        """What says who asks a source, by variable."""
        return {"MTA_SOCRATA_APP_TOKEN": self.socrata_app_token}


_told: set[str] = set()  # what a person need be told but once


def read_settings() -> Settings:
    """Read the settings, and let nobody read the secrets; warn of variables that begin like ours and are none.

    Raises:
        BadArgument: a variable has a value that cannot be used; names the variable and the rule, not the value. Or a
            line of `.env` cannot be read; names the line.
    """
    keep_environment_secret()
    dotenv = Path(str(Settings.model_config.get("env_file")))
    try:
        for name, said in explain_unknown([*os.environ, *list_names(dotenv)]).items():
            if name not in _told:
                _told.add(name)
                log.warning("%s", said)
        return Settings()
    except UnicodeDecodeError:
        raise BadArgument(f"{dotenv} is not UTF-8. Save it as UTF-8.") from None
    except ValidationError as error:
        faults = "; ".join(
            f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()
        )
        raise BadArgument(f"{faults}. Mend the variable, or its line in {ROOT / '.env'}.") from None


def explain_unknown(names: Iterable[str]) -> dict[str, str]:
    """What to say of each variable that begins like ours and is none; by its name."""
    ours = [f"{PREFIX}{field.upper()}" for field in Settings.model_fields]
    said = dict[str, str]()
    for name in names:
        if name.upper().startswith(PREFIX) and name.upper() not in ours:
            (nearest,) = difflib.get_close_matches(name.upper(), ours, n=1, cutoff=0.0)
            said[name] = f"{clean(name, 80)}: no variable of this project; the nearest is {nearest}"
    return said


def wants_telemetry() -> bool:
    """Whether somebody collects what the steps take, by OpenTelemetry's own variables."""
    endpoint, disabled = (
        os.environ.get(f"OTEL_{name}", "").strip() for name in ("EXPORTER_OTLP_ENDPOINT", "SDK_DISABLED")
    )
    return bool(endpoint) and disabled.lower() != "true"


def seconds_since(moment: float) -> float:
    """How long ago a moment is, in seconds; it is given in those of the epoch."""
    return time.time() - moment


def new_york_today() -> date:
    """The date in New York, where the feeds are published."""
    return datetime.now(ZoneInfo("America/New_York")).date()
