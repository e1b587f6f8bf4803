"""What `verify` says of each fault, and that what it names heals it; a folder and a bucket alike."""

import hashlib
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any

from conftest import KEY, WEEK
from either_lake import Put
from held_weeks import Runs, full_week, repeat_rows
from lake_objects import budget, made
from mta_weekly.feeds.catalog import DAILY, TURNSTILE
from mta_weekly.feeds.weeks import Week
from proved_lakes import ProvedLake, fit

pytest_plugins = ["either_lake", "held_weeks", "proved_lakes"]

SATURDAY, NEXT = Week.named(WEEK), Week.named("240113")
LOAD = "python flows/etl_web_to_gcs.py --year 2024 --month 1 --day 6 --feed turnstile --lake /lake"
FORCE = f"to load it again, and keep this one in history/: {LOAD} --force"
BAD = full_week().replace(b"\n", b"\nx,", 1)  # its first row has a field too many


def find_line(proved: ProvedLake, **asked: Any) -> str:
    """The one fault that is said."""
    _, fault, _, last = proved.verify(**asked)
    assert last.startswith("/lake is not as it should be: 1 ")
    return fault


def test_a_sound_lake_is_a_line_a_feed(proved: ProvedLake) -> None:
    proved.land(TURNSTILE, SATURDAY, bad=True)
    proved.land(DAILY, NEXT)
    first, turnstile, daily = proved.verify()
    assert first == "lake: /lake"
    assert turnstile.startswith("turnstile: 1 object of 60 rows, 1 companion, ")
    assert daily.startswith("daily: 1 object of 63 rows, ")
    assert (turnstile.endswith(": all sound"), daily.endswith(": all sound")) == (True, True)


def test_who_looks_on_is_told_of_each_week_and_its_rows(proved: ProvedLake) -> None:
    proved.land(TURNSTILE, SATURDAY, bad=True)
    proved.land(TURNSTILE, NEXT, hold=True)
    proved.land(DAILY, NEXT)
    weeks, done = list[int](), list[tuple[int, int]]()

    def count(many: int) -> nullcontext[None]:
        weeks.append(many)
        return nullcontext()

    proved.verify(count_weeks=count, add_done=lambda *each: done.append(each))
    assert weeks == [2]
    assert sorted(done) == [(0, 0), (0, 60), (1, 60), (1, 63)]


def test_a_lake_or_a_feed_without_a_week_is_said_as_the_status_says_it(proved: ProvedLake) -> None:
    assert proved.verify()[1:] == [
        "/lake has no week of any feed; check its name; python flows/etl_web_to_gcs.py --help says how to load one",
        "/lake is not as it should be: 1 empty",
    ]
    proved.land(TURNSTILE, SATURDAY)
    _, fault, last = proved.verify(feed="daily")
    assert fault.startswith("daily: the lake has none of its weeks; 200314 to ")
    assert last == "/lake is not as it should be: 1 empty"


def test_weeks_before_a_day_are_left_out(proved: ProvedLake, put: Put) -> None:
    proved.land(TURNSTILE, SATURDAY, hold=True)
    put(b"x", proved.land(TURNSTILE, SATURDAY))
    proved.land(TURNSTILE, NEXT)
    _, line = proved.verify(since=date(2024, 1, 7))
    assert line.startswith("turnstile: 1 object of 60 rows, ")
    put(b"x", "turnstile/copy.csv.gz")  # of no week
    assert proved.find_states(since=date(2024, 1, 7)) == {"turnstile/copy.csv.gz": "foreign"}


def test_each_fault_of_an_object_is_a_line(proved: ProvedLake, put: Put, tmp_path: Path) -> None:
    key = proved.land(TURNSTILE, SATURDAY)
    whole, facts = proved.read(key), proved.facts(key)
    put(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    damaged = find_line(proved)
    assert damaged.startswith(f"{KEY} damaged: not a whole gzip file (")
    assert "); its crc32c is " in damaged
    assert damaged.endswith(f", its facts say {facts.crc32c}; {FORCE}")
    put(whole[:40])
    said = f"not a whole gzip file (it is cut); its size is 40 bytes, its facts say {facts.size:,}"
    assert find_line(proved) == f"{KEY} partial: {said}; {FORCE}"
    put(b"<html>sign in</html>")
    assert find_line(proved).startswith(f"{KEY} foreign: not a whole gzip file (")
    put(whole)
    wrong = {"rows": 59, "day_rows": (*facts.day_rows[:6], 0), "hour_rows": (7, *facts.hour_rows[1:])}
    proved.tell(key, facts.model_copy(update=wrong | {"sums": {"ENTRIES": 1, "EXIT": 2}}))
    sums = facts.sums
    said = (
        f"its facts say rows 59, its content has 60; sums of ENTRIES 1, its content has {sums['ENTRIES']:,}; sums of "
        f"EXIT 2, its content has nothing; sums of EXITS nothing, its content has {sums['EXITS']:,}; day_rows of day 7 "
        f"0, its content has {facts.day_rows[6]}; and 1 more"
    )
    assert find_line(proved) == f"{KEY} forged: {said}; to make its facts anew: {LOAD} --force"
    proved.tell(key, None)
    said = f"a whole week, without facts that fit it; to examine it, and give it its facts: {LOAD}"
    assert find_line(proved) == f"{KEY} unproved: {said}"
    proved.tell(key, facts.model_copy(update={"sha256": "0" * 64, "size": 1}))
    assert find_line(proved).startswith(f"{KEY} foreign: a whole week, and another one than landed: of sha256 ")


def test_bytes_of_the_size_that_landed_are_damaged_and_not_cut_or_foreign(
    proved: ProvedLake, put: Put, tmp_path: Path
) -> None:
    key = proved.land(TURNSTILE, SATURDAY)
    whole, facts = proved.read(key), proved.facts(key)
    put(whole[:3] + b"\x04" + whole[4:])  # its header says that a field follows, which would be longer than the file
    assert find_line(proved).startswith(f"{KEY} damaged: not a whole gzip file (it is cut)")
    put(bytes(len(whole)))
    assert proved.find_states() == {KEY: "damaged"}
    page = tmp_path / "page"
    page.write_bytes(b"<html>")
    put(page.read_bytes())
    assert proved.find_states() == {KEY: "foreign"}
    proved.tell(key, fit(facts, page))
    assert proved.find_states() == {KEY: "damaged"}


def test_a_gzip_file_of_something_else_is_called_by_what_it_holds(proved: ProvedLake, put: Put, tmp_path: Path) -> None:
    lines = made(tmp_path)[0].read_bytes(), proved.land(TURNSTILE, SATURDAY)
    header = b",CA,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS\n"
    row = b"%d,A002,R051,02-00-00,59 ST,NQR456W,BMT,12/30/2023,03:00:00,REGULAR,%s,73801\n"
    states = {
        lines[0]: "foreign",  # another header
        made(tmp_path, b"<html>")[0].read_bytes(): "foreign",
        made(tmp_path, header)[0].read_bytes(): "partial",
        made(tmp_path, header + row % (0, b"1"))[0].read_bytes(): "partial",  # one day
        made(tmp_path, header + row % (0, b"01"))[0].read_bytes(): "damaged",  # padded
        made(tmp_path, header + row % (0, b"x"))[0].read_bytes(): "damaged",  # a bad row
        made(tmp_path, header + row % (5, b"1"))[0].read_bytes(): "damaged",  # a gap
    }
    for data, state in states.items():
        put(data)
        assert proved.find_states() == {KEY: state}


def test_names_that_are_none_of_ours_are_foreign(proved: ProvedLake, put: Put, tmp_path: Path) -> None:
    facts = made(tmp_path)[1]
    names = [
        "turnstile/240107.csv.gz",  # no Saturday
        "turnstile/240224.csv.gz",  # after the last week
        "turnstile/240106-copy.csv.gz",
        "daily/261205.csv.gz",  # not yet
        f"held/turnstile/240107-{facts.sha256[:16]}.csv.gz",
        "held/turnstile/240106.csv.gz",
        "history/turnstile/copy.csv.gz",
        f"turnstile/copy/held/turnstile/240106-{facts.sha256[:16]}.csv.gz",
    ]
    for name in names:
        put(b"x", name)
    said = "no object and no companion of {} has such a name; move it away"
    feeds = {name: "daily" if "daily" in name else "turnstile" for name in sorted(names)}
    expected = [
        f"{name} foreign: {said.format(feeds[name])}" for name in sorted(feeds, key=lambda name: feeds[name] == "daily")
    ]
    assert [line for line in proved.verify() if " foreign: " in line] == expected


def test_only_in_history_is_what_cannot_be_unpacked_named_by_its_own_sum(proved: ProvedLake, put: Put) -> None:
    proved.land(TURNSTILE, SATURDAY)
    digest = hashlib.sha256(b"x").hexdigest()[:16]
    for name, state in (("held/turnstile/240106", "foreign"), ("history/turnstile/240106-1", "unproved")):
        key = f"{name}-{digest}.csv.gz"
        put(b"x", key)
        assert proved.find_states() == {key: state}
        proved.remove(key)


def test_a_file_that_is_wrong_is_healed_by_its_command(lake_runs: Runs, proved: ProvedLake, put: Put) -> None:
    lake_runs.load()
    whole, facts = proved.read(KEY), proved.facts(KEY)
    other = lake_runs.folder / "other"
    lake_runs("240113")
    other.write_bytes(proved.read("turnstile/240113.csv.gz"))
    for data, state in ((whole[:-20] + b"?" + whole[-19:], "damaged"), (whole[:99], "partial"), (b"x", "foreign")):
        put(data)
        assert proved.find_states() == {KEY: state}
        assert lake_runs.load(force=True).state == "replaced"
        assert proved.find_states() == {}, "what was replaced is kept as it was, which is no fault"
    stands = proved.facts(KEY)
    assert len(proved.lake.find_all("history/", budget())) == 3
    one_more = {name: total + 1 for name, total in facts.sums.items()}  # of billions
    for wrong in (
        {"rows": 1},
        {"sha256": "0" * 64, "sums": {}},
        {"sums": one_more},
        {"rejected": "held/x", "bad_rows": 3},
        {"bad_rows": 3},
    ):
        proved.tell(KEY, facts.model_copy(update=wrong))
        assert proved.find_states() == {KEY: "forged"}
        assert lake_runs.load(force=True).state == "unchanged"
        assert proved.find_states() == {}
    proved.tell(KEY, None)
    assert proved.find_states() == {KEY: "unproved"}
    assert lake_runs.load().state == "there"
    assert proved.find_states() == {}
    assert (proved.read(KEY), proved.facts(KEY).revision) == (whole, stands.revision)


def test_companions_that_are_wrong_are_healed_as_it_is_said(lake_runs: Runs, proved: ProvedLake, put: Put) -> None:
    lake_runs.load(BAD, allow_bad_rows=1)
    lake_runs(*("231223", "231230", "240113", "240120"))
    rejected = proved.facts(KEY).rejected
    whole = proved.read(rejected)
    put(whole[:-1] + b"?", rejected)
    line = find_line(proved)
    command = f"{LOAD} --force --allow-bad-rows 1"
    assert line.startswith(f"{rejected} damaged: ")
    assert line.endswith(f"; move it away; what its source has is kept again by: {command}")
    proved.remove(rejected)
    said = f"{KEY} lacking: its rejected rows, {rejected}, are not there; to keep them again: {command}"
    assert find_line(proved) == said
    assert lake_runs.load(force=True, allow_bad_rows=1).state == "unchanged"
    assert (proved.find_states(), proved.read(rejected)) == ({}, whole)
    assert lake_runs.load(repeat_rows(full_week()), refresh=True).state == "held"
    (held,) = proved.lake.find_all("held/", budget())
    put(proved.read(held)[:99], held)
    line = find_line(proved)
    assert line.startswith(f"{held} partial: ")
    assert line.endswith(f"; move it away; what its source has is held again by: {LOAD} --refresh")
    proved.remove(held)
    assert lake_runs.load(refresh=True).state == "held"
    assert (proved.find_states(), proved.find(held) is not None) == ({}, True)


def test_companions_are_what_their_names_and_facts_say(proved: ProvedLake, put: Put) -> None:
    proved.land(TURNSTILE, SATURDAY, bad=True)
    proved.land(TURNSTILE, SATURDAY, seed=2)
    held = proved.land(TURNSTILE, SATURDAY, seed=3, hold=True)
    history = proved.facts(KEY).replaces
    rejected = proved.facts(history).rejected
    for key in (held, history, rejected):
        whole, facts = proved.read(key), proved.facts(key)
        put(whole[:20] + whole[21:], key)
        assert set(proved.find_states().values()) <= {"damaged", "partial"}
        put(proved.read(KEY), key)
        assert proved.find_states() == {key: "foreign"}
        put(whole, key)
        wrong = [{"sha256": f"{facts.sha256[:16]}{'0' * 48}"}]
        wrong += [{"bad_rows": 9}] if key != held else []
        wrong += [{"of": "0" * 64}, {"rows": 9}] if key != rejected else []
        wrong += [{"revision": 2}] if key == history else []
        for each in wrong:
            proved.tell(key, facts.model_copy(update=each))
            assert proved.find_states() == {key: "forged"}, each
        proved.tell(key, None)
        assert proved.find_states() == {key: "unproved"}
        proved.tell(key, facts)
        assert proved.find_states() == {}


def test_rejected_rows_of_old_versions_are_right(proved: ProvedLake, tmp_path: Path) -> None:
    key = f"rejected/{KEY}"
    for content, bad_rows, states in (
        (b'line,reason,text\n7,"a, b","x\ny"\n', 1, {}),
        (b"line,reason,text\n7,a,x\n", 2, {key: "forged"}),
        (b"line,text\n7,x\n", 1, {key: "foreign"}),
    ):
        path, facts = made(tmp_path, content)
        proved.lake.publish(path, key, facts.model_copy(update={"bad_rows": bad_rows}), None, budget())
        assert proved.find_states() == states
        proved.remove(key)
    object_key = proved.land(TURNSTILE, SATURDAY)  # one that names them: they may be those of another load, or lack
    named = proved.facts(object_key).model_copy(update={"rejected": key, "bad_rows": 3})
    proved.tell(object_key, named)
    assert proved.find_states() == {}
