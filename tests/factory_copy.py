"""What Copy, Lookup and Get Metadata do, as Microsoft documents the properties that the resources use.

Nothing else is known here: any other property or value is NotSupported. Pages that are named by their last part are of
https://learn.microsoft.com/en-us/azure/data-factory/. Where these are silent it is said, and what fails is preferred.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from factory_text import (
    ABSENT,
    ANY,
    FORMATS,
    ActivityFault,
    Dataset,
    NotSupported,
    Part,
    check,
    map_columns,
    read_objects,
    read_rows,
    write_rows,
)

FIELD_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
MOST_ROWS, MOST_BYTES = 5000, 4 << 20  # of a Lookup: control-flow-lookup-activity
OF_BLOB: dict[str, list[Any]] = {"type": ["AzureBlobStorageReadSettings"], "recursive": [False]}


@dataclass
class Lake:
    """A container in a folder; a blob is there when all of it is, as block blobs are.

    https://learn.microsoft.com/en-us/rest/api/storageservices/understanding-block-blobs--append-blobs--and-page-blobs

    Attributes:
        metadata: Of the blobs that have any.
    """

    folder: Path
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)

    def put(self, name: str, content: bytes, metadata: dict[str, str]) -> None:
        """Puts a blob, in place of one that is there."""
        path, new = self.folder / name, self.folder.with_name(f"{self.folder.name}-{uuid4()}")
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(content)
        new.replace(path)
        self.metadata[name] = metadata

    def read(self, name: str) -> bytes:
        """All of a blob."""
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            raise ActivityFault(f"{name} is not in the lake") from None

    def names(self, prefix: str = "") -> list[str]:
        """The blobs that are there."""
        found = [str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()]
        return sorted(name for name in found if name.startswith(prefix))


@dataclass(frozen=True)
class Stores:
    """What the activities read and write.

    Attributes:
        hosts: What stands in the place of the addresses of the linked services.
    """

    lake: Lake
    hosts: Mapping[str, str]

    def copy(self, activity: Part, source: Dataset, sink: Dataset) -> Part:
        """Copies one file, parsed or as it is; returns what copy-activity-monitoring says of it.

        Raises:
            ActivityFault: it fails.
        """
        properties = activity["typeProperties"]
        units: dict[str, list[Any]] = {"dataIntegrationUnits": [2], "parallelCopies": [1, ABSENT]}
        check(properties, "Copy", source=ANY, sink=ANY, translator=ANY, **units)
        read, write = properties["source"], properties["sink"]
        check(read, "source", type=[f"{source.kind}Source"], storeSettings=ANY, formatSettings=ANY)
        check(write, "sink", type=[f"{sink.kind}Sink"], storeSettings=ANY, formatSettings=ANY)
        if source.kind == sink.kind == "Binary":
            return self._move(properties, source, sink)
        check(write["storeSettings"], "sink/storeSettings", type=["AzureBlobStorageWriteSettings"])
        check(
            write["formatSettings"],
            "sink/formatSettings",
            type=["DelimitedTextWriteSettings"],
            quoteAllText=[False],
            fileExtension=ANY,  # of no effect where the dataset names the file: format-delimited-text
        )
        with self._open(source, read["storeSettings"]) as body:
            names, rows = map_columns(*read_rows(body, source, read["formatSettings"]), properties["translator"])
            content, count = write_rows(sink, names, rows)
        self.lake.put(find_blob(sink), content, {})
        return {"rowsRead": count, "rowsCopied": count, "filesRead": 1, "filesWritten": 1, "dataWritten": len(content)}

    def lookup(self, activity: Part, dataset: Dataset) -> Part:
        """The first row, or all of them: control-flow-lookup-activity.

        Raises:
            ActivityFault: it fails.
        """
        properties = activity["typeProperties"]
        check(properties, "Lookup", source=ANY, dataset=ANY, firstRowOnly=[True, False])
        source = properties["source"]
        check(source, "source", type=[f"{dataset.kind}Source"], storeSettings=ANY, formatSettings=ANY)
        with self._open(dataset, source["storeSettings"]) as body:
            if dataset.kind == "Json":
                check(source["formatSettings"], "source/formatSettings", type=["JsonReadSettings"])
                found: Iterable[Part] = read_objects(body, dataset)
            else:
                names, rows = read_rows(body, dataset, source["formatSettings"])
                # The pages do not say what columns without a header are called; answers of users say Prop_0 and so on.
                found = (dict(zip(names or [f"Prop_{n}" for n in range(len(row))], row, strict=True)) for row in rows)
            most = 1 if properties["firstRowOnly"] else MOST_ROWS
            values = list(islice(found, most))
        if len(json.dumps(values)) > MOST_BYTES:
            raise ActivityFault("more than 4 MB were looked up")
        if properties["firstRowOnly"]:
            return {"firstRow": values[0]} if values else {}
        return {"count": len(values), "value": values}

    def get_metadata(self, activity: Part, dataset: Dataset) -> Part:
        """Whether a file is there, and its size: control-flow-get-metadata-activity.

        Raises:
            ActivityFault: it is not there, and nobody asks whether it is.
        """
        properties = activity["typeProperties"]
        check(properties, "GetMetadata", dataset=ANY, fieldList=ANY, storeSettings=ANY, formatSettings=ANY)
        check(properties["storeSettings"], "storeSettings", **OF_BLOB)
        check(properties["formatSettings"], "formatSettings", type=[f"{dataset.kind}ReadSettings"])
        asked = properties["fieldList"]
        check(dict.fromkeys(asked), "fieldList", exists=ANY, size=ANY)
        path = self.lake.folder / find_blob(dataset)
        if not path.is_file():
            if "exists" not in asked:
                raise ActivityFault(f"{find_blob(dataset)} is not in the lake")
            return {"exists": False}
        known = {"exists": True, "size": path.stat().st_size}
        return {name: known[name] for name in asked}

    @contextmanager
    def _open(self, dataset: Dataset, settings: Part) -> Iterator[io.TextIOWrapper]:
        """A text on the web, unpacked as its answer says; any status but 2xx and a body that is cut are faults.

        connector-http is silent on all of that, and on redirects, which are faults here.
        """
        service, location = dataset.service, dataset.location
        check({"type": dataset.service_kind}, "linked service", type=["HttpServer"])
        check(
            service, "HttpServer", url=ANY, authenticationType=["Anonymous"], enableServerCertificateValidation=[True]
        )
        check(location, "location", type=["HttpServerLocation"], relativeUrl=ANY)
        check(settings, "storeSettings", type=["HttpReadSettings"], requestMethod=["GET"], requestTimeout=ANY)
        check(dataset.properties, dataset.kind, **FORMATS[dataset.kind])
        url, name = self.hosts[service["url"]] + location["relativeUrl"], location["relativeUrl"].partition("?")[0]
        try:
            with httpx.stream("GET", url, timeout=60) as response:
                if not response.is_success:
                    raise ActivityFault(f"{name}: HTTP status {response.status_code}")
                yield io.TextIOWrapper(io.BufferedReader(_Body(response.iter_bytes())), "utf-8-sig", newline="")
        except httpx.HTTPError as error:
            raise ActivityFault(f"{name}: {error}") from error
        except (csv.Error, ValueError) as error:  # of wrong quotes, bytes and JSON the pages say nothing
            raise ActivityFault(f"{name} cannot be read: {error}") from error

    def _move(self, properties: Part, source: Dataset, sink: Dataset) -> Part:
        """A file as it is; the source is deleted when the copy is there: connector-azure-blob-storage.

        Names and values of metadata are what a header may have, as "Setting and retrieving properties and metadata
        for Blob Storage" says at https://learn.microsoft.com/en-us/rest/api/storageservices/.
        """
        check(properties, "Copy", source=ANY, sink=ANY, dataIntegrationUnits=[2])
        read, write = properties["source"], properties["sink"]
        check(read["formatSettings"], "source/formatSettings", type=["BinaryReadSettings"])
        check(read["storeSettings"], "source/storeSettings", **OF_BLOB, deleteFilesAfterCompletion=[True, ABSENT])
        check(write["storeSettings"], "sink", type=["AzureBlobStorageWriteSettings"], metadata=ANY)
        metadata = {}
        for each in write["storeSettings"].get("metadata", []):
            check(each, "metadata", name=ANY, value=ANY)
            name, value = each["name"], each["value"]
            if not (FIELD_NAME.fullmatch(name) and isinstance(value, str) and value.isascii()) or value[:2] == "$$":
                raise NotSupported(f"metadata/{name}: {value!r}")
            metadata[name] = value
        name = find_blob(source)
        content = self.lake.read(name)
        self.lake.put(find_blob(sink), content, metadata)
        if read["storeSettings"].get("deleteFilesAfterCompletion"):
            (self.lake.folder / name).unlink()
        return {"filesRead": 1, "filesWritten": 1, "dataRead": len(content), "dataWritten": len(content)}


def find_blob(dataset: Dataset) -> str:
    """The name of a blob in the container."""
    check({"type": dataset.service_kind}, "linked service", type=["AzureBlobStorage"])
    check(dataset.service, "AzureBlobStorage", serviceEndpoint=ANY, accountKind=["StorageV2"])
    kind = ["AzureBlobStorageLocation"]
    check(dataset.location, "location", type=kind, container=["lake"], folderPath=ANY, fileName=ANY)
    return f"{dataset.location['folderPath']}/{dataset.location['fileName']}"


class _Body(io.RawIOBase):
    """Pieces of bytes as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left = pieces, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = piece
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count
