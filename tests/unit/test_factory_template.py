"""The template is that of the files as last edited, and one Azure can take: its expressions are worked out here."""

import copy
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from build_template import HERE, TEMPLATE, TYPES, adapt_values, read_resources, write_template
from factory_schema import find_misfits, find_unknown_in_template

BUILT: dict[str, Any] = json.loads(TEMPLATE.read_text("utf-8"))
VALUES = {
    "factoryName": "weekly",
    "storageAccount": "ours",
    "container": "lake2",
    "alertAddress": "owner@example.com",
    "location": "eastus",
}


def _identify(kind: str, *names: str) -> str:
    """An identity as Azure writes it: each part of the kind before its name."""
    provider, *parts = kind.split("/")
    path = "/".join(f"{part}/{name}" for part, name in zip(parts, names, strict=True))
    return f"/resourceGroups/group/providers/{provider}/{path}"


# The functions of templates that are used here, and no others:
# https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions
FUNCTIONS: dict[str, Any] = {
    "environment": lambda: SimpleNamespace(suffixes=SimpleNamespace(storage="core.windows.net")),
    "format": str.format,
    "guid": lambda *texts: str(uuid5(NAMESPACE_URL, " ".join(texts))),
    "parameters": VALUES.__getitem__,
    "reference": lambda identity, _version, _full: SimpleNamespace(identity=SimpleNamespace(principalId=identity)),
    "resourceGroup": lambda: SimpleNamespace(location="eastus"),
    "resourceId": _identify,
    "subscriptionResourceId": lambda kind, name: f"/subscriptions/ours/{kind}/{name}",
}


def _work_out(value: Any) -> Any:
    """A value with its expressions worked out: their form is close enough to Python's."""
    if isinstance(value, dict):
        return {key: _work_out(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_work_out(each) for each in value]
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        return value[1:] if value.startswith("[[") else eval(value[1:-1], {"__builtins__": {}}, FUNCTIONS)
    return value


def _find_lacking(resources: list[dict[str, Any]]) -> list[str]:
    """What a resource names, or is a part of, and does not wait for; and what it waits for in vain."""
    identities = [_identify(each["type"], *each["name"].split("/")) for each in resources]
    faults: list[str] = []
    done: set[str] = set()
    for resource, identity in zip(resources, identities, strict=True):
        text = json.dumps({key: value for key, value in resource.items() if key not in ("dependsOn", "type")})
        named = {each for each in identities if re.search(rf"{re.escape(each)}(?![/\w-])", text)}
        parts = {each for each in identities if identity.startswith(f"{each}/")}
        references = set(re.findall(r'"referenceName": "(\w+)"', text))
        others = {each for each in identities if each.rpartition("/")[2] in references}
        wanted = named | parts | others
        waits = set(resource.get("dependsOn", []))
        if wanted != waits:
            faults.append(f"{identity}: {sorted(wanted ^ waits)}")
    while ready := [
        each
        for each, resource in zip(identities, resources, strict=True)
        if each not in done and done.issuperset(resource.get("dependsOn", []))
    ]:
        done.update(ready)
    return faults + [f"{each}: never" for each in identities if each not in done]


def test_the_template_is_that_of_the_files() -> None:
    assert TEMPLATE.read_text("utf-8") == write_template(HERE), "the files were edited: run `make adf`"


def test_a_template_asks_for_what_it_uses() -> None:
    assert BUILT["parameters"].keys() == VALUES.keys() == set(re.findall(r"parameters\('(\w+)'\)", json.dumps(BUILT)))
    assert all(parameter["metadata"]["description"] for parameter in BUILT["parameters"].values())
    assert BUILT["parameters"]["container"]["defaultValue"] == "lake"


def test_every_resource_is_in_it_as_its_file_says() -> None:
    """But for the two places that are the user's own."""
    found = {each["name"]: each["properties"] for each in map(_work_out, BUILT["resources"]) if each["type"] in _ours()}
    text = json.dumps(
        {f"weekly/{place.split('/')[1]}": each["properties"] for place, each in read_resources(HERE).items()}
    )
    text = text.replace("https://storageaccount.blob.", "https://ours.blob.").replace('"lake"', '"lake2"')
    assert found == json.loads(text)


def _ours() -> set[str]:
    return set(TYPES.values())


def test_every_resource_fits_its_schema() -> None:
    for resource in map(_work_out, BUILT["resources"]):
        _, _, kind = resource["type"].partition("Microsoft.DataFactory/")
        if kind:
            named, definition = {**resource, "name": resource["name"].rpartition("/")[2]}, kind.replace("/", "_")
            assert find_misfits(named, f"resourceDefinitions/{definition}") == [], resource["name"]
            assert find_unknown_in_template(named, definition) == []


def test_every_resource_waits_for_what_it_names_and_for_nothing_else() -> None:
    resources = [_work_out(each) for each in BUILT["resources"]]
    assert _find_lacking(resources) == []
    for number, resource in enumerate(resources):
        for place in range(len(resource.get("dependsOn", []))):
            broken = copy.deepcopy(resources)
            broken[number]["dependsOn"].pop(place)
            assert _find_lacking(broken), (resource["name"], place)
    resources[0]["dependsOn"] = [_identify(resources[-1]["type"], *resources[-1]["name"].split("/"))]
    assert any("never" in fault for fault in _find_lacking(resources))


def test_a_failure_is_told_and_the_factory_may_write_its_lake() -> None:
    kinds = {each["type"].rpartition("/")[2]: each for each in map(_work_out, BUILT["resources"])}
    factory, group = kinds["factories"], kinds["actionGroups"]
    (criterion,) = kinds["metricAlerts"]["properties"]["criteria"]["allOf"]
    assert (criterion["metricName"], criterion["operator"], criterion["threshold"]) == (
        "PipelineFailedRuns",
        "GreaterThan",
        0,
    )
    alert = kinds["metricAlerts"]["properties"]
    assert (alert["enabled"], group["properties"]["enabled"], criterion["timeAggregation"]) == (True, True, "Total")
    assert (alert["evaluationFrequency"], alert["windowSize"], alert["autoMitigate"]) == ("PT5M", "PT30M", True)
    (action,) = alert["actions"]
    assert action["actionGroupId"] == _identify(group["type"], group["name"])
    assert alert["scopes"] == [_identify(factory["type"], factory["name"])]
    assert group["properties"]["emailReceivers"][0]["emailAddress"] == "owner@example.com"
    assert len(group["properties"]["groupShortName"]) <= 12
    assert kinds["roleAssignments"]["scope"] == _identify("Microsoft.Storage/storageAccounts", "ours")
    assert kinds["roleAssignments"]["properties"]["principalId"] == _identify(factory["type"], factory["name"])
    writer = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"  # Storage Blob Data Contributor, in every subscription
    assert kinds["roleAssignments"]["properties"]["roleDefinitionId"].endswith(f"/{writer}")
    assert factory["identity"] == {"type": "SystemAssigned"}
    assert kinds["containers"]["name"] == "ours/default/lake2"
    assert kinds["containers"]["properties"] == {"publicAccess": "None"}


def test_a_text_that_azure_would_work_out_is_kept_as_text() -> None:
    texts = {"a": "[x]", "b": ["[y", "@concat('[',']')", 5]}
    adapted = adapt_values(texts)
    assert adapted == {"a": "[[x]", "b": ["[y", "@concat('[',']')", 5]}
    assert _work_out(adapted) == texts


def test_an_edit_without_make_is_found(tmp_path: Path) -> None:
    shutil.copytree(HERE, tmp_path, dirs_exist_ok=True)
    assert write_template(tmp_path) == write_template(HERE)
    edited = tmp_path / "linkedService" / "ls_lake.json"
    edited.write_text(edited.read_text("utf-8").replace("StorageV2", "Storage"))
    assert write_template(tmp_path) != write_template(HERE)
