"""Data Factory's resources name objects, addresses and columns as the feeds' entries do, and Saturday as New York."""

import json
import re
from datetime import UTC, date, datetime, time
from itertools import pairwise
from typing import Any

import pytest

from factory_expressions import Values, evaluate, evaluate_all
from factory_functions import ZONES
from factory_resources import NEW_YORK, activities, defaults, expression, locate, properties, trigger_time
from mta_weekly.feeds.catalog import FEEDS, RIDERSHIP, TURNSTILE
from mta_weekly.feeds.weeks import DAY, HOUR, WEEK, Week, list_weeks
from mta_weekly.fetch.socrata.queries import cut_week, list_fields
from mta_weekly.fetch.weekly_file import find_address

FILE: Any = TURNSTILE.sources[0]  # a weekly file
TABLE: Any = RIDERSHIP.sources[0]
WEEKS = {
    "turnstile": list_weeks(FILE.legacy.last.saturday + WEEK, (TURNSTILE.coverage.last or FILE.legacy.last).saturday),
    "ridership": [
        week
        for week in list_weeks(RIDERSHIP.coverage.first.saturday, date(2029, 12, 31))
        if len(TABLE.parts(week)) == 1
    ],
}


def values_of(feed: str, week: Week) -> Values:
    """What the activities of a week's pipeline may ask for."""
    variables: dict[str, str] = {}
    output = {"output": {"rowsCopied": 7}}
    values = Values(
        {"saturday": str(week.saturday), "judge": "hold"},
        {"RunId": "5ee1", "utcNow": "2026-11-28T14:00:02Z"},
        variables,
        {"stage_week": output},
    )
    for activity, name in [("choose_set", "set"), ("choose_days", "where")] if feed == "ridership" else []:
        variables[name] = evaluate(expression("pl_week_ridership", activity), values)
    return values


def test_the_weeks_are_of_every_data_set() -> None:
    assert {TABLE.name_data(week) for week in WEEKS["ridership"]} == {each.id for each in TABLE.sets}


def test_the_turnstile_file_is_asked_where_the_code_asks() -> None:
    own = activities("pl_week_turnstile")
    for week in WEEKS["turnstile"]:
        values = values_of("turnstile", week)
        address = find_address(FILE, FILE.base, week, TURNSTILE)
        assert locate(own["read_header"]["typeProperties"]["dataset"], values) == address
        assert locate(own["stage_week"]["inputs"][0], values) == address


def test_ridership_is_asked_as_the_code_asks() -> None:
    own = activities("pl_week_ridership")
    for week in WEEKS["ridership"]:
        values = values_of("ridership", week)
        (part,) = cut_week(TABLE, TABLE.base, week)
        assert locate(own["ask_days"]["typeProperties"]["dataset"], values) == part.figures(())
        assert locate(own["stage_week"]["inputs"][0], values) == part.rows(list_fields(TABLE, RIDERSHIP.columns))


@pytest.mark.parametrize("feed", WEEKS)
def test_objects_have_the_names_of_the_code(feed: str) -> None:
    """A week is written beside its name first, and moved there with what is known of it."""
    own, look = activities(f"pl_week_{feed}"), activities("pl_week")["look_for_week"]["typeProperties"]["dataset"]
    staged, placed = own["stage_week"], own["put_in_place"]
    for week in WEEKS[feed]:
        values = values_of(feed, week)
        beside = f"incoming/{feed}/{week}-5ee1.csv.gz"
        assert locate(look, Values(variables={"saturday": str(week.saturday), "feed": feed})) == FEEDS[feed].key(week)
        assert locate(staged["outputs"][0], values) == locate(placed["inputs"][0], values) == beside
        assert locate(placed["outputs"][0], values) == FEEDS[feed].key(week)
        facts = evaluate_all(placed["typeProperties"]["sink"]["storeSettings"]["metadata"], values)
        assert {fact["name"]: fact["value"] for fact in facts} == {
            "feed": feed,
            "week": str(week),
            "source": FEEDS[feed].sources[0].name,
            "source_url": locate(staged["inputs"][0], values),
            "rows": "7",
            "loaded_at": "2026-11-28T14:00:02Z",
            "pipeline_run_id": "5ee1",
        }


def test_the_columns_are_those_of_the_feeds() -> None:
    """By their order where the file's names end in blanks, by their names where the query gives them."""
    mapped = {
        feed: [
            (*each["source"].values(), *each["sink"].values())
            for each in activities(f"pl_week_{feed}")["stage_week"]["typeProperties"]["translator"]["mappings"]
        ]
        for feed in WEEKS
    }
    assert mapped == {
        "turnstile": list(enumerate(TURNSTILE.columns, start=1)),
        "ridership": list(zip(list_fields(TABLE, RIDERSHIP.columns), RIDERSHIP.columns, strict=True)),
    }


def test_the_header_is_that_of_the_entry_or_nothing_is_loaded() -> None:
    written = {name: as_written for as_written, name in FILE.dialect.names.items()}
    names = [written.get(name, name) for name in TURNSTILE.columns]
    names[-1] = f"{names[-1]:60}"
    row = {f"Prop_{n}": name for n, name in enumerate(names)}
    assert is_header(row)
    for prop in row:
        assert not is_header(row | {prop: "OTHER"})
        assert not is_header({name: value for name, value in row.items() if name != prop})
    assert not is_header(row | {f"Prop_{len(row)}": "MORE"})
    assert not is_header(None)


def is_header(row: dict[str, str] | None) -> bool:
    """Whether pl_week_turnstile takes the first row of a file for its header."""
    output: dict[str, Any] = {} if row is None else {"firstRow": row}
    values = Values({"saturday": "2024-01-06"}, activities={"read_header": {"output": output}})
    assert "the header has changed" in evaluate(expression("pl_week_turnstile", "refuse_header", "message"), values)
    found: bool = evaluate(expression("pl_week_turnstile", "check_header"), values)
    return found


@pytest.mark.parametrize(
    ("size", "judge", "passes"),
    [
        (900, "hold", True),
        (899, "hold", False),
        (2200, "hold", True),
        (2201, "hold", False),
        (1, "off", True),
    ],
)
def test_a_size_passes_within_a_tenth_of_the_four_weeks_before(size: int, judge: str, passes: bool) -> None:
    """A week that is not there counts for nothing."""
    pipeline, saturday = "pl_week_turnstile", {"saturday": "2024-01-06", "judge": judge}
    before = list_weeks(date(2023, 12, 9), date(2023, 12, 30))
    asked = evaluate(expression(pipeline, "measure_neighbours", "items"), Values(saturday))
    assert sorted(asked) == [str(week) for week in before]
    sizes = [1000, 0, 2000, 1500]
    kept = [each for each in sizes if evaluate(expression(pipeline, "keep_sizes", "condition"), Values(item=each))]
    outputs = {"keep_sizes": {"output": {"value": kept}}, "measure_week": {"output": {"size": size}}}
    steps = {"smallest": "find_smallest", "greatest": "find_greatest"}
    band = {name: evaluate(expression(pipeline, step), Values(activities=outputs)) for name, step in steps.items()}
    assert evaluate(expression(pipeline, "check_size"), Values(saturday, {}, band, outputs)) is passes


@pytest.mark.parametrize(
    ("days", "last", "complete"),
    [
        (7, "2024-01-05T23:00:00.000", True),
        (7, "2024-01-05T23:00:00", True),  # where the service takes the text for a time, and writes it its own way
        (7, "2024-01-05T22:00:00.000", False),
        (6, "2024-01-05T23:00:00.000", False),
        (8, "2024-01-05T23:00:00.000", False),
        (7, "2023-12-29T23:00:00.000", False),
        (0, "", False),
    ],
)
def test_a_week_of_ridership_is_complete_with_its_last_hour(days: int, last: str, complete: bool) -> None:
    rows = [{"day": "", "n": str(2**n), "last": "", "updated": "2024-01-10T23:00:00.000Z"} for n in range(days)]
    for row in rows[-1:]:
        row["last"] = last
    values = Values({"saturday": "2024-01-06"}, activities={"ask_days": {"output": {"value": rows}}})
    assert evaluate(expression("pl_week_ridership", "check_days"), values) is complete
    assert "is not complete" in evaluate(expression("pl_week_ridership", "refuse_days", "message"), values)
    if complete:
        counted = evaluate(expression("pl_week_ridership", "count_rows"), values)
        assert counted == "127"  # each day once
        for sent in (126, 127, 128):
            copied = Values(variables={"rows": counted}, activities={"stage_week": {"output": {"rowsCopied": sent}}})
            assert evaluate(expression("pl_week_ridership", "check_rows"), copied) is (sent == 127)


@pytest.mark.parametrize("pipeline", ["pl_backfill", "pl_week", "pl_week_turnstile", "pl_week_ridership"])
def test_nothing_runs_beside_a_check_or_before_its_variables_are_set(pipeline: str) -> None:
    """The service starts at once whatever waits for nothing more; a simulation goes in the order of the file."""
    waits: dict[str, set[str]] = {}
    texts = {each["name"]: json.dumps(each) for each in properties(pipeline)["activities"]}
    for each in properties(pipeline)["activities"]:
        own = {line["activity"] for line in each["dependsOn"]}
        waits[each["name"]] = own.union(*(waits[name] for name in own))
    for number, (name, text) in enumerate(texts.items(), start=1):
        if '"type": "Fail"' in text:
            assert all(name in waits[later] for later in [*texts][number:]), name
        for variable in re.findall(r'"variableName": "(\w+)"', text):
            readers = {other for other in texts if f"variables('{variable}')" in texts[other]} - {name}
            assert all(name in waits[reader] for reader in readers), variable


def test_what_nobody_asks_for_is_held_and_sources_are_asked_gently() -> None:
    """Sizes are judged by default; who is asked is asked four times, five minutes apart, by four weeks at once."""
    assert {defaults(name)["judge"] for name in ("pl_backfill", "pl_week", "pl_week_turnstile")} == {"hold"}
    assert activities("pl_backfill")["load_weeks"]["typeProperties"]["batchCount"] == 4
    asking = [("turnstile", "read_header"), ("ridership", "ask_days")] + [(feed, "stage_week") for feed in WEEKS]
    for feed, name in asking:
        own = activities(f"pl_week_{feed}")[name]
        assert (own["policy"]["retry"], own["policy"]["retryIntervalInSeconds"]) == (3, 300)
        assert own["typeProperties"]["source"]["storeSettings"]["requestTimeout"] == "00:10:00"


def test_the_trigger_fires_each_saturday_at_nine_in_new_york_and_asks_for_the_newest_week() -> None:
    """Over two years, which have four clock changes; the recurrence as the documentation of the trigger reads it.

    https://learn.microsoft.com/en-us/azure/data-factory/how-to-create-schedule-trigger
    """
    recurrence = properties("tr_saturday")["typeProperties"]["recurrence"]
    schedule, zone = recurrence["schedule"], ZONES[recurrence["timeZone"]]
    assert (recurrence["frequency"], recurrence["interval"]) == ("Week", 1)
    start = datetime.fromisoformat(recurrence["startTime"])
    assert start.tzinfo is None, "with a Z the time zone would not count"
    days = [start.date() + n * DAY for n in range(2 * 366)]
    clocks = [time(hour, minute) for hour in schedule["hours"] for minute in schedule["minutes"]]
    fired = [
        datetime.combine(day, clock, zone).astimezone(UTC)
        for day in days
        for clock in clocks
        if f"{day:%A}" in schedule["weekDays"] and datetime.combine(day, clock) >= start
    ]
    there = [moment.astimezone(NEW_YORK) for moment in fired]
    assert {f"{moment:%A %H:%M}" for moment in there} == {"Saturday 09:00"}
    assert [moment.date() for moment in there] == [day for day in days if day.weekday() == 5]
    assert [after - before - WEEK for before, after in pairwise(fired) if after - before != WEEK] == [-HOUR, HOUR] * 2

    (started,) = properties("tr_saturday")["pipelines"]
    assert started["pipelineReference"]["referenceName"] == "pl_backfill"
    assert started["parameters"] == {"catch_up": 8}
    for moment in there:
        parameters = defaults("pl_backfill") | started["parameters"]
        variables: dict[str, str] = {}
        values = Values(parameters, {"TriggerTime": trigger_time(moment)}, variables)
        assert evaluate(expression("pl_backfill", "check_parameters"), values) is True
        variables["until"] = evaluate(expression("pl_backfill", "until_newest"), values)
        newest = Week.on_or_before(moment.date() - RIDERSHIP.coverage.lag)
        assert evaluate(expression("pl_backfill", "choose_last"), values) == str(newest.saturday)
