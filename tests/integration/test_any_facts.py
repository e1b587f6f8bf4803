"""Facts of any hand: they are read, or they are none, and no report on a lake stumbles over them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lake_objects import budget
from mta_weekly.errors import LakeFailed
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.feeds.weeks import Week
from mta_weekly.lake.facts import LARGEST, CompanionFacts, Facts
from mta_weekly.lake.folder import FolderLake
from mta_weekly.upkeep.page import write_page
from mta_weekly.upkeep.picture import draw_lake
from mta_weekly.upkeep.report import list_lines, write_json, write_markdown
from mta_weekly.upkeep.status import look_at_lake
from mta_weekly.upkeep.status_report import put_page
from mta_weekly.upkeep.tidy import list_litter
from proved_lakes import ProvedLake
from tries import tries

few = settings(
    max_examples=tries(3000),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
NOW = datetime(2026, 11, 21, tzinfo=UTC)
KEY, HELD_KEY = "turnstile/240106.csv.gz", f"held/turnstile/240106-{'a' * 16}.csv.gz"
WHOLE: dict[str, Any] = CompanionFacts(
    feed="turnstile", week="240106", source="weekly file", source_url="http://web.mta.info/x", source_etag='"v1"',
    source_last_modified="Sat, 06 Jan 2024 05:00:00 GMT", source_bytes=9, rows=7, bad_rows=0, first_day="2023-12-30",
    last_day="2024-01-05", empty={"DESC": 1}, sums={"ENTRIES": 1.5}, day_rows=(1,) * 7, hour_rows=(0,) * 24, keys=7,
    series_rows={"Subway": 7}, ended=("Bus",), accepted={"why": "a storm"}, unknown_columns=("ZONE",), size=9,
    crc32c="AAAAAA==", sha256="a" * 64, loaded_at="2024-01-06T05:00:00+00:00", landed_at="2024-01-06T05:00:00+00:00",
    flow_run_id="run", version="0.12.0", of="a" * 64, why="rows 3", last_seen="2024-01-06T05:00:00+00:00",
    looked_at="2024-01-06T05:00:00+00:00",
).model_dump(mode="json")  # fmt: skip

FIT = {"feed", "week", "size", "crc32c", "sha256"}  # else they are of another object, and none

numbers = st.one_of(
    st.integers(-3, 30), st.sampled_from([2**31, 2**63 - 1, 2**63, -(2**63), 10**30, 10**400, 1e308]), st.floats()
)
texts = st.one_of(
    st.text(max_size=9),
    st.sampled_from([
        "", "0", "-1", "1e999", "NaN", "2023-12-30", "2024-01-05", "9999-12-31", "0001-01-01", "20240106", "2024-W01-1",
        "9999-12-31T23:59:59.999999+00:00", "0001-01-01T00:00:00+23:59", "2024-01-06T05:00:00", "\ud800", "a\ud800\n",
        "\0", "\x1b[31m", "<script>", "|`*_", "../../x", "[1,2]", "{}", "[[", "[" * 100_000, "1" * 5_000, "{\"a\": 1}",
        "[1,1,1,1,1,1,1]", "[NaN]", "[Infinity]", "null", "true", "x" * 9_000, "é" * 5_000, "\u202e", "%s{}",
    ]),
)  # fmt: skip
columns = texts.filter(lambda text: text.isascii() or "\ud800" not in text)  # read from UTF-8, which has no halves
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda each: st.lists(each, max_size=26) | st.dictionaries(columns, each, max_size=5),
    max_leaves=30,
)
changes = st.dictionaries(
    st.sampled_from([*WHOLE, "model_config", "self", "__class__"]) | texts, values, min_size=1, max_size=4
)

counts = st.integers(0, 2**63 - 1)
likely = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys((name for name, value in WHOLE.items() if isinstance(value, str) and name not in FIT), texts),
        **dict.fromkeys(("rows", "bad_rows", "keys", "doubled_keys"), counts),
        **dict.fromkeys(("revision", "source_bytes"), st.integers(1, 10**400)),
        **dict.fromkeys(("sums", "empty", "series_rows"), st.dictionaries(columns, counts, max_size=3)),
        "day_rows": st.lists(counts, min_size=7, max_size=7),
        "hour_rows": st.lists(counts, min_size=24, max_size=24),
        "accepted": st.dictionaries(st.sampled_from(["why", "when", "run"]), texts),
        **dict.fromkeys(("ended", "unknown_columns"), st.lists(texts, max_size=9)),
    },
)


@few
@given(changes | likely, st.sets(st.sampled_from([*WHOLE]), max_size=2), st.sampled_from([KEY, HELD_KEY]))
def test_facts_of_a_file_are_read_or_none_and_written_they_are_the_same(
    changes: dict[str, Any], without: set[str], key: str
) -> None:
    whole = {name: value for name, value in (WHOLE | changes).items() if name not in without}
    try:
        said = json.loads(json.dumps(whole))  # NaN, Infinity and halves of letters as anybody may write them
    except ValueError:  # more digits than Python reads
        return
    facts = Facts.read_of_any(said, key)
    if facts:
        assert Facts.read(json.loads(facts.as_text().encode()), key, facts.size, facts.crc32c) == facts
        read_from_a_bucket(facts, key)


@few
@given(st.dictionaries(st.sampled_from([*WHOLE]), texts, max_size=6), st.sampled_from([KEY, HELD_KEY]))
def test_facts_of_a_bucket_are_read_or_none_and_written_they_are_the_same(changes: dict[str, str], key: str) -> None:
    said = CompanionFacts(**WHOLE).as_metadata() | changes
    if facts := Facts.read_of_any(said, key):
        read_from_a_bucket(facts, key)


def read_from_a_bucket(facts: Facts, key: str) -> None:
    try:
        said = facts.as_metadata()
    except LakeFailed as error:
        assert str(error).endswith(f"and a bucket keeps {LARGEST:,}")  # of another hand; ours fit
        return
    assert len("".join([*said, *said.values()]).encode(errors="surrogatepass")) <= LARGEST
    assert Facts.read(said, key, facts.size, facts.crc32c) == facts


@pytest.mark.parametrize("said", ["", "null", "[]", "7", '"x"', "[" * 100_000, '{"a":' * 100_000, "NaN", "{", "\x00"])
def test_a_file_of_something_else_is_no_facts(said: str, tmp_path: Path) -> None:
    (tmp_path / KEY).parent.mkdir()
    (tmp_path / KEY).write_bytes(b"x")
    (tmp_path / f"{KEY}.json").write_text(said)
    found = FolderLake(tmp_path).find([KEY], budget())[KEY]
    assert (found.facts, found.said, found.fault) == (None, None, "")


@pytest.fixture
def standing(tmp_path: Path) -> ProvedLake:
    """A folder with a week that is there and one that is held."""
    made = ProvedLake(FolderLake(tmp_path / "lake"), None, None, tmp_path)  # type: ignore[arg-type] # no bucket
    made.land(TURNSTILE, Week.named("231230"))
    made.land(TURNSTILE, Week.named("240106"))
    made.land(TURNSTILE, Week.named("240113"), hold=True)
    return made


@settings(few, max_examples=tries(300))
@given(changes | likely, st.booleans())
def test_no_report_stumbles_over_the_facts_of_another_hand(
    standing: ProvedLake, changes: dict[str, Any], is_held: bool
) -> None:
    lake = standing.lake
    assert isinstance(lake, FolderLake)
    (key,) = lake.find_all("held/", budget()) if is_held else ("turnstile/240106.csv.gz",)
    path = lake.folder / f"{key}.json"
    sound = path.read_text()
    try:
        path.write_text(json.dumps(json.loads(sound) | changes))
        status = look_at_lake(lake, standing.options)
        put_page(standing.folder / "page.html", write_page(status))
        lines, document = [*list_lines(status)], json.loads(write_json(status))
        for each in (draw_lake(status), write_markdown(status), *lines):
            each.encode()
        assert all(line.isprintable() for line in lines)
        assert len("".join(lines)) < 5_000
        assert document
        for line in standing.verify():
            line.encode()
            assert line.isprintable()
            assert len(line) < 2_000
        for litter in list_litter(lake, [TURNSTILE], None, NOW, budget()):
            assert str(litter).isprintable()
    finally:
        path.write_text(sound)
