"""How Data Factory's pipelines end that land nothing: Failed, with a sentence, and nothing at the week's name."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from build_template import HERE
from conftest import FILE, small_week
from factory_azure import HALF, SEPTEMBER, WEEK, Azure
from factory_text import NotSupported
from hourly import RIDERSHIP
from socrata_weeks import LIVE
from soda import Fault
from web import Answer

pytest_plugins = ["factory_azure"]

PAGE = b"<!DOCTYPE html>\n<html><body>Not here</body></html>\n"


@dataclass(frozen=True)
class BadEnd:
    """How a run ends that lands nothing.

    Attributes:
        spoil: What is wrong with the sources.
        said: In the message.
        held: Whether the file is kept, and named.
        tries: Of the activity that failed.
    """

    said: str
    asked: dict[str, int]
    spoil: Callable[[Azure], object] = lambda azure: None
    held: bool = False
    tries: int = 1


def serve(answer: Answer) -> Callable[[Azure], object]:
    return lambda azure: azure.web.serve(FILE, answer)


def answer_badly(**fault: Any) -> Callable[[Azure], object]:
    return lambda azure: azure.site.fail(Fault(**fault))


def lose_tuesday(azure: Azure) -> None:
    azure.site.revise(LIVE, "DELETE FROM {set} WHERE transit_timestamp LIKE '2026-09-08%'")


def lose_last_hour(azure: Azure) -> None:
    azure.site.revise(LIVE, "DELETE FROM {set} WHERE transit_timestamp = '2026-09-11T23:00:00.000'")


EMPTY = small_week()[: small_week().index(b"\n") + 1]
OTHER = small_week().replace(b"STATION", b"STOP", 1)
WIDE = small_week()[::-1].replace(b"RALUGER", b",RALUGER", 1)[::-1]
BAD_ENDS = {
    "half a file": BadEnd("turnstile 240106 is held: ", WEEK, serve(Answer(HALF)), held=True),
    "a cut body": BadEnd("closed connection", WEEK, serve(Answer(small_week(), cut_at=len(HALF))), tries=4),
    "nothing": BadEnd("turnstile_240106.txt: HTTP status 404", WEEK, serve(Answer(status=404)), tries=4),
    "a page": BadEnd("the header has changed: found {", WEEK, serve(Answer(PAGE))),
    "another header": BadEnd("the header has changed: found {", WEEK, serve(Answer(OTHER))),
    "a row too wide": BadEnd("found more columns than expected", WEEK, serve(Answer(WIDE)), tries=4),
    "a header alone": BadEnd("has no rows after its header", WEEK, serve(Answer(EMPTY)), held=True),
    "rows lost": BadEnd("counted 400 rows and sent 399", SEPTEMBER, answer_badly(on=".csv", short_rows=399), held=True),
    "a day missing": BadEnd("260912 is not complete: 7 days up to 2026-09-11", SEPTEMBER, lose_tuesday),
    "an hour missing": BadEnd("260912 is not complete: 7 days up to 2026-09-11", SEPTEMBER, lose_last_hour),
    "no service": BadEnd("HTTP status 503", SEPTEMBER, answer_badly(on=".csv", status=503, times=4), tries=4),
    "a set renamed": BadEnd("HTTP status 404", SEPTEMBER, answer_badly(on=".json", status=404, times=4), tries=4),
    "a page for days": BadEnd("cannot be read", SEPTEMBER, answer_badly(on=".json", body=PAGE, times=4), tries=4),
    "not yet": BadEnd("ridership 261121: due on 2026-12-05", {"year": 2026, "month": 11, "day": 21}),
    "no such day": BadEnd("that month has no such day", {"year": 2023, "month": 2, "day": 30}),
    "no Saturday left": BadEnd("no Saturday is left in that month", {"year": 2024, "month": 1, "day": 31}),
    "in two sets": BadEnd("its days lie in two data sets", {"year": 2025, "month": 1, "day": 4}),
    "older form": BadEnd("weeks up to 141011 have an older form", {"year": 2014, "month": 10, "day": 11}),
    "before the feed": BadEnd("give feed auto", {"year": 2009, "month": 1, "day": 3}),
}  # fmt: skip


@pytest.mark.parametrize("end", BAD_ENDS.values(), ids=[*BAD_ENDS])
def test_a_bad_end_says_why_and_lands_nothing(end: BadEnd, azure: Azure) -> None:
    azure.publish(date(2023, 12, 30))
    azure.run(year=2023, month=12, day=30)
    there = azure.lake.names()
    whole = azure.site.rows(LIVE)
    asked = azure.asked
    end.spoil(azure)
    run = azure.run(**end.asked)
    assert run.state == "Failed"
    assert end.said in run.message, run.message
    assert [step.tries for step in run.steps if step.status == "Failed"][-1] == end.tries
    new = sorted({*azure.lake.names()} - {*there})
    assert len(new) == end.held
    assert all(name.startswith("incoming/") and name in run.message for name in new)
    if end.asked not in (WEEK, SEPTEMBER):
        assert azure.asked == asked
        return

    azure.publish(date(2024, 1, 6))  # what was wrong is gone
    azure.site.revise(LIVE, "DELETE FROM {set}")
    azure.site.put(LIVE, RIDERSHIP, whole)
    assert azure.run(**end.asked).message == ""
    assert len(azure.lake.names()) == len(there) + len(new) + 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"start": "2026-11-01", "end": "2026-12-05"}, "the newest week that is due is 2026-11-14; end there"),
        ({"start": "2024-01-01", "end": "2024-01-05"}, "there is no Saturday in it"),
        ({"start": "2024-01-01"}, "give start and end as yyyy-MM-dd, or catch_up from 1 to 520 alone"),
        ({"start": "2024-01-01", "end": "2024-01-06", "catch_up": 8}, "or catch_up from 1 to 520 alone"),
        ({"start": "2023-02-30", "end": "2023-03-11"}, "@formatDateTime(pipeline().parameters.start"),
    ],
)
def test_a_range_that_cannot_be_loaded_is_refused(given: dict[str, Any], said: str, azure: Azure) -> None:
    run = azure.run("pl_backfill", **given)
    assert (run.state, azure.asked) == ("Failed", 0)
    assert said in run.message


@pytest.mark.parametrize(
    ("resource", "old", "new"),
    [
        ("dataset/ds_turnstile_file.json", '"columnDelimiter"', '"nullValue": "x", "columnDelimiter"'),
        ("dataset/ds_lake_csv.json", '"rowDelimiter": "\\n"', '"rowDelimiter": "\\r\\n"'),
        ("pipeline/pl_week_turnstile.json", '"dataIntegrationUnits"', '"enableStaging": true, "dataIntegrationUnits"'),
        ("pipeline/pl_week_turnstile.json", '"isSequential"', '"concurrency": 2, "isSequential"'),
        ("pipeline/pl_week_turnstile.json", '"retry": 3', '"retry": 3, "secureInput": true'),
    ],
)  # fmt: skip
def test_what_is_not_known_is_no_guess(resource: str, old: str, new: str, azure: Azure, tmp_path: Path) -> None:
    shutil.copytree(HERE, tmp_path / "resources")
    path = tmp_path / "resources" / resource
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    json.loads(path.read_text())
    with pytest.raises(NotSupported):
        replace(azure.factory, folder=tmp_path / "resources").run("pl_week", **WEEK)
