"""An object without facts is examined as a new week before anybody says that it is there."""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from conftest import FILE, KEY, expected
from either_lake import Put, dying_at_the_object
from mta_weekly.errors import EtlError
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.objects import Lake
from mta_weekly.upkeep.tidy import list_litter
from web import Answer, Web
from week_loads import BAD, GOOD, PATIENCE, Begin

pytest_plugins = ["either_lake", "week_loads"]

WHOLE = gzip.compress(expected(GOOD))
HALF = WHOLE[: len(WHOLE) // 2]


def parts(data: bytes, days: set[bytes]) -> bytes:
    """The rows of some days, numbered anew."""
    head, *rows = data.splitlines(keepends=True)
    kept = [row.partition(b",")[2] for row in rows if row.split(b",")[7] in days]
    return head + b"".join(b"%d," % n + row for n, row in enumerate(kept))


PARTIAL = gzip.compress(parts(expected(GOOD), {b"12/30/2023", b"12/31/2023", b"01/01/2024"}))


FOREIGN = [
    pytest.param(HALF, "not a whole gzip file", id="half"),
    pytest.param(b"", "not a whole gzip file", id="empty"),
    pytest.param(b"<html>no</html>", "not a whole gzip file", id="a page"),
    pytest.param(WHOLE + WHOLE, "not a whole gzip file .something follows its end", id="two members"),
    pytest.param(
        gzip.compress(expected(GOOD).replace(b"\n", b"\r\n")), "its rows are right, not how they are written", id="CRLF"
    ),
    pytest.param(
        gzip.compress(expected(GOOD)[:-1]), "its rows are right, not how they are written", id="no last line end"
    ),
    pytest.param(PARTIAL, "a partial week: rows of 3 days only", id="3 days"),
]


@pytest.mark.parametrize(("data", "said"), FOREIGN)
@pytest.mark.parametrize("when", ["before", "during the run"])
def test_what_another_hand_put_there_is_not_the_week(
    begin: Begin, put: Put, web: Web, lake: Lake, data: bytes, said: str, when: str
) -> None:
    web.serve(FILE, Answer(GOOD))
    if when == "before":
        put(data)
    with pytest.raises(EtlError, match=f"{KEY} is in the lake, without facts that fit it.*{said}") as failed:
        begin(lambda: put(data))
    assert "--force loads it again" in str(failed.value)
    assert lake.find([KEY], PATIENCE)[KEY].facts is None
    assert begin(force=True).state == "replaced"
    (kept,) = lake.find_all("history/turnstile/", PATIENCE).values()
    assert kept.size == len(data)
    assert begin().state == "there"


def test_a_whole_week_that_another_hand_put_there_gets_its_facts(begin: Begin, put: Put, web: Web, lake: Lake) -> None:
    web.serve(FILE, Answer(GOOD))
    outcome = begin(lambda: put(WHOLE))
    assert (outcome.state, outcome.rows) == ("there", 500)
    assert outcome.reason == "something else was first, with the same content"
    facts = lake.find([KEY], PATIENCE)[KEY].facts
    assert facts
    assert (facts.rows, facts.revision) == (500, 1)


@pytest.mark.parametrize("at", [12, len(WHOLE) // 2, len(WHOLE) - 6])
def test_a_flipped_bit_is_said_with_both_checksums(
    begin: Begin, put: Put, web: Web, lake: Lake, tmp_path: Path, at: int
) -> None:
    web.serve(FILE, Answer(GOOD))
    begin()
    found = lake.find([KEY], PATIENCE)[KEY]
    lake.read(KEY, found, tmp_path / "object", PATIENCE)
    data = bytearray((tmp_path / "object").read_bytes())
    data[min(at, len(data) - 6)] ^= 4
    put(bytes(data))
    now = lake.find([KEY], PATIENCE)[KEY]
    with pytest.raises(EtlError, match="is damaged: its crc32c is ") as failed:
        begin()
    assert f"its crc32c is {now.crc32c}, its facts say {found.crc32c}" in str(failed.value)
    assert "--force loads it again" in str(failed.value)
    was = found.facts
    assert begin(force=True).state == "replaced"
    (kept,) = lake.find_all("history/", PATIENCE).values()
    assert was
    assert kept.facts
    assert (kept.facts.source_url, kept.facts.rows, kept.crc32c) == (was.source_url, was.rows, now.crc32c)


def lose_facts(lake: Lake) -> Facts:
    """Make an object one whose facts do not fit; those it had."""
    seen = lake.find([KEY], PATIENCE)[KEY]
    assert seen.facts
    lake.set_facts(KEY, seen, seen.facts.model_copy(update={"size": 1}), PATIENCE)
    return seen.facts


def test_an_object_that_has_lost_its_facts_finds_its_companions(begin: Begin, web: Web, lake: Lake) -> None:
    made = []
    for published in (GOOD, BAD, GOOD.replace(b"REGULAR", b"RECOVR AUD")):
        web.serve(FILE, Answer(published))
        begin(force=bool(made), allow_bad_rows=1)
        made.append(lose_facts(lake))
        assert begin().state == "there"
        found = lake.find([KEY], PATIENCE)[KEY].facts
        assert found
        same = ("rows", "bad_rows", "rejected", "replaces", "revision", "sha256", "sums")
        assert [getattr(found, name) for name in same] == [getattr(made[-1], name) for name in same]
    assert [each.revision for each in made] == [1, 2, 3]
    assert [bool(each.rejected) for each in made] == [False, True, False]


def test_what_a_run_kept_that_died_before_it_replaced_it_is_no_revision_before_it(
    begin: Begin, web: Web, lake: Lake
) -> None:
    web.serve(FILE, Answer(GOOD))
    begin()
    web.serve(FILE, Answer(BAD))
    with dying_at_the_object(lake):
        begin(force=True, allow_bad_rows=1)
    assert len(lake.find_all("history/", PATIENCE)) == 1
    lose_facts(lake)
    begin()
    found = lake.find([KEY], PATIENCE)[KEY].facts
    assert found
    assert (found.revision, found.replaces, found.rejected) == (1, "", "")


def test_rows_left_out_before_there_were_companions_are_found_and_named(
    begin: Begin, web: Web, lake: Lake, tmp_path: Path
) -> None:
    web.serve(FILE, Answer(BAD))
    begin(allow_bad_rows=1)
    seen, old = lake.find([KEY], PATIENCE)[KEY], f"rejected/{KEY}"
    assert seen.facts
    rejected = lake.find_all("rejected/", PATIENCE)[seen.facts.rejected]
    assert rejected.facts
    lake.read(seen.facts.rejected, rejected, tmp_path / "rows", PATIENCE)
    facts = Facts.model_validate(rejected.facts.model_dump(exclude={"rejected", "revision", "landed_at"}))
    lake.publish(tmp_path / "rows", old, facts, None, PATIENCE)
    lake.remove(seen.facts.rejected, rejected, PATIENCE)
    lake.set_facts(KEY, seen, seen.facts.model_copy(update={"rejected": ""}), PATIENCE)
    lose_facts(lake)
    begin()
    now = lake.find([KEY], PATIENCE)[KEY].facts
    assert now
    assert (now.bad_rows, now.rejected) == (1, old)
    lake.set_facts(KEY, lake.find([KEY], PATIENCE)[KEY], now.model_copy(update={"rejected": ""}), PATIENCE)
    web.serve(FILE, Answer(GOOD))
    begin(force=True)
    (kept,) = lake.find_all("history/", PATIENCE).values()
    assert kept.facts
    assert kept.facts.rejected == old


def test_rows_left_out_of_what_stands_are_no_litter_when_the_source_no_longer_has_them(
    begin: Begin, web: Web, lake: Lake, tmp_path: Path
) -> None:
    line = GOOD.splitlines(keepends=True)[1]
    web.serve(FILE, Answer(GOOD.replace(line, line + b"x," + line, 1)))
    begin(allow_bad_rows=1)
    (rejected,) = lake.find_all("rejected/", PATIENCE)
    web.serve(FILE, Answer(GOOD))
    assert begin(refresh=True).state == "unchanged"
    later = datetime.now(UTC) + timedelta(days=9)
    assert list(list_litter(lake, [TURNSTILE], tmp_path / "spool", later, PATIENCE)) == []
    assert rejected in lake.find_all("rejected/", PATIENCE)


@pytest.mark.parametrize("forged", [{"sha256": "../../../../outside"}, {"revision": 0}, {"revision": -5}])
def test_facts_that_would_make_no_name_are_none(lake: Lake, begin: Begin, web: Web, forged: dict[str, Any]) -> None:
    web.serve(FILE, Answer(GOOD))
    begin()
    seen = lake.find([KEY], PATIENCE)[KEY]
    assert seen.facts
    lake.set_facts(KEY, seen, seen.facts.model_copy(update=forged), PATIENCE)
    assert lake.find([KEY], PATIENCE)[KEY].facts is None
    assert begin().state == "there"
    assert lake.find([KEY], PATIENCE)[KEY].facts


def test_what_is_copied_back_from_history_has_its_rows_left_out_also_where_a_later_one_has_the_same(
    begin: Begin, put: Put, web: Web, lake: Lake, tmp_path: Path
) -> None:
    head, first, rest = GOOD.split(b"\n", 2)
    for row in (first, first.replace(b"REGULAR", b"RECOVR")):
        web.serve(FILE, Answer(b"\n".join([head, row, b"junk,junk", rest])))
        begin(force=True, allow_bad_rows=1)
    ((kept, before),) = lake.find_all("history/turnstile/", PATIENCE).items()
    lake.read(kept, before, tmp_path / "before", PATIENCE)
    put((tmp_path / "before").read_bytes())
    assert begin().state == "there"
    facts = lake.find([KEY], PATIENCE)[KEY].facts
    assert facts
    assert before.facts
    assert (facts.bad_rows, facts.rejected) == (1, before.facts.rejected)


def test_what_was_removed_by_hand_does_not_begin_the_revisions_anew(begin: Begin, web: Web, lake: Lake) -> None:
    for published in (GOOD, GOOD.replace(b"REGULAR", b"RECOVR AUD")):
        web.serve(FILE, Answer(published))
        begin(force=True)
    lake.remove(KEY, lake.find([KEY], PATIENCE)[KEY], PATIENCE)
    begin()
    web.serve(FILE, Answer(BAD))
    begin(force=True, allow_bad_rows=1)
    history = lake.find_all("history/", PATIENCE)
    assert [key.split("-")[1] for key in history] == ["1", "2"]
    now = lake.find([KEY], PATIENCE)[KEY].facts
    assert now
    assert (now.revision, now.replaces) == (3, list(history)[1])
    before = history[now.replaces].facts
    assert before
    assert before.replaces == next(iter(history))


def test_the_same_content_in_another_file_is_a_revision_of_its_own(
    begin: Begin, put: Put, web: Web, lake: Lake
) -> None:
    put(WHOLE)
    begin()
    web.serve(FILE, Answer(GOOD))
    begin(force=True)
    lose_facts(lake)
    begin()
    found = lake.find([KEY], PATIENCE)[KEY].facts
    assert found
    assert (found.revision, found.replaces) == (2, next(iter(lake.find_all("history/", PATIENCE))))
