"""Azure Data Factory's expressions: parsed by the grammar of Microsoft's testing framework, evaluated here.

The framework evaluates by a .NET runtime, and through a round trip of 30 to 170 ms an expression; `load_framework`
puts this evaluator in the place of both. Unknown functions, values of a wrong type and properties that are not there
(without `?`) raise, and both branches of `if`, `and` and `or` are evaluated, which is the strictest reading of the
service: a branch that would raise, raises.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any, Self

from lark import Lark, Token, Tree
from lark.exceptions import LarkError

from factory_functions import find_function, string

FRAMEWORK = "data_factory_testing_framework"
# https://learn.microsoft.com/en-us/azure/data-factory/control-flow-system-variables
SYSTEM = (
    "DataFactory", "Pipeline", "RunId", "TriggerId", "TriggerName", "TriggerTime", "TriggerType", "GroupId",
    "TriggeredByPipelineName", "TriggeredByPipelineRunId",
)  # fmt: skip
NO_ITEM = object()
NOW = "utcNow"  # among the values of the system: what utcNow() says


class ExpressionFault(Exception):
    """An expression that cannot be evaluated, with the reason."""


@dataclass(frozen=True)
class Values:
    """What an expression may ask for.

    Attributes:
        system: of the run: RunId, TriggerTime and others; and NOW.
        activities: the results of those that have run, each with its output.
        item: of the loop it is in.
        dataset: the parameters of the dataset it is in; linked_service likewise.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    system: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    activities: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    item: Any = NO_ITEM
    dataset: Mapping[str, Any] = field(default_factory=dict)
    linked_service: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_state(cls, state: Any) -> Self:
        """Those of a run as the framework keeps them."""
        kinds: dict[str, dict[str, Any]] = {}
        for parameter in state.parameters:
            kinds.setdefault(parameter.type.name, {})[parameter.name] = parameter.value
        results = state.activity_results
        return cls(
            parameters=kinds.get("Pipeline", {}),
            system=kinds.get("System", {}),
            variables={variable.name: variable.value for variable in state.variables},
            activities={each.activity_name: {"output": each.output, "error": each.error} for each in results},
            item=NO_ITEM if state.iteration_item is None else state.iteration_item,
            dataset=kinds.get("Dataset", {}),
            linked_service=kinds.get("LinkedService", {}),
        )


Getter = Callable[[Values], Any]
Node = Token | Tree[Token]


class Runtime:
    """What stands in the framework where it would evaluate by .NET."""

    def evaluate(self, expression: str, state: Any) -> Any:
        """The value of an expression in a run."""
        return evaluate(expression, Values.of_state(state))


@cache
def load_framework() -> ModuleType:
    """Microsoft's testing framework, with this evaluator in it."""
    stand_in = ModuleType(f"{FRAMEWORK}._pythonnet")
    evaluator = ModuleType(f"{stand_in.__name__}.{FRAMEWORK}_expressions_evaluator")
    evaluator.DataFactoryTestingFrameworkExpressionsEvaluator = Runtime  # type: ignore[attr-defined]
    sys.modules |= {module.__name__: module for module in (stand_in, evaluator)}
    import data_factory_testing_framework
    from data_factory_testing_framework.models import _data_factory_element

    _data_factory_element.ExpressionRuntime = Runtime  # type: ignore[assignment, attr-defined]
    return data_factory_testing_framework


@cache
def load_grammar() -> Lark:
    """The framework's grammar."""
    load_framework()
    from data_factory_testing_framework._expression_runtime.data_factory_expression import expression_transformer

    return expression_transformer.ExpressionTransformer().lark_parser


def is_expression(text: str) -> bool:
    """Whether a text of a resource is evaluated."""
    return text.startswith("@") or "@{" in text


def evaluate(text: str, values: Values) -> Any:
    """The value of a text of a resource: itself, where it is no expression."""
    try:
        return build(text)(values)
    except (ValueError, OverflowError) as error:
        raise ExpressionFault(f"{text}: {error}") from error


def evaluate_all(value: Any, values: Values) -> Any:
    """A part of a resource with its expressions evaluated."""
    if isinstance(value, list):
        return [evaluate_all(each, values) for each in value]
    if isinstance(value, dict):
        if set(value) == {"type", "value"} and value["type"] == "Expression":
            return evaluate(value["value"], values)
        return {name: evaluate_all(each, values) for name, each in value.items()}
    return evaluate(value, values) if isinstance(value, str) else value


def list_expressions(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """The expressions of a resource, each with its place: keys, and in lists names where there are any."""
    if isinstance(value, str) and is_expression(value):
        yield place.removesuffix("/value"), value
    if isinstance(value, dict):
        for name, each in value.items():
            yield from list_expressions(each, f"{place}/{name}")
    if isinstance(value, list):
        for n, each in enumerate(value):
            name = each.get("name", n) if isinstance(each, dict) else n
            yield from list_expressions(each, f"{place}/{name if isinstance(name, str) else n}")


@cache
def build(text: str) -> Getter:
    """A text of a resource as a function of values."""
    if not is_expression(text) or (text.startswith("@@") and "@{" not in text):
        return lambda _: text.removeprefix("@")
    try:
        return _build(load_grammar().parse(text))
    except (LarkError, ValueError) as error:
        raise ExpressionFault(f"{text}: {error}") from error


def _build(node: Node) -> Getter:
    if isinstance(node, Token):
        value = _read_literal(node)
        return lambda _: value
    parts = [each for each in node.children if not (isinstance(each, Token) and each.type == "EXPRESSION_WS")]
    match node.data:
        case "start" | "expression_start" | "expression_parameter":
            return _build(*parts)
        case "expression_evaluation":
            return _build_path(parts)
        case "literal_interpolation":
            texts = [_build(each) for each in parts]
            return lambda values: "".join(string(_check_text(each(values))) for each in texts)
        case "expression_function_call" | "expression_logical_bool":
            return _build_call(str(parts[0]), parts[1:])
        case "expression_branch":
            return _build_call("if", parts)
        case _:
            return _build_reference(node.data, str(parts[-1]).strip("'") if parts else "")


def _read_literal(token: Token) -> Any:
    match token.type:
        case "EXPRESSION_INTEGER":
            return int(token)
        case "EXPRESSION_FLOAT":
            return float(token)
        case "EXPRESSION_BOOLEAN":
            return token == "true"
        case "EXPRESSION_NULL":
            return None
        case "EXPRESSION_STRING":
            return token[1:-1].replace("''", "'")
        case "LITERAL_LETTER":
            return str(token)
    raise ValueError(f"{token.type} is not known here")


def _check_text(value: Any) -> Any:
    if type(value) not in (str, int):
        raise ValueError(f"{value!r} within a text")
    return value


def _build_call(name: str, arguments: list[Node]) -> Getter:
    if name.lower() == NOW.lower() and not arguments:
        return lambda values: _take(values.system, NOW, "no time is")
    function, getters = find_function(name, len(arguments)), [_build(each) for each in arguments]
    return lambda values: function(*[get(values) for get in getters])


def _build_reference(kind: str, name: str) -> Getter:
    match kind, name:
        case "expression_pipeline_reference", "parameters":
            return lambda values: values.parameters
        case "expression_pipeline_reference", _ if name in SYSTEM:
            return lambda values: _take(values.system, name, "pipeline()")
        case "expression_variable_reference", _:
            return lambda values: _take(values.variables, name, "variables")
        case "expression_datafactory_activity_reference", _:
            return lambda values: _take(values.activities, name, "activities that have run")
        case "expression_datafactory_parameters_reference", "dataset":
            return lambda values: values.dataset
        case "expression_datafactory_parameters_reference", "linkedService":
            return lambda values: values.linked_service
        case "expression_item_reference", _:
            return lambda values: _take({} if values.item is NO_ITEM else {"item": values.item}, "item", "a loop")
    raise ValueError(f"{kind} {name}: not known here")


def _build_path(parts: list[Node]) -> Getter:
    """A value, and the way into it: `.name`, `['name']`, `[0]` or `[expression]`, each with or without `?`."""
    get, safe = _build(parts[0]), False
    for part in parts[1:]:
        if isinstance(part, Token):
            safe = True
            continue
        key = part.children[0]
        if isinstance(key, Tree):
            get = _build_step(get, _build(key), safe)
        else:
            plain = re.sub(r"^\['?|'?\]$", "", key)
            known: int | str = int(plain) if key.type == "EXPRESSION_ARRAY_INDEX" else plain
            get = _build_step(get, lambda _, known=known: known, safe)  # type: ignore[misc]
        safe = False
    return get


def _build_step(get: Getter, find_key: Getter, safe: bool) -> Getter:
    def step(values: Values) -> Any:
        held, key = get(values), find_key(values)
        if safe and (held is None or (isinstance(held, Mapping) and key not in held)):
            return None
        return _take(held, key, "it")

    return step


def _take(held: Any, key: Any, name: str) -> Any:
    if isinstance(held, list) and type(key) is int and 0 <= key < len(held):
        return held[key]
    if isinstance(held, Mapping) and key in held:
        return held[key]
    inside = ", ".join(map(str, held)) if isinstance(held, Mapping) else repr(held)
    raise ValueError(f"there is no {key!r}: {name} has {inside or 'nothing'}")
