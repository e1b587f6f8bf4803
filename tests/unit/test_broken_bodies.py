"""What is left of a broken body is asked for again, and what is wrong in a whole one is said with the way out."""

import gzip
import re
import shlex
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from conftest import FILE, KEY, expected, small_week
from legacy_files import JUNK, SMALL
from mta_weekly.content.check import BLOCK
from mta_weekly.content.convert import convert_week
from mta_weekly.errors import BrokenBody, EtlError, GaveUp, Refused
from mta_weekly.feeds.catalog import DAILY, RIDERSHIP, TURNSTILE, Feed
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.client import open_client
from mta_weekly.lake.folder import FolderLake
from mta_weekly.lake_week import LakeWeek
from mta_weekly.load import Load
from mta_weekly.options import Options
from mta_weekly.outcomes import Outcome
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import Settings
from web import Answer, Web
from weekly_files import PAGE

WHOLE = small_week()
LINES = WHOLE.splitlines(keepends=True)
BROKEN = {
    "a page": b"".join(LINES[:100]) + PAGE,
    "a cut row": b"".join(LINES[:100]).rstrip()[:-40],
    "a file sent twice": WHOLE + WHOLE,
}
Run = Callable[..., Outcome]


@pytest.fixture
def run(web: Web, tmp_path: Path) -> Run:
    def begin(allowed: int = 0, week: str = "240106") -> Outcome:
        settings, budget, lake = (
            Settings(turnstile_url=web.url),
            RetryBudget(2, 1, 0.001),
            FolderLake(tmp_path / "lake"),
        )
        lake.prepare()
        options = Options(settings, date(2026, 11, 21), str(tmp_path / "my lake"), allow_bad_rows=allowed)
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        load = Load(LakeWeek(Week.named(week), TURNSTILE, lake, None, work, budget, "run"), options)
        with open_client(settings) as client:
            return load.publish(load.make(client, lambda chunks, _, __: chunks))

    return begin


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("allowed", [0, 1000])
def test_a_broken_body_is_asked_again(run: Run, web: Web, tmp_path: Path, body: bytes, allowed: int) -> None:
    web.serve(FILE, Answer(body), Answer(WHOLE))
    assert (run(allowed).state, len(web.requests)) == ("landed", 2)
    assert gzip.decompress((tmp_path / "lake" / KEY).read_bytes()) == expected(WHOLE)


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_one_that_stays_broken_is_given_up_without_advice(run: Run, web: Web, tmp_path: Path, body: bytes) -> None:
    web.serve(FILE, Answer(body))
    with pytest.raises(GaveUp) as fault:
        run(1000)
    assert "--allow-bad-rows" not in str(fault.value)
    assert len(web.requests) == 2
    assert not (tmp_path / "lake" / KEY).exists()


def test_a_file_that_opens_with_junk_is_refused_with_the_command_that_lands_it(
    run: Run, web: Web, tmp_path: Path
) -> None:
    body = "".join(f"{JUNK}\n" for _ in range(10)).encode() + SMALL
    web.serve("/turnstile_120107.txt", Answer(body + b"USE"))
    with pytest.raises(Refused) as fault:
        run(week="120107")
    command = shlex.split(str(fault.value).rpartition(": ")[2])
    assert command == [
        "python", "flows/etl_web_to_gcs.py", "--year", "2012", "--month", "1", "--day", "7", "--feed", "turnstile",
        "--lake", str(tmp_path / "my lake"), "--allow-bad-rows", "11",
    ]  # fmt: skip
    outcome = run(11, "120107")
    assert re.fullmatch(r"11 bad rows left out: rejected/turnstile/120107-[0-9a-f]{16}\.csv\.gz", outcome.reason)


def convert(feed: Feed, tmp_path: Path, *rows: str, allowed: int = 0) -> str:
    """What a published table becomes, by its rows after the header."""
    header = ",".join(f'"{name.lower()}"' for name in feed.columns)
    path = tmp_path / "object.csv.gz"
    convert_week(["\n".join([header, *rows, ""]).encode()], feed, Week.named("260912"), path, allowed)
    return gzip.decompress(path.read_bytes()).decode().partition("\n")[2]


GOOD = '"2026-09-08T00:00:00.000","Bus","7"'


@pytest.mark.parametrize("beside", [[], [GOOD], ['"2026-09-08T00:00:00.000","Bus"'], [GOOD, '"x","y","z"']])
def test_a_quote_within_a_value_in_quotes_is_a_bad_row_whatever_stands_beside_it(
    tmp_path: Path, beside: list[str]
) -> None:
    odd = '"2026-09-08T00:00:00.000","Sub"way,"7"'
    with pytest.raises(Refused, match=f"line 2: quotes that do not match: '{odd}'"):
        convert(DAILY, tmp_path, odd, *beside)
    if GOOD in beside:
        assert convert(DAILY, tmp_path, odd, *beside, allowed=9) == "2026-09-08T00:00:00.000,Bus,7\n"


def test_a_day_that_is_written_otherwise_is_said_so(tmp_path: Path) -> None:
    says = "line 3: DATE '2026-09-08T00:00:00Z' is not written as YYYY-MM-DDTHH:MM:SS.000"
    with pytest.raises(Refused, match=says):
        convert(DAILY, tmp_path, GOOD, '"2026-09-08T00:00:00Z","Bus","7"')


def test_a_row_that_is_no_utf_8_and_of_another_length_is_said_with_its_line(tmp_path: Path) -> None:
    body = b"date,mode,count\n" + GOOD.encode() + b'\n"\xff","x"\n'
    with pytest.raises(EtlError, match="line 3 is not UTF-8"):
        convert_week([body], DAILY, Week.named("260912"), tmp_path / "object.csv.gz")


def test_the_range_of_a_coordinate_is_not_judged(tmp_path: Path) -> None:
    values = dict.fromkeys(RIDERSHIP.columns, "x") | dict.fromkeys(RIDERSHIP.numbers, "1")
    values |= {RIDERSHIP.day[0]: "2026-09-08T00:00:00.000", "LATITUDE": "999"}
    row = ",".join(f'"{value}"' for value in values.values())
    assert ",999," in convert(RIDERSHIP, tmp_path, row)


@pytest.mark.parametrize("end", ["\n", "\r", "\n" + GOOD + "\n", ""])
def test_a_quote_that_is_never_closed_is_a_broken_body(tmp_path: Path, end: str) -> None:
    body = f'date,mode,count\n{GOOD}\n"2026-09-08T00:00:00.000","Bus{end}'.encode()
    with pytest.raises(BrokenBody, match="line 3: the last row is cut"):
        convert_week([body], DAILY, Week.named("260912"), tmp_path / "object.csv.gz", 9)


def test_a_page_with_a_quote_before_much_else_is_a_broken_body(tmp_path: Path) -> None:
    much = f"{GOOD}\n" * (3 * BLOCK // len(GOOD))
    body = f'date,mode,count\n{much}<html>5" nails</html>\n{much}'.encode()
    with pytest.raises(BrokenBody, match="an HTML page begins in the middle of the file"):
        convert_week([body], DAILY, Week.named("260912"), tmp_path / "object.csv.gz", 9)


def test_a_table_whose_lines_end_otherwise_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="the header has changed"):
        convert_week([f"date,mode,count\r{GOOD}\r".encode()], DAILY, Week.named("260912"), tmp_path / "object.csv.gz")
