"""How a lake stands, in words: lines, one JSON document, the artifact of a run. Pure; knows no page and no file."""

from collections.abc import Iterator, Sequence
from json import dumps

from rich.filesize import decimal

from mta_weekly.feeds.weeks import Week
from mta_weekly.outcomes import count_noun, count_states, escape_markdown
from mta_weekly.upkeep.picture import draw_lake
from mta_weekly.upkeep.status import FAULTS, Fault, FeedStatus, LakeStatus

COLUMNS = ("feed", "there", "lacking", "held", "suspect", "revised", "rejected", "unproved", "newest", "age")
WORDS = {"rejected": "with rejected rows"}
SHOWN = 10  # faults in the message of a run
GOOD = "Nothing due is lacking, and all that is there is as it should be."


def list_lines(status: LakeStatus) -> Iterator[str]:
    """A line a feed, and then a line a fault."""
    yield from map(describe_feed, status.feeds)
    yield from map(str, status.list_faults())


def describe_feed(status: FeedStatus) -> str:
    """A feed in one line; what there is none of is not named."""
    there = len(set(status.due) & status.objects.keys())
    early = len(status.objects) - there
    parts = [f"{there} of {count_noun(len(status.due), 'due week')} there"]
    parts += [f"{early} not due yet"] if early else []
    parts += [f"{len(weeks)} {WORDS.get(name, name)}" for name, weeks in _sort(status).items() if weeks]
    said = f"{status.feed.name}: {', '.join(parts)}"
    if status.newest is None:
        return said
    last = ", the last of the feed" if status.newest == status.feed.coverage.last else ""
    age = "age not known" if status.age is None else f"its data {count_noun(status.age, 'day')} old"
    return f"{said}; newest {status.newest}{last}, {age}; {status.rows:,} rows, {decimal(status.bytes)}"


def count_faults(faults: Sequence[Fault]) -> str:
    """How many weeks have which fault: 3 lacking, 1 held."""
    return count_states([fault.state for fault in faults for _ in fault.weeks or [""]], FAULTS)


def describe_faults(faults: Sequence[Fault]) -> str:
    """The first faults with their commands, in one line, and how many more there are."""
    more = len(faults) - SHOWN
    return "; ".join(map(str, faults[:SHOWN])) + (f"; and {more} more, which the artifact names" if more > 0 else "")


def write_json(status: LakeStatus) -> str:
    """All of it as one JSON document, whose names stay: weeks are yyMMdd, and what is not known is null."""
    faults = status.list_faults()
    document = {
        "lake": status.options.lake,
        "today": f"{status.options.today}",
        "ok": not faults,
        "feeds": [_list_fields(each) for each in status.feeds],
        "faults": [vars(fault) for fault in faults],
    }
    return dumps(document, indent=1)  # plain letters: whatever the output's encoding


def write_markdown(status: LakeStatus) -> str:
    """A table of the feeds, a picture of their weeks, and the faults with their commands."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    for each in status.feeds:
        weeks = {name: len(named) for name, named in _sort(each).items()}
        age = "" if each.age is None else count_noun(each.age, "day")
        cells = {"feed": each.feed.name, "there": len(each.objects), **weeks, "newest": each.newest or "", "age": age}
        lines.append(f"| {' | '.join(str(cells[name]) for name in COLUMNS)} |")
    faults = status.list_faults()
    picture = f"![A year a row, a week a square]({draw_lake(status)})" if status.feeds else ""
    lines += ["", picture, "", "" if faults else GOOD]
    lines += [
        f"- {escape_markdown(fault.reason)}" + (f": `{fault.command}`" if fault.command else "") for fault in faults
    ]
    return "\n".join(lines)


def _sort(status: FeedStatus) -> dict[str, list[Week]]:
    """The weeks of a feed of which there is something to say, by what that is."""
    return {
        "lacking": status.lacking,
        "held": [*status.held],
        "suspect": [*status.findings],
        "unproved": status.unproved,
        "unreadable": status.unreadable,
        "revised": status.revised,
        "rejected": status.rejected,
        "accepted": status.accepted,
    }


def _list_fields(status: FeedStatus) -> dict[str, object]:
    """Of a feed: numbers of weeks, bytes, rows and days; and lists of weeks."""
    newest_due = max(status.due, default=None)
    return {
        "feed": status.feed.name,
        "there": len(status.objects),
        "due": len(status.due),
        "newest": status.newest and status.newest.label,
        "newest_due": newest_due and newest_due.label,
        "age_days": status.age,
        "rows": status.rows,
        "bytes": status.bytes,
        **{name: [week.label for week in weeks] for name, weeks in _sort(status).items()},
    }
