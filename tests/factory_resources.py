"""The resources of Data Factory by their parts: what a test asks of them, evaluated one by one."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from build_template import HERE
from factory_expressions import Values, evaluate_all, list_expressions

NEW_YORK = ZoneInfo("America/New_York")


@cache
def properties(name: str) -> dict[str, Any]:
    """What a resource is, by its name."""
    (path,) = HERE.glob(f"*/{name}.json")
    found: dict[str, Any] = json.loads(path.read_text())["properties"]
    return found


@cache
def activities(pipeline: str) -> dict[str, dict[str, Any]]:
    """The activities of a pipeline, with those within others."""
    return {each["name"]: each for each in _walk(properties(pipeline)["activities"])}


def _walk(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        if "name" in part and "typeProperties" in part:
            yield part
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _walk(each)


@cache
def expression(pipeline: str, activity: str, key: str = "") -> str:
    """The one expression of an activity, or that of a property."""
    own = activities(pipeline)[activity]["typeProperties"]
    kept = {name: each for name, each in own.items() if (name == key if key else "Activities" not in name)}
    (found,) = [text for _, text in list_expressions(kept)]
    return found


def defaults(pipeline: str) -> dict[str, Any]:
    """The parameters of a run that is told none, but for those it must be told."""
    parameters = properties(pipeline)["parameters"]
    return {name: each["defaultValue"] for name, each in parameters.items() if "defaultValue" in each}


def locate(reference: dict[str, Any], values: Values) -> str:
    """Where a dataset is: an address, or the name of an object in the lake."""
    dataset = properties(reference["referenceName"])
    parameters = evaluate_all(reference["parameters"], values)
    location = evaluate_all(dataset["typeProperties"]["location"], Values(dataset=parameters))
    if location["type"] == "AzureBlobStorageLocation":
        return f"{location['folderPath']}/{location['fileName']}"
    service = properties(dataset["linkedServiceName"]["referenceName"])["typeProperties"]
    return f"{service['url']}{location['relativeUrl']}"


def trigger_time(now: datetime | date) -> str:
    """A moment as TriggerTime says it; of a day, noon in New York."""
    moment = now if isinstance(now, datetime) else datetime.combine(now, time(12), NEW_YORK)
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}0Z"
