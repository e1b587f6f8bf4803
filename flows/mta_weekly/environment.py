"""What the environment says besides a run's settings: `.env` line by line, who is trusted, what nobody may read."""

import os
import re
from io import StringIO
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from mta_weekly import files
from mta_weekly.errors import BadArgument
from mta_weekly.secrets import NO_WORD, keep_login_secret, keep_secret

NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")  # of a variable
LARGEST, LARGEST_BUNDLE = 1 << 20, 1 << 24  # bytes of .env, and of the authorities: all that are known have 300 KB
AUTHORITIES = ("SSL_CERT_FILE", "PREFECT_API_SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # who is trusted


def list_names(dotenv: Path) -> list[str]:
    """The names of the variables in `.env`.

    Raises:
        BadArgument: it is no file, or too large, or has a line that pydantic-settings would pass over in silence.
    """
    try:
        with files.open_regular(dotenv) as handle:  # a pipe would be waited for, and what cannot be read passed over
            content = os.read(handle, LARGEST + 1)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BadArgument(files.say_unreadable(dotenv, error)) from None
    if len(content) > LARGEST:
        raise BadArgument(f"{dotenv} has more than {LARGEST:,} bytes; keep variables in it, and nothing else.")
    names = list[str]()
    for each in parse_stream(StringIO(content.decode())):
        if each.error or (each.key is not None and (each.value is None or not NAME.fullmatch(each.key))):
            raise BadArgument(f"{dotenv}, line {_find_line(each)}: must be NAME=VALUE, with an end to each quote.")
        names += [each.key] if each.key else []
    return names


def _find_line(binding: Binding) -> int:
    """Where a binding begins, after the blank lines before it."""
    text = binding.original.string
    return binding.original.line + len(re.findall(r"\r\n|\n|\r", text[: len(text) - len(text.lstrip())]))


def check_authorities() -> None:
    """Refuse variables that say which authorities to trust, and name nothing: each client would fail in its own way.

    Raises:
        BadArgument: names the variable.
    """
    for variable in AUTHORITIES:
        named = Path(os.environ.get(variable, ""))
        if named == Path() or (variable.endswith("BUNDLE") and named.is_dir()):
            continue
        try:
            with files.open_regular(named) as handle:
                content = os.read(handle, LARGEST_BUNDLE)
        except FileNotFoundError:
            raise BadArgument(f"{variable}: there is no file {named}; name one of certificates, or unset it.") from None
        except OSError as error:
            raise BadArgument(f"{variable}: {files.say_unreadable(named, error)}.") from None
        # Not loaded, which takes a tenth of a second where there are many.
        if not 0 < content.count(b"-----BEGIN ") == content.count(b"-----END "):
            raise BadArgument(f"{variable}: {named} is no file of certificates (PEM); name one, or unset it.")
    folders = os.environ.get("SSL_CERT_DIR", "")
    if folders and not any(map(os.path.isdir, folders.split(os.pathsep))):
        raise BadArgument(f"SSL_CERT_DIR: there is no folder {folders}; name one of certificates, or unset it.")


def keep_environment_secret() -> None:
    """Let nobody read the keys and logins in variables of others: of proxies, Prefect, OpenTelemetry."""
    for name, value in os.environ.items():
        keep_login_secret(value)
        if name == "PREFECT_API_KEY":
            keep_secret(value)
        elif name.startswith("OTEL_EXPORTER_OTLP_") and name.endswith("HEADERS"):
            for header in value.split(","):
                value = header.partition("=")[2].strip()
                if NO_WORD.search(value):  # else it is "true", or the name of a data set, and stands in many a line
                    keep_secret(value)
