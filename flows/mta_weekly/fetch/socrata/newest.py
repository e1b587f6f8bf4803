"""The newest week of a table of which all is there, by what the site says of its days."""

import logging
from datetime import date

from mta_weekly.errors import NotPublished, SourceFailed
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.sources import Table
from mta_weekly.feeds.weeks import WEEK, Week
from mta_weekly.fetch.client import Web
from mta_weekly.fetch.socrata.answers import Unsteady
from mta_weekly.fetch.socrata.figures import (
    ask_figures,
    check_series,
    describe_set,
    find_lack,
    find_last_time,
)
from mta_weekly.fetch.socrata.queries import Slice, address_of_set, cut_week
from mta_weekly.retry import RetryBudget, sleep_aloud

log = logging.getLogger("mta.fetch")

BACK = 4  # weeks to look at


def find_complete_week(
    client: Web, table: Table, base: str, feed: Feed, budget: RetryBudget, today: date
) -> Week | None:
    """The newest week of which the table has all days, to the last time, and all series; None where it tells of none.

    While the set has changed less than an hour ago, it is waited for, as long as the patience with its host.

    Raises:
        EtlError: the site does not say, or says a time that no row can have by now.
    """
    newest = table.sets[-1]
    address = address_of_set(base, newest.id)
    _await_release(client, address, budget)
    last = find_last_time(client, address, table, budget)
    if last is None:
        return None
    if not newest.first <= last.date() <= today:
        raise SourceFailed(f"{newest.id} says that its newest row is of {last:%Y-%m-%d}, which cannot be")
    for back in range(BACK):
        week = Week(table.complete_week(last).saturday - back * WEEK)
        if feed.coverage.holds(week) and all(_is_whole(client, part, budget) for part in cut_week(table, base, week)):
            return week
    return None


def _is_whole(client: Web, part: Slice, budget: RetryBudget) -> bool:
    """Whether two equal answers say that nothing of a slice is lacking."""
    while True:
        said, again = (ask_figures(client, part, {}, budget) for _ in range(2))
        if said.days == again.days:
            break
        client.pause(part.address, budget, Unsteady(f"the data on {part.host} changed while it was read"))
    if find_lack(part, said):
        return False
    try:
        if part.table.series:
            check_series(client, part, "", budget)
    except NotPublished:
        return False
    return True


def _await_release(client: Web, address: str, budget: RetryBudget) -> None:
    """Wait until a release is an hour old."""
    patience = client.patience_with(address)
    seconds = min(describe_set(client, address, budget).settles_in, patience.wait)
    if seconds <= 0:
        return
    what = f"{address} has changed within the hour: waiting until its release has settled"
    log.info("%s, %.0f s", what, seconds)
    sleep_aloud(seconds, what)
    patience.spend(seconds)
