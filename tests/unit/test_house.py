"""The house stands as its plan says: small files that say what they are for, one version, exact pins with hashes."""

import ast
import re
import tomllib
from datetime import timedelta

import pytest

from conftest import ROOT
from mta_weekly.feeds.catalog import FEEDS, Feed
from mta_weekly.feeds.columns import TIME
from mta_weekly.feeds.sources import DataSet, Table, WeeklyFile
from mta_weekly.feeds.weeks import Week
from mta_weekly.settings import VERSION, Settings

FOLDERS = ("flows", "blocks", "deployments", "benchmarks", "tests")
MODULES = {str(path.relative_to(ROOT)): path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
REQUIREMENTS = ("requirements/dev.txt", "prefect-requirements.txt", "docker-requirements.txt")
PREFECT = "2.20.27"
FIXTURE = re.compile(r"@pytest\.fixture[^\n]*\ndef (\w+)")


def test_modules_say_what_they_are_for_and_stay_small() -> None:
    texts = {name: path.read_text() for name, path in MODULES.items()}
    assert [name for name, text in texts.items() if not ast.get_docstring(ast.parse(text))] == []
    assert [name for name, text in texts.items() if len(text.splitlines()) >= 300] == []


def test_functions_fit_a_screen_and_say_what_they_do() -> None:
    """At most 60 lines without what is said of them; of the public ones, at most one in six is a single word."""
    functions = [
        (name, function, function in tree.body)
        for name, path in MODULES.items()
        if name.startswith("flows/")
        for tree in [ast.parse(path.read_text())]
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    bodies = {
        f"{name}:{each.name}": each.body[bool(ast.get_docstring(each)) :] or each.body for name, each, _ in functions
    }
    assert [at for at, body in bodies.items() if body[-1].end_lineno - body[0].lineno >= 60] == []
    public = {f"{name}:{each.name}" for name, each, top in functions if top and not each.name.startswith("_")}
    assert len([name for name in public if "_" not in name.partition(":")[2]]) * 6 <= len(public)


def test_what_joins_the_wings_names_no_kind_of_source() -> None:
    """Socrata is one of several kinds: what asks for a week does so by the one door, and general rooms know none."""
    kinds = ("feeds/catalog.py", "feeds/sources.py", "fetch/from_source.py", "fetch/socrata/", "settings.py")
    named = [
        name for name, path in MODULES.items() if name.startswith("flows/") and "socrata" in path.read_text().lower()
    ]
    assert [name for name in named if not any(f"mta_weekly/{kind}" in name for kind in kinds)] == []


def test_packages_only_say_what_they_may_know() -> None:
    """An import in one would load, and know, what no contract sees: the root of the package is on no floor."""
    bodies = {name: ast.parse(path.read_text()).body for name, path in MODULES.items() if path.name == "__init__.py"}
    assert [name for name, body in bodies.items() if len(body) != 1] == []


def test_warnings_of_every_module_are_errors() -> None:
    filters = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["filterwarnings"]
    ours = [rule.removeprefix("error:::") for rule in filters if rule.startswith("error:::")]
    dotted = {name.removesuffix(".py").removeprefix("flows/").replace("/", ".") for name in MODULES}
    names = [name if name.startswith("mta_weekly.") else name.rpartition(".")[2] for name in dotted]
    assert [name for name in names if not any(re.match(rule, name) for rule in ours)] == []


def test_a_fixture_that_is_shared_has_a_name_of_its_own() -> None:
    """A plugin's fixtures are those of all tests of a run: of two with one name the wrong one would be taken."""
    names = [name for path in (ROOT / "tests").glob("*.py") for name in FIXTURE.findall(path.read_text())]
    assert [name for name in names if names.count(name) > 1] == []


def test_one_version() -> None:
    assert f'version = "{VERSION}"' in (ROOT / "pyproject.toml").read_text()
    assert f"## [{VERSION}] - " in (ROOT / "CHANGELOG.md").read_text()
    assert f'image.version="{VERSION}"' in (ROOT / "Dockerfile").read_text()


def test_one_version_of_prefect() -> None:
    """In what machines install, in what the image installs, in the base it stands on and in the server beside it."""
    for name in REQUIREMENTS:
        assert re.findall(r"^prefect==(\S+)", (ROOT / name).read_text(), re.M) == [PREFECT]
    for name in ("Dockerfile", "compose.yaml"):
        assert set(re.findall(r"prefecthq/prefect:(\S+)", (ROOT / name).read_text())) == {f"{PREFECT}-python3.11"}


def test_every_pin_is_exact_has_hashes_and_is_the_same_everywhere() -> None:
    pins = {}
    for name in REQUIREMENTS:
        for line in (ROOT / name).read_text().replace("\\\n", "").splitlines():
            if line and not line.lstrip().startswith("#"):
                pin = re.fullmatch(r"([\w.-]+)==(\S+)( ;.*?)?((?: +--hash=sha256:[0-9a-f]{64})+)", line)
                assert pin, line[:80]
                package, version, marker, hashes = pin.groups()
                assert pins.setdefault((package, marker), (version, hashes.split())) == (version, hashes.split())
    assert pins["prefect", None][0] == PREFECT


def test_pins_are_installed_by_their_hashes() -> None:
    """pip compares hashes where a file has them; told to, it also refuses a file that has lost them."""
    files = [ROOT / "Makefile", ROOT / "Dockerfile", *(ROOT / "docs").glob("*.md"), *(ROOT / ".github").rglob("*.yml")]
    installs = [line for file in files for line in re.findall(r"pip install.*requirements.*", file.read_text())]
    assert len(installs) >= 4
    assert [line for line in installs if "--require-hashes" not in line] == []


def test_the_image_takes_every_folder_of_the_flows() -> None:
    files = [path.relative_to(ROOT) for path in (ROOT / "flows").rglob("*") if path.is_file()]
    wanted = {f"!{path.parent}/*{path.suffix}" for path in files if path.suffix != ".pyc"}
    taken = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!flows")]
    assert sorted(taken) == sorted(wanted)


@pytest.mark.parametrize("feed", FEEDS.values(), ids=lambda feed: feed.name)
def test_an_entry_is_sound(feed: Feed) -> None:
    """What no type says of an entry, and a load would find out late."""
    coverage, columns = feed.coverage, feed.columns
    assert len(set(columns)) == len(columns)
    assert all(name == name.upper() for name in columns)
    assert [column.name for column in feed.schema if column.kind == TIME] == [feed.day[0]]
    assert all(column.meaning for column in feed.schema)
    assert set(feed.summed) <= {*feed.counters, *feed.numbers} <= set(columns)
    assert FEEDS[feed.name] is feed
    assert re.fullmatch("[a-z0-9_-]+", feed.name), "it is a folder of the lake"
    assert len({source.name for source in feed.sources}) == len(feed.sources), "the facts tell sources by their names"
    for source in feed.sources:
        assert source.base.startswith(("http://", "https://"))
        assert source.override in ("", *Settings().overrides), "a variable is a field of Settings, and one of overrides"
        assert source.token in ("", *Settings().tokens), "a variable is a field of Settings, and one of tokens"
        if isinstance(source, WeeklyFile):
            files = {source.file.format(week=coverage.first.saturday + timedelta(weeks=n)) for n in range(60)}
            assert len(files) == 60, "the file's name holds no date of its week, as {week:%y%m%d}"
            assert "?" not in source.file, "a file's name ends in what it is packed as"
        if isinstance(source, Table):
            assert isinstance(source.key, tuple)
            assert source.time in source.key
            assert {source.dialect_of(coverage.first).clean(field) for field in source.key} <= set(columns)
            assert all(isinstance(each, DataSet) for each in source.sets)
            turns = zip(source.sets, source.sets[1:], strict=False)
            assert all(before.last and before.last < after.first for before, after in turns)
    first = feed.sources[0]
    assert first.holds(coverage.first)
    assert first.holds(coverage.last or Week(coverage.first.saturday + timedelta(weeks=2000)))
