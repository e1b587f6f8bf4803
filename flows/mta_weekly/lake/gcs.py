"""A lake in a Google Cloud Storage bucket, through a client it is handed. Knows no folder, no feed and no Prefect."""

import json
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from mta_weekly.checksums import crc32c_of
from mta_weekly.errors import LakeFailed, TryAgain
from mta_weekly.lake.objects import Facts, PublishResult, StoredObject, say_changed
from mta_weekly.retry import RetryBudget, seconds_to_wait

CONTENT_TYPE = "application/gzip"
# What the methods below need: the role Storage Object User has them all.
PERMISSIONS = tuple(f"storage.objects.{action}" for action in ("create", "delete", "get", "list", "update"))
TIMEOUT = 60.0  # seconds an answer of the bucket may take
REQUEST_TIMEOUT = 408  # the one of its own faults that a client may try again
Result = TypeVar("Result")


class BucketLake:
    """A GCS bucket; the facts are the object's metadata, and the server checks size and crc32c before it shows.

    Args:
        client: a google.cloud.storage.Client with its credentials.
        bucket: the bucket's name.
        folder: a prefix inside the bucket, "" or ending in a slash.
        name: what the user calls the lake.
    """

    def __init__(self, client: Any, bucket: str, folder: str = "", name: str = "") -> None:
        self.client, self.bucket, self.folder, self.name = client, bucket, folder, name or bucket

    def __str__(self) -> str:
        return f"gs://{self.bucket}/{self.folder} ({self.name})"

    def prepare(self) -> None:
        """See Lake. A bucket tells by `find`: without write access the upload says so."""

    def lacks(self, budget: RetryBudget) -> list[str]:
        """Those of PERMISSIONS that the client's account does not have on the bucket.

        Raises:
            LakeFailed: the bucket is not there, or the credentials are refused.
            GaveUp: a fault did not pass.
        """
        bucket = self.client.bucket(self.bucket)
        held = self._asked(lambda: bucket.test_iam_permissions(PERMISSIONS, timeout=TIMEOUT, retry=None), budget)
        return [permission for permission in PERMISSIONS if permission not in held]

    def find(self, keys: Iterable[str], budget: RetryBudget) -> dict[str, StoredObject]:
        """See Lake. A listing a feed; a bucket that is not there or refuses us shows here, before any download."""
        wanted = {self.folder + key: key for key in keys}
        found: dict[str, StoredObject] = {}
        for _, names in groupby(sorted(wanted), key=lambda name: name.rpartition("/")[0]):
            prefix = os.path.commonprefix(list(names))  # noqa: RUF071 - of characters, as a bucket's prefixes are
            blobs = self._asked(partial(self._list, prefix), budget)
            found |= {wanted[blob.name]: _found(blob) for blob in blobs if blob.name in wanted}
        return found

    def _list(self, prefix: str) -> list[Any]:
        return list(self.client.list_blobs(self.bucket, prefix=prefix, retry=None, timeout=TIMEOUT))

    def read(self, key: str, path: Path, budget: RetryBudget) -> None:
        """See Lake."""
        self._asked(lambda: self._blob(key).download_to_filename(path, retry=None, timeout=TIMEOUT), budget)

    def publish(
        self, path: Path, key: str, facts: Facts, replaces: StoredObject | None, budget: RetryBudget
    ) -> PublishResult:
        """See Lake. A refused precondition may be our own earlier try whose answer was lost: same content is done."""
        from google.api_core.exceptions import PreconditionFailed

        try:
            self._asked(lambda: self._upload(path, key, facts, replaces), budget)
        except PreconditionFailed as error:
            now = self.find([key], budget).get(key)
            if now and now.holds(facts):
                ours = bool(now.facts) and now.facts == facts
                return PublishResult(("replaced" if replaces else "landed") if ours else "there", now)
            if now and not replaces:
                return PublishResult("there", now)
            raise LakeFailed(say_changed(key)) from error
        now = self.find([key], budget).get(key)
        if now is None or now.facts != facts:
            raise LakeFailed(
                f"{key}: {self} took it and shows {f'crc32c {now.crc32c}, {now.size} bytes' if now else 'nothing'} "
                f"instead of crc32c {facts.crc32c}, {facts.size} bytes; another run may have replaced it, look at it"
            )
        return PublishResult("replaced" if replaces else "landed", now)

    def set_facts(self, key: str, found: StoredObject, facts: Facts, budget: RetryBudget) -> None:
        """See Lake."""
        from google.api_core.exceptions import PreconditionFailed

        blob = self._blob(key)
        blob.metadata = _as_text(facts)
        try:
            self._asked(
                lambda: blob.patch(
                    if_generation_match=int(found.generation),
                    if_metageneration_match=int(found.metageneration),
                    retry=None,
                    timeout=TIMEOUT,
                ),
                budget,
            )
        except PreconditionFailed as error:
            # Our own earlier try whose answer was lost, or another run that has just said the same of the same file.
            now = self.find([key], budget).get(key)
            if not (now and now.generation == found.generation and now.facts):
                raise LakeFailed(say_changed(key)) from error

    def remove(self, key: str, found: StoredObject, budget: RetryBudget) -> None:
        """See Lake."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        def delete() -> None:
            with suppress(NotFound):
                self._blob(key).delete(if_generation_match=int(found.generation), retry=None, timeout=TIMEOUT)

        with suppress(PreconditionFailed):
            self._asked(delete, budget)

    def _blob(self, key: str) -> Any:
        return self.client.bucket(self.bucket).blob(self.folder + key)

    def _upload(self, path: Path, key: str, facts: Facts, replaces: StoredObject | None) -> None:
        if crc32c_of(path) != facts.crc32c:  # for a small file the client sends a sum of its own, of what it reads
            raise LakeFailed(f"{key}: the work file {path} is not what was written there; check the disk, try again")
        blob = self._blob(key)
        blob.metadata = _as_text(facts)
        blob.upload_from_filename(
            str(path),
            content_type=CONTENT_TYPE,
            if_generation_match=int(replaces.generation) if replaces else 0,
            checksum="crc32c",
            crc32c_checksum_value=facts.crc32c,
            retry=None,  # one layer retries, and it is RetryBudget
            timeout=TIMEOUT,
        )

    def _asked(self, request: Callable[[], Result], budget: RetryBudget) -> Result:
        """Make a request; again after faults that may pass, and with a sentence for those that do not."""
        # Here and not at the top: a folder needs none of these, and they take time to load.
        import requests
        from google.api_core import exceptions as google
        from google.auth import exceptions as auth
        from google.cloud.storage.exceptions import DataCorruption

        passing = (
            google.TooManyRequests,
            google.ServerError,
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
            DataCorruption,
            auth.TransportError,
        )
        while True:
            try:
                return request()
            except google.PreconditionFailed:
                raise
            except passing as error:
                fault = TryAgain(f"{self}: {_first_line(error)}", _retry_after(error))
            except google.NotFound as error:
                raise LakeFailed(f"{self}: {_missing(error)}; check its name") from error
            except (google.Forbidden, google.Unauthorized, auth.GoogleAuthError) as error:
                if not getattr(error, "retryable", False):
                    raise LakeFailed(
                        f"{self}: access refused ({_first_line(error)}); the service account needs the role Storage "
                        "Object User on the bucket, and its key in the block must be a live one"
                    ) from error
                fault = TryAgain(f"{self}: {_first_line(error)}")
            except (google.GoogleAPICallError, OSError) as error:
                if getattr(error, "code", None) == REQUEST_TIMEOUT:
                    fault = TryAgain(f"{self}: {_first_line(error)}", _retry_after(error))
                else:
                    raise LakeFailed(f"{self}: {_first_line(error)}") from error
            budget.pause(fault)


def _found(blob: Any) -> StoredObject:
    said = blob.metadata or {}
    facts = Facts.read(said, blob.name, blob.size, blob.crc32c)
    return StoredObject(str(blob.generation), blob.size, blob.crc32c, facts, str(blob.metageneration))


def _missing(error: Exception) -> str:
    return "the bucket is not there" if "bucket" in str(error) else f"not found ({_first_line(error)})"


def _as_text(facts: Facts) -> dict[str, str]:
    values = facts.model_dump(mode="json").items()
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values}


def _first_line(error: Exception) -> str:
    """What happened, without the client's own nesting of it."""
    text = str(error).partition("\n")[0]
    system = re.search(r"\[Errno -?\d+\] [\w ]+|timed out|Remote end closed connection", text)
    return f"no answer, {system[0]}" if system else text[:300] or type(error).__name__


def _retry_after(error: Exception) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    return seconds_to_wait(headers.get("Retry-After", ""))
