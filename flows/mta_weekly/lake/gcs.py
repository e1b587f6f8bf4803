"""A lake in a Google Cloud Storage bucket, through a client it is handed. Knows no folder, no feed and no Prefect."""

import io
import os
from collections.abc import Callable, Iterable
from itertools import groupby, islice
from pathlib import Path
from typing import Any, TypeVar

from mta_weekly.checksums import crc32c_of
from mta_weekly.errors import LakeFailed, ObjectChanged, TryAgain
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.gcs_faults import OF_OBJECT, UPLOAD, explain_error, find_fault_in_listing, say_odd
from mta_weekly.lake.objects import PublishResult, StoredObject, say_changed, say_gone
from mta_weekly.retry import RetryBudget

CONTENT_TYPE = "application/gzip"
# What the methods below need: the role Storage Object User has them all.
PERMISSIONS = tuple(f"storage.objects.{action}" for action in ("create", "delete", "get", "list", "update"))
TIMEOUT = 60.0  # seconds an answer of the bucket may take, where its client has no other limits
MOST_PAGES = 50  # of a listing, 1,000 objects each; a feed has 52 weeks a year
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
        held = self._ask(
            "what is permitted",
            lambda: [str(one) for one in bucket.test_iam_permissions(PERMISSIONS, timeout=TIMEOUT, retry=None)],
            budget,
        )
        return [permission for permission in PERMISSIONS if permission not in held]

    def find(self, keys: Iterable[str], budget: RetryBudget, unread: Iterable[str] = ()) -> dict[str, StoredObject]:
        """See Lake. A listing a feed; a bucket that is not there or refuses us shows here, before any download."""
        wanted = {self.folder + key: key for key in (*keys, *unread)}
        found: dict[str, StoredObject] = {}
        for _, names in groupby(sorted(wanted), key=lambda name: name.rpartition("/")[0]):
            prefix = os.path.commonprefix(list(names))  # noqa: RUF071 - of characters, as a bucket's prefixes are
            items = self._list(prefix, budget)
            found |= {wanted[item["name"]]: _found(item) for item in items if item["name"] in wanted}
        return found

    def find_all(self, prefix: str, budget: RetryBudget, unread: bool = False) -> dict[str, StoredObject]:
        """See Lake. A listing shows the crc32c too, so that nothing is read in any case."""
        items = self._list(self.folder + prefix, budget)
        return {item["name"].removeprefix(self.folder): _found(item) for item in items}

    def _list(self, prefix: str, budget: RetryBudget) -> list[dict[str, Any]]:
        def list_pages() -> list[Any]:
            listing = self.client.list_blobs(self.bucket, prefix=prefix, retry=None, timeout=TIMEOUT)
            pages = [page.raw_page for page in islice(listing.pages, MOST_PAGES + 1)]
            if len(pages) > MOST_PAGES:
                raise LakeFailed(f"its listing of {prefix}* has no end, of {MOST_PAGES} pages; look what is there")
            return pages

        pages = self._ask("a listing", list_pages, budget, find_fault_in_listing)
        return [item for page in pages for item in page.get("items", ())]

    def read(self, key: str, found: StoredObject, path: Path, budget: RetryBudget) -> None:
        """See Lake. As it is stored, whatever its content encoding says."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        condition = {"if_generation_match": int(found.generation), "retry": None, "timeout": TIMEOUT}

        def download() -> None:
            with _Sized(path, found.size) as file:
                self._blob(key).download_to_file(file, raw_download=True, checksum=None, **condition)

        def compare(_: None) -> str | None:
            size, crc = path.stat().st_size, crc32c_of(path)
            if (size, crc) == (found.size, found.crc32c):
                return None
            return f"{key}: {size} bytes came, crc32c {crc}, instead of {found.size}, crc32c {found.crc32c}"

        try:
            self._ask(f"the reading{OF_OBJECT}", download, budget, compare)
        except PreconditionFailed as error:
            raise ObjectChanged(say_changed(key)) from error
        except NotFound as error:
            raise ObjectChanged(say_gone(key)) from error

    def publish(
        self, path: Path, key: str, facts: Facts, replaces: StoredObject | None, budget: RetryBudget
    ) -> PublishResult:
        """See Lake. A refused precondition may be our own earlier try whose answer was lost: same content is done."""
        from google.api_core.exceptions import PreconditionFailed

        upload = self._prepare_upload(path, key, facts, replaces)
        try:
            self._ask(UPLOAD, upload, budget, lambda crc: None if crc else say_odd(UPLOAD))
        except PreconditionFailed as error:
            now = self.find([key], budget).get(key)
            if now and now.holds(facts):
                ours = bool(now.facts) and now.facts == facts
                return PublishResult(("replaced" if replaces else "landed") if ours else "there", now)
            if now and not replaces:
                return PublishResult("there", now)
            raise ObjectChanged(say_changed(key) if now else say_gone(key)) from error
        now = self.find([key], budget).get(key)
        if now is None or now.facts != facts:
            shown = "nothing" if now is None else f"crc32c {now.crc32c}, {now.size} bytes"
            if now and now.holds(facts):
                shown = "it with other facts"
            raise LakeFailed(
                f"{key}: {self} took it and shows {shown} instead of crc32c {facts.crc32c}, {facts.size} bytes and "
                "their facts; another run may have replaced it, look at it"
            )
        return PublishResult("replaced" if replaces else "landed", now)

    def set_facts(self, key: str, found: StoredObject, facts: Facts, budget: RetryBudget) -> Facts:
        """See Lake."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        asked, said, condition = f"new facts{OF_OBJECT}", facts.as_metadata(), _as_seen(found)

        def patch() -> bool:
            blob = self._blob(key)
            blob.metadata = said
            blob.patch(**condition)
            return bool(said.items() <= blob.metadata.items())

        try:
            self._ask(asked, patch, budget, lambda same: None if same else say_odd(asked))
        except PreconditionFailed as error:
            # Our own earlier try whose answer was lost, or another run that has just said the same of the same file.
            now = self.find([key], budget).get(key)
            if not (now and now.generation == found.generation and now.facts):
                raise ObjectChanged(say_changed(key)) from error
            return now.facts
        except NotFound as error:
            raise ObjectChanged(say_gone(key)) from error
        return facts

    def remove(self, key: str, found: StoredObject, budget: RetryBudget) -> bool:
        """See Lake."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        condition = _as_seen(found)
        try:
            self._ask(f"the removal{OF_OBJECT}", lambda: self._blob(key).delete(**condition), budget)
        except PreconditionFailed:
            return False
        except NotFound:
            return True
        now = self.find([key], budget).get(key)
        return now is None or now.generation != found.generation

    def list_leftovers(self) -> dict[str, str]:
        """See Lake. An upload that was not finished is the bucket's to forget."""
        return {}

    def remove_leftover(self, name: str) -> bool:
        """See Lake."""
        return True

    def _blob(self, key: str) -> Any:
        return self.client.bucket(self.bucket).blob(self.folder + key)

    def _prepare_upload(self, path: Path, key: str, facts: Facts, replaces: StoredObject | None) -> Callable[[], Any]:
        """A function that uploads the object and returns the crc32c in the answer.

        The bucket compares with the sum among the object's properties, before anything shows. Not so the client: of an
        answer with another sum it would delete the object, whichever stands there by then.
        """
        try:
            now = crc32c_of(path)
        except OSError as error:
            raise LakeFailed(f"{key}: the work file {path} cannot be read ({error.strerror}); try again") from error
        if now != facts.crc32c:
            raise LakeFailed(f"{key}: the work file {path} is not what was written there; check the disk, try again")
        said, generation = facts.as_metadata(), int(replaces.generation) if replaces else 0

        def upload() -> Any:
            blob = self._blob(key)
            blob.metadata, blob.crc32c = said, facts.crc32c
            blob.upload_from_filename(
                str(path),
                content_type=CONTENT_TYPE,
                if_generation_match=generation,
                checksum=None,
                retry=None,  # one layer retries, and it is RetryBudget
                timeout=TIMEOUT,
            )
            return blob.crc32c

        return upload

    def _ask(
        self,
        asked: str,
        request: Callable[[], Result],
        budget: RetryBudget,
        find_fault: Callable[[Result], str | None] = lambda _: None,
    ) -> Result:
        """Make a request; again after faults that may pass, and with a sentence for those that do not.

        Args:
            asked: what for, in words.
            request: calls Google's client and nothing else: whatever it raises is of the answer.
            find_fault: says what is wrong with an answer that the client took.
        """
        while True:
            try:
                answer = request()
            except Exception as error:  # of an odd answer the client raises anything
                fault = explain_error(error, self, asked)
                if fault is None:
                    raise
                if not isinstance(fault, TryAgain):
                    raise fault from error
            else:
                odd = find_fault(answer)
                if not odd:
                    return answer
                fault = TryAgain(f"{self}: {odd}")
            budget.pause(fault)


class _Sized(io.FileIO):
    """A new file that takes no more than there was said to be."""

    def __init__(self, path: Path, most: int) -> None:
        super().__init__(path, "w")
        self.left = most

    def write(self, data: Any) -> int:
        self.left -= len(data)
        if self.left < 0:
            raise TryAgain("more came than the object has")
        return super().write(data)


def _as_seen(found: StoredObject) -> dict[str, Any]:
    """The condition that an object is the one that was seen, with the facts it had."""
    return {
        "if_generation_match": int(found.generation),
        "if_metageneration_match": int(found.metageneration),
        "retry": None,
        "timeout": TIMEOUT,
    }


def _found(item: dict[str, Any]) -> StoredObject:
    """An object as a listing shows it."""
    size, crc = int(item["size"]), item.get("crc32c", "")
    said = item.get("metadata") or {}
    facts = Facts.read(said, item["name"], size, crc)
    other = None if facts else Facts.read_of_any(said, item["name"])
    fault = "" if crc else "the bucket shows no crc32c of it, as of an object with a key of its own; look at it"
    return StoredObject(item["generation"], size, crc, facts, item["metageneration"], other, fault)
