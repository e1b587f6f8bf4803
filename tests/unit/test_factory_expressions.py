"""What stands in for Data Factory's evaluator says what Microsoft's documentation says, and refuses what is wrong."""

from typing import Any

import pytest

from build_template import HERE, read_resources
from factory_expressions import (
    NOW,
    ExpressionFault,
    Values,
    build,
    evaluate,
    evaluate_all,
    list_expressions,
    load_framework,
)

VALUES = Values(
    parameters={"myNumber": 42, "myString": "foo"},
    system={"RunId": "5ee1", "TriggerTime": "2026-11-28T14:00:01.1234567Z", NOW: "2026-11-28T14:00:02Z"},
    variables={"sizes": [30, 10, 20]},
    activities={"look up": {"output": {"firstRow": {"Prop_0": "C/A"}, "value": [{"n": "7"}]}}},
    item=0,
    dataset={"file": "240106.csv.gz"},
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # learn.microsoft.com/en-us/azure/data-factory/control-flow-expression-language-functions; where its results
        # lack the time of day or its fraction (addDays, convertFromUtc), in the form "o" that it names for them.
        ("parameters[1]", "parameters[1]"),
        ("@@", "@"),
        ("@pipeline().parameters.myNumber", 42),
        ("@{pipeline().parameters.myNumber}", "42"),
        ("Answer is: @{pipeline().parameters.myNumber}", "Answer is: 42"),
        ("@concat('Answer is: ', string(pipeline().parameters.myNumber))", "Answer is: 42"),
        ("@concat('Baba', '''s ', 'book store')", "Baba's book store"),
        ("@add(1, 1.5)", 2.5),
        ("@addDays('2018-03-15T13:00:00Z', 10)", "2018-03-25T13:00:00.0000000Z"),
        ("@addDays('2018-03-15T00:00:00Z', -5)", "2018-03-10T00:00:00.0000000Z"),
        ("@and(false, true)", False),
        ("@and(equals(1, 1), equals(2, 2))", True),
        ("@coalesce(null, 'hello', 'world')", "hello"),
        ("@coalesce(null, null, null)", None),
        ("@contains('hello world', 'universe')", False),
        ("@createArray('h', 'e', 'l', 'l', 'o')", list("hello")),
        ("@dayOfMonth('2018-03-15T13:27:36Z')", 15),
        ("@div(11, 5)", 2),
        ("@empty('')", True),
        ("@equals('abc', 'abcd')", False),
        ("@formatDateTime('2018-03-15T12:00:00', 'yyyy-MM-ddTHH:mm:ss')", "2018-03-15T12:00:00"),
        ("@greater(10, 5)", True),
        ("@greaterOrEquals(5, 5)", True),
        ("@if(equals(1, 1), 'yes', 'no')", "yes"),
        ("@int('10')", 10),
        ("@length(createArray(0, 1, 2, 3))", 4),
        ("@less(5, 10)", True),
        ("@lessOrEquals(10, 10)", True),
        ("@max(1, 2, 3)", 3),
        ("@min(createArray(1, 2, 3))", 1),
        ("@mod(3, 2)", 1),
        ("@mul(1.5, 2)", 3.0),
        ("@not(equals(1, 2))", True),
        ("@or(false, true)", True),
        ("@range(1, 4)", [1, 2, 3, 4]),
        ("@replace('the old string', 'old', 'new')", "the new string"),
        ("@string(10)", "10"),
        ("@sub(10.3, 0.3)", 10.0),
        # learn.microsoft.com/en-us/dotnet/api/system.datetime.ticks: 100 ns since midnight of the year 1
        ("@ticks('0001-01-02T00:00:00.0000001Z')", 864_000_000_001),
        # learn.microsoft.com/en-us/dotnet/csharp/language-reference/operators/arithmetic-operators: -5 / 4, -5 % 4
        ("@div(-5, 4)", -1),
        ("@mod(-5, 4)", -1),
        # New York's summer begins on 8 March 2026 at 2; the form: github.com/MicrosoftDocs/azure-docs/issues/55659
        ("@convertFromUtc('2026-03-08T06:59:59.9999999Z', 'Eastern Standard Time')", "2026-03-08T01:59:59.9999999"),
        ("@convertFromUtc('2026-03-08T07:00:00Z', 'Eastern Standard Time')", "2026-03-08T03:00:00.0000000"),
        ("@string(activity('look up').output.firstRow)", '{"Prop_0":"C/A"}'),
        ("@int(activity('look up').output.value[item()].n)", 7),
        ("@activity('look up').output?.size", None),
        ("@concat(pipeline().RunId, dataset().file, utcNow())", "5ee1240106.csv.gz2026-11-28T14:00:02Z"),
        ("@max(variables('sizes'))", 30),
    ],
)
def test_a_function_says_what_is_documented(text: str, value: Any) -> None:
    found = evaluate(text, VALUES)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("@nothing(1)", "No terminal matches"),
        ("@guid()", "not among the functions"),
        ("@add(1)", "missing a required argument"),
        ("@add(1, '2')", "'2' is none of int, float"),
        ("@add(1, true)", "True is none of int, float"),
        ("@mul(9223372036854775807, 2)", "64 bits"),
        ("@div(1, 0)", "division by 0"),
        ("@int('1.5')", "no whole number"),
        ("@equals(1, '1')", "of two types"),
        ("@createArray(1, 'a')", "several types"),
        ("@min(createArray('a', 'b'))", "no numbers"),
        ("@range(0, 0)", "0 numbers"),
        ("@concat('a', 1)", "1 is none of str"),
        ("@addDays('2023-02-29', 1)", "day is out of range"),
        ("@addDays('03/15/2018', 1)", "no time"),
        ("@formatDateTime('2018-03-15', 'dddd')", "format 'dddd'"),
        ("@formatDateTime('2018-03-15', 'd')", "format 'd'"),
        ("@formatDateTime('2018-03-15', 'yyyy MMM')", "format"),
        ("@convertFromUtc('2018-03-15', 'America/New_York')", "time zone"),
        ("@string(null)", "None is none of"),
        ("@if('true', 1, 2)", "'true' is none of bool"),
        ("@if(true, 1, div(1, 0))", "division by 0"),
        ("@and(false, equals(div(1, 0), 1))", "division by 0"),
        ("@activity('look up').output.size", "no 'size': it has firstRow, value"),
        ("@activity('other').output", "no 'other'"),
        ("@activity('look up').output.value[1].n", "no 1"),
        ("@activity('look up').output?.size.more", "no 'more'"),
        ("@variables('rows')", "no 'rows': variables has sizes"),
        ("@pipeline().parameters.year", "no 'year': it has myNumber, myString"),
        ("@pipeline().Name", "not known here"),
        ("a @{variables('sizes')}", "within a text"),
        ("a @@{variables('sizes')}", "No terminal matches"),
    ],
)
def test_wrong_use_is_refused(text: str, why: str) -> None:
    with pytest.raises(ExpressionFault, match=why) as caught:
        evaluate(text, VALUES)
    assert str(caught.value).startswith(f"{text}: "), "it says which expression"


def test_expressions_are_found_and_evaluated_where_they_are() -> None:
    part = {
        "activities": [
            {"name": "ask", "url": {"value": "@dataset().file", "type": "Expression"}},
            "a @{item()}",
            "b",
            1,
        ]
    }
    assert list(list_expressions(part)) == [
        ("/activities/ask/url", "@dataset().file"),
        ("/activities/1", "a @{item()}"),
    ]
    assert evaluate_all(part, VALUES) == {"activities": [{"name": "ask", "url": "240106.csv.gz"}, "a 0", "b", 1]}


def test_the_framework_evaluates_by_it() -> None:
    load_framework()
    from data_factory_testing_framework.models import DataFactoryElement
    from data_factory_testing_framework.state import (
        DependencyCondition,
        PipelineRunState,
        PipelineRunVariable,
        RunParameter,
        RunParameterType,
    )

    parameters = [
        RunParameter(RunParameterType.System, "RunId", "5ee1"),
        RunParameter(RunParameterType.Pipeline, "n", 2),
    ]
    state = PipelineRunState(parameters, [PipelineRunVariable("v", [1, 2])], iteration_item=0)
    state.add_activity_result("ask", DependencyCondition.SUCCEEDED, {"rows": 3})
    text = (
        "@{pipeline().RunId} @{pipeline().parameters.n} @{variables('v')[1]} @{item()} @{activity('ask').output.rows}"
    )
    assert DataFactoryElement(text).evaluate(state) == "5ee1 2 2 0 3"


def test_every_expression_of_the_resources_is_of_the_language() -> None:
    found = [text for _, text in list_expressions(read_resources(HERE))]
    assert len(found) > 50
    for text in found:
        build(text)
