"""What a name in the lake says, and what a person does about what has it and is wrong. Opens nothing."""

import re
from dataclasses import dataclass
from datetime import date

from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.weeks import WEEK, Week
from mta_weekly.lake.companions import HELD, HISTORY, REJECTED, Companion
from mta_weekly.options import Options

AWAY = "move it away"


@dataclass(frozen=True)
class Name:
    """What the name of a file says.

    Attributes:
        kind: of the companion; "" for an object.
        companion: its parts; None for an object, and for rejected rows of versions before 0.8.0.
    """

    week: Week
    kind: str = ""
    companion: Companion | None = None


def read_name(key: str, feed: Feed, today: date) -> Name | None:
    """What a name says; None where no object and no companion of the feed has such a one.

    Args:
        today: New York's; no later week than the next one is there.
    """
    named = Companion.named(key)
    if named and named.key == key:
        week = _read_week(named.week, feed, today)
        return Name(week, named.kind, named) if week and named.feed == feed.name else None
    found = re.fullmatch(rf"(?:(?P<kind>{REJECTED})/)?{re.escape(feed.name)}/(?P<week>[0-9]{{6}})\.csv\.gz", key)
    week = _read_week(found["week"], feed, today) if found else None
    return Name(week, found["kind"] or "") if found and week else None


def _read_week(label: str, feed: Feed, today: date) -> Week | None:
    try:
        week = Week.named(label)
    except ValueError:  # no Saturday, or no day at all
        return None
    return week if feed.coverage.holds(week) and week.saturday <= today + WEEK else None


def name_remedy(state: str, name: Name | None, options: Options, feed: Feed, bad_rows: int) -> str:
    """What heals a fault, with the command where one does; "" where the fault itself says it.

    Args:
        bad_rows: how many the facts say were left out, else 0.
    """
    if state in ("unreadable", "unwritten"):
        return ""
    if name is None:
        return AWAY
    allowed = ["--allow-bad-rows", f"{bad_rows or 'N'}"]
    force = options.write_command(feed, name.week, "--force", *(allowed if bad_rows or name.kind == REJECTED else []))
    if name.kind == HISTORY:
        what = "its facts" if state in ("forged", "unproved") else "it"
        return f"put {what} back from a backup, for no source has {'them' if what != 'it' else 'it'}, or {AWAY}"
    if name.kind == HELD:
        return f"{AWAY}; what its source has is held again by: {options.write_command(feed, name.week, '--refresh')}"
    if name.kind == REJECTED:
        return f"{AWAY}; what its source has is kept again by: {force}"
    if state == "unproved":
        return f"to examine it, and give it its facts: {options.write_command(feed, name.week)}"
    if state == "forged":
        return f"to make its facts anew: {force}"
    if state == "lacking":
        return f"to keep them again: {force}"
    return f"to load it again, and keep this one in history/: {force}"
