"""The Data Factory resources as their files say: what refers to nothing, what is never used, what the service refuses.

The limits: https://learn.microsoft.com/azure/data-factory/concepts-pipelines-activities, concepts-nested-activities,
naming-rules and control-flow-for-each-activity; azure-resource-manager/management/azure-subscription-service-limits.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from build_template import HERE, REFERENCES, TYPES, find_references, read_resources

Resources = dict[str, dict[str, Any]]

CHOICES = ("IfCondition", "Switch")
LOOPS = ("ForEach", "Until")
WORK = ("Copy", "Lookup", "GetMetadata", "Delete")  # what reaches out, and may hang
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,139}")
ACTIVITY_NAME = re.compile(r"[A-Za-z0-9_]{1,55}")
TIMEOUT = re.compile(r"(\d+\.)?\d\d:[0-5]\d:[0-5]\d")
ACTIVITIES, PARAMETERS, CASES, BATCH, LENGTH = 40, 50, 25, 50, 8192
SECRET = re.compile(
    r"(?i)password|secret|accountkey|connectionstring|sas(uri|token)|credential|principalkey|authheader"
)
SECRET_TEXT = re.compile(r"(?i)accountkey=|sharedaccess|[?&]sig=|://[^/@]*@|api_?key=|app_?token")


def read_factory() -> Resources:
    """All the resources, by kind and name."""
    return read_resources(HERE)


def find_faults(resources: Resources) -> list[str]:
    """All that is wrong with resources beside what their schema says."""
    faults = [*_find_dangling(resources), *_judge_values(resources)]
    for place, resource in resources.items():
        kind, _, name = place.partition("/")
        if resource.get("name") != name or not NAME.fullmatch(name) or kind not in TYPES:
            faults.append(f"{place}: the name is {resource.get('name')}")
        properties = resource.get("properties", {})
        found: Iterator[str] = iter(())
        if kind == "pipeline":
            found = _judge_pipeline(properties)
        elif kind == "dataset":
            found = _compare("parameter", properties.get("parameters", {}), _names(r"dataset\(\)\.(\w+)", properties))
        faults += [f"{place}: {fault}" for fault in found]
    return faults


@dataclass(frozen=True)
class Placed:
    """An activity where it stands: within which others, and after which."""

    activity: dict[str, Any]
    within: tuple[str, ...]
    before: frozenset[str]
    beside: frozenset[str]

    @property
    def own(self) -> dict[str, Any]:
        """It without the activities in it."""
        details = self.activity.get("typeProperties", {})
        kept = {key: each for key, each in details.items() if key not in ("cases", *_inner(self.activity))}
        return {**self.activity, "typeProperties": kept}


def place_activities(properties: dict[str, Any]) -> list[Placed]:
    """All activities of a pipeline."""
    return list(_place(properties.get("activities", []), (), frozenset()))


def _inner(activity: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The lists of activities in one, by their names or cases."""
    details = activity.get("typeProperties", {})
    lists = {
        key: details[key]
        for key in ("activities", "ifTrueActivities", "ifFalseActivities", "defaultActivities")
        if key in details
    }
    return lists | {f"case {case.get('value')}": case.get("activities", []) for case in details.get("cases", [])}


def _place(activities: list[dict[str, Any]], within: tuple[str, ...], outer: frozenset[str]) -> Iterator[Placed]:
    after = {each["name"]: {line["activity"] for line in each.get("dependsOn", [])} for each in activities}
    for activity in activities:
        before: set[str] = set()
        waiting = set(after[activity["name"]])
        while waiting:
            before |= waiting
            waiting = {earlier for name in waiting for earlier in after.get(name, ())} - before
        yield Placed(activity, within, outer | before, frozenset(after))
        for inner in _inner(activity).values():
            yield from _place(inner, (*within, activity["type"]), outer | before)


def _judge_pipeline(properties: dict[str, Any]) -> Iterator[str]:
    placed = place_activities(properties)
    names = [each.activity["name"].lower() for each in placed]
    yield from (f"{name}: twice" for name in {name for name in names if names.count(name) > 1})
    if len(placed) > ACTIVITIES or len(properties.get("parameters", {})) > PARAMETERS:
        yield f"{len(placed)} activities, {len(properties.get('parameters', {}))} parameters: too many"
    for each in placed:
        for fault in (*_judge_place(each), *_judge_policy(each.activity), *_judge_variable(each)):
            yield f"{each.activity['name']}: {fault}"
    yield from _compare("parameter", properties.get("parameters", {}), _names(r"parameters\.(\w+)", properties))
    variables = properties.get("variables", {})
    yield from _compare("variable", variables, _names(r"variables\('(\w+)'\)", properties))
    written = {details["variableName"] for each in placed if "variableName" in (details := each.own["typeProperties"])}
    yield from (f"variable {name}: set, and not declared" for name in sorted(written - variables.keys()))
    unset = {name for name, variable in variables.items() if "defaultValue" not in variable} - written
    yield from (f"variable {name}: never set" for name in sorted(unset))


def _judge_place(placed: Placed) -> Iterator[str]:
    """What it waits for and reads is there before it; the service lets it stand where it stands."""
    activity, kind = placed.activity, placed.activity["type"]
    if not ACTIVITY_NAME.fullmatch(activity["name"]):
        yield "the name"
    if activity["name"] in placed.before:
        yield "waits for itself"
    for line in activity.get("dependsOn", []):
        if line["activity"] not in placed.beside:
            yield f"waits for {line['activity']}, which is not beside it"
    for name in _names(r"activity\('([^']*)'\)", placed.own):
        if name not in placed.before:
            yield f"reads {name}, which is not before it"
    if kind in (*CHOICES, *LOOPS) and any(outer in CHOICES for outer in placed.within):
        yield f"{kind} within {placed.within[-1]}"
    if kind in LOOPS and any(outer in LOOPS for outer in placed.within):
        yield f"{kind} within a loop"
    if _names(r"\b(item)\(\)", placed.own) and kind not in ("ForEach", "Filter") and "ForEach" not in placed.within:
        yield "item() outside of a loop"
    details = activity.get("typeProperties", {})
    if kind == "ForEach" and not (details.get("isSequential") or 1 <= details.get("batchCount", 0) <= BATCH):
        yield "batchCount"
    if kind == "Switch" and len(details.get("cases", [])) > CASES:
        yield "cases"
    if any(len(text) > LENGTH for text in _texts(placed.own)):
        yield "an expression is too long"


def _judge_policy(activity: dict[str, Any]) -> Iterator[str]:
    """What reaches out ends in time and tries again; a day is more than any of it needs."""
    policy = activity.get("policy", {})
    if activity["type"] in WORK:
        if not TIMEOUT.fullmatch(str(policy.get("timeout"))):
            yield "no timeout"
        if not 1 <= policy.get("retry", 0) <= 10:
            yield "no retry"
        if not 30 <= policy.get("retryIntervalInSeconds", 0) <= 86400:
            yield "retryIntervalInSeconds"


def _judge_variable(placed: Placed) -> Iterator[str]:
    details = placed.activity.get("typeProperties", {})
    if placed.activity["type"] == "SetVariable":
        if details.get("variableName") in _names(r"variables\('(\w+)'\)", details):
            yield "sets a variable from itself"
        if "ForEach" in placed.within:
            yield "sets a variable in a loop, whose turns share it"


def _find_dangling(resources: Resources) -> Iterator[str]:
    """References to what is not there, arguments that are not taken or lack, and what nothing refers to."""
    for place, resource in resources.items():
        for reference, given in _find_calls(resource.get("properties", {})):
            if reference not in resources:
                yield f"{place}: no {reference}"
                continue
            taken = resources[reference].get("properties", {}).get("parameters", {})
            needed = {name for name, parameter in taken.items() if "defaultValue" not in parameter}
            yield from (f"{place}: {reference} takes no {name}" for name in sorted(given.keys() - taken.keys()))
            yield from (f"{place}: {reference} lacks {name}" for name in sorted(needed - given.keys()))
    used = {each for resource in resources.values() for each in find_references(resource.get("properties", {}))}
    yield from (f"{place}: unused" for place in resources if place not in used and not place.startswith("trigger/"))


def _find_calls(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The resources that are named, with what they are given: beside the name, or beside what holds it."""
    if isinstance(value, list):
        for each in value:
            yield from _find_calls(each)
    elif isinstance(value, dict):
        for each in value.values():
            if isinstance(each, dict) and each.get("type") == "PipelineReference":
                yield f"pipeline/{each.get('referenceName')}", value.get("parameters", {})
            else:
                yield from _find_calls(each)
        if "referenceName" in value:
            kind = REFERENCES.get(value.get("type", ""), value.get("type"))
            yield f"{kind}/{value['referenceName']}", value.get("parameters", {})


def _compare(what: str, declared: dict[str, Any], used: set[str]) -> Iterator[str]:
    yield from (f"{what} {name}: not declared" for name in sorted(used - declared.keys()))
    yield from (f"{what} {name}: unused" for name in sorted(declared.keys() - used))


def _names(pattern: str, value: Any) -> set[str]:
    """What a pattern finds in the expressions of a value."""
    expressions = [text for text in _texts(value) if text.startswith("@") or "@{" in text]
    return {name for text in expressions for name in re.findall(pattern, text)}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _judge_values(resources: Resources) -> Iterator[str]:
    """No value opens a door, and no text stands where an expression is meant."""
    for place, resource in resources.items():
        for key, value in _pairs(resource):
            if SECRET.search(key) or (isinstance(value, str) and SECRET_TEXT.search(value)) or value == "SecureString":
                yield f"{place}: {key} is a secret"
            expression = isinstance(value, dict) and value.get("type") == "Expression"
            if expression and not str(value.get("value")).startswith("@"):
                yield f"{place}: {key} is a text, not an expression"


def _pairs(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """All values within, each with the key that it, or its list, stands under."""
    yield key, value
    if isinstance(value, dict | list):
        for name, each in value.items() if isinstance(value, dict) else ((key, each) for each in value):
            yield from _pairs(each, name)
