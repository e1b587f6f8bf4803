"""Every step of every kind of publishing meets every fault there: what stands is right, and what is said is true."""

import os
import re
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from filelock import FileLock

from conftest import KEY, ROOT
from lake_faults import Begun, BucketFaults, FolderFaults, Source, begin, end
from mta_weekly.errors import BadArgument
from standing import (
    BucketPlace,
    Place,
    Seen,
    Version,
    check_kept,
    check_object,
    check_rejected,
    list_replaced,
    list_unnamed,
    look,
)
from tries import SHOWN

PAPER = ROOT / "docs" / "reliability.md"
FAULTS = {"folder": FolderFaults(), "bucket": BucketFaults()}
pytest_plugins = ["lake_faults"]
WAYS = {"first landing": "plain", "force": "force", "refresh": "refresh", "held": "plain", "accept": "accept"}


@dataclass(frozen=True)
class Case:
    """A way of publishing, with the version that stands before, where one does, and the one that comes."""

    place: Place
    source: Source
    way: str
    old: Version | None
    new: Version

    def __str__(self) -> str:
        return f"bad rows {self.old.bad if self.old else None}, then {self.new.bad}"

    def set_up(self) -> dict[str, Seen]:
        """The lake as it is before the run, remembered."""
        self.place.wipe()
        if self.old:
            begin(self.source, self.place.lake, self.old, "plain", "old").finish()
        self.place.keep()
        return look(self.place)

    def begin(self, run_id: str) -> Begun:
        """A run of the way."""
        return begin(self.source, self.place.lake, self.new, self.way, run_id)

    def check(self, before: dict[str, Seen], seen: dict[str, Seen], ended: str, clean: str) -> str:
        """That what stands after a run is right, and as the run has said; "old stands", or new, or none."""
        check_kept(before, seen)
        stands = check_object(seen, [self.new, *([self.old] if self.old else [])])
        if stands is self.new and self.old:
            assert [each.content for each in list_replaced(seen)] == [self.old.content]
        elif stands:
            assert list_replaced(seen) == []
        assert stands or not self.old, "the week is lost"
        if ended not in ("refused", "killed"):
            assert (ended, stands) == (clean, self.new)
        return f"{'new' if stands is self.new else 'old' if stands else 'none'} stands"

    def mend(self, before: dict[str, Seen], stood: str) -> None:
        """That a run to which nothing happens makes all right, and that nothing is left to do for the next one."""
        right = {"none": ("landed",), "old": ("replaced",), "new": ("there", "unchanged")}[stood.split()[0]]
        assert end(self.begin("next").finish) in right
        seen = look(self.place)
        assert self.check(before, seen, "refused", "") == "new stands"
        assert list_unnamed(self.place, seen) == set()
        stamps = self.place.list_stamps()
        assert end(begin(self.source, self.place.lake, self.new, "plain", "last").finish) == "there"
        assert self.place.list_stamps() == stamps


class Holding(Case):
    """A week that is held: it never stands, and is kept aside or not."""

    def check(self, before: dict[str, Seen], seen: dict[str, Seen], ended: str, clean: str) -> str:
        """See Case."""
        assert KEY not in seen
        held = [each for key, each in seen.items() if key.startswith("held/")]
        for each in held:
            assert each.content == self.new.content
            check_rejected(seen, each.facts, self.new)
        assert len(held) == 1 if ended == clean else len(held) < 2
        assert ended in ("refused", "killed", clean)
        return "held" if held else "not held"

    def mend(self, before: dict[str, Seen], stood: str) -> None:
        """See Case."""
        assert end(self.begin("next").finish) == "held"
        assert self.check(before, look(self.place), "held", "held") == "held"
        assert list_unnamed(self.place, look(self.place)) == set()


class Accepting(Case):
    """A held week that lands because somebody says why."""

    def set_up(self) -> dict[str, Seen]:
        """See Case."""
        self.place.wipe()
        assert begin(self.source, self.place.lake, self.new, "plain", "held").finish().state == "held"
        self.place.keep()
        return look(self.place)

    def mend(self, before: dict[str, Seen], stood: str) -> None:
        """See Case; what has landed is held no longer."""
        if stood == "none stands":
            super().mend(before, stood)
            return
        with pytest.raises(BadArgument, match="is not held: it was accepted, "):
            self.begin("next")
        Case.mend(replace(self, way="plain"), before, stood)


@pytest.mark.parametrize("kind", WAYS)
def test_a_fault_at_any_step_leaves_the_week_right(
    kind: str,
    place: Place,
    source: Source,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, str], None],
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a kill loses nothing that was written, and no power fails here
    lake = "bucket" if isinstance(place, BucketPlace) else "folder"
    faults, told = FAULTS[lake], Counter[tuple[str, str]]()
    wrong = list[str]()
    for case in list_cases(kind, place, source):
        for fault, ended in sweep(case, faults, wrong):
            told[fault, ended] += 1
    assert not wrong, "\n".join([f"{len(wrong)} of {told.total() + len(wrong)} cases:", *wrong])
    record_property(SHOWN, hold_row(f"faults in a {lake}", kind, list(faults.NAMES), told))


def list_cases(kind: str, place: Place, source: Source) -> list[Case]:
    """What is tried of a kind."""
    if kind in ("held", "accept"):
        make = Holding if kind == "held" else Accepting
        return [make(place, source, WAYS[kind], None, Version(bad=True, twice=True))]
    olds = [None] if kind == "first landing" else [Version("RECOVR AUD", bad) for bad in (False, True)]
    cases = [Case(place, source, WAYS[kind], old, Version(bad=bad)) for old in olds for bad in (False, True)]
    return {"force": cases[1:3], "refresh": cases[::3]}.get(kind, cases)  # the two publish alike


def sweep(case: Case, faults: FolderFaults | BucketFaults, wrong: list[str]) -> Iterator[tuple[str, str]]:
    """Each fault at each point of a run, one after another: the fault, and how the run ended or what a kill left."""
    before = case.set_up()
    points, clean = faults.list_points(case.place, case.begin("clean"))
    for fault in faults.NAMES:
        for at, point in enumerate(points):
            if not faults.befalls(fault, point):
                continue
            case.place.restore()
            try:
                ended = faults.meet(case.place, case.begin("met"), at, fault)
                stood = case.check(before, look(case.place), ended, clean)
                case.mend(before, stood)
            except AssertionError as error:
                line = traceback.extract_tb(error.__traceback__)[-1]
                wrong.append(f"{case}, {fault} at {at} {point}: {line.line} ({error})"[:400])
            else:
                late = {"new stands": " when it stood", "held": " when it was held"}.get(stood, "")
                yield fault, stood if ended == "killed" else ended + late * (ended == "refused")


def hold_row(name: str, kind: str, faults: list[str], told: Counter[tuple[str, str]]) -> str:
    """The row of the paper's table for a kind, which must be what was told."""
    ends = sorted({end for _, end in told})
    cells = [", ".join(f"{told[fault, end]} {end}" for end in ends if told[fault, end]) for fault in faults]
    row = f"| {kind} | {' | '.join(cells)} |"
    start, stop = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    with FileLock(f"{tempfile.gettempdir()}/reliability.lock"):
        head, table, tail = re.split(f"{start}(.*?){stop}", PAPER.read_text(), flags=re.DOTALL)
        header = f"| | {' | '.join(faults)} |\n|---{'|---' * len(faults)}|\n"
        rows = dict.fromkeys(WAYS, "") | {line.split(" | ")[0][2:]: line for line in table.splitlines()[2:]}
        if os.environ.get("UPDATE_PAPERS"):
            table = header + "".join(f"{line}\n" for line in (rows | {kind: row}).values() if line)
            PAPER.write_text(f"{head}{start}{table}{stop}{tail}")
    assert table.startswith(header)
    assert row in table.splitlines(), f"{PAPER.name} says otherwise; run `UPDATE_PAPERS=1 make test`: {row}"
    return row
