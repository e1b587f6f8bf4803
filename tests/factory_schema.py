"""Data Factory's published schema: what a resource has that it does not allow, or does not know.

The schema is beside this project where it is at hand. By itself it lets any name pass that it does not know: what it
knows of a place is gathered here, and all else is a fault.
"""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema
import pytest
from referencing import Registry
from referencing.jsonschema import DRAFT4

from conftest import ROOT

SCHEMA = ROOT.parent / "shared" / "adf" / "Microsoft.DataFactory.json"
COMMON = "https://schema.management.azure.com/schemas/common/definitions.json"
EXPRESSION = f"{COMMON}#/definitions/expression"
EXPRESSIONS = {"definitions": {"expression": {"type": "string", "pattern": r"^\[([^\[].*)?\]$"}}}  # what stands there
KINDS = {"linkedService": "LinkedService", "dataset": "Dataset", "pipeline": "Pipeline", "trigger": "Trigger"}
TYPE = {"object": dict, "array": list}

# What the schema leaves open, in the same words:
# https://learn.microsoft.com/azure/data-factory/copy-activity-schema-and-type-mapping#tabular-source-to-tabular-sink
# https://learn.microsoft.com/azure/data-factory/copy-activity-overview#add-additional-columns-during-copy
COLUMN: dict[str, Any] = {"properties": {"name": {}, "ordinal": {}, "type": {}}}
OPEN: dict[str, dict[str, Any]] = {
    "translator": {
        "properties": {
            "type": {},
            "mappings": {"items": {"properties": {"source": COLUMN, "sink": COLUMN}}},
            "typeConversion": {},
        }
    },
    "additionalColumns": {"items": {"properties": {"name": {}, "value": {}}}},
}


@cache
def _read_schema() -> dict[str, Any]:
    """The schema; skips where it is not at hand."""
    if not SCHEMA.is_file():
        pytest.skip("the schema of Data Factory is not beside this project")
    schema: dict[str, Any] = json.loads(SCHEMA.read_text("utf-8"))
    return schema


def find_misfits(instance: Any, within: str) -> list[str]:
    """Where the instance is not as the schema wants it; `within` is a place in it, as definitions/Pipeline."""
    schema = _read_schema()
    registry: Registry[Any] = Registry().with_resources(
        [(name, DRAFT4.create_resource(each)) for name, each in (("urn:factory", schema), (COMMON, EXPRESSIONS))]
    )
    validator = jsonschema.Draft4Validator({"$ref": f"urn:factory#/{within}"}, registry=registry)
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(instance)]


def find_unknown(place: str, resource: dict[str, Any]) -> list[str]:
    """The names in a resource's file that nothing documents, by their paths."""
    kind = place.partition("/")[0]
    form = {"properties": {"name": {}, "properties": {"$ref": f"#/definitions/{KINDS[kind]}"}}}
    return list(_walk(resource, [form], place))


def find_unknown_in_template(resource: dict[str, Any], definition: str) -> list[str]:
    """The same of a resource of a template."""
    known = _read_schema()["resourceDefinitions"][definition]["properties"]
    return list(_walk(resource, [{"properties": {**known, "dependsOn": {}}}], definition))


def _expand(schema: dict[str, Any], value: Any) -> Iterator[dict[str, Any]]:
    """The schema, what it refers to, and of its alternatives those that the value is."""
    if "$ref" in schema:
        if schema["$ref"] != EXPRESSION:
            yield from _expand(_read_schema()["definitions"][schema["$ref"].rpartition("/")[2]], value)
        return
    yield schema
    for alternative in schema.get("oneOf", ()):
        named = alternative.get("properties", {}).get("type", {}).get("enum")
        if TYPE.get(alternative.get("type"), type(value)) is type(value) and (
            named is None or (isinstance(value, dict) and value.get("type") in named)
        ):
            yield from _expand(alternative, value)


def _walk(value: Any, schemas: list[dict[str, Any]], path: str, key: str = "") -> Iterator[str]:
    """What is not known of a value that stands under a key."""
    if not isinstance(value, dict | list):
        return
    known = [each for schema in schemas for each in _expand(schema, value)]
    if not any(each.keys() & {"properties", "items", "additionalProperties"} for each in known):
        if isinstance(value, dict) and value.get("type") == "Expression":
            known = [{"properties": {"type": {}, "value": {}}}]
        elif isinstance(value, list) and not any(isinstance(each, dict | list) for each in value):
            return
        elif key in OPEN:
            known = [OPEN[key]]
        else:
            yield f"{path}: nothing says what stands here"
            return
    if isinstance(value, list):
        for number, each in enumerate(value):
            yield from _walk(each, [schema["items"] for schema in known if "items" in schema], f"{path}[{number}]")
        return
    named = [schema["properties"] for schema in known if schema.get("properties")]
    maps = [
        schema["additionalProperties"]
        for schema in known
        if not named and "additionalProperties" in schema and "oneOf" not in schema  # else it is one of them, misspelt
    ]
    for name, each in value.items():
        own = [properties[name] for properties in named if name in properties] or maps
        if own:
            yield from _walk(each, own, f"{path}.{name}", name)
        else:
            yield f"{path}.{name}: unknown"
