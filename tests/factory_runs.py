"""Runs of Data Factory's pipelines, from their files alone: in the order of Microsoft's testing framework, and done.

The framework says which activity is next, evaluates it and sets variables; here activities are performed and tried
again, and what fails ends a run as the service ends it. Time does not pass, and what the service does at once goes in
turn. Where the framework knows less than the service nothing hangs on it: it takes a container whose activities failed
for one that succeeded, so after a failure a run is over but for the other items of the loop that it was in.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from factory_copy import Stores
from factory_expressions import NOW, Values, evaluate_all, load_framework
from factory_text import ANY, ActivityFault, Dataset, NotSupported, Part, check

KNOWN: dict[str, dict[str, list[Any]]] = {  # of control activities; Stores knows those of the others
    "Fail": {"message": ANY, "errorCode": ANY},
    "Filter": {"items": ANY, "condition": ANY},
    "ForEach": {"items": ANY, "activities": ANY, "isSequential": [False], "batchCount": ANY},
    "IfCondition": {"expression": ANY, "ifTrueActivities": ANY, "ifFalseActivities": ANY},
    "Switch": {"on": ANY, "cases": ANY},
    "SetVariable": {"variableName": ANY, "value": ANY},
    "AppendVariable": {"variableName": ANY, "value": ANY},
    "ExecutePipeline": {"pipeline": ANY, "waitOnCompletion": [True], "parameters": ANY},
}
CONTAINERS = ("ForEach", "IfCondition", "Switch")
BRANCHES = ("activities", "ifTrueActivities", "ifFalseActivities", "cases")
TYPES: dict[str, type] = {"String": str, "Int": int, "Array": list}


@dataclass
class Step:
    """An activity run; `tries` of one that was not tried again is 1."""

    pipeline: str
    activity: str
    status: str
    tries: int = 1


@dataclass
class Run:
    """What became of a pipeline.

    Attributes:
        faults: A sentence for each activity that failed; nothing where all is well.
        steps: Of it and of the pipelines that it ran, in order; a container comes before what is in it.
    """

    id: str
    faults: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @property
    def state(self) -> str:
        """Succeeded or Failed."""
        return "Failed" if self.faults else "Succeeded"

    @property
    def message(self) -> str:
        """Its faults, a line each."""
        return "\n".join(self.faults)


@dataclass(frozen=True)
class Factory:
    """A factory with the resources of a folder.

    Attributes:
        now: The moment at which its runs are triggered, in UTC: 2026-11-28T14:00:00Z.
    """

    folder: Path
    stores: Stores
    now: str

    def read(self, kind: str, name: str) -> Part:
        """The properties of a resource."""
        properties: Part = json.loads((self.folder / kind / f"{name}.json").read_text())["properties"]
        return properties

    def fire(self, trigger: str) -> Run:
        """What a trigger starts."""
        (started,) = self.read("trigger", trigger)["pipelines"]
        return self.run(started["pipelineReference"]["referenceName"], **started["parameters"])

    def run(self, pipeline: str, /, **parameters: Any) -> Run:
        """Runs a pipeline to its end.

        TriggerTime is the same in the pipelines that it runs: control-flow-system-variables does not say what it is
        in these.

        Raises:
            NotSupported: it has a property of which nothing is known here.
        """
        return _PipelineRun(self, pipeline, parameters).follow()

    def find_dataset(self, reference: Part) -> Dataset:
        """A dataset as an activity refers to it, evaluated; and its linked service."""
        check(reference, "dataset", type=["DatasetReference"], referenceName=ANY, parameters=ANY)
        found = self.read("dataset", reference["referenceName"])
        path = f"dataset {reference['referenceName']}"
        own = {"type": ANY, "description": ANY, "linkedServiceName": ANY, "parameters": ANY, "typeProperties": ANY}
        check(found, path, schema=[[]], **own)
        check_parameters(reference["parameters"], found["parameters"], path)
        service = self.read("linkedService", found["linkedServiceName"]["referenceName"])
        check(service, "linked service", type=ANY, description=ANY, typeProperties=ANY)
        properties = evaluate_all(found["typeProperties"], Values(dataset=reference["parameters"]))
        return Dataset(found["type"], properties, service["type"], service["typeProperties"])


class _PipelineRun:
    """A pipeline on its way."""

    def __init__(self, factory: Factory, pipeline: str, parameters: Part) -> None:
        self.factory, self.pipeline, self.run = factory, pipeline, Run(str(uuid4()))
        self.properties = factory.read("pipeline", pipeline)
        known = {"description": ANY, "activities": ANY, "parameters": ANY, "variables": ANY}
        check(self.properties, pipeline, **known)
        declared = self.properties["parameters"]
        defaults = {name: each["defaultValue"] for name, each in declared.items() if "defaultValue" in each}
        check_parameters(defaults | parameters, declared, pipeline)
        self.activities = dict(list_activities(self.properties["activities"], pipeline))
        self.open: dict[str, Step] = {}  # containers that began
        self.elements: type = object
        self.parameters = parameters

    def follow(self) -> Run:
        """Performs one activity after another."""
        framework = load_framework()
        from data_factory_testing_framework import models, state
        from data_factory_testing_framework.exceptions import (
            DataFactoryElementEvaluationError,
            NoRemainingPipelineActivitiesMeetDependencyConditionsError,
        )

        self.elements = models.DataFactoryElement
        now, kinds = self.factory.now, state.RunParameterType
        system = {"RunId": self.run.id, "TriggerTime": now, "Pipeline": self.pipeline, NOW: now}
        values = [state.RunParameter(kinds.System, name, value) for name, value in system.items()]
        values += [state.RunParameter(kinds.Pipeline, name, value) for name, value in self.parameters.items()]
        kind = framework.TestFrameworkType.DataFactory
        walk = framework.TestFramework(kind, root_folder_path=str(self.factory.folder))  # anew: it writes into it
        found = walk.get_pipeline_by_name(self.pipeline)
        for activity in found.activities:
            if activity.type in CONTAINERS:
                for name in BRANCHES:  # of which it would evaluate all, and not only the one that is taken
                    activity.type_properties.pop(name, None)
                activity.evaluate = partial(self.begin, activity, activity.evaluate)  # for it tells nobody
        try:
            for activity in walk.evaluate_pipeline(found, values):
                loop = self.activities[activity.name]
                if self.run.faults and (loop is None or self.open[loop].status != "Failed"):
                    break
                self.perform(activity, state.DependencyCondition)
                if self.run.faults and not self.is_in_loop(activity.name):
                    break
        except DataFactoryElementEvaluationError as error:
            self.run.faults = self.run.faults or [str(error.__cause__)]
        except NoRemainingPipelineActivitiesMeetDependencyConditionsError:
            if not self.run.faults:
                raise
        return self.run

    def begin(self, activity: Any, evaluate: Any, state: Any) -> Any:
        """A container is evaluated."""
        step = self.open[activity.name] = Step(self.pipeline, activity.name, "Succeeded")
        self.run.steps.append(step)
        return evaluate(state)

    def is_in_loop(self, name: str) -> bool:
        """Whether an activity is one of a ForEach."""
        container = self.activities[name]
        return container is not None and self.find(container)["type"] == "ForEach"

    def find(self, name: str) -> Part:
        """A container, as its file has it."""
        return next(each for each in self.properties["activities"] if each["name"] == name)

    def perform(self, activity: Any, conditions: Any) -> None:
        """Does what an activity is for, and tells the framework."""
        step = Step(self.pipeline, activity.name, "Succeeded")
        self.run.steps.append(step)
        try:
            output = self.do(activity, step)
            activity.set_result(conditions.SUCCEEDED, output)
        except ActivityFault as fault:
            step.status = "Failed"
            self.run.faults.append(str(fault))
            activity.set_result(conditions.FAILED, {})
            if container := self.activities[activity.name]:
                self.open[container].status = "Failed"

    def do(self, activity: Any, step: Step) -> Any:
        """The output of an activity.

        Raises:
            ActivityFault: it failed.
        """
        own: Part = self.plain({**activity.all_properties, "typeProperties": activity.type_properties})
        properties = own["typeProperties"]
        match activity.type:
            case "Fail":
                raise ActivityFault(properties["message"])
            case "SetVariable" | "AppendVariable":
                wanted = self.properties["variables"][properties["variableName"]]["type"]
                if activity.type == "SetVariable" and type(properties["value"]) is not TYPES[wanted]:
                    raise NotSupported(f"{activity.name}: {properties['value']!r} is no {wanted}")
                return {}
            case "Filter":
                return activity.output
            case "ExecutePipeline":
                ran = self.factory.run(properties["pipeline"]["referenceName"], **properties["parameters"])
                self.run.steps += ran.steps
                if ran.faults:
                    raise ActivityFault(ran.message)
                return {"pipelineRunId": ran.id}
            case _:
                return self.try_again(activity, own, step)

    def try_again(self, activity: Any, own: Part, step: Step) -> Part:
        """What may be tried again, `retry` times after the first: concepts-pipelines-activities."""
        check(activity.policy, f"{activity.name}/policy", timeout=ANY, retry=ANY, retryIntervalInSeconds=ANY)
        stores, find = self.factory.stores, self.factory.find_dataset
        while True:
            try:
                match activity.type:
                    case "Copy":
                        (source,), (sink,) = own["inputs"], own["outputs"]
                        return stores.copy(own, find(source), find(sink))
                    case "Lookup":
                        return stores.lookup(own, find(own["typeProperties"]["dataset"]))
                    case "GetMetadata":
                        return stores.get_metadata(own, find(own["typeProperties"]["dataset"]))
                raise NotSupported(f"{activity.name}/type: {activity.type!r}")
            except ActivityFault:
                if step.tries > activity.policy.get("retry", 0):
                    raise
                step.tries += 1

    def plain(self, value: Any) -> Any:
        """A part of an activity that was evaluated, as JSON."""
        if isinstance(value, self.elements):
            return value.result  # type: ignore[attr-defined]
        if isinstance(value, list):
            return [self.plain(each) for each in value]
        return {name: self.plain(each) for name, each in value.items()} if isinstance(value, dict) else value


def check_parameters(given: Part, declared: Part, path: str) -> None:
    """Each parameter is given, no other one is, and all are of their types."""
    for name in given.keys() | declared.keys():
        kind = declared.get(name, {}).get("type")
        if kind is None or type(given.get(name)) is not TYPES[kind]:
            raise NotSupported(f"{path}/parameters/{name}: {given.get(name)!r}")


def list_activities(scope: list[Part], path: str, container: str | None = None) -> Iterator[tuple[str, str | None]]:
    """The names of all activities, each with the container it is in; known properties alone.

    The framework asks for the results of all that ran, in whatever item of a loop: so what depends on another comes
    after it in the file.
    """
    for number, activity in enumerate(scope):
        at, kind = f"{path}/{activity['name']}", activity["type"]
        own = {"name": ANY, "type": ANY, "description": ANY, "dependsOn": ANY, "typeProperties": ANY}
        rest = {} if kind in KNOWN else {"policy": ANY}
        rest |= {"inputs": ANY, "outputs": ANY} if kind == "Copy" else {}
        check(activity, at, userProperties=[[]], **own, **rest)
        for each in activity["dependsOn"]:
            known = [one["name"] for one in scope[:number]]
            check(each, f"{at}/dependsOn", activity=known, dependencyConditions=[["Succeeded"]])
        properties = activity["typeProperties"]
        if kind in KNOWN:
            check(properties, at, **KNOWN[kind])
        yield activity["name"], container
        cases = [case["activities"] for case in properties.get("cases", [])]
        for name in ("activities", "ifTrueActivities", "ifFalseActivities"):
            cases.append(properties.get(name, []))
        for each in cases:
            if each and container:
                raise NotSupported(f"{at}: a container in a container")
            yield from list_activities(each, at, activity["name"])
