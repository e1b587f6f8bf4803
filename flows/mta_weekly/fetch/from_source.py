"""The one door to sources: their kinds stand in a table, and who asks for a week, or where it is, names none."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from mta_weekly.feeds.catalog import Feed, FeedSequence
from mta_weekly.feeds.sources import Source, Table, WeeklyFile
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch import weekly_file
from mta_weekly.fetch.body import Body, Version
from mta_weekly.fetch.client import Web
from mta_weekly.fetch.http import Stream, fetch_body
from mta_weekly.fetch.socrata import newest, queries
from mta_weekly.fetch.socrata import week as table_week
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import Settings

Result = TypeVar("Result")


@dataclass(frozen=True)
class Kind:
    """What a kind of source is asked, by functions of a source and of the address it has in this run.

    Attributes:
        find_address: where the rows of a week are, for a person and for the facts.
        stream_week: the rows of a week; is told when a late one is expected, and where work files may lie.
        find_complete_week: the newest week of which all is there; None where the source does not tell.
    """

    find_address: Callable[[Any, str, Week, Feed], str]
    stream_week: Callable[[Any, str, Week, Feed, str, Path], AbstractContextManager[Stream]]
    find_complete_week: Callable[..., Week | None] | None = None


KINDS: Mapping[type[Source], Kind] = {
    WeeklyFile: Kind(weekly_file.find_address, weekly_file.stream_week),
    Table: Kind(queries.find_address, table_week.stream_week, newest.find_complete_week),
}


def find_base(source: Source, settings: Settings) -> str:
    """The address of a source: that of its feed's entry, or of the variable that overrides it."""
    return settings.overrides.get(source.override) or source.base


def find_address(feed: Feed, source: Source, week: Week, settings: Settings) -> str:
    """Where the rows of a week of a feed are."""
    return KINDS[type(source)].find_address(source, find_base(source, settings), week, feed)


def tells_newest(feed: Feed | FeedSequence) -> bool:
    """Whether the source says which week is its newest."""
    return KINDS[type(feed.feeds[-1].sources[0])].find_complete_week is not None


def find_complete_week(client: Web, feed: Feed, settings: Settings, budget: RetryBudget, today: date) -> Week | None:
    """The newest week of which the feed's first source has all; None where it does not tell, or has none.

    Raises:
        EtlError: it cannot be asked, or says what cannot be.
    """
    source = feed.sources[0]
    ask = KINDS[type(source)].find_complete_week
    return ask(client, source, find_base(source, settings), feed, budget, today) if ask else None


def fetch_week(
    client: Web,
    feed: Feed,
    source: Source,
    week: Week,
    settings: Settings,
    budget: RetryBudget,
    folder: Path,
    late: str,
    unless: Version | None,
    consume: Callable[[Iterator[bytes], Body], Result],
) -> tuple[Result, Body]:
    """Give a week's bytes to `consume`, as `http.fetch_body` does, and return what it made of them.

    Args:
        folder: for work files.
        late: when the week is expected, where it is not there yet and its source still grows.
    """
    kind, base = KINDS[type(source)], find_base(source, settings)
    with kind.stream_week(source, base, week, feed, late, folder) as stream:
        return fetch_body(client, kind.find_address(source, base, week, feed), consume, budget, stream, unless)
