"""What the scripts of blocks/ are given, and what stands at Prefect's API after them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Ran, ask
from gcs import Gcs

REPOSITORY = "https://github.com/somebody/mta"
Script = Callable[..., Ran]


@pytest.fixture
def key(gcs: Gcs, tmp_path: Path) -> Path:
    """The key file of the bucket's service account."""
    gcs.require_token = True
    path = tmp_path / "key.json"
    path.write_text(json.dumps(gcs.service_account()))
    return path


def documents(kind: str, name: str) -> list[Any]:
    """The block documents of that kind and name."""
    every = ask(lambda client: client.read_block_documents(include_secrets=False))
    return [each for each in every if each.block_type.slug == kind and each.name == name]


def lines_of(key: Path) -> list[str]:
    """What of a private key no one may see."""
    return [line for line in json.loads(key.read_text())["private_key"].splitlines() if len(line) > 20]
