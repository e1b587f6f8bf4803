"""The tables of runs as a person reads them on Prefect's pages: the total first, why beside what. Knows no Prefect.

Their cells are Markdown. A reason is cut so that it is in the frame of a page; log and state of the run have the whole.
"""

from collections.abc import Callable
from dataclasses import replace
from textwrap import shorten
from typing import TypeVar
from urllib.parse import quote

from rich.filesize import decimal

from mta_weekly.backfill_parts import Part, sum_parts
from mta_weekly.outcomes import Outcome, escape_markdown, sum_outcomes
from mta_weekly.secrets import mask

Total = TypeVar("Total", Outcome, Part)
Row = dict[str, str | int | float]
SHOWN = 70  # characters of a reason: at 1,600 pixels the whole table is seen, to the link to the object
CONSOLE = "https://console.cloud.google.com/storage/browser/_details"  # Google's page of an object


def list_week_rows(outcomes: list[Outcome], seconds: float, locate: Callable[[str], str]) -> list[Row]:
    """The rows of a run's table: the total, and each week.

    Args:
        seconds: that the run took.
        locate: what shows where an object is, by its name.
    """
    return [
        {
            "week": each.week,
            "state": each.state,
            "reason": shorten_reason(each.reason),
            "rows": f"{each.rows:,}",
            "size": decimal(each.bytes),
            "seconds": round(each.seconds, 1),
            "object": locate(each.object) if each.facts else each.object,
        }
        for each in [_split_counts(sum_outcomes(outcomes, seconds)), *outcomes]
    ]


def list_part_rows(parts: list[Part], seconds: float, ui: str | None) -> list[Row]:
    """The rows of a backfill's table: the total, and each part.

    Args:
        seconds: that the backfill took.
        ui: the address of Prefect's pages, where it is known.
    """
    return [
        {
            "part": each.part,
            "state": each.state,
            "reason": shorten_reason(each.reason),
            "weeks": each.weeks,
            "missing": each.missing,
            "rows": f"{each.rows:,}",
            "size": decimal(each.bytes),
            "seconds": round(each.seconds, 1),
            "flow run": link_run(each.flow_run, ui),
        }
        for each in [_split_counts(sum_parts(parts, seconds)), *parts]
    ]


def group_by_feed(outcomes: list[Outcome]) -> dict[str, list[Outcome]]:
    """The outcomes of each feed, by its name."""
    feeds: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        feeds.setdefault(outcome.object.partition("/")[0], []).append(outcome)
    return feeds


def shorten_reason(reason: str) -> str:
    """A reason in few words, which a page shows as they are.

    >>> shorten_reason("not published")
    'not published'
    """
    return escape_markdown(shorten(mask(reason), SHOWN, placeholder=" ..."))


def link_object(key: str, bucket: str, folder: str) -> str:
    """A link to Google's page of an object; `folder` is that of the lake in its bucket, or "".

    >>> link_object("daily/240106.csv.gz", "lake", "mta")
    '[daily/240106.csv.gz](https://console.cloud.google.com/storage/browser/_details/lake/mta/daily/240106.csv.gz)'
    """
    name = f"{folder.rstrip('/')}/{key}".lstrip("/")
    return f"[{key}]({CONSOLE}/{quote(bucket)}/{quote(name)})"


def show_path(key: str, folder: str) -> str:
    """The path of an object in a folder."""
    return escape_markdown(f"{folder}/{key}")


def link_run(run: str, ui: str | None) -> str:
    """A link to the page of a flow run; without the address of the pages its id."""
    return f"[{run[:8]}]({ui}/flow-runs/flow-run/{run})" if run and ui else run


def _split_counts(total: Total) -> Total:
    """A total with its counts in the column of reasons, which is wide: that of states stays narrow."""
    count, _, states = total.state.partition(": ")
    return replace(total, state=count, reason=states)
