"""A lake as fsspec has it, to read only: which weeks are there, and the content of one, proven by its facts.

A folder, or a bucket by gcsfs; other addresses that fsspec knows are read as a folder is. Knows no frame and no source.
"""

import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import aiohttp
import fsspec
import gcsfs.core
import gcsfs.retry
import google.auth.exceptions
import requests

from mta_weekly.checksums import Crc32c
from mta_weekly.content.gzip_file import unpack_gzip
from mta_weekly.errors import BadArgument, LakeFailed, to_one_line
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.weeks import Week
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.folder_names import ASIDE, name_aside
from mta_weekly.lake.objects import BLOCK, LONGEST_NAME, SHOWN
from mta_weekly.options import write_command
from mta_weekly.secrets import clean

LOOKS = 3  # at an object that is replaced while it is read
LONGEST = 300  # characters of what somebody else says
NAMED = 1000  # weeks in a sentence
BUCKET = re.compile("gc?s://+(.*)")
FAULTS = (  # what file systems raise; gcsfs lets through what those below it do
    OSError,
    RuntimeError,
    ValueError,
    aiohttp.ClientError,
    gcsfs.retry.HttpError,
    gcsfs.retry.NonRetryableError,
    google.auth.exceptions.GoogleAuthError,
    requests.RequestException,
)
REFUSED = re.compile(r"forbidden|unauthorized|credential|permission|anonymous|denied|\b40[13]\b", re.IGNORECASE)
SIGN_IN = 'gcloud auth application-default login, or storage_options={"token": "KEY.json"}'


@dataclass(frozen=True)
class LakeFiles:
    """A lake that is open.

    Attributes:
        name: as the user gave it.
        files: the file system it is on.
        root: where on it.
    """

    name: str
    files: Any
    root: str

    def list_weeks(self, feed: Feed) -> list[Week]:
        """The weeks of a feed that are there, asked afresh.

        Raises:
            LakeFailed: the lake is not there, or cannot be read.
        """
        labels = (re.fullmatch(r"(\d{6})\.csv\.gz", name) for name in self._list_files(feed))
        named = (saturday for label in labels if label and (saturday := _find_saturday(label[1])))
        return sorted(named)

    def read_content(self, feed: Feed, week: Week, header: bytes) -> bytearray:
        """The content of a week's object, unpacked, which is what its facts say, from its header on.

        Raises:
            LakeFailed: it is not there, cannot be read, or is not what facts say that are with it.
        """
        for _ in range(LOOKS):
            packed, said = self._look(feed, week)
            crc = Crc32c()
            crc.update(packed)
            each = (Facts.read(one, feed.key(week), len(packed), str(crc)) for one in said)
            if facts := next(filter(None, each), None):
                break
        else:
            self._refuse(feed, week, said, f"{len(packed):,} bytes with crc32c {crc}")
        content = bytearray()
        try:
            for piece in unpack_gzip(io.BytesIO(packed)):
                content += piece
        except EOFError as error:
            self._fail(feed, week, f"it is no whole gzip file ({error})")
        if hashlib.sha256(content).hexdigest() != facts.sha256:
            self._fail(feed, week, "it is damaged: its content has another sha256 than its facts say")
        if not content.startswith(header):
            first = bytes(content[: content.find(b"\n")]).decode(errors="replace")
            self._fail(feed, week, f"it has another header than those of {feed.name}: {first[:LONGEST]!r}")
        return content

    def say_lacking(self, feed: Feed, weeks: list[Week]) -> str:
        """The sentence for weeks that are not there: their names, and the command that loads them."""
        named = ", ".join(map(str, weeks[:NAMED]))
        named += f" and {len(weeks) - NAMED:,} more" if len(weeks) > NAMED else ""
        return f"lake {self.name}: it lacks {feed.name} {named}; load what lacks: {self._write_command(feed, *weeks)}"

    def _list_files(self, feed: Feed, prefix: str = "") -> dict[str, Any]:
        """What is in a feed's folder, by name; of a folder on this machine, whatever the prefix."""
        asked = {"detail": True, "refresh": True}
        with self._asking():
            try:
                found = self.files.ls(f"{self.root}/{feed.name}", prefix=prefix, **asked)
            except FileNotFoundError:
                self.files.ls(self.root, **asked)  # of a lake that is not there, this raises
                return {}
        return {str(each["name"]).rpartition("/")[2]: each for each in found if self._is_file(each)}

    def _is_file(self, about: dict[str, Any]) -> bool:
        """Whether it is one, or a link to one: then the lake has the week."""
        return about["type"] == "file" or (bool(about.get("islink")) and self.files.isfile(about["name"]))

    def _look(self, feed: Feed, week: Week) -> tuple[bytes, list[Any]]:
        """An object as it is stored; and what may be its facts: in a bucket what is with it, else files."""
        key = feed.key(week)
        name = key.rpartition("/")[2]
        about = self._list_files(feed, name).get(name)
        if about is None:
            raise LakeFailed(self.say_lacking(feed, [week]))
        with self._asking():
            packed: bytes = self.files.cat_file(f"{self.root}/{key}")
        if self._is_bucket:
            return packed, [about.get("metadata")]
        # What moves to its place first: in one of them they are found.
        return packed, [self._read_said(f"{ASIDE}/{name_aside(key, 'json.part')}"), self._read_said(f"{key}.json")]

    def _read_said(self, name: str) -> Any:
        with self._asking():
            try:
                path = f"{self.root}/{name}"
                return json.loads(self.files.cat_file(path)) if self.files.isfile(path) else None
            except (FileNotFoundError, ValueError, RecursionError):
                return None

    @property
    def _is_bucket(self) -> bool:
        return isinstance(self.files, gcsfs.core.GCSFileSystem)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """What a file system raises becomes a sentence."""
        try:
            yield
        except FileNotFoundError as error:
            raise LakeFailed(f"lake {self.name}: there is nothing of that name; check it") from error
        except FAULTS as error:
            said = to_one_line(error, LONGEST)
            refused = REFUSED.search(said) or isinstance(error, google.auth.exceptions.GoogleAuthError)
            advice = f"who reads a bucket needs the role Storage Object Viewer: {SIGN_IN}"
            advice = advice if refused and self._is_bucket else "try again, or look what is there"
            raise LakeFailed(f"lake {self.name}: it cannot be read ({said}); {advice}") from error

    def _refuse(self, feed: Feed, week: Week, said: list[Any], found: str) -> NoReturn:
        """Say why what is there is proven by none of its facts."""
        known = [each for one in said if (each := Facts.read_of_any(one, feed.key(week)))]
        named = {f"{one.get('feed')} {one.get('week')}" for one in said if isinstance(one, dict) and "week" in one}
        if known:
            size, crc = known[0].size, known[0].crc32c
            self._fail(feed, week, f"it is damaged: {found}, where its facts say {size:,} bytes with crc32c {crc}")
        if others := named - {f"{feed.name} {week}"}:
            self._fail(feed, week, f"its facts are those of {clean(others.pop(), LONGEST)}")
        raise LakeFailed(
            f"{feed.name} {week} in {self.name}: it has no facts that prove it; load the week, which examines what is "
            f"there: {self._write_command(feed, week)}"
        )

    def _fail(self, feed: Feed, week: Week, fault: str) -> NoReturn:
        command = self._write_command(feed, week, flags=("--force",))
        raise LakeFailed(f"{feed.name} {week} in {self.name}: {fault}; load it again: {command}")

    def _write_command(self, feed: Feed, *weeks: Week, flags: tuple[str, ...] = ()) -> str:
        last = weeks[-1] if len(weeks) > 1 else None
        lake, note = (f"{BLOCK}BLOCK", " (BLOCK: that of the bucket)") if "://" in self.name else (self.name, "")
        return write_command(lake, feed, weeks[0], *flags, last=last) + note


def open_lake(lake: str | Path, storage_options: Mapping[str, Any] | None) -> LakeFiles:
    """The lake in a folder, or at an address such as `gs://BUCKET/FOLDER`; in a bucket, nothing is asked yet.

    Raises:
        BadArgument: it is no name of a lake.
        LakeFailed: the folder is not there, or the credentials cannot be used.
    """
    name, options = str(lake), dict(storage_options or {})
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise BadArgument(f"lake {name[:SHOWN]!r}: name a folder, or gs://BUCKET.")
    if "://" not in name:
        folder = _find_folder(name)
        return LakeFiles(name, fsspec.filesystem("file"), folder.as_posix())
    bucket = BUCKET.fullmatch(name)
    if bucket and not bucket[1].strip("/"):
        raise BadArgument(f"lake {name!r}: name the bucket, as gs://BUCKET or gs://BUCKET/FOLDER.")
    try:
        fsspec.get_filesystem_class(name.partition("://")[0])
    except (ImportError, ValueError) as error:
        raise BadArgument(f"lake {name!r}: {to_one_line(error, LONGEST)}; name a folder, or gs://BUCKET.") from error
    try:
        if bucket:  # by the plain one: gcsfs' default asks by gRPC what kind of bucket it is, which few may know
            return LakeFiles(name, gcsfs.core.GCSFileSystem(**options), bucket[1].strip("/"))
        return LakeFiles(name, *fsspec.url_to_fs(name, **options))
    except (*FAULTS, TypeError, KeyError) as error:  # without its words: they may show a token
        kind = type(error).__name__
        raise LakeFailed(f"lake {name}: its credentials cannot be used ({kind}); sign in: {SIGN_IN}") from None


def _find_folder(name: str) -> Path:
    try:
        folder = Path(name).expanduser().absolute()
        is_there = folder.is_dir()
    except RuntimeError as error:
        raise BadArgument(f"lake {name!r}: no folder has such a name ({to_one_line(error)}).") from error
    except OSError as error:
        raise LakeFailed(f"lake {name}: it cannot be looked at ({error.strerror}); name another folder") from error
    if not is_there:
        raise LakeFailed(f"lake {name}: there is no such folder; name one, or gs://BUCKET, or gs://BUCKET/FOLDER")
    return folder


def _find_saturday(label: str) -> Week | None:
    try:
        return Week.named(label)
    except ValueError:
        return None
