"""Register the credentials for Google Cloud as a GCP Credentials block.

    python blocks/gcp_acc_block.py --file_path ~/key.json --gcp_acc_block_name blk-gcp-svc-acc
    python blocks/gcp_acc_block.py --gcp_acc_block_name blk-gcp-svc-acc      # keyless

The key travels as a secret inside the block, so that a container needs no file. Whoever reaches an own server can read
it there: prefer the keyless form, which takes the Application Default Credentials of the machine of each run.
"""

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import script_steps  # first: it looks at what Prefect needs to load, and lets the others be found

# isort: split
from google.auth.exceptions import GoogleAuthError
from prefect_gcp import GcpCredentials

from mta_weekly.errors import EtlError
from mta_weekly.secrets import keep_key_secret

DEFAULT_NAME = "blk-gcp-svc-acc"
LARGEST = 64 * 1024  # bytes; a key has 2.4 KB
NEEDED = ("client_email", "private_key", "token_uri")  # what google-auth signs a token with


def parser() -> argparse.ArgumentParser:
    """The flags, as `--help` shows them."""
    made = script_steps.parser("Register the credentials for Google Cloud.", __file__)
    made.add_argument(
        "--file_path",
        metavar="F",
        help="JSON key file of a service account; default: none, the Application Default Credentials of each machine",
    )
    made.add_argument(
        "--gcp_acc_block_name",
        type=script_steps.block_name,
        default=DEFAULT_NAME,
        metavar="N",
        help=f"default {DEFAULT_NAME}",
    )
    return made


def read_key(file: str) -> dict[str, Any]:
    """The content of a service account's key file; `~` may stand for the home folder.

    Raises:
        EtlError: it is not there, or not the key of a service account. Nothing of its content is said.
    """
    path, where = (
        Path(script_steps.home(file)),
        "make a key of a service account: console.cloud.google.com, IAM & Admin",
    )
    try:
        if path.exists() and not (path.is_file() and path.stat().st_size <= LARGEST):
            raise EtlError(f"key file {path}: a folder, a pipe or too large, no JSON key file; {where}")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise EtlError(f"key file {path}: {error.strerror}; give the path of a JSON key file") from None
    except UnicodeDecodeError:
        raise EtlError(f"key file {path}: no text in UTF-8, so no JSON key file; {where}") from None
    if not text.strip():
        raise EtlError(f"key file {path}: empty; {where}")
    try:
        key: Any = json.loads(text)
        json.dumps(key, ensure_ascii=False).encode()  # half a character is JSON, and no API takes it
    except json.JSONDecodeError as error:
        raise EtlError(f"key file {path}: no JSON (line {error.lineno}); {where}") from None
    except (ValueError, RecursionError):
        raise EtlError(f"key file {path}: no JSON that a key is written in; {where}") from None
    key = key if isinstance(key, dict) else {}
    kind = key.get("type")
    if kind == "authorized_user":
        raise EtlError(f"key file {path}: a login of a person, not a key; without --file_path such a login is used")
    if kind != "service_account":
        raise EtlError(f"key file {path}: its type is not service_account; {where}")
    if missing := [name for name in NEEDED if not isinstance(key.get(name), str) or not key[name]]:
        raise EtlError(f"key file {path}: not whole, it has no {' and no '.join(missing)}; {where}")
    if not re.fullmatch(r"[\w.+-]+@[\w.-]+", key["client_email"]) or not re.fullmatch(r"[\w.:-]*", _project(key)):
        raise EtlError(f"key file {path}: its client_email or project_id is none; {where}")
    keep_key_secret(key["private_key"])
    return dict(key)


def _project(key: dict[str, Any]) -> str:
    return str(key.get("project_id") or "")


def build_block(key: dict[str, Any] | None) -> GcpCredentials:
    """The block, with a key or keyless.

    Raises:
        EtlError: the key cannot be used, or this machine has no Application Default Credentials.
    """
    if key is None:
        try:
            return GcpCredentials()
        except (GoogleAuthError, OSError, ValueError):
            raise EtlError(
                "no key file was given, and this machine has no Application Default Credentials; run 'gcloud auth "
                "application-default login', set GOOGLE_APPLICATION_CREDENTIALS, or give --file_path"
            ) from None
    try:
        return GcpCredentials(service_account_info=key, project=_project(key) or None)
    except (GoogleAuthError, ValueError, TypeError):  # its text is not shown: it may quote the key
        raise EtlError(f"the private key of {key['client_email']} cannot be read; download the key again") from None


def steps(options: argparse.Namespace) -> list[script_steps.Step]:
    """What the script does."""
    name, key = options.gcp_acc_block_name, None
    who = "keyless, by the Application Default Credentials of each machine"
    if options.file_path is not None:
        key = read_key(options.file_path)
        build_block(key)
        who = f"the key of {key['client_email']}, project {_project(key) or 'not named'}"

    async def register() -> None:
        await build_block(key).save(name, overwrite=True)

    return [script_steps.Step("register", f"gcp-credentials/{name}: {who}", register)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script."""
    return script_steps.run(parser(), steps, arguments)


if __name__ == "__main__":
    script_steps.end(main())
