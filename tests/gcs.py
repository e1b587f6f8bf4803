"""A storage bucket that honours preconditions, for the tests of the uploader.

It speaks the part of the Google Cloud Storage JSON API that the real client uses to look at a bucket and to list, read,
upload, patch and delete objects, along with the token endpoint of service accounts. Unlike the public emulator it
honours every precondition and checksum, and it fails on order: errors, lost answers, other writers, refused
credentials, missing permissions. Point the client at it with ``STORAGE_EMULATOR_HOST`` (anonymous), or with
``client_options={"api_endpoint": gcs.url}`` and the credentials of `Gcs.service_account`.
"""

from __future__ import annotations

import email
import itertools
import json
import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from email.message import Message
from typing import Any
from urllib.parse import parse_qs

from google.auth import jwt

from gcs_calls import (
    ACTIONS,
    EMAIL,
    Call,
    Fault,
    Refusal,
    Reply,
    Upload,
    check_metadata,
    json_reply,
    name_of_upload,
    understand_request,
)
from gcs_objects import Blob, make_key_pair, merge_properties
from loopback import Handler, Loopback


class Gcs(Loopback):
    """The server.

    Attributes:
        objects: Blobs by bucket and name, whole ones only. Tests may look, add and change.
        faults: Consumed in order, each by the next request it fits.
        forbid: Permissions the caller lacks, such as "storage.objects.create".
        permitted: Those that were asked for, by requests that had them; tests may clear it.
        require_token: Whether requests need a token issued by this server.
        refuse_credentials: Whether the token endpoint turns everybody away.
        tokens: Those that are good; clear it and they have expired.
    """

    def __init__(self, buckets: Iterable[str] = ("lake",)) -> None:
        super().__init__()
        self.objects: dict[str, dict[str, Blob]] = {bucket: {} for bucket in buckets}
        self.faults: list[Fault] = []
        self.forbid: set[str] = set()
        self.permitted: set[str] = set()
        self.require_token = False
        self.refuse_credentials = False
        self.tokens: set[str] = set()
        self._uploads: dict[str, Upload] = {}
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
            "private_key": make_key_pair()[0],
            "client_email": EMAIL,
            "client_id": "1",
            "token_uri": f"{self.url}/token",
            "universe_domain": "googleapis.com",
        }

    def answer(self, request: Handler) -> None:
        fault = None
        try:
            call = understand_request(request)
            fault = self._next_fault(call.kinds)
            if fault and fault.before:
                fault.before(self)
            if fault and fault.status:
                raise Refusal(fault.status, fault.reason, "This error was ordered.", fault.headers, fault.body)
            with self.lock:  # to look and to store is one step: of several creators exactly one wins
                reply = self._perform(call)
            status, headers, body = fault.bend(reply) if fault else reply
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
        request.wfile.write(body[: len(body) // 2] if fault and fault.cut else body)
        if fault and fault.cut:
            request.hang_up()

    def _next_fault(self, kinds: set[str]) -> Fault | None:
        with self.lock:
            for i, fault in enumerate(self.faults):
                if fault.on in kinds:
                    self.faults[i : i + 1] = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                    return fault
        return None

    def _perform(self, call: Call) -> Reply:
        if call.action == "token":
            return self._token(call)
        if self.require_token and call.headers["Authorization"] not in {f"Bearer {token}" for token in self.tokens}:
            raise Refusal(401, "authError", "Invalid Credentials")
        if call.bucket not in self.objects:
            raise Refusal(404, "notFound", "The specified bucket does not exist.")
        self._permit(ACTIONS[call.action][1])
        action: Callable[[Call], Reply] = getattr(self, f"_{call.action}")
        return action(call)

    def _permit(self, permission: str | None) -> None:
        if permission in self.forbid:
            denied = f"Permission '{permission}' denied on resource (or it may not exist)."
            raise Refusal(403, "forbidden", f"{EMAIL} does not have {permission} access. {denied}")
        if permission:
            self.permitted.add(permission)

    def _token(self, call: Call) -> Reply:
        try:
            if self.refuse_credentials:
                raise ValueError("account not found")
            assertion = parse_qs(call.body.decode())["assertion"][0]
            # The audience goes unchecked: the client always names Google's endpoint, wherever token_uri points.
            jwt.decode(assertion, certs=make_key_pair()[1])  # type: ignore[no-untyped-call]
        except (KeyError, ValueError) as error:
            return json_reply({"error": "invalid_grant", "error_description": f"Invalid grant: {error}"}, 400)
        token = uuid.uuid4().hex
        self.tokens.add(token)
        return json_reply({"access_token": token, "token_type": "Bearer", "expires_in": 3600})

    def _bucket(self, call: Call) -> Reply:
        return json_reply({"kind": "storage#bucket", "id": call.bucket, "name": call.bucket, "location": "US"})

    def _permissions(self, call: Call) -> Reply:
        return json_reply(
            {"permissions": [one for one in call.query["permissions"].split(",") if one not in self.forbid]}
        )

    def _list(self, call: Call) -> Reply:
        if unknown := call.query.keys() & {"startoffset", "endoffset", "matchglob", "versions"}:
            raise Refusal(501, "notImplemented", f"This server does not know {unknown}.")
        prefix, after, cut = (call.query.get(name, "") for name in ("prefix", "pagetoken", "delimiter"))
        names = sorted(name for name in self.objects[call.bucket] if name.startswith(prefix) and name > after)
        page = names[: int(call.query.get("maxresults", 1000))]
        folders = sorted(
            {name[: name.index(cut, len(prefix)) + 1] for name in page if cut and cut in name[len(prefix) :]}
        )
        items = [self._resource(call.bucket, name) for name in page if not name.startswith(tuple(folders))]
        listing: dict[str, Any] = {"kind": "storage#objects", "items": items, "prefixes": folders}
        return json_reply(listing | ({"nextPageToken": page[-1]} if len(page) < len(names) else {}))

    def _get(self, call: Call) -> Reply:
        blob = self._existing(call)
        if "media" not in call.kinds:
            return json_reply(self._resource(call.bucket, call.name))
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

    def _patch(self, call: Call) -> Reply:
        blob = self._existing(call)
        properties = merge_properties(blob.properties, json.loads(call.body))
        check_metadata(properties)
        updated, metageneration = datetime.now(UTC), blob.metageneration + 1
        blob = replace(blob, properties=properties, metageneration=metageneration, updated=updated)
        self.objects[call.bucket][call.name] = blob
        return json_reply(self._resource(call.bucket, call.name))

    def _delete(self, call: Call) -> Reply:
        self._existing(call)
        del self.objects[call.bucket][call.name]
        return 204, {}, b""

    def _upload(self, call: Call) -> Reply:
        if "upload_id" in call.query:
            return self._resume(call)
        if call.query["uploadtype"] == "multipart":
            boundary = b"--" + str(call.headers.get_param("boundary")).encode()
            _, first, rest = call.body.split(boundary, 2)
            head, _, data = rest.rpartition(b"\r\n" + boundary + b"--")[0].partition(b"\r\n\r\n")
            properties = json.loads(first.partition(b"\r\n\r\n")[2])
            properties.setdefault("contentType", email.message_from_bytes(head.lstrip())["Content-Type"])
            return self._store(Upload(call, properties, bytearray(data)), call.headers)
        properties = json.loads(call.body or b"{}")
        properties.setdefault("contentType", call.headers["X-Upload-Content-Type"])
        upload = Upload(call, properties)
        self._check(call, self.objects[call.bucket].get(name_of_upload(upload)))
        upload_id = uuid.uuid4().hex
        self._uploads[upload_id] = upload
        path = f"/upload/storage/v1/b/{call.bucket}/o?uploadType=resumable&upload_id={upload_id}"
        return 200, {"Location": self.url + path}, b""

    def _resume(self, call: Call) -> Reply:
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

    def _store(self, upload: Upload, last_headers: Message) -> Reply:
        """Makes an object of an upload that is complete, unless it is not what was promised."""
        bucket, name, properties = upload.call.bucket, name_of_upload(upload), upload.properties
        check_metadata(properties)
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
        return json_reply(self._resource(bucket, name))

    def _existing(self, call: Call) -> Blob:
        blob = self.objects[call.bucket].get(call.name)
        if blob is None or call.query.get("generation") not in (None, str(blob.generation)):
            raise Refusal(404, "notFound", f"No such object: {call.bucket}/{call.name}")
        self._check(call, blob)
        return blob

    def _check(self, call: Call, blob: Blob | None) -> None:
        """Refuses unless the preconditions hold; what does not exist has generation 0."""
        for key in ("generation", "metageneration"):
            have = str(getattr(blob, key)) if blob else "0"
            unmet = call.query.get(f"if{key}match", have) != have
            if unmet or call.query.get(f"if{key}notmatch") == have:
                code = 304 if call.action == "get" and not unmet else 412
                raise Refusal(code, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")

    def _resource(self, bucket: str, name: str) -> dict[str, Any]:
        return self.objects[bucket][name].resource(self.url, bucket, name)
