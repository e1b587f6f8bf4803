"""Objects as the bucket of the tests stores them, and the key of its service account."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote

import google_crc32c
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import rsa


@dataclass
class Blob:
    """An object as stored; the checksums follow from the data unless given, so that a test may store rot."""

    data: bytes
    generation: int
    metageneration: int = 1
    properties: dict[str, Any] = field(default_factory=dict)  # contentType, metadata and others its writer set
    crc32c: str = ""
    md5: str = ""
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.crc32c = self.crc32c or base64.b64encode(google_crc32c.value(self.data).to_bytes(4, "big")).decode()
        self.md5 = self.md5 or base64.b64encode(hashlib.md5(self.data).digest()).decode()

    @property
    def content_type(self) -> str:
        """As the writer set it, or the default."""
        return str(self.properties.get("contentType") or "application/octet-stream")

    @property
    def metadata(self) -> dict[str, str]:
        """The writer's own metadata."""
        return self.properties.get("metadata") or {}

    def resource(self, url: str, bucket: str, name: str) -> dict[str, Any]:
        """As the API shows it."""
        path = f"b/{bucket}/o/{quote(name, safe='')}"
        return {
            **self.properties,
            "kind": "storage#object",
            "id": f"{bucket}/{name}/{self.generation}",
            "selfLink": f"{url}/storage/v1/{path}",
            "mediaLink": f"{url}/download/storage/v1/{path}?generation={self.generation}&alt=media",
            "name": name,
            "bucket": bucket,
            "generation": str(self.generation),
            "metageneration": str(self.metageneration),
            "contentType": self.content_type,
            "size": str(len(self.data)),
            "crc32c": self.crc32c,
            "md5Hash": self.md5,
            "timeCreated": f"{self.created:%Y-%m-%dT%H:%M:%S.%fZ}",
            "updated": f"{self.updated:%Y-%m-%dT%H:%M:%S.%fZ}",
        }


def merge_properties(old: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A JSON merge patch: objects are merged key by key and null deletes."""
    merged = old | {k: merge_properties(old.get(k, {}), v) if isinstance(v, dict) else v for k, v in changes.items()}
    return {key: value for key, value in merged.items() if value is not None}


@cache
def make_key_pair() -> tuple[str, str]:
    """A private key and its public half, made once: it takes a while."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())
    public = key.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()
