"""The papers say what is: variables, facts, commands, the house, and links that lead somewhere."""

import os
import re
import shlex
from pathlib import Path

import pytest

from conftest import ROOT
from mta_weekly.command.flags import backfill_parser, watch_parser, weekly_parser
from mta_weekly.content.judgement import DOUBLED, HOUR_FLOOR
from mta_weekly.feeds.catalog import DAILY, FEEDS, RIDERSHIP, TURNSTILE, Feed
from mta_weekly.lake.facts import Facts
from mta_weekly.settings import VERSION, Settings
from mta_weekly.upkeep.proof import STATES
from papers import MANUAL, PAGES, commands

HOUSE = sorted(
    path.relative_to(ROOT / "flows" / "mta_weekly") for path in (ROOT / "flows" / "mta_weekly").rglob("*.py")
)
TARGETS = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.M))
SCRIPTS = [path.relative_to(ROOT) for folder in ("blocks", "deployments") for path in (ROOT / folder).glob("*.py")]


def test_the_readme_is_short() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 180


def test_the_readme_leads_to_every_page() -> None:
    for name in (*PAGES.keys() - {"README.md"}, "LICENSE"):
        assert f"]({name})" in PAGES["README.md"]


def test_every_variable_is_named_with_its_default() -> None:
    for name, field in Settings.model_fields.items():
        row = f"| `MTA_{name.upper()}` |"
        assert row in PAGES["docs/operate.md"]
        if isinstance(field.default, int):
            assert f"{row} `{field.default}` |" in PAGES["docs/operate.md"]
        elif isinstance(field.default, float):
            assert f"{row} `{field.default:g}` |" in PAGES["docs/operate.md"]
        elif isinstance(field.default, str):
            assert f"{row} `{field.default}` |" in PAGES["docs/operate.md"]


def test_every_state_that_verify_finds_is_told() -> None:
    for state in STATES:
        assert f"| `{state}` |" in PAGES["docs/operate.md"]
        assert f"`{state}" in PAGES["docs/trouble.md"]


def test_every_script_and_make_target_is_named() -> None:
    for path in SCRIPTS:
        assert f"`{path}`" in PAGES["CONTRIBUTING.md"]
    for target in TARGETS:
        assert f"| `make {target}` |" in PAGES["CONTRIBUTING.md"]
    assert set(re.findall(r"`make ([a-z-]+)", "".join(PAGES.values()))) <= TARGETS


def test_every_wing_and_module_is_in_the_tree_once() -> None:
    """Each on a line of its own or among its like; nothing that is not there."""
    (tree,) = re.findall(r"^```\n(flows/etl_web_to_gcs\.py .*?)```$", PAGES["CONTRIBUTING.md"], re.M | re.S)
    drawn = re.findall(r"\b(\w+(?:\.py|/))(?= )", tree.partition("image bring flows/ alone")[2])
    wings = {f"{folder}/" for path in HOUSE for folder in path.parts[:-1]}
    assert sorted(drawn) == sorted([*wings, *(path.name for path in HOUSE if path.name != "__init__.py")])


@pytest.mark.parametrize("name", Facts.model_fields)
def test_every_fact_of_an_object_is_said(name: str) -> None:
    assert f"`{name}`" in PAGES["docs/lake.md"]


def test_the_entry_in_the_docs_is_that_of_the_feed() -> None:
    code, docs = (ROOT / "flows/mta_weekly/feeds/catalog.py").read_text(), PAGES["docs/add-a-feed.md"]
    (entry,) = re.findall(r"^DAILY = Feed\(.*?^\)\n", code, re.M | re.S)
    assert entry in docs
    assert entry.count("\n") <= 17


def test_the_floors_in_the_docs_are_those_of_the_feeds() -> None:
    norms = [feed.norms for feed in (TURNSTILE, RIDERSHIP, DAILY)]
    table = {
        "rows of the week": [each.rows for each in norms],
        "different turnstiles, station complexes, modes": [each.keys for each in norms],
        "rows of each mode": [each.series and each.each for each in norms],
        "rows of each day": [each.day for each in norms],
        "rows of each hour of the day": [each.hour and HOUR_FLOOR for each in norms],
        "doubled keys, of all rows": [DOUBLED] * len(norms),
    }
    for figure, floors in table.items():
        cells = "".join(f" {100 * floor:g} % |" if floor else " |" for floor in floors)
        assert f"\n| {figure} |{cells}\n" in PAGES["docs/lake.md"]


@pytest.mark.parametrize("feed", FEEDS.values(), ids=lambda feed: feed.name)
def test_the_columns_in_the_docs_are_those_of_the_feeds(feed: Feed) -> None:
    rows = [f"| {column.name} | {column.kind} | {column.meaning} |\n" for column in feed.schema]
    table = "".join(["| column | kind | meaning |\n|---|---|---|\n", *rows])
    paper, (start, end) = ROOT / "docs/lake.md", (f"<!-- {mark}columns of {feed.name} -->\n" for mark in ("", "/"))
    before, _, rest = paper.read_text().partition(start)
    said, _, after = rest.partition(end)
    if os.environ.get("UPDATE_PAPERS"):
        paper.write_text("".join([before, start, table, end, after]))
    else:
        assert said == table, "docs/lake.md says otherwise; run `UPDATE_PAPERS=1 make test-unit`"


def test_the_commands_of_the_flows_are_whole() -> None:
    """By their own flags; those that stand for others, as the help itself, end the parser well."""
    parsers = {"etl_web_to_gcs": weekly_parser(), "backfill": backfill_parser(), "watch": watch_parser()}
    found = commands("flows")
    assert {name for name, _ in found} == parsers.keys()
    for name, flags in found:
        if flags != "--help":
            parsers[name].parse_args(shlex.split(flags))


def anchors(text: str) -> set[str]:
    """Of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_an_anchor_is_made_as_github_makes_it() -> None:
    assert anchors("# On *many* machines, `x`\n```\n# no heading\n```\n## [0.5.0] - 2026-11-26\n") == {
        "on-many-machines-x",
        "050---2026-11-26",
    }


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]) if "://" not in link]
    assert links or page == "CHANGELOG.md"
    for link in links:
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


@pytest.mark.parametrize("page", [name for name in PAGES if name != "CHANGELOG.md"])
def test_every_path_that_is_named_is_there(page: str) -> None:
    """A path from the root, as `blocks/script.py`; a test by its file alone, as `test_lake.py`, or by its function."""
    named = re.findall(r"`((?:flows|blocks|deployments|tests|benchmarks|docs|requirements)/[\w./-]*)`", PAGES[page])
    assert [path for path in named if not (ROOT / path).exists()] == []
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    there = {path.name for path in tests} | {
        name for path in tests for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
    }
    assert set(re.findall(r"`(test_\w+(?:\.py)?)`", PAGES[page])) <= there


def test_the_changelog_is_dated_and_its_newest_version_is_the_first() -> None:
    heads = re.findall(r"^## (.*)$", PAGES["CHANGELOG.md"], re.M)
    found = [re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d{2}-\d{2})", head).groups() for head in heads]
    assert VERSION in ["{}.{}.{}".format(*each) for each in found]
    versions, dates = [tuple(map(int, each[:3])) for each in found], [each[3] for each in found]
    assert versions == sorted(set(versions), reverse=True)
    assert dates == sorted(dates, reverse=True)


def test_the_sections_that_tests_type_are_marked_once() -> None:
    marks = re.findall(r"<!-- (/?)([a-z ]+) -->", MANUAL)
    opened = [name for end, name in marks if not end]
    assert sorted(opened) == sorted(name for end, name in marks if end)
    assert len(set(opened)) == len(opened)
