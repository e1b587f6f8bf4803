"""Requests of the Google Cloud Storage JSON API as the bucket of the tests understands them, and how they go wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from loopback import Handler

Kind = Literal["any", "token", "bucket", "permissions", "list", "get", "media", "upload", "finish", "patch", "delete"]
Reply = tuple[int, Mapping[str, str], bytes]

_BUCKET = "/storage/v1/b/(?P<bucket>[^/]+)"
_OBJECT = _BUCKET + "/o/(?P<name>.+)"
# What a request asks for, how it is recognised and which permission it takes.
ACTIONS = {
    "token": ("POST /token", None),
    "bucket": (f"GET {_BUCKET}", "storage.buckets.get"),
    "permissions": (f"GET {_BUCKET}/iam/testPermissions", None),
    "list": (f"GET {_BUCKET}/o", "storage.objects.list"),
    "get": (f"GET (/download)?{_OBJECT}", "storage.objects.get"),
    "patch": (f"PATCH {_OBJECT}", "storage.objects.update"),
    "delete": (f"DELETE {_OBJECT}", "storage.objects.delete"),
    "upload": (f"(POST|PUT) /upload{_BUCKET}/o", "storage.objects.create"),
}
MOST_METADATA = 8192  # bytes of names and values of an object, together
EMAIL = "tests@tests.iam.gserviceaccount.com"


@dataclass(frozen=True)
class Call:
    """A request, understood."""

    action: str
    kinds: set[str]  # the names a fault may know it by
    bucket: str
    name: str
    query: dict[str, str]  # keys in lower case, because the client spells ifMetagenerationNotMatch in two ways
    headers: Message
    body: bytes


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the next requests of a kind.

    Attributes:
        status: Answer with this error instead of doing what was asked.
        times: How many requests it befalls.
        on: "upload" includes "finish", the request that completes an object; "get" includes "media", its contents.
        headers: Sent along with the error, or with `body`.
        reason: What the error gives as its reason.
        lost: Do what was asked, then close the connection without an answer.
        cut: Do what was asked, then close the connection in the middle of the answer's body.
        body: Do what was asked, then answer 200 with this body instead; or that of the error, where one is ordered.
        crc32c: Do what was asked, then say this of the object instead of its own sum.
        before: Called with the server before the request is handled, say to let another run write first.
    """

    status: int | None = None
    times: int = 1
    on: Kind = "any"
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str = "backendError"
    lost: bool = False
    cut: bool = False
    body: bytes | None = None
    crc32c: str = ""
    before: Callable[[Any], object] | None = None

    def bend(self, reply: Reply) -> Reply:
        """The answer that is sent in place of the right one."""
        status, headers, body = reply
        if self.body is not None:
            return 200, self.headers, self.body
        return status, headers, json.dumps(json.loads(body) | {"crc32c": self.crc32c}).encode() if self.crc32c else body


@dataclass
class Upload:
    """A resumable upload: the call that began it, the object's properties, what has come and how it ended."""

    call: Call
    properties: dict[str, Any]
    data: bytearray = field(default_factory=bytearray)
    done: Reply | None = None


class Refusal(Exception):
    """An error answer in the shape Google gives it."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        headers: Mapping[str, str] | None = None,
        instead: bytes | None = None,  # of Google's shape
    ) -> None:
        super().__init__(message)
        errors = [{"message": message, "domain": "global", "reason": reason}]
        status, own, body = json_reply({"error": {"code": code, "message": message, "errors": errors}}, code)
        self.reply: Reply = (
            status,
            {**own, **(headers or {})},
            b"" if code in (204, 304) else body if instead is None else instead,
        )


def understand_request(request: Handler) -> Call:
    url = urlsplit(request.path)
    query = {key.lower(): ",".join(values) for key, values in parse_qs(url.query).items()}
    for action, (route, _) in ACTIONS.items():
        if match := re.fullmatch(route, f"{request.command} {url.path}"):
            place = {key: unquote(value) for key, value in match.groupdict().items()}
            kinds = {"any", action} | ({"media"} if query.get("alt") == "media" else set())
            last = re.fullmatch(r"bytes \d+-(\d+)/(\d+)", request.headers.get("Content-Range", ""))
            if query.get("uploadtype") == "multipart" or (last and int(last[1]) + 1 == int(last[2])):
                kinds.add("finish")
            bucket, name = place.get("bucket", ""), place.get("name", "")
            return Call(action, kinds, bucket, name, query, request.headers, request.body)
    raise Refusal(501, "notImplemented", f"This server does not know {request.command} {url.path}.")


def name_of_upload(upload: Upload) -> str:
    return str(upload.call.query.get("name") or upload.properties["name"])


def check_metadata(properties: Mapping[str, Any]) -> None:
    """Refuses more than an object may bear."""
    size = sum(len(text.encode()) for pair in (properties.get("metadata") or {}).items() for text in pair)
    if size > MOST_METADATA:
        raise Refusal(400, "invalid", f"The metadata of the object is {size} bytes and may be {MOST_METADATA}.")


def json_reply(content: dict[str, Any], status: int = 200) -> Reply:
    return status, {"Content-Type": "application/json; charset=UTF-8"}, json.dumps(content).encode()
