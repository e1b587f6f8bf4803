"""The page of a lake as text: every week a square that says its figures, nothing hostile, nothing from elsewhere."""

import re
from base64 import b64decode
from collections import Counter
from collections.abc import Sequence
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mta_weekly.command.flags import watch_parser
from mta_weekly.errors import LakeFailed, PageFailed
from mta_weekly.feeds.weeks import Week, list_weeks
from mta_weekly.lake.folder import FolderLake
from mta_weekly.options import Options
from mta_weekly.settings import Settings
from mta_weekly.upkeep.page import write_page
from mta_weekly.upkeep.picture import STEP
from mta_weekly.upkeep.report import write_markdown
from mta_weekly.upkeep.rows_line import HIGH, Line, OddWeek, trace_rows
from mta_weekly.upkeep.squares import WORDS, sort_weeks
from mta_weekly.upkeep.status import FeedStatus, look_at_lake
from mta_weekly.upkeep.status_report import put_page, report_lake
from papers import PAGES
from showcase import TODAY, show_lake
from standing_weeks import LOOKED_AT, hold_week, land_weeks

HOSTILE = "\"'><script>alert(1)</script>\n<img src=x onerror=alert(2)> {{ 7 * 7 }} </style> ](x) &amp;"
MOST = 300_000  # bytes of a page of 750 weeks of each of three feeds
OPTIONS = Options(Settings(_env_file=None, retry_base=0.001, retry_wait=2.0), TODAY, "/lake")


class Page(HTMLParser):
    """What of a page tests look at: its elements with their attributes, and what is read on it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.squares = [found for _, found in self.elements if "data-week" in found]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    lake = FolderLake(tmp_path / "lake")
    lake.prepare()
    return lake


def count_states(feeds: Sequence[FeedStatus]) -> Counter[str]:
    """Of each week the first state that is true, by what was found of it."""
    counts: Counter[str] = Counter()
    for feed in feeds:
        left = {*feed.due, *feed.objects, *feed.held}
        for state in ("lacking", "held", "findings", "unreadable", "unproved", "rejected", "revised", "accepted"):
            such = left.intersection(getattr(feed, state))
            counts["suspect" if state == "findings" else state] += len(such)
            left -= such
        counts["there"] += len(left.intersection(feed.due))
        counts["early"] += len(left.difference(feed.due))
    return counts


def test_every_week_is_a_square_of_its_state() -> None:
    status = show_lake()
    page = Page(write_page(status))
    counts = Counter(found["data-state"] for found in page.squares)
    assert counts == count_states(status.feeds)
    assert counts.keys() == WORDS.keys()
    legend = re.findall(
        rf"([\d,]+) ({'|'.join(WORDS)}) ", page.text.partition("unreadable.")[2].partition("turnstile")[0]
    )
    assert legend == [(f"{counts[state]}", state) for state in WORDS]
    (row,) = [found["aria-label"] for _, found in page.elements if str(found.get("aria-label")).startswith("2021: ")]
    assert row == "2021: 1 held, 1 unproved, 1 rejected, 2 revised, 47 there"


def test_weeks_of_all_years_stand_below_each_other() -> None:
    """A place for each Saturday of a year: before the first week of the first one there are empty ones."""
    page = Page(write_page(show_lake()))
    at = next(n for n, (_, found) in enumerate(page.elements) if found.get("aria-label", "").startswith("2019: "))
    places = [found for tag, found in page.elements[at + 1 : at + 54] if tag == "li"]
    assert page.elements[at][0] == "div"  # a list must not have the role of a picture
    assert places[0] == places[17] == {}
    assert places[18]["data-week"] == "190511"
    assert places[-1]["data-week"] == "191228"


def test_a_title_says_what_is_known_of_a_week(lake: FolderLake, tmp_path: Path) -> None:
    land_weeks(lake, tmp_path, "261017", feed="daily", first_day="2026-10-10", loaded_at="2026-10-31T14:00:31Z")
    changed = {"first_day": "2026-10-19", "revision": 3, "bad_rows": 2, "landed_at": "2026-11-09T14:00:31Z"}
    land_weeks(lake, tmp_path, "261031", feed="daily", **changed)
    hold_week(lake, tmp_path, "261107", "rows 3, its neighbours 1,000", feed="daily")
    titles = [found["title"] for found in Page(write_page(look_at_lake(lake, OPTIONS))).squares]
    assert [re.sub(r"\d+ bytes", "N bytes", str(title)) for title in titles] == [
        "261017: there, 1,000 rows, N bytes, 7 days, landed 2026-10-31",
        "261024: lacking, due on 2026-11-07",
        "261031: rejected, 1,000 rows, N bytes, 2026-10-19 to 2026-10-30, revision 3, 2 rows rejected, "
        "landed 2026-11-09",
        f"261107: held, kept aside: 3 rows, looked at {LOOKED_AT}: rows 3, its neighbours 1,000",
    ]


def test_what_facts_say_is_text_and_nothing_else(lake: FolderLake, tmp_path: Path) -> None:
    said = {"why": HOSTILE, "when": HOSTILE}
    land_weeks(lake, tmp_path, "240106", "240113", source=HOSTILE, first_day=HOSTILE, landed_at=HOSTILE, accepted=said)
    hold_week(lake, tmp_path, "240120", HOSTILE)
    status = look_at_lake(lake, OPTIONS)
    page = Page(write_page(status))
    assert page.text.count("<script>alert(1)</script>") == 3  # two weeks accepted, a fault
    assert all(found["title"].count("<script>alert(1)</script>") >= 1 for found in page.squares[:3])
    assert {tag for tag, _ in page.elements} == {
        *("html", "head", "meta", "title", "style", "body", "header", "main", "section", "h1", "h2", "h3", "p", "b"),
        *("ul", "ol", "li", "span", "i", "svg", "path", "div", "code", "wbr"),
    }
    assert {name for _, found in page.elements for name in found} <= {
        *("lang", "charset", "name", "content", "http-equiv", "class", "title", "style", "role", "aria-label"),
        *("aria-hidden", "data-week", "data-state", "viewbox", "preserveaspectratio", "d"),
    }


def test_a_page_is_small_and_asks_for_nothing() -> None:
    text = write_page(show_lake(750, why=HOSTILE))
    page = Page(text)
    assert len(page.squares) == 3 * 750 + 2
    assert len(text.encode()) < MOST
    assert "<script" not in text
    assert set(re.findall(r"https?://[^'\"\s]+", text)) == {"http://www.w3.org/2000/svg"}  # the name of a language
    policy = [found["content"] for _, found in page.elements if "http-equiv" in found]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_for_every_fault_there_is_its_command() -> None:
    status = show_lake()
    page = Page(write_page(status))
    faults = status.list_faults()
    assert all(fault.command in page.text and fault.reason in page.text for fault in faults)
    assert page.text.count("python flows/etl_web_to_gcs.py") == len([fault for fault in faults if fault.command])


def test_a_lake_of_nothing_and_one_that_is_right_are_pages_too(lake: FolderLake, tmp_path: Path) -> None:
    assert "/lake has no week of any feed; check its name" in Page(write_page(look_at_lake(lake, OPTIONS))).text
    assert "ridership" in Page(write_page(look_at_lake(lake, OPTIONS, "ridership"))).text
    land_weeks(lake, tmp_path, "240217")
    page = Page(write_page(look_at_lake(lake, OPTIONS)))
    assert "Nothing due is lacking, and all that is there is as it should be." in page.text
    assert [found["data-week"] for found in page.squares] == ["240217"]


def test_the_line_breaks_where_weeks_lack() -> None:
    weeks = [Week.named(label) for label in ("231216", "231223", "231230", "240106", "240113")]
    rows = {weeks[0]: 100, weeks[1]: 50, weeks[3]: 75}
    odd = [OddWeek(weeks[2], "held", 20), *(OddWeek(week, "accepted", 9) for week in weeks[3:])]
    line = Line(weeks[0], weeks[-1], rows, odd)
    assert (line.wide, HIGH) == (4, 200)
    assert line.path == "M0,0L0,0 1,100M3,50L3,50"
    assert line.ticks == [0, 50, 100]
    assert (line.find_left(weeks[2]), line.find_top(25)) == (50, 75)
    assert [each.week for each in line.named] == weeks[3:]
    assert line.dates == {"2024": weeks[3]}
    assert Line(weeks[3], weeks[4], rows, odd).dates == {"240106": weeks[3]}


def test_names_of_accepted_weeks_stand_clear_of_each_other() -> None:
    """A name at an end stands within the line, as far as that is nearer to the next one."""
    weeks = list_weeks(date(2024, 1, 6), date(2024, 3, 23))
    line = Line(weeks[0], weeks[-1], {}, [OddWeek(week, "accepted", 9) for week in weeks])
    assert [weeks.index(each.week) for each in line.named] == [0, 3, 5, 7, 9]


def test_the_artifact_has_a_picture_of_the_same_squares_and_lines() -> None:
    status = show_lake()
    (picture,) = re.findall(r"^!\[[^]]*\]\(data:image/svg\+xml;base64,([\w+/=]+)\)$", write_markdown(status), re.M)
    drawn = ElementTree.fromstring(b64decode(picture))
    counts: Counter[str] = Counter()
    for found in drawn.iter("{http://www.w3.org/2000/svg}rect"):
        if (fill := found.get("fill", "")).startswith("url("):
            x, y, wide = (int(found.get(name, "")) for name in ("x", "y", "width"))
            assert (x % STEP, y % STEP, wide % STEP) == (0, 0, 0)  # else squares are cut
            counts[fill[5:-1]] += wide // STEP
    counts.subtract(WORDS.keys())  # the legend has one of each
    assert counts == count_states(status.feeds)
    lines = [found.get("d") for found in drawn.iter("{http://www.w3.org/2000/svg}path") if found.get("class") == "rows"]
    assert lines == [line.path for feed in status.feeds if (line := trace_rows(feed, sort_weeks(feed)))]
    assert len(lines) == 3
    assert len(write_markdown(show_lake(750))) < 60_000


@pytest.mark.parametrize("json", [False, True])
def test_it_is_written_beside_the_lines_and_beside_json(lake: FolderLake, tmp_path: Path, json: bool) -> None:
    land_weeks(lake, tmp_path, "240203")
    path, lines = tmp_path / "lake.html", list[str]()
    with pytest.raises(LakeFailed, match="is not as it should be: 2 lacking"):
        lines.extend(report_lake(lake, OPTIONS, json=json, html=path))
    assert "data-week=240210 data-state=lacking" in path.read_text()
    assert (lines[-1] == f"page: {path}") is not json
    assert len(lines) == (1 if json else 4)


def test_a_page_takes_the_place_of_another_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "lake.html"
    put_page(path, "one")
    link = tmp_path / "link.html"
    link.symlink_to(path)
    with path.open() as reader:
        put_page(link, "two \ud800")
        assert (reader.read(), path.read_text()) == ("one", "two &#55296;")
    assert link.is_symlink()
    with pytest.raises(
        PageFailed, match=r"lake.html/below cannot be written: .*; name a file in a folder that is there"
    ):
        put_page(path / "below", "three")
    with pytest.raises(PageFailed, match=r"none/lake.html cannot be written: No such file or directory; name a file"):
        put_page(tmp_path / "none" / "lake.html", "three")
    with pytest.raises(PageFailed, match="cannot be written: it is a folder, where a file was expected; name a file"):
        put_page(tmp_path, "three")
    long = watch_parser().parse_args(["status", "--html", f"{tmp_path}/{'x' * 300}"]).html
    with pytest.raises(PageFailed, match="xxx cannot be written: File name too long; name a file"):
        put_page(long, "three")
    loop = tmp_path / "loop.html"
    loop.symlink_to(loop)
    with pytest.raises(PageFailed, match="cannot be written: it is a link, where a file was expected; name a file"):
        put_page(loop, "three")
    assert sorted(tmp_path.iterdir()) == [path, link, loop]
    assert path.read_text() == "two &#55296;"


@pytest.mark.parametrize(
    ("name", "said"), [("", "'' is no name"), (".", "'.' is a folder"), ("x/", "'x/' is a folder")]
)
def test_what_names_no_file_is_a_bad_argument(name: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        watch_parser().parse_args(["status", "--html", name])
    assert capsys.readouterr().err == f"watch.py status: argument --html: {said}; name a file, as lake.html\n"


def test_every_state_is_in_the_papers_in_the_order_that_counts() -> None:
    table = PAGES["docs/operate.md"].partition("| state | sign |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.M) == [*WORDS]
