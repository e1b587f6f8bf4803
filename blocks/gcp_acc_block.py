"""Register the credentials for Google Cloud as a GCP Credentials block.

    python blocks/gcp_acc_block.py --file_path ~/key.json --gcp_acc_block_name blk-gcp-svc-acc
    python blocks/gcp_acc_block.py --gcp_acc_block_name blk-gcp-svc-acc      # keyless

The key travels as a secret inside the block, so that a container needs no file. Whoever reaches an own server can read
it there: prefer the keyless form, which takes the Application Default Credentials of the machine of each run.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from google.auth.exceptions import GoogleAuthError
from prefect_gcp import GcpCredentials

import script  # lets the others be found

# isort: split
from errors import EtlError

DEFAULT_NAME = "blk-gcp-svc-acc"
NEEDED = ("client_email", "private_key", "token_uri")  # what google-auth signs a token with


def parser() -> argparse.ArgumentParser:
    """The flags, as `--help` shows them."""
    made = script.parser("Register the credentials for Google Cloud.", __file__)
    made.add_argument(
        "--file_path",
        metavar="F",
        help="JSON key file of a service account; default: none, the Application Default Credentials of each machine",
    )
    made.add_argument(
        "--gcp_acc_block_name",
        type=script.block_name,
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
    path, where = Path(script.home(file)), "make a key of a service account: console.cloud.google.com, IAM & Admin"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise EtlError(f"key file {path}: {error.strerror}; give the path of a JSON key file") from None
    except UnicodeDecodeError:
        raise EtlError(f"key file {path}: no text in UTF-8, so no JSON key file; {where}") from None
    if not text.strip():
        raise EtlError(f"key file {path}: empty; {where}")
    try:
        key: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise EtlError(f"key file {path}: no JSON (line {error.lineno}); {where}") from None
    key = key if isinstance(key, dict) else {}
    kind = key.get("type")
    if kind == "authorized_user":
        raise EtlError(f"key file {path}: a login of a person, not a key; without --file_path such a login is used")
    if kind != "service_account":
        raise EtlError(f"key file {path}: its type is not service_account; {where}")
    if missing := [name for name in NEEDED if not isinstance(key.get(name), str) or not key[name]]:
        raise EtlError(f"key file {path}: not whole, it has no {' and no '.join(missing)}; {where}")
    return dict(key)


def build_block(file: str | None) -> GcpCredentials:
    """The block, with the key of a file or keyless.

    Raises:
        EtlError: the key cannot be used, or this machine has no Application Default Credentials.
    """
    if file is None:
        try:
            return GcpCredentials()
        except (GoogleAuthError, OSError, ValueError):
            raise EtlError(
                "no key file was given, and this machine has no Application Default Credentials; run 'gcloud auth "
                "application-default login', set GOOGLE_APPLICATION_CREDENTIALS, or give --file_path"
            ) from None
    key = read_key(file)
    try:
        return GcpCredentials(service_account_info=key, project=key.get("project_id"))
    except (GoogleAuthError, ValueError, TypeError):  # its text is not shown: it may quote the key
        raise EtlError(f"key file {file}: its private key cannot be read; download the key again") from None


def steps(options: argparse.Namespace) -> list[script.Step]:
    """What the script does."""
    block, name = build_block(options.file_path), options.gcp_acc_block_name
    who = f"the key of {block._service_account_email}" if block.service_account_info else "keyless, each machine's own"

    async def register() -> None:
        await block.save(name, overwrite=True)

    return [script.Step("register", f"gcp-credentials/{name}: {who}, project {block.project}", register)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script."""
    return script.run(parser(), steps, arguments)


if __name__ == "__main__":
    sys.exit(main())
