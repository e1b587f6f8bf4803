"""Is a file of a lake what its facts and its name say? The judgement of one that was read back, by what is in it.

Knows neither the lake, nor what heals a fault. A gzip file is read to its end before anything is made of it: a flipped
byte must not be judged by what it unpacks to.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isclose
from pathlib import Path
from typing import Any

from mta_weekly.content.convert import count_rejected_rows, describe_file, examine_object, sum_content
from mta_weekly.content.gzip_file import CutGzip, NoGzip
from mta_weekly.content.profile import WeekProfile, check_days
from mta_weekly.errors import BrokenBody, Foreign, PartialWeek, Refused
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.weeks import Week
from mta_weekly.lake.companions import HISTORY, REJECTED, Companion
from mta_weekly.lake.facts import DIGEST, Facts
from mta_weekly.lake.objects import StoredObject

SUMMED = ("empty", "sums")  # facts of 0.4.0
COMPARED = ("day_rows", "hour_rows", "keys", "doubled_keys", "series_rows")  # facts of 0.9.0
TOLD = ("rows", "first_day", "last_day", "sha256", *SUMMED, *COMPARED)  # all that content can tell
CLOSE = 1e-9  # as near are sums of the same numbers in another order,
EXACT = 1 << 53  # and up to here sums of whole numbers are the same in any
SHOWN, MOST = 100, 5  # characters of a value, and differences
STATES = ("damaged", "partial", "forged", "foreign", "lacking", "unproved", "unreadable", "unwritten")


@dataclass(frozen=True)
class Proof:
    """What became of the judgement of a file.

    Attributes:
        state: one of STATES; "" where it is what it should be.
        reason: what was found, and what was expected.
        rows: in it, as far as that is known.
        lacks: facts that an older version did not write, as its content has them.
    """

    state: str = ""
    reason: str = ""
    rows: int = 0
    lacks: Mapping[str, Any] = field(default_factory=dict)


def prove_object(path: Path, found: StoredObject, feed: Feed, week: Week) -> Proof:
    """Judge the object of a week."""
    try:
        sum_content(path)
        profile = examine_object(path, feed, week)
        check_days(profile, feed)
    except EOFError as error:
        return _judge_broken(error, found)
    except (Refused, BrokenBody) as error:
        return _judge_refused(error)
    if found.facts:
        return _compare_facts(found.facts, profile)
    if found.said is None:
        return Proof("unproved", "a whole week, without facts that fit it", profile.rows)
    if found.said.sha256 == profile.sha256:
        return Proof("damaged", f"its content is right, its file another one{_describe_unfit(found)}", profile.rows)
    told = f"of sha256 {profile.sha256[:DIGEST]}, its facts speak of {found.said.sha256[:DIGEST]}"
    return Proof("foreign", f"a whole week, and another one than landed: {told}", profile.rows)


def prove_companion(path: Path, found: StoredObject, feed: Feed, week: Week, companion: Companion) -> Proof:
    """Judge a companion: of a damaged object kept in history, whether it is the very file that was kept."""
    try:
        sha256 = sum_content(path)
        broken = None
    except EOFError as error:
        sha256, broken = "", error
    if companion.kind == HISTORY and not sha256.startswith(companion.digest):
        kept = describe_file(path)
        if kept.sha256.startswith(companion.digest):
            return _judge_facts(found, companion, kept.sha256) or Proof()
    if broken:
        return _judge_broken(broken, found)
    if not sha256.startswith(companion.digest):
        return Proof("foreign", f"its content is of sha256 {sha256[:DIGEST]}, its name says {companion.digest}")
    try:
        if companion.kind == REJECTED:
            rows = count_rejected_rows(path)
            return _judge_facts(found, companion, sha256) or judge_rejected(found.facts, rows)
        profile = examine_object(path, feed, week)
    except (Refused, BrokenBody) as error:
        return _judge_refused(error)
    if fault := _judge_facts(found, companion, sha256):
        return fault
    proof = _compare_facts(found.facts, profile) if found.facts else Proof()
    return Proof(proof.state, proof.reason, proof.rows)  # older ones stay without what their facts lack


def prove_old_rejected(path: Path, found: StoredObject) -> Proof:
    """Judge the rejected rows of versions before 0.8.0, which had no digest in their name, nor facts of their own."""
    try:
        sha256 = sum_content(path)
        rows = count_rejected_rows(path)
    except EOFError as error:
        return _judge_broken(error, found)
    except Refused as error:
        return _judge_refused(error)
    return _judge_facts(found, None, sha256) or judge_rejected(found.facts, rows)


def judge_rejected(facts: Facts | None, rows: int) -> Proof:
    """Compare how many rows were left out, by facts, with those that were kept."""
    if facts is None or facts.bad_rows == rows:
        return Proof()
    return Proof("forged", f"its facts say bad_rows {facts.bad_rows:,}, and {rows:,} rows were kept")


def judge_names(facts: Facts, feed: Feed, week: Week) -> Proof:
    """Whether facts name companions of their own week, each of its kind."""
    old = f"{REJECTED}/{feed.key(week)}"
    for name, kind in (("rejected", REJECTED), ("replaces", HISTORY)):
        key = getattr(facts, name)
        named = Companion.named(key)
        is_right = named is not None and (named.key, named.kind, named.feed, named.week) == (
            key, kind, feed.name, week.label
        )  # fmt: skip
        if key and not is_right and not (name == "rejected" and key == old):
            return Proof(
                "forged", f"its facts say {name} {key[:SHOWN]!r}, which is no such companion of {feed.name} {week}"
            )
    return Proof()


def _judge_broken(error: EOFError, found: StoredObject) -> Proof:
    """A file that is no whole gzip file: one that is of the size that landed was not cut."""
    is_whole = found.said is not None and found.said.size == found.size
    state = "damaged"
    if isinstance(error, CutGzip) and not is_whole:
        state = "partial"
    if isinstance(error, NoGzip) and not is_whole and found.facts is None:
        state = "foreign"
    return Proof(state, f"not a whole gzip file ({error}){_describe_unfit(found)}")


def _judge_refused(error: Refused | BrokenBody) -> Proof:
    states: dict[type, str] = {PartialWeek: "partial", Foreign: "foreign"}
    return Proof(states.get(type(error), "damaged"), str(error))


def _describe_unfit(found: StoredObject) -> str:
    if found.said is None:
        return ""
    said = found.said
    if said.size == found.size:
        return f"; its crc32c is {found.crc32c}, its facts say {said.crc32c}"
    return f"; its size is {found.size:,} bytes, its facts say {said.size:,}"


def _compare_facts(facts: Facts, profile: WeekProfile) -> Proof:
    """Compare facts with content, through the same validators: a long series is cut in both."""
    true = type(facts).model_validate(vars(facts) | {name: getattr(profile, name) for name in TOLD})
    unwritten = [name for name in COMPARED if not (facts.day_rows or getattr(facts, name))]
    unwritten += [name for name in SUMMED if not (facts.sums or getattr(facts, name))]
    values = {name: (getattr(facts, name), getattr(true, name)) for name in TOLD}
    told = {name: pair for name, pair in values.items() if name not in unwritten}
    if differences := [each for name, pair in told.items() for each in _list_differences(name, *pair)]:
        more = f"; and {len(differences) - MOST} more" if len(differences) > MOST else ""
        return Proof("forged", f"its facts say {'; '.join(differences[:MOST])}{more}", profile.rows)
    lacks = {name: values[name][1] for name in unwritten if values[name][0] != values[name][1]}
    return Proof(rows=profile.rows, lacks=lacks)


def _list_differences(name: str, said: Any, has: Any) -> Iterator[str]:
    """Where a fact and its content differ: the whole fact, or the days, hours or columns of it."""
    pairs = {"": (said, has)}
    if isinstance(has, dict):
        pairs = {f" of {each}": (said.get(each), has.get(each)) for each in sorted({*said, *has})}
    elif isinstance(has, tuple) and len(said) == len(has):
        of = "day" if name == "day_rows" else "hour"
        first = 1 if name == "day_rows" else 0
        pairs = {f" of {of} {n}": pair for n, pair in enumerate(zip(said, has, strict=True), first)}
    for which, (one, other) in pairs.items():
        if not _are_same(one, other):
            yield f"{name}{which} {_show(one)}, its content has {_show(other)}"


def _are_same(said: Any, has: Any) -> bool:
    return _are_close(said, has) if {type(said), type(has)} <= {int, float} else bool(said == has)


def _are_close(said: float, has: float) -> bool:
    if isinstance(said, int) and isinstance(has, int) and abs(has) < EXACT:
        return said == has
    try:
        return isclose(said, has, rel_tol=CLOSE, abs_tol=CLOSE)
    except OverflowError:  # a number beyond all measure
        return False


def _show(value: Any) -> str:
    text = f"{value:,}" if isinstance(value, int) else "nothing" if value is None else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _judge_facts(found: StoredObject, companion: Companion | None, sha256: str) -> Proof | None:
    """What is wrong with the facts of a companion whose content is right; None where nothing is."""
    facts = found.facts
    if facts is None:
        if found.said:
            return Proof("damaged", f"its content is right, its file another one{_describe_unfit(found)}")
        return Proof("unproved", "its content is that of its name, without facts that fit it")
    expected: dict[str, object] = {"sha256": sha256}
    if companion and companion.kind != REJECTED:
        expected["of"] = sha256
    if companion and companion.kind == HISTORY:
        expected["revision"] = companion.revision
    differences = [
        f"{name} {_show(getattr(facts, name))}, expected {_show(value)}"
        for name, value in expected.items()
        if getattr(facts, name) != value
    ]
    return Proof("forged", f"its facts say {'; '.join(differences)}") if differences else None
