"""The weekly flow run in this process, and a server with the weeks of a month."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from prefect.states import State

import etl_web_to_gcs as etl
from conftest import Ran, small_week
from web import Answer, Web

Land = Callable[..., Ran]
JANUARY = ("--year", "2024", "--month", "1")
WEEKS = {
    "240106": date(2024, 1, 6),
    "240113": date(2024, 1, 13),
    "240120": date(2024, 1, 20),
    "240127": date(2024, 1, 27),
}


@pytest.fixture
def january(web: Web) -> Web:
    """A server with the four weeks of January 2024."""
    for week, saturday in WEEKS.items():
        web.serve(f"/turnstile_{week}.txt", Answer(small_week(saturday)))
    return web


@pytest.fixture
def flow(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., State[Any]]:
    """Run main_flow as code does, against `web`, into tmp_path/lake; gives its final state."""
    monkeypatch.setenv("MTA_TURNSTILE_URL", web.url)
    monkeypatch.setenv("MTA_SPOOL", str(tmp_path / "spool"))

    def run(**parameters: Any) -> State[Any]:
        return etl.main_flow(**{"lake": str(tmp_path / "lake"), **parameters}, return_state=True)

    return run
