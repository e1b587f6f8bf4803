"""What a person sees on a terminal while weeks load: a bar for all of them, and one for each download.

In a log, and in a run of a deployment, there is none of it, and every function here does nothing.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text


class _Speed(ProgressColumn):
    """Published megabytes a second, since the first week began; nothing where others receive them."""

    def render(self, task: Task) -> Text:
        """See ProgressColumn."""
        received = task.fields["received"]
        return Text(f"{received / max(task.elapsed or 0.0, 0.1) / 1e6:.1f} MB/s" if received else "")


class Display:
    """The bars: one line for the weeks, and below it one a download."""

    def __init__(self, console: Console) -> None:
        self.weeks = Progress(
            TextColumn("{task.completed:.0f} of {task.total:.0f} weeks"),
            BarColumn(),
            TextColumn("{task.fields[rows]:,} rows"),
            _Speed(),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=console,
        )
        self.downloads = Progress(
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), console=console
        )
        self.live = Live(
            Group(self.weeks, self.downloads),
            console=console,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # else it would take what belongs into a file
        )
        self.counting = Lock()  # weeks are received in threads of their own

    def count(self, weeks: int = 0, rows: int = 0, received: int = 0) -> None:
        """Add to what is done: weeks, their rows, published bytes."""
        with self.counting:
            for bar in self.weeks.tasks:
                rows, received = bar.fields["rows"] + rows, bar.fields["received"] + received
                self.weeks.update(bar.id, advance=weeks, rows=rows, received=received)


_display: Display | None = None  # while a person looks on


@contextmanager
def show_bars(console: Console) -> Iterator[None]:
    """Show what happens on a terminal."""
    global _display
    display = Display(console)
    with display.live:
        _display = display
        try:
            yield
        finally:
            _display = None


@contextmanager
def count_weeks(weeks: int) -> Iterator[None]:
    """Show how many of so many weeks are done, as `done` counts them."""
    display = _display
    if display is None:
        yield
        return
    bar = display.weeks.add_task("", total=weeks, rows=0, received=0)
    try:
        yield
    finally:
        display.weeks.remove_task(bar)


def add_done(weeks: int = 1, rows: int = 0) -> None:
    """Count weeks that have ended, and their rows."""
    if _display:
        _display.count(weeks, rows)


def watch_download(chunks: Iterator[bytes], week: str, body: Any) -> Iterator[bytes]:
    """The same chunks of a `fetch.http.Body`, shown as they go by."""
    display = _display
    if display is None:
        yield from chunks
        return
    bar = display.downloads.add_task(week, total=None)
    try:
        for chunk in chunks:
            display.downloads.update(bar, advance=len(chunk), total=body.size)
            display.count(received=len(chunk))
            yield chunk
    finally:
        display.downloads.remove_task(bar)
