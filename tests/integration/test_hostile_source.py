"""Whatever a source sends, a load of its week ends in time, in little memory, with a right object or with one line.

Times are scaled to a second where a run has a minute. `hostile_heads` and `hostile_bodies` say what sources do, and
what must come of it; all of it is loaded in one process that has nothing else to do.
"""

import json
import os
import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

import socrata_weeks
from certificates import make_certificate
from conftest import content, expected
from hostile_bodies import BODIES
from hostile_heads import HEADS
from lone_loads import run_alone
from raw_answers import (
    ALL,
    CHUNKED,
    DIGITS,
    HEAD,
    HOPS,
    LANDS,
    PASSWORD,
    READ,
    ROWS,
    SLOW,
    WEEK,
    Behaviour,
    away,
    chunk,
    head,
    length,
    redirect,
    whole,
)  # fmt: skip
from raw_source import FOR_EVER, Again, Answer, Drip, Part, RawSource, Reset, Script, relay, say
from soda import Soda

SETTINGS = {
    "connect_timeout": 2.0,
    "head_timeout": 2.0,
    "read_timeout": 1.5,
    "week_timeout": 8.0,
    "retry_attempts": 3,
    "retry_wait": 4.0,
    "retry_base": 0.01,
    "max_bytes": 30_000_000,
    "max_rows": 100_000,
}
LONGEST = 30.0  # seconds a week, where eight are allowed: the machine may be busy
SILENT = 5.0  # seconds without a line, where one is due each second
GROWN = 80  # MiB
HOST = "127.0.0.1"
NOT_THERE = (whole(b"", status=b"HTTP/1.1 404 Not Found"),)
BEHAVIOURS = {f"{each.kind}: {each.name}": each for each in [*HEADS, *BODIES]}
Told = dict[str, Any]


def load_from(behaviours: dict[str, Behaviour], folder: Path, feed: str, right: bytes) -> tuple[Told, int, str]:
    """What became of a week with each of these sources, and with a second one that has nothing."""
    loads, week = dict[str, Told](), WEEK if feed == "turnstile" else f"{socrata_weeks.SATURDAY:%y%m%d}"
    with ExitStack() as stack:
        second = stack.enter_context(RawSource(say(NOT_THERE)))
        for n, (name, each) in enumerate(behaviours.items()):
            url = stack.enter_context(RawSource(each.answer, each.greeting, each.tls)).url
            sources = {"turnstile_url": url, "socrata_url": f"{second.url}/{n}"}
            settings = {**SETTINGS, **(sources if feed == "turnstile" else {"socrata_url": url})}
            loads[name] = {"feed": feed, "week": week, "folder": str(folder / str(n)), "settings": settings}
        told, grown, err = run_alone(loads, within=LONGEST)
        asked = {int(request.path.split("/")[1]) for request in second.requests}
    found = dict[str, Told]()
    for n, (name, one) in enumerate(told.items()):
        lake = folder / str(n) / "lake"
        there = [path for path in lake.rglob("*") if path.is_file()]
        is_right = content(lake, f"{feed}/{week}.csv.gz") == right if there else None
        facts = [path.read_text() for path in there if path.suffix == ".json"]
        found[name] = {**one, "second": n in asked, "right": is_right, "facts": facts}
    return found, grown, err


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What became of all of them, loaded at once; the workers of the tests share it."""
    kept = Path(os.environ["HOME_OF_THE_TESTS"], "hostile.json")
    with FileLock(f"{kept}.lock"):
        if not kept.exists():
            folder = tmp_path_factory.mktemp("hostile")
            kept.write_text(json.dumps(load_from(BEHAVIOURS, folder, "turnstile", expected(ROWS))))
    return json.loads(kept.read_text())


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_a_week_ends_in_time_with_a_right_object_or_one_line(table: Any, name: str) -> None:
    told = table[0][name]
    assert not list(list_faults(BEHAVIOURS[name], told)), told


def list_faults(behaviour: Behaviour, told: Told) -> Iterator[str]:
    """What is not as it should be."""
    said = told["reason"]
    if told["state"] == "hangs" or told["seconds"] > LONGEST:
        yield f"it took {told['seconds']:.1f} s"
    if told["silent"] > SILENT:
        yield f"silent for {told['silent']:.1f} s"
    if told["left"]:
        yield "work files stay"
    if PASSWORD in json.dumps(told):
        yield "the password is shown"
    if any(not line.isprintable() or len(line) > 1000 for line in [said, *told["lines"]]):
        yield "not one readable line"
    if any(len(facts) > 8192 for facts in told["facts"]):
        yield "facts that no bucket takes"
    if behaviour.ends == LANDS:
        if (told["state"], told["right"]) != ("landed", True):
            yield f"{told['state']}, and should have landed"
        return
    if (told["state"], told["right"]) != ("failed", None):
        yield f"{told['state']}, and should have failed"
    if not re.search(behaviour.ends, said):
        yield "other words"
    if behaviour.named and HOST not in said:
        yield "the host is not named"
    if behaviour.answers and "no answer from" in said:
        yield "an answer is called none"
    if behaviour.second not in (None, told["second"]):
        yield "the second source was asked" if told["second"] else "the second source was not asked"


def test_all_of_them_at_once_take_little_memory_and_show_no_traceback(table: Any) -> None:
    _, grown, err = table
    assert grown < 2 * GROWN  # several are under way at a time
    assert err == ""


HUNGRY = [
    "redirect: with a body of 3 GB",
    "redirect: with a bomb",
    "status: an error whose body is a bomb",
    "content: a bomb of blank lines",
    "content: wide rows for ever",
    "content: bad rows for ever",
    "content: a row of 100 MB",
]


@pytest.mark.parametrize("name", HUNGRY)
def test_a_hungry_one_takes_little_memory(tmp_path: Path, name: str) -> None:
    _, grown, _ = load_from({name: BEHAVIOURS[name]}, tmp_path, "turnstile", expected(ROWS))
    assert grown < GROWN


def spoil(site: Soda, what: str, script: Script) -> Answer:
    """A site that answers a kind of question with this, and the others as it should."""
    ask = relay(site.url)
    return lambda request: script if what in request.path else ask(request)


def send_elsewhere(site: Soda) -> Answer:
    """A site that has moved its rows to another address."""
    ask = relay(site.url)
    return lambda request: redirect(f"{site.url}{request.path}".encode()) if ".csv" in request.path else ask(request)


FIGURES, ROWS_OF_DAY, VIEW = "count(*)", ".csv", "/api/views/"
COUNT = b'[{"day":"2026-09-05T00:00:00.000","n":%b}]'
COLUMNS = [{"fieldName": name} for name in [*socrata_weeks.NAMES, *(f"odd_{n}" for n in range(5000))]]
TABLE: dict[str, tuple[str, Sequence[Part], str]] = {
    "figures that drip": (FIGURES, (head(length(9000)), Drip(b"[" * 9000, SLOW)), f"too slow|{ALL}"),
    "figures without end": (FIGURES, (CHUNKED, Again(chunk(b" " * 65536))), "asked for figures"),
    "figures in figures": (FIGURES, (whole(b"[" * 100_000),), "asked for figures"),
    "a count of 5,000 digits": (FIGURES, (whole(COUNT % DIGITS),), "asked for figures"),
    "silence for figures": (FIGURES, (FOR_EVER,), HEAD),
    "silence for rows": (ROWS_OF_DAY, (CHUNKED, FOR_EVER), READ),
    "rows in a file": (ROWS_OF_DAY, redirect(b"file:///etc/passwd"), HOPS),
    "a line without end": (ROWS_OF_DAY, (CHUNKED, Again(chunk(b"a" * 65536))), "a line of more than"),
    "a description of 5,000 columns": (VIEW, (whole(json.dumps({"columns": COLUMNS}).encode()),), LANDS),
    "a description without end": (VIEW, (CHUNKED, Again(chunk(b" " * 65536))), LANDS),
}


def test_a_week_of_a_hostile_site_ends_in_time_with_a_right_object_or_one_line(tmp_path: Path) -> None:
    with Soda() as site:
        site.put(socrata_weeks.LIVE, socrata_weeks.COLUMNS, socrata_weeks.WEEK)
        behaviours = {
            name: Behaviour("table", name, spoil(site, what, tuple(script)), ends, answers=HEAD not in ends)
            for name, (what, script, ends) in TABLE.items()
        }
        behaviours["rows elsewhere"] = Behaviour("table", "rows elsewhere", send_elsewhere(site), LANDS)
        right = socrata_weeks.expected(socrata_weeks.in_order(socrata_weeks.WEEK))
        found, _, err = load_from(behaviours, tmp_path, "ridership", right)
    assert not list_all_faults(behaviours, found)
    assert err == ""


def list_all_faults(behaviours: dict[str, Behaviour], found: Told) -> dict[str, tuple[list[str], Told]]:
    """What is not as it should be, by name, with what became of that one."""
    faults = {name: list(list_faults(each, found[name])) for name, each in behaviours.items()}
    return {name: (wrong, found[name]) for name, wrong in faults.items() if wrong}


def test_a_source_that_speaks_tls_badly_ends_in_time_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, foreign = make_certificate(tmp_path / "ours.pem"), make_certificate(tmp_path / "foreign.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ours.pem"))
    monkeypatch.setenv("NO_PROXY", HOST)
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    asking.load_cert_chain(tmp_path / "ours.pem")
    asking.verify_mode = ssl.CERT_REQUIRED
    right = say((whole(),))

    def secure(ends: str, answer: Answer = right, **more: Any) -> Behaviour:
        return Behaviour("tls", "", answer, ends, **{"tls": ours, **more})

    with RawSource(right, tls=ours) as other:
        behaviours = {
            "right": secure(LANDS),
            "down to http": secure(HOPS, away(b"http://127.0.0.1:9/x")),
            "up to https": secure(LANDS, away(other.url.encode()), tls=None),
            "on and down": secure(HOPS, say(redirect(b"/x"), redirect(b"http://127.0.0.1:9/x"))),
            "a certificate of somebody else": secure("is not trusted.*SSL_CERT_FILE", tls=foreign),
            "it wants a certificate of ours": secure("does not answer by TLS", tls=asking),
            "no TLS": secure("does not answer by TLS", greeting=(whole(),)),
            "a handshake that says nothing": secure("", greeting=(FOR_EVER,), answers=False, second=None),
            "a handshake that drips": secure(
                "", greeting=(Drip(b"\x16\x03\x03\x10" * 99, SLOW),), answers=False, second=None
            ),
            "a handshake that is closed": secure("", greeting=(Reset(),), answers=False, second=None),
            "a body cut without a good-bye": secure("broke off", say((head(length(len(ROWS))), ROWS[:99], Reset()))),
        }
        found, _, err = load_from(behaviours, tmp_path, "turnstile", expected(ROWS))
    assert not list_all_faults(behaviours, found)
    assert err == ""
