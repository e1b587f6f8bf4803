"""The page of a lake in a real browser: wide, on a phone, without colours, printed; and what Prefect's pages show."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page

from alone import environment
from mta_weekly.upkeep.page import write_page
from mta_weekly.upkeep.report import write_markdown
from mta_weekly.upkeep.squares import POSITIONS, WORDS, draw_sign, sort_weeks
from prefect_pages import ARTIFACT, HIGH, WIDE
from screenshots import prefect_server
from showcase import show_lake

pytest_plugins = ["chromium"]

PHONE, DESK = 390, 1400  # pixels
LEGIBLE = 12  # pixels of a square's side
NOWHERE = "http://127.0.0.1:9"
STATES = "list => list.map(each => each.dataset.state)"
LEFTS = "list => list.map(each => Math.round(each.getBoundingClientRect().left))"
CUT = """limit => [...document.body.querySelectorAll('*')].filter(each => {
    const box = each.getBoundingClientRect()
    return box.width && (box.right > limit + 1 || box.left < 0 || each.scrollWidth > each.clientWidth + 1
        && getComputedStyle(each).overflow !== 'visible')
}).map(each => each.outerHTML.slice(0, 200))"""
OVERLAPS = """() => [...document.querySelectorAll('.plot, .axis')].flatMap(part => {
    const boxes = [...part.querySelectorAll('.tick, .name, .axis > span')].map(each => each.getBoundingClientRect())
        .filter(box => box.width).sort((a, b) => a.left - b.left)
    return boxes.slice(1).filter((box, n) => boxes.some((other, m) => m <= n && other.right > box.left + 0.5
        && other.top < box.bottom - 4 && box.top < other.bottom - 4 && other !== box)).map(box => [box.left, box.top])
})"""
# Grey levels of a picture's 12 by 12 pixels, as in print without colours.
GREYS = """async source => {
    const picture = new Image(12, 12)
    picture.src = 'data:image/svg+xml,' + encodeURIComponent(source)
    await picture.decode()
    const canvas = new OffscreenCanvas(12, 12).getContext('2d')
    canvas.fillStyle = '#fff'
    canvas.fillRect(0, 0, 12, 12)
    canvas.drawImage(picture, 0, 0, 12, 12)
    const data = canvas.getImageData(0, 0, 12, 12).data
    return Array.from({length: 144}, (_, n) => 0.213 * data[4 * n] + 0.715 * data[4 * n + 1] + 0.072 * data[4 * n + 2])
}"""


@pytest.fixture
def page(browser: Page) -> Iterator[Page]:
    browser.goto("about:blank")
    yield browser
    browser.emulate_media(media="screen")
    browser.set_viewport_size({"width": WIDE, "height": HIGH})


def show(page: Page, width: int, **made: Any) -> list[str]:
    """Open the page of a lake; what it has asked for."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_viewport_size({"width": width, "height": HIGH})
    page.set_content(write_page(show_lake(**made)))
    return [url for url in asked if not url.startswith("data:")]


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_every_week_is_seen_and_nothing_is_cut(page: Page, width: int) -> None:
    assert show(page, width) == []
    squares = page.locator("[data-week]")
    wanted = Counter(state for feed in show_lake().feeds for state in sort_weeks(feed).values())
    assert Counter(squares.evaluate_all(STATES)) == wanted
    sizes = squares.evaluate_all(
        "list => list.map(each => each.getBoundingClientRect()).map(box => [box.width, box.height])"
    )
    assert min(min(size) for size in sizes) >= LEGIBLE
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(CUT, width) == []
    assert page.evaluate(OVERLAPS) == []
    assert (
        page.locator("[data-week]").evaluate_all(
            "list => list.filter(each => !getComputedStyle(each).backgroundImage.startsWith('url(\"data:')).length"
        )
        == 0
    )


def test_weeks_of_all_years_stand_below_each_other(page: Page) -> None:
    show(page, DESK)
    lefts = [years.evaluate_all(LEFTS) for years in (page.locator(f".years ol > :nth-child({n})") for n in (1, 30))]
    assert [len(set(each)) for each in lefts] == [1, 1]
    show(page, PHONE)
    assert len(set(page.locator(".years ol > li").evaluate_all(LEFTS))) == -(-POSITIONS // 2)


def test_the_signs_of_states_differ_without_their_colours(page: Page) -> None:
    greys = {state: page.evaluate(GREYS, draw_sign(state)) for state in WORDS}
    for one in WORDS:
        for other in WORDS:
            unlike = sum(abs(a - b) > 50 for a, b in zip(greys[one], greys[other], strict=True))
            assert one == other or unlike >= 12, f"{one} and {other}: {unlike} of 144 pixels"


def test_what_is_folded_is_printed(page: Page) -> None:
    show(page, DESK)
    folded = page.locator("details li").first
    assert not folded.is_visible()
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 680, "height": HIGH})  # A4 with its margins
    assert folded.is_visible()
    assert page.evaluate(CUT, 680) == []


def test_prefects_pages_show_the_squares_of_the_artifact(page: Page, tmp_path: Path) -> None:
    settings = {"lake": tmp_path, "spool": tmp_path, "turnstile_url": NOWHERE, "socrata_url": NOWHERE}
    own = environment(tmp_path / "prefect", **settings, socrata_app_token="none", ping_url=NOWHERE)
    status = show_lake()
    made = {"key": "mta-freshness", "type": "markdown", "data": write_markdown(status)}
    with prefect_server(tmp_path, own) as url:
        artifact = httpx.post(f"{url}/api/artifacts/", json=made).json()
        page.goto(f"{url}/{ARTIFACT.format(artifact['id'])}")
        picture = page.get_by_alt_text("A year a row, a week a square")
        picture.wait_for()
        assert picture.evaluate("async each => { await each.decode(); return each.naturalWidth }") > 700
        assert picture.bounding_box()["width"] > 700
        assert page.get_by_text(status.list_faults()[0].command).first.is_visible()
