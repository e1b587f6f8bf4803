"""Prefect's pages in a real Chromium, headless and 1,600 pixels wide, for pictures of them and for tests.

Knows where a server shows what, and nothing of the flows.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import Page, Route, sync_playwright

WIDE, HIGH = 1600, 900  # pixels
PATIENCE = 60.0  # seconds until what is waited for is on a page
INSTALL = "apt-get install chromium"

RUN = "flow-runs/flow-run/{}"  # each by an id
ARTIFACT = "artifacts/artifact/{}"
FORM = "deployments/deployment/{}/run"  # of a run that is asked for by hand


def find_chromium() -> str | None:
    """Where Chromium is, as Debian packages it."""
    return shutil.which("chromium")


@contextmanager
def browser_page(chromium: str) -> Iterator[Page]:
    """A page of a browser of its own that reaches this machine alone."""
    # As root Chromium wants no sandbox; what a run's graph is drawn on, WebGL, is done without a graphics card.
    flags = ["--enable-unsafe-swiftshader", *(["--no-sandbox"] if os.getuid() == 0 else [])]
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium, args=flags) as browser:
        page = browser.new_page(viewport={"width": WIDE, "height": HIGH})
        page.set_default_timeout(PATIENCE * 1000)
        page.route("**/*", _let_pass)
        yield page


def _let_pass(route: Route) -> None:
    if urlsplit(route.request.url).hostname == "127.0.0.1":
        route.continue_()
    else:
        route.abort()
