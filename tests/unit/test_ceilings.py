"""A week may come to so much and no more: bytes, rows, bad rows and the texts of these."""

import gzip
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from conftest import KEY, small_week
from legacy_files import SMALL
from mta_weekly.ceilings import refuse_more_rows
from mta_weekly.content import check
from mta_weekly.content.convert import convert_week, examine_object
from mta_weekly.content.profile import KEPT
from mta_weekly.errors import EtlError, GaveUp, Refused, TooManyBadRows
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.body import Body
from mta_weekly.fetch.client import open_client
from mta_weekly.fetch.http import fetch_body
from mta_weekly.lake.folder import FolderLake
from mta_weekly.lake_week import LakeWeek
from mta_weekly.load import Load
from mta_weekly.options import Options
from mta_weekly.outcomes import Outcome
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import Settings
from socrata_weeks import Loads
from soda import Soda
from web import Answer, Web
from weekly_files import packed, published, rejected, row

pytest_plugins = ["socrata_weeks"]

WEEK = Week.named("240106")
WHOLE = small_week()
GZ = gzip.compress(WHOLE, mtime=0)
BYTES, ROWS = "MTA_MAX_BYTES", "MTA_MAX_ROWS"


@pytest.fixture
def run(web: Web, tmp_path: Path) -> Callable[..., Outcome]:
    """Load the week from a file with this ending."""

    def begin(ending: str, answer: Answer, **limits: int) -> Outcome:
        source = replace(TURNSTILE.sources[0], base=web.url, file=f"240106.{ending}", override="")
        feed = replace(TURNSTILE, sources=(source,))
        web.serve(f"/240106.{ending}", answer)
        settings, lake = Settings(**limits), FolderLake(tmp_path / "lake")
        lake.prepare()
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        budget = RetryBudget(3, 1, 0.001, limit=settings.week_timeout)
        budget.ends = 0.0  # it has stood in line for longer than it may take: that is not counted
        load = Load(LakeWeek(WEEK, feed, lake, None, work, budget, "run"), Options(settings, date(2026, 11, 21)))
        with open_client(settings) as client:
            try:
                return load.publish(load.make(client, lambda chunks, _, __: chunks))
            finally:
                assert list(work.iterdir()) == []

    return begin


FORMS: dict[str, tuple[str, bytes, dict[str, Any]]] = {
    "plain": ("txt", WHOLE, {}),
    "HTTP gzip": ("txt", GZ, {"headers": {"Content-Encoding": "gzip"}}),
    "gz": ("gz", GZ, {}),
    "zip": ("zip", packed(("a.txt", WHOLE)), {}),
}


@pytest.mark.parametrize(("ending", "body", "said"), FORMS.values(), ids=FORMS)
def test_a_week_of_more_bytes_unpacked_is_refused_at_once(
    run: Callable[..., Outcome], web: Web, tmp_path: Path, ending: str, body: bytes, said: dict[str, Any]
) -> None:
    with pytest.raises(Refused, match=rf"^more than {len(WHOLE) - 1:,} bytes came \({BYTES}\); nothing loaded"):
        run(ending, Answer(body, **said), max_bytes=len(WHOLE) - 1)
    assert len(web.requests) == 1
    assert not (tmp_path / "lake" / KEY).exists()
    assert run(ending, Answer(body, **said), max_bytes=len(WHOLE)).state == "landed"


@pytest.mark.parametrize(
    ("ending", "body"),
    [("zip", packed(("a.txt", WHOLE)) + bytes(100_000)), ("gz", GZ + bytes(100_000))],
)
def test_what_comes_packed_is_counted_as_it_is_packed_too(
    run: Callable[..., Outcome], ending: str, body: bytes
) -> None:
    """A .zip lies on the disk before it is unpacked, and padding unpacks to nothing."""
    with pytest.raises(Refused, match=BYTES):
        run(ending, Answer(body), max_bytes=len(body) - 1)


def test_a_zip_file_that_is_all_lists_is_refused(run: Callable[..., Outcome], web: Web) -> None:
    body = packed(*((f"{n:05}" + 200 * "x", b"") for n in range(6000)), method=0)
    with pytest.raises(Refused, match=r"must hold one file, and has a list of files of \d,\d{3},\d{3} bytes"):
        run("zip", Answer(body))
    assert len(web.requests) == 1


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (published(*[row()] * 9), 9),
        (published(*[""] * 8, row()), 9),
        (published(*["x"] * 8, row()), 9),
        (published(*["\r".join([",".join(row())] * 9)] * 10), 90),
        (SMALL, None),
    ],
    ids=["rows", "blank lines", "bad rows", "rows that end in CR", "eight rows a line"],
)
def test_a_week_of_more_rows_or_lines_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes, rows: int | None
) -> None:
    monkeypatch.setattr(check, "BLOCK", 2000)
    path, week = tmp_path / "object.csv.gz", Week.named("120107") if rows is None else WEEK
    rows = rows or convert_week([body], TURNSTILE, week, path).rows
    convert_week([body], TURNSTILE, week, path, allow_bad_rows=9, most_rows=rows)
    with pytest.raises(Refused, match=rf"^more than {rows // 2:,} rows or lines came \({ROWS}\)"):
        convert_week([body], TURNSTILE, week, path, allow_bad_rows=9, most_rows=rows // 2)


def test_a_source_that_counts_more_rows_is_asked_for_none(site: Soda, tmp_path: Path) -> None:
    load = Loads(site, tmp_path, max_rows=5)
    with pytest.raises(Refused, match=ROWS):
        load()
    assert not [path for path, _ in site.queries if path.endswith(".csv")]
    assert load.objects == []


@pytest.mark.parametrize("allowed", [0, 7])
@pytest.mark.parametrize("bad", [row(EXITS="x"), "x"], ids=["a value", "a length"])
def test_bad_rows_are_counted_to_the_end_while_they_are_few(tmp_path: Path, allowed: int, bad: Any) -> None:
    most, path = allowed + check.MORE, tmp_path / "object.csv.gz"
    with pytest.raises(TooManyBadRows, match=f"^{most:,} bad rows, {allowed} allowed; .*--allow-bad-rows {most} "):
        convert_week([published(*[bad] * most, row())], TURNSTILE, WEEK, path, allowed)
    with pytest.raises(Refused) as fault:
        convert_week([published(*[bad] * (most + 1), row())], TURNSTILE, WEEK, path, allowed)
    assert str(fault.value).startswith(f"more than {most:,} bad rows, {allowed} allowed, reading stopped; line 2: ")
    assert "--allow" not in str(fault.value)
    assert str(fault.value).count("line ") == 5


def test_nothing_is_read_after_the_bad_rows_that_are_counted(tmp_path: Path) -> None:
    read = list[int]()

    def endless() -> Any:
        yield published(row())
        while len(read) < 50:
            read.append(0)
            yield b"x\n" * (check.BLOCK // 2)

    with pytest.raises(Refused, match="reading stopped"):
        convert_week(endless(), TURNSTILE, WEEK, tmp_path / "object.csv.gz")
    assert len(read) <= 4


def test_the_text_of_a_bad_row_is_kept_and_shown_cut(tmp_path: Path) -> None:
    path, text = tmp_path / "object.csv.gz", "\x1b[31m" + 300_000 * "x"
    body = published(row(), KEPT * "y", text)
    with pytest.raises(TooManyBadRows) as fault:
        convert_week([body], TURNSTILE, WEEK, path)
    assert str(fault.value).isprintable()
    assert len(str(fault.value)) < 1000
    convert_week([body], TURNSTILE, WEEK, path, 2)
    assert [kept for *_, kept in rejected(path)[1:]] == [KEPT * "y", f"{text[:KEPT]}... (cut, 300,005 characters)"]


def test_an_object_of_bad_rows_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "object.csv.gz"
    convert_week([WHOLE], TURNSTILE, WEEK, path)
    header = gzip.decompress(path.read_bytes()).partition(b"\n")[0]
    path.write_bytes(gzip.compress(header + b"\n" + b"x\n" * 5000))
    with pytest.raises(
        EtlError, match=r"^more than 1,000 bad rows, 0 allowed, reading stopped; .*the object is damaged"
    ):
        examine_object(path, TURNSTILE, WEEK)


def test_a_header_of_many_names_is_refused_in_little_time(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="the header has changed"):
        convert_week([b"a," * 390_000 + b"\n"], TURNSTILE, WEEK, tmp_path / "object.csv.gz")


def test_bad_rows_that_are_allowed_may_come_to_so_much_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "MOST_KEPT", 10_000)
    body = published(*[row(TIME="noon")] * 100)
    with pytest.raises(Refused, match=r"^bad rows of more than 10,000 bytes, too many to be left out; nothing loaded$"):
        convert_week([body], TURNSTILE, WEEK, tmp_path / "x.csv.gz", allow_bad_rows=200)


def test_a_body_that_unpacks_to_nothing_for_ever_ends(run: Callable[..., Outcome]) -> None:
    nothing = Answer(gzip.compress(b"") * 1000, headers={"Content-Encoding": "gzip"})
    with pytest.raises(Refused, match=BYTES):
        run("txt", nothing, max_bytes=10_000)


def test_as_many_rows_as_there_may_be_are_not_too_many() -> None:
    refuse_more_rows(3, 3)
    with pytest.raises(Refused, match=ROWS):
        refuse_more_rows(4, 3)


def test_what_unpacks_to_more_and_more_ends_with_the_time_of_the_week(web: Web) -> None:
    web.serve("/bomb", Answer(gzip.compress(bytes(30_000_000)), headers={"Content-Encoding": "gzip"}))
    budget = RetryBudget(3, 1, 0.001, limit=0.3)
    took = list[int]()

    def take_slowly(chunks: Iterator[bytes], _: Body) -> None:
        for chunk in chunks:
            took.append(len(chunk))
            time.sleep(0.02)

    with open_client(Settings()) as client:
        with pytest.raises(
            GaveUp, match=r"has not sent all of it; gave up: it may take 0.3 s in all \(MTA_WEEK_TIMEOUT"
        ):
            fetch_body(client, f"{web.url}/bomb", take_slowly, budget)
        assert 0 < sum(took) < 20_000_000
        with pytest.raises(GaveUp, match=r"127\.0\.0\.1 was not asked any more; gave up"):
            fetch_body(client, f"{web.url}/bomb", take_slowly, budget)
    assert len(web.requests) == 1


def test_a_zip_that_its_sender_packs_once_more_is_counted_as_it_goes_to_the_disk(run: Callable[..., Outcome]) -> None:
    much = Answer(gzip.compress(b"\0" * 1_000_000), headers={"Content-Encoding": "gzip"})
    with pytest.raises(Refused, match=r"^more than 100,000 bytes came \(MTA_MAX_BYTES\)"):
        run("zip", much, max_bytes=100_000)
