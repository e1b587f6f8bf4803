"""What the page and the picture say of the Data Factory pipelines is what stands in their files."""

import json
import re

import pytest

from build_template import HERE, read_resources
from conftest import ROOT
from factory_resources import activities, properties
from papers import PAGES

PAGE = PAGES["docs/code-or-low-code.md"]
PICTURE = (ROOT / "docs/images/code-or-low-code.svg").read_text()
# Which activities run inside another, and how often: of a Saturday, where each check passes.
WAYS = {
    "choose_days": ("ifTrueActivities", 1),
    "choose_day": ("ifFalseActivities", 1),
    "load_weeks": ("activities", 8),
    "measure_neighbours": ("activities", 4),
    "find_band": ("ifFalseActivities", 1),
}


def count_runs(pipeline: str) -> int:
    """The activity runs of one run of a pipeline, without those of the pipelines that it starts."""
    outer = properties(pipeline)["activities"]
    ways = [(each["typeProperties"], *WAYS.get(each["name"], ("", 0))) for each in outer]
    return len(outer) + sum(times * len(inner.get(branch, [])) for inner, branch, times in ways)


@pytest.mark.parametrize("pipeline", ["pl_week_turnstile", "pl_week_ridership"])
def test_the_picture_names_every_activity(pipeline: str) -> None:
    names = activities(pipeline).keys()
    assert len(names) >= 10
    assert {name for name in names if not re.search(rf"\b{name}\b", PICTURE)} == set()


def test_the_runs_that_are_paid_are_those_of_the_pipelines() -> None:
    backfill, week, ridership = (count_runs(each) for each in ("pl_backfill", "pl_week", "pl_week_ridership"))
    runs = 1 + backfill + 8 * week + 1 + ridership
    assert f"`pl_backfill` {backfill}, `pl_week` 8 x {week} + 1, `pl_week_ridership` {ridership}: **{runs}** | " in PAGE
    saturday = runs / 1000 + 2 * (5 + 1) / 60 * 0.25 + 9 / 60 * 0.005
    assert f"| {saturday:.3f}, **{52 * saturday:.2f}** |" in PAGE
    years = [feeds * 52 * saturday + 12 * 0.80 for feeds in (1, 10, 100)]
    assert "| Data Factory | {:.0f} | {:.0f} | {:.0f} |".format(*years) in PAGE
    assert f"488 x ({1 + week + 1 + count_runs('pl_week_turnstile')} runs and the copies)" in PAGE


def test_the_sentences_are_those_of_the_pipelines() -> None:
    """Each that the page quotes; between its dots stands what a run fills in."""
    _, _, section = PAGE.partition("## How each thing ends")
    cells = [row.split(" | ")[2] for row in section.partition("\n## ")[0].splitlines() if row.count(" | ") == 2]
    quoted = [part.strip() for cell in cells for words in re.findall(r"`([^`]+)`", cell) for part in words.split("...")]
    assert len(quoted) >= 15
    pipelines = json.dumps([each for place, each in read_resources(HERE).items() if place.startswith("pipeline/")])
    assert [words for words in quoted if words not in pipelines] == []
