"""What the bars on a terminal show."""

import io
from types import SimpleNamespace

from rich.console import Console

from conftest import WEEK
from mta_weekly.command import progress


def test_a_bar_shows_a_speed_only_where_bytes_are_received() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)

    def weeks() -> str:
        with console.capture() as capture:
            console.print(progress._display.weeks)
        return capture.get()

    with progress.show_bars(console), progress.count_weeks(2):
        progress.add_done(1, 500)  # as a backfill does, whose parts are loaded elsewhere
        assert "1 of 2 weeks" in weeks()
        assert "500 rows" in weeks()
        assert "MB/s" not in weeks()
        assert b"".join(progress.watch_download(iter([b"12", b"3"]), WEEK, SimpleNamespace(size=3))) == b"123"
        assert "MB/s" in weeks()
