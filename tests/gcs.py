"""A storage bucket that honours preconditions, for the tests of the uploader.

It speaks the part of the Google Cloud Storage JSON API that the real client uses to look at a bucket and to list, read,
upload, patch and delete objects, along with the token endpoint of service accounts. Unlike the public emulator it
honours every precondition and checksum, and it fails on order: errors, lost answers, other writers, refused
credentials, missing permissions. Point the client at it with ``STORAGE_EMULATOR_HOST`` (anonymous), or with
``client_options={"api_endpoint": gcs.url}`` and the credentials of `Gcs.service_account`.
"""

from __future__ import annotations

import base64
import email
import hashlib
import itertools
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.message import Message
from functools import cache
from typing import Any, Literal
from urllib.parse import parse_qs, quote, unquote, urlsplit

import google_crc32c
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

from loopback import Handler, Loopback

Kind = Literal["any", "token", "bucket", "permissions", "list", "get", "media", "upload", "finish", "patch", "delete"]
Reply = tuple[int, Mapping[str, str], bytes]

_BUCKET = "/storage/v1/b/(?P<bucket>[^/]+)"
_OBJECT = _BUCKET + "/o/(?P<name>.+)"
# What a request asks for, how it is recognised and which permission it takes.
_ACTIONS = {
    "token": ("POST /token", None),
    "bucket": (f"GET {_BUCKET}", "storage.buckets.get"),
    "permissions": (f"GET {_BUCKET}/iam/testPermissions", None),
    "list": (f"GET {_BUCKET}/o", "storage.objects.list"),
    "get": (f"GET (/download)?{_OBJECT}", "storage.objects.get"),
    "patch": (f"PATCH {_OBJECT}", "storage.objects.update"),
    "delete": (f"DELETE {_OBJECT}", "storage.objects.delete"),
    "upload": (f"(POST|PUT) /upload{_BUCKET}/o", "storage.objects.create"),
}
_EMAIL = "tests@tests.iam.gserviceaccount.com"


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


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the next requests of a kind.

    Attributes:
        status: Answer with this error instead of doing what was asked.
        times: How many requests it befalls.
        on: "upload" includes "finish", the request that completes an object; "get" includes "media", its contents.
        headers: Sent along with the error.
        lost: Do what was asked, then close the connection without an answer.
        before: Called before the request is handled, say to let another run write first.
    """

    status: int | None = None
    times: int = 1
    on: Kind = "any"
    headers: Mapping[str, str] = field(default_factory=dict)
    lost: bool = False
    before: Callable[[Gcs], object] | None = None


class Refusal(Exception):
    """An error answer in the shape Google gives it."""

    def __init__(self, code: int, reason: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        errors = [{"message": message, "domain": "global", "reason": reason}]
        status, own, body = _json({"error": {"code": code, "message": message, "errors": errors}}, code)
        self.reply: Reply = (status, {**own, **(headers or {})}, b"" if code == 304 else body)


@dataclass(frozen=True)
class _Call:
    """A request, understood."""

    action: str
    kinds: set[str]  # the names a fault may know it by
    bucket: str
    name: str
    query: dict[str, str]  # keys in lower case, because the client spells ifMetagenerationNotMatch in two ways
    headers: Message
    body: bytes


@dataclass
class _Upload:
    """A resumable upload: the call that began it, the object's properties, what has come and how it ended."""

    call: _Call
    properties: dict[str, Any]
    data: bytearray = field(default_factory=bytearray)
    done: Reply | None = None


class Gcs(Loopback):
    """The server.

    Attributes:
        objects: Blobs by bucket and name, whole ones only. Tests may look, add and change.
        faults: Consumed in order, each by the next request it fits.
        forbid: Permissions the caller lacks, such as "storage.objects.create".
        require_token: Whether requests need a token issued by this server.
        refuse_credentials: Whether the token endpoint turns everybody away.
        tokens: Those that are good; clear it and they have expired.
    """

    def __init__(self, buckets: Iterable[str] = ("lake",)) -> None:
        super().__init__()
        self.objects: dict[str, dict[str, Blob]] = {bucket: {} for bucket in buckets}
        self.faults: list[Fault] = []
        self.forbid: set[str] = set()
        self.require_token = False
        self.refuse_credentials = False
        self.tokens: set[str] = set()
        self._uploads: dict[str, _Upload] = {}
        self._generations = itertools.count(1_700_000_000_000_000)  # as large as real ones

    def put(self, bucket: str, name: str, data: bytes, **properties: Any) -> Blob:
        """Stores an object whatever is there, as another writer would; say ``contentType="text/csv"``."""
        with self.lock:
            blob = self.objects[bucket][name] = Blob(data, next(self._generations), properties=properties)
        return blob

    def service_account(self) -> dict[str, str]:
        """What the key file of a service account says whose tokens this server issues."""
        return {
            "type": "service_account",
            "project_id": "tests",
            "private_key_id": "1",
            "private_key": _key_pair()[0],
            "client_email": _EMAIL,
            "client_id": "1",
            "token_uri": f"{self.url}/token",
            "universe_domain": "googleapis.com",
        }

    def answer(self, request: Handler) -> None:
        fault = None
        try:
            call = _understand(request)
            fault = self._next_fault(call.kinds)
            if fault and fault.before:
                fault.before(self)
            if fault and fault.status:
                raise Refusal(fault.status, "backendError", "This error was ordered.", fault.headers)
            with self.lock:  # to look and to store is one step: of several creators exactly one wins
                status, headers, body = self._perform(call)
        except Refusal as refusal:
            status, headers, body = refusal.reply
        if fault and fault.lost:
            request.hang_up()
            return
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        if status not in (204, 304):
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _next_fault(self, kinds: set[str]) -> Fault | None:
        with self.lock:
            for i, fault in enumerate(self.faults):
                if fault.on in kinds:
                    self.faults[i : i + 1] = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                    return fault
        return None

    def _perform(self, call: _Call) -> Reply:
        if call.action == "token":
            return self._token(call)
        if self.require_token and call.headers["Authorization"] not in {f"Bearer {token}" for token in self.tokens}:
            raise Refusal(401, "authError", "Invalid Credentials")
        if call.bucket not in self.objects:
            raise Refusal(404, "notFound", "The specified bucket does not exist.")
        self._permit(_ACTIONS[call.action][1])
        action: Callable[[_Call], Reply] = getattr(self, f"_{call.action}")
        return action(call)

    def _permit(self, permission: str | None) -> None:
        if permission in self.forbid:
            denied = f"Permission '{permission}' denied on resource (or it may not exist)."
            raise Refusal(403, "forbidden", f"{_EMAIL} does not have {permission} access. {denied}")

    def _token(self, call: _Call) -> Reply:
        try:
            if self.refuse_credentials:
                raise ValueError("account not found")
            assertion = parse_qs(call.body.decode())["assertion"][0]
            # The audience goes unchecked: the client always names Google's endpoint, wherever token_uri points.
            jwt.decode(assertion, certs=_key_pair()[1])  # type: ignore[no-untyped-call]
        except (KeyError, ValueError) as error:
            return _json({"error": "invalid_grant", "error_description": f"Invalid grant: {error}"}, 400)
        token = uuid.uuid4().hex
        self.tokens.add(token)
        return _json({"access_token": token, "token_type": "Bearer", "expires_in": 3600})

    def _bucket(self, call: _Call) -> Reply:
        return _json({"kind": "storage#bucket", "id": call.bucket, "name": call.bucket, "location": "US"})

    def _permissions(self, call: _Call) -> Reply:
        return _json({"permissions": [one for one in call.query["permissions"].split(",") if one not in self.forbid]})

    def _list(self, call: _Call) -> Reply:
        if unknown := call.query.keys() & {"delimiter", "startoffset", "endoffset", "matchglob", "versions"}:
            raise Refusal(501, "notImplemented", f"This server does not know {unknown}.")
        prefix, after = call.query.get("prefix", ""), call.query.get("pagetoken", "")
        names = sorted(name for name in self.objects[call.bucket] if name.startswith(prefix) and name > after)
        page = names[: int(call.query.get("maxresults", 1000))]
        listing: dict[str, Any] = {"kind": "storage#objects", "items": [self._resource(call.bucket, x) for x in page]}
        return _json(listing | ({"nextPageToken": page[-1]} if len(page) < len(names) else {}))

    def _get(self, call: _Call) -> Reply:
        blob = self._existing(call)
        if "media" not in call.kinds:
            return _json(self._resource(call.bucket, call.name))
        size = len(blob.data)
        headers = {
            "Content-Type": blob.content_type,
            "X-Goog-Generation": str(blob.generation),
            "X-Goog-Metageneration": str(blob.metageneration),
            "X-Goog-Hash": f"crc32c={blob.crc32c},md5={blob.md5}",
            "X-Goog-Stored-Content-Length": str(size),
        }
        if encoding := blob.properties.get("contentEncoding"):
            headers |= {"Content-Encoding": encoding, "X-Goog-Stored-Content-Encoding": encoding}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", call.headers.get("Range", ""))
        if not asked:
            return 200, headers, blob.data
        start, end = int(asked[1]), min(int(asked[2] or size), size - 1)
        if start >= size:
            raise Refusal(416, "requestedRangeNotSatisfiable", "Request range not satisfiable")
        return 206, headers | {"Content-Range": f"bytes {start}-{end}/{size}"}, blob.data[start : end + 1]

    def _patch(self, call: _Call) -> Reply:
        blob = self._existing(call)
        properties = _merged(blob.properties, json.loads(call.body))
        updated, metageneration = datetime.now(UTC), blob.metageneration + 1
        blob = replace(blob, properties=properties, metageneration=metageneration, updated=updated)
        self.objects[call.bucket][call.name] = blob
        return _json(self._resource(call.bucket, call.name))

    def _delete(self, call: _Call) -> Reply:
        self._existing(call)
        del self.objects[call.bucket][call.name]
        return 204, {}, b""

    def _upload(self, call: _Call) -> Reply:
        if "upload_id" in call.query:
            return self._resume(call)
        if call.query["uploadtype"] == "multipart":
            boundary = b"--" + str(call.headers.get_param("boundary")).encode()
            _, first, rest = call.body.split(boundary, 2)
            head, _, data = rest.rpartition(b"\r\n" + boundary + b"--")[0].partition(b"\r\n\r\n")
            properties = json.loads(first.partition(b"\r\n\r\n")[2])
            properties.setdefault("contentType", email.message_from_bytes(head.lstrip())["Content-Type"])
            return self._store(_Upload(call, properties, bytearray(data)), call.headers)
        properties = json.loads(call.body or b"{}")
        properties.setdefault("contentType", call.headers["X-Upload-Content-Type"])
        upload = _Upload(call, properties)
        self._check(call, self.objects[call.bucket].get(_name(upload)))
        upload_id = uuid.uuid4().hex
        self._uploads[upload_id] = upload
        path = f"/upload/storage/v1/b/{call.bucket}/o?uploadType=resumable&upload_id={upload_id}"
        return 200, {"Location": self.url + path}, b""

    def _resume(self, call: _Call) -> Reply:
        """Takes a chunk of a resumable upload (or no bytes at all: the client asks how far it has come)."""
        upload = self._uploads.get(call.query["upload_id"])
        if upload is None:
            raise Refusal(404, "notFound", "No such upload.")
        if upload.done:  # the last chunk again, because its answer was lost
            return upload.done
        content_range = call.headers.get("Content-Range", f"bytes 0-/{len(call.body)}")
        span = re.fullmatch(r"bytes (?:\*|(\d+)-\d*)/(?:\*|(\d+))", content_range)
        start = int(span[1] or len(upload.data)) if span else -1
        if span is None or start > len(upload.data):
            raise Refusal(400, "invalid", f"Invalid Content-Range: {content_range}")
        upload.data[start:] = call.body  # a chunk sent again replaces itself
        if str(len(upload.data)) != span[2]:
            return 308, {"Range": f"bytes=0-{len(upload.data) - 1}"} if upload.data else {}, b""
        try:
            upload.done = self._store(upload, call.headers)
        except Refusal:
            del self._uploads[call.query["upload_id"]]
            raise
        return upload.done

    def _store(self, upload: _Upload, last_headers: Message) -> Reply:
        """Makes an object of an upload that is complete, unless it is not what was promised."""
        bucket, name, properties = upload.call.bucket, _name(upload), upload.properties
        old = self.objects[bucket].get(name)
        self._check(upload.call, old)
        if old:
            self._permit("storage.objects.delete")  # to overwrite is to delete
        blob = Blob(bytes(upload.data), next(self._generations), properties=properties)
        promised = [("crc32c", properties.get("crc32c")), ("md5", properties.get("md5Hash"))]
        for headers in (upload.call.headers, last_headers):
            promised += re.findall("(crc32c|md5)=([^, ]+)", headers.get("X-Goog-Hash", ""))
        for kind, value in promised:
            true = getattr(blob, kind)
            if value not in (None, true):
                what = kind.upper()
                raise Refusal(400, "invalid", f'Provided {what} "{value}" doesn\'t match calculated {what} "{true}".')
        self.objects[bucket][name] = blob
        return _json(self._resource(bucket, name))

    def _existing(self, call: _Call) -> Blob:
        blob = self.objects[call.bucket].get(call.name)
        if blob is None or call.query.get("generation") not in (None, str(blob.generation)):
            raise Refusal(404, "notFound", f"No such object: {call.bucket}/{call.name}")
        self._check(call, blob)
        return blob

    def _check(self, call: _Call, blob: Blob | None) -> None:
        """Refuses unless the preconditions hold; what does not exist has generation 0."""
        for key in ("generation", "metageneration"):
            have = str(getattr(blob, key)) if blob else "0"
            unmet = call.query.get(f"if{key}match", have) != have
            if unmet or call.query.get(f"if{key}notmatch") == have:
                code = 304 if call.action == "get" and not unmet else 412
                raise Refusal(code, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")

    def _resource(self, bucket: str, name: str) -> dict[str, Any]:
        blob = self.objects[bucket][name]
        path = f"b/{bucket}/o/{quote(name, safe='')}"
        return {
            **blob.properties,
            "kind": "storage#object",
            "id": f"{bucket}/{name}/{blob.generation}",
            "selfLink": f"{self.url}/storage/v1/{path}",
            "mediaLink": f"{self.url}/download/storage/v1/{path}?generation={blob.generation}&alt=media",
            "name": name,
            "bucket": bucket,
            "generation": str(blob.generation),
            "metageneration": str(blob.metageneration),
            "contentType": blob.content_type,
            "size": str(len(blob.data)),
            "crc32c": blob.crc32c,
            "md5Hash": blob.md5,
            "timeCreated": f"{blob.created:%Y-%m-%dT%H:%M:%S.%fZ}",
            "updated": f"{blob.updated:%Y-%m-%dT%H:%M:%S.%fZ}",
        }


def _understand(request: Handler) -> _Call:
    url = urlsplit(request.path)
    query = {key.lower(): ",".join(values) for key, values in parse_qs(url.query).items()}
    for action, (route, _) in _ACTIONS.items():
        if match := re.fullmatch(route, f"{request.command} {url.path}"):
            place = {key: unquote(value) for key, value in match.groupdict().items()}
            kinds = {"any", action} | ({"media"} if query.get("alt") == "media" else set())
            last = re.fullmatch(r"bytes \d+-(\d+)/(\d+)", request.headers.get("Content-Range", ""))
            if query.get("uploadtype") == "multipart" or (last and int(last[1]) + 1 == int(last[2])):
                kinds.add("finish")
            bucket, name = place.get("bucket", ""), place.get("name", "")
            return _Call(action, kinds, bucket, name, query, request.headers, request.body)
    raise Refusal(501, "notImplemented", f"This server does not know {request.command} {url.path}.")


def _name(upload: _Upload) -> str:
    return str(upload.call.query.get("name") or upload.properties["name"])


def _merged(old: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A JSON merge patch: objects are merged key by key and null deletes."""
    merged = old | {k: _merged(old.get(k, {}), v) if isinstance(v, dict) else v for k, v in changes.items()}
    return {key: value for key, value in merged.items() if value is not None}


def _json(content: dict[str, Any], status: int = 200) -> Reply:
    return status, {"Content-Type": "application/json; charset=UTF-8"}, json.dumps(content).encode()


@cache
def _key_pair() -> tuple[str, str]:
    """A private key and its public half, made once: it takes a while."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())
    public = key.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()
