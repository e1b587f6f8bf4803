"""Texts that Data Factory reads and writes, as Microsoft documents the properties that the resources use.

Nothing else is known here: any other property or value is NotSupported. Pages that are named by their last part are of
https://learn.microsoft.com/en-us/azure/data-factory/. Where these are silent it is said, and what fails is preferred.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from operator import itemgetter
from typing import Any, Final

Part = dict[str, Any]
Row = list[str]
ANY: Final[list[Any]] = []  # any value, or none
ABSENT = "(absent)"  # among values: its default is one of them


class NotSupported(Exception):
    """A property or a value of a resource of which nothing is known here, by its path."""


class ActivityFault(Exception):
    """What fails an activity."""


def check(part: Part, path: str, **known: list[Any]) -> None:
    """Each property must be a known one, and have one of the values that are named, if any are."""
    for name in part.keys() | known.keys():
        value, values = part.get(name, ABSENT), known.get(name)
        if values is None or not (values is ANY or any(type(value) is type(one) and value == one for one in values)):
            raise NotSupported(f"{path}/{name}: {value!r}")


@dataclass(frozen=True)
class Dataset:
    """A dataset and its linked service, evaluated: their types and their type properties."""

    kind: str
    properties: Part
    service_kind: str
    service: Part

    @property
    def location(self) -> Part:
        """Where it is."""
        location: Part = self.properties["location"]
        return location


TEXT: dict[str, list[Any]] = {  # of both, what is read and what is written
    "location": ANY,
    "columnDelimiter": [","],
    "quoteChar": ['"'],
    "escapeChar": ['"'],
    "firstRowAsHeader": [True, False],
}
FORMATS: dict[str, dict[str, list[Any]]] = {
    "DelimitedText": {**TEXT, "encodingName": ["UTF-8"]},
    "Json": {"location": ANY, "encodingName": ["UTF-8"]},
}


def read_rows(body: io.TextIOWrapper, dataset: Dataset, settings: Part) -> tuple[Row, Iterator[Row]]:
    r"""The header, where there is one, and the rows: format-delimited-text.

    Rows end in \r\n, \r or \n, which is the default. Of empty rows it says only that they do not count when rows are
    skipped; here they are none.
    """
    check(settings, "formatSettings", type=["DelimitedTextReadSettings"], skipLineCount=ANY)
    lines = filter(None, csv.reader(body, doublequote=True, strict=True))
    for _ in range(settings.get("skipLineCount", 0)):
        next(lines, None)
    names = next(lines, []) if dataset.properties.get("firstRowAsHeader") else []
    if not all(names):
        raise ActivityFault(f"a column of the header has no name: {names}")  # connector-troubleshoot-delimited-text
    return names, _square(lines, len(names))


def _square(rows: Iterator[Row], width: int) -> Iterator[Row]:
    """Rows as wide as the first: a wider one is a fault by connector-troubleshoot-delimited-text.

    The pages do not say what becomes of a narrower one; here what it lacks is empty.
    """
    for number, row in enumerate(rows, 1):
        width = width or len(row)
        if len(row) > width:
            raise ActivityFault(f"row number {number}: found more columns than expected column count {width}")
        yield row if len(row) == width else row + [""] * (width - len(row))


def map_columns(names: Row, rows: Iterator[Row], translator: Part) -> tuple[Row, Iterator[Row]]:
    """The columns that are asked for, by number or by name: copy-activity-schema-and-type-mapping.

    Values stay text, as `typeConversion` is not asked for. That a column which is not there is a fault is not on that
    page; it is MappingColumnNameNotFoundInSourceFile in messages of the service.
    """
    check(translator, "translator", type=["TabularTranslator"], mappings=ANY)
    first = next(rows, None)
    places = []
    for mapping in translator["mappings"]:
        check(mapping, "mapping", source=ANY, sink=ANY)
        check(mapping["sink"], "mapping/sink", name=ANY)
        source = mapping["source"]
        check(source, "mapping/source", **{"name" if names else "ordinal": ANY})
        if (source["name"] not in names) if names else (first and source["ordinal"] > len(first)):
            raise ActivityFault(f"column {source} of the mapping cannot be found in {names or first}")
        places.append(names.index(source["name"]) if names else source["ordinal"] - 1)
    take = itemgetter(*places)
    whole = chain([] if first is None else [first], rows)
    return [mapping["sink"]["name"] for mapping in translator["mappings"]], map(take, whole)


def write_rows(sink: Dataset, names: Row, rows: Iterator[Row]) -> tuple[bytes, int]:
    """The packed text, and how many rows it has: format-delimited-text.

    A value is quoted where it has the column delimiter; of one with quotes or ends of rows the page says nothing, and
    here it is quoted too.
    """
    known = {"rowDelimiter": ["\n"], "encodingName": ["UTF-8 without BOM"], "compressionCodec": ["gzip"]}
    check(sink.properties, "sink", **TEXT, **known, compressionLevel=["Optimal"])
    packed, count = io.BytesIO(), 0
    with gzip.open(packed, "wt", 6, "utf-8", newline="") as text:
        writer = csv.writer(text, quoting=csv.QUOTE_MINIMAL, lineterminator=sink.properties["rowDelimiter"])
        if sink.properties["firstRowAsHeader"]:
            writer.writerow(names)
        while some := list(islice(rows, 10_000)):
            writer.writerows(some)
            count += len(some)
    return packed.getvalue(), count


def read_objects(body: io.TextIOWrapper, dataset: Dataset) -> list[Part]:
    """An array of objects: control-flow-lookup-activity."""
    found = json.loads(body.read())
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise NotSupported(f"{dataset.location['relativeUrl']}: {str(found)[:80]}")
    return found
