"""A page of the system's Chromium; a test that needs it is skipped where there is none."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from prefect_pages import INSTALL, browser_page, find_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    chromium = find_chromium()
    if not chromium:
        pytest.skip(f"Chromium is not installed: {INSTALL}")
    with browser_page(chromium) as page:
        yield page
