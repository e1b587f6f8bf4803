"""Two runs of one week at once: one content, its companions once, and both tell the truth."""

import random
import re
from pathlib import Path

import pytest

from command_runs import ready_command
from conftest import FILE, ONE_WEEK
from lake_faults import Source, begin, load_alone
from standing import FolderPlace, Place, Seen, Version, check_kept, check_object, list_replaced, look
from tries import ALL, tries
from web import Answer, Web

pytest_plugins = ["lake_faults"]
REPLACED = "another run changed it meanwhile"


def draw_pair(draw: random.Random) -> tuple[Version | None, Version, str]:
    """What stands before two runs, what they bring, and their way."""
    old = draw.choice([None, Version("RECOVR AUD", bad=False), Version("RECOVR AUD", bad=True)])
    return old, Version(bad=draw.random() < 0.5), draw.choice(["plain", "force", "refresh"])


def check_pair(
    place: Place, before: dict[str, Seen], pair: tuple[Version | None, Version, str], ends: list[tuple[int, str]]
) -> None:
    """That what they left is as one of them would have left it, and that each said so."""
    old, new, way = pair
    seen = look(place)
    check_kept(before, seen)
    replaces = old is not None and way != "plain"
    comes = new if replaces or old is None else old
    assert check_object(seen, [comes]) == comes, ends
    replaced = list_replaced(seen)
    assert [each.content for each in replaced] == ([old.content] if old and replaces else []), ends
    kinds = sorted(key.partition("/")[0] for key in seen)
    aside = [version for version in (old, new) if version and version.bad and (version is old or comes is new)]
    assert kinds == [*["history"] * len(replaced), *["rejected"] * len(aside), "turnstile"]
    assert sorted(code for code, _ in ends) in ([0, 0], [0, 1])
    for code, said in ends:
        assert code == 0 or REPLACED in said
    done = [said for _, said in ends if re.search("turnstile 240106: (landed|replaced),", said)]
    assert len(done) == (comes is new), "one of them did it, and says so"


def test_pairs_at_the_lake(place: Place, source: Source, draw: random.Random) -> None:
    """Let go together at their start or, to meet in the narrowest place, when both have their week."""
    for _ in range(tries(500)):
        place.wipe()
        old, new, way = pair = draw_pair(draw)
        if old:
            begin(source, place.lake, old, "plain", "old").finish()
        before = look(place)
        both = [load_alone(source, place, new, way, name) for name in ("one", "two")]
        for _ in "ab":
            for each in both:
                each.go()
        ends = [each.wait() for each in both]
        check_pair(place, before, pair, ends)


@pytest.mark.timeout(3600)
def test_pairs_of_commands(
    web: Web, source: Source, environment: dict[str, str], tmp_path: Path, draw: random.Random
) -> None:
    place = FolderPlace(tmp_path)
    logs = [tmp_path / "one", tmp_path / "two"]
    with ready_command(environment, logs[0]) as one, ready_command(environment, logs[1]) as two:
        for _ in range(30 if ALL else 2):
            place.wipe()
            old, new, way = pair = draw_pair(draw)
            arguments = [*ONE_WEEK, "--lake", str(place.folder), "--allow-bad-rows", "5"]
            if old:
                begin(source, place.lake, old, "plain", "old").finish()
            web.serve(FILE, Answer(new.published))
            before = look(place)
            sizes = [log.stat().st_size for log in logs]
            flags = [] if way == "plain" else [f"--{way}"]
            both = [start([*arguments, *flags]) for start in (one, two)]
            codes = [each.wait() for each in both]
            said = [log.read_text()[size:] for log, size in zip(logs, sizes, strict=True)]
            check_pair(place, before, pair, [*zip(codes, said, strict=True)])
