"""The Data Factory resources are what the service takes: every name is known, every reference leads somewhere."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from factory_files import Resources, find_faults, place_activities, read_factory
from factory_schema import KINDS, find_misfits, find_unknown

FACTORY = read_factory()
PIPELINES = [place for place in FACTORY if place.startswith("pipeline/")]


def test_nothing_dangles_and_the_service_takes_it() -> None:
    assert len(PIPELINES) >= 2
    assert find_faults(FACTORY) == []


@pytest.mark.parametrize("place", FACTORY)
def test_a_resource_fits_its_schema_and_has_no_unknown_name(place: str) -> None:
    assert find_misfits(FACTORY[place]["properties"], f"definitions/{KINDS[place.partition('/')[0]]}") == []
    assert find_unknown(place, FACTORY[place]) == []


@pytest.mark.parametrize("place", FACTORY)
def test_every_misspelt_name_is_found(place: str) -> None:
    """Each key of a resource, one at a time; names that are ours, of parameters and variables, as dangling."""
    keys = list(_find_keys(FACTORY[place]))
    assert len(keys) > 5
    for *way, last in keys:
        broken = copy.deepcopy(FACTORY)
        holder: Any = broken[place]
        for step in way:
            holder = holder[step]
        holder[f"{last}x"] = holder.pop(last)
        assert find_unknown(place, broken[place]) or find_faults(broken), [*way, last]


def _find_keys(value: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to every key within."""
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(value, dict):
                yield *way, key
            yield from _find_keys(each, (*way, key))


def _first(resources: Resources, kind: str, has: str = "") -> dict[str, Any]:
    """The first activity of a kind; of those whose own texts have something, where it is said."""
    placed = [each for place in PIPELINES for each in place_activities(resources[place]["properties"])]
    found = (each.activity for each in placed if each.activity["type"] == kind and has in str(each.own))
    return next(found)


def _nest(resources: Resources) -> None:
    details = _first(resources, "IfCondition")["typeProperties"]
    details["ifFalseActivities"] = [*details["ifFalseActivities"], _loop("ForEach")]


def _nest_loops(resources: Resources) -> None:
    _first(resources, "ForEach")["typeProperties"]["activities"].append(_loop("Until"))


def _loop(kind: str) -> dict[str, Any]:
    return {"name": "again", "type": kind, "typeProperties": {"batchCount": 1, "activities": []}}


def _set_in_a_loop(resources: Resources) -> None:
    inner = _first(resources, "ForEach")["typeProperties"]["activities"]
    inner.append({**copy.deepcopy(_first(resources, "SetVariable")), "name": "again", "dependsOn": []})


def _set_from_itself(resources: Resources) -> None:
    details = _first(resources, "SetVariable")["typeProperties"]
    details["value"] = f"@concat(variables('{details['variableName']}'),'x')"


def _put_late(resources: Resources) -> None:
    _first(resources, "IfCondition", has="activity('")["dependsOn"] = []


def _wait_in_a_ring(resources: Resources) -> None:
    first, *_, last = resources[PIPELINES[0]]["properties"]["activities"]
    first["dependsOn"].append({"activity": last["name"], "dependencyConditions": ["Succeeded"]})


def _inputs(resources: Resources) -> dict[str, Any]:
    dataset: dict[str, Any] = _first(resources, "Copy")["inputs"][0]
    return dataset


BREAKS: list[tuple[Callable[[Resources], Any], str]] = [
    (lambda all_: _inputs(all_).update(referenceName="ds_nowhere"), "no dataset/ds_nowhere"),
    (lambda all_: _inputs(all_).update(type="PipelineReference"), "no pipeline/ds_"),
    (lambda all_: _inputs(all_)["parameters"].update(other="x"), "takes no other"),
    (lambda all_: _inputs(all_)["parameters"].popitem(), "lacks "),
    (
        lambda all_: _first(all_, "ExecutePipeline")["typeProperties"]["pipeline"].update(referenceName="pl_nowhere"),
        "no pipeline/pl_nowhere",
    ),
    (lambda all_: _first(all_, "ExecutePipeline")["typeProperties"]["parameters"].update(other="x"), "takes no other"),
    (lambda all_: all_.pop(next(place for place in all_ if place.startswith("linkedService/"))), "no linkedService/"),
    (
        lambda all_: all_.update(
            {"dataset/ds_spare": {"name": "ds_spare", "properties": FACTORY["dataset/ds_lake_file"]["properties"]}}
        ),
        "dataset/ds_spare: unused",
    ),
    (lambda all_: all_[PIPELINES[0]]["properties"]["parameters"].update(spare={"type": "Int"}), "spare: unused"),
    (lambda all_: all_[PIPELINES[0]]["properties"]["variables"].update(spare={"type": "Bool"}), "spare: never set"),
    (lambda all_: _first(all_, "SetVariable")["typeProperties"].update(value="@variables('x')"), "x: not declared"),
    (lambda all_: _first(all_, "SetVariable")["typeProperties"].update(variableName="x"), "x: set, and not declared"),
    (
        lambda all_: _first(all_, "SetVariable")["typeProperties"].update(value="@pipeline().parameters.x"),
        "parameter x: not declared",
    ),
    (lambda all_: _first(all_, "SetVariable")["typeProperties"].update(value="@item()"), "item() outside of a loop"),
    (_set_from_itself, "from itself"),
    (_set_in_a_loop, "in a loop"),
    (_put_late, "which is not before it"),
    (_wait_in_a_ring, "waits for itself"),
    (lambda all_: _first(all_, "Copy")["dependsOn"][0].update(activity="nobody"), "waits for nobody"),
    (lambda all_: _first(all_, "Fail").update(name="a" * 56), "the name"),
    (lambda all_: _first(all_, "Fail").update(name=_first(all_, "SetVariable")["name"]), "twice"),
    (_nest, "ForEach within IfCondition"),
    (_nest_loops, "Until within a loop"),
    (lambda all_: _first(all_, "ForEach")["typeProperties"].update(batchCount=51), "batchCount"),
    (lambda all_: _first(all_, "Copy")["policy"].pop("timeout"), "no timeout"),
    (lambda all_: _first(all_, "Copy")["policy"].update(retry=0), "no retry"),
    (lambda all_: _first(all_, "Copy")["policy"].update(retryIntervalInSeconds=29), "retryIntervalInSeconds"),
    (lambda all_: all_[PIPELINES[0]].update(name="pl_other"), "the name is pl_other"),
    (lambda all_: all_.update({"pipeline/pl-week": {"name": "pl-week", "properties": {}}}), "the name is pl-week"),
    (
        lambda all_: all_["linkedService/ls_lake"]["properties"]["typeProperties"].update(accountKey="x"),
        "accountKey is a secret",
    ),
    (
        lambda all_: all_["linkedService/ls_lake"]["properties"]["typeProperties"].update(serviceEndpoint="a/?sig=x"),
        "serviceEndpoint is a secret",
    ),
    (
        lambda all_: _first(all_, "IfCondition")["typeProperties"]["expression"].update(value="true"),
        "a text, not an expression",
    ),
]


@pytest.mark.parametrize(("damage", "said"), BREAKS, ids=[said for _, said in BREAKS])
def test_a_fault_is_found(damage: Callable[[Resources], Any], said: str) -> None:
    broken = copy.deepcopy(FACTORY)
    damage(broken)
    assert any(said in fault for fault in find_faults(broken))


@pytest.mark.parametrize(
    "damage",
    [
        lambda all_: _first(all_, "Copy")["typeProperties"].pop("sink"),
        lambda all_: _first(all_, "ForEach")["typeProperties"].update(batchCount="four"),
        lambda all_: _first(all_, "IfCondition")["typeProperties"].update(expression="@true"),
        lambda all_: _first(all_, "ExecutePipeline")["typeProperties"].update(waitOnCompletion="yes"),
        lambda all_: _first(all_, "Copy").update(type="Copied"),
        lambda all_: _first(all_, "Copy")["dependsOn"][0].update(dependencyConditions=["Done"]),
    ],
    ids=["nothing to write to", "a number in words", "no expression", "a text for a choice", "no kind", "no condition"],
)
def test_a_misfit_is_found(damage: Callable[[Resources], Any]) -> None:
    broken = copy.deepcopy(FACTORY)
    damage(broken)
    misfits = [find_misfits(broken[place]["properties"], "definitions/Pipeline") for place in PIPELINES]
    assert any(misfits)
