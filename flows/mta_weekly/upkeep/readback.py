"""Reads a file of the lake back, for `proof` to judge; looks again where another run changed it meanwhile.

Gives facts what an older version had not written, and changes nothing else.
"""

from dataclasses import dataclass
from pathlib import Path

from mta_weekly.content.convert import count_rejected_rows
from mta_weekly.errors import GaveUp, LakeFailed, ObjectChanged, Refused
from mta_weekly.feeds.catalog import Feed
from mta_weekly.lake.companions import REJECTED, Companion
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.objects import Lake, StoredObject, say_changed
from mta_weekly.options import Options
from mta_weekly.retry import RetryBudget
from mta_weekly.upkeep.proof import (
    Proof,
    judge_names,
    judge_rejected,
    prove_companion,
    prove_object,
    prove_old_rejected,
)
from mta_weekly.upkeep.remedies import Name, name_remedy, read_name

LOOKS = 3  # at a file that other runs change while it is read


@dataclass(frozen=True)
class Verdict:
    """What was found of a file.

    Attributes:
        remedy: what heals it, in words.
        size: bytes.
        filled: whether its facts were given what an older version had not written.
        gone: whether somebody removed it meanwhile, which is no fault; then nothing else is known of it.
    """

    key: str
    proof: Proof
    remedy: str = ""
    size: int = 0
    filled: bool = False
    gone: bool = False


@dataclass(frozen=True)
class FeedReader:
    """Reads files of one feed back.

    Attributes:
        folder: the run's work folder; a file is there only while it is judged.
    """

    lake: Lake
    feed: Feed
    options: Options
    folder: Path

    def verify(self, key: str) -> Verdict:
        """Read a file back and judge it.

        Raises:
            LakeFailed: the lake cannot be asked for it at all.
            GaveUp: likewise.
            SpoolFailed: the work folder cannot be written.
        """
        budget = RetryBudget.of(self.options.settings, key)
        for _ in range(LOOKS):
            found = self.lake.find([key], budget).get(key)
            if found is None:
                return Verdict(key, Proof(), gone=True)
            name = read_name(key, self.feed, self.options.today)
            try:
                proof, filled = self._prove(key, name, found, budget), False
                if found.facts and proof.lacks:
                    proof, filled = self._fill(key, found, found.facts, proof, budget)
            except ObjectChanged:
                continue
            known = found.facts or found.said
            remedy = name_remedy(proof.state, name, self.options, self.feed, known.bad_rows if known else 0)
            return Verdict(key, proof, remedy if proof.state else "", found.size, filled)
        return Verdict(
            key, Proof("unreadable", f"other runs changed it while it was read, {LOOKS} times; verify again")
        )

    def _prove(self, key: str, name: Name | None, found: StoredObject, budget: RetryBudget) -> Proof:
        """Judge the file that was seen.

        Raises:
            ObjectChanged: it is another one by now.
        """
        if name is None:
            return Proof("foreign", f"no object and no companion of {self.feed.name} has such a name")
        if found.fault:
            return Proof("unreadable", found.fault)
        path = self.folder / key.replace("/", "-")
        try:
            self.lake.read(key, found, path, budget)
            proof = self._judge(path, name, found)
        except ObjectChanged:
            raise
        except (LakeFailed, GaveUp) as error:
            return Proof("unreadable", str(error))
        finally:
            path.unlink(missing_ok=True)
        if proof.state or found.facts is None or name.kind == REJECTED:
            return proof
        fault = judge_names(found.facts, self.feed, name.week)
        fault = fault if fault.state else self._prove_rejected(key, found.facts, budget)
        return fault if fault.state else proof

    def _judge(self, path: Path, name: Name, found: StoredObject) -> Proof:
        if name.companion:
            return prove_companion(path, found, self.feed, name.week, name.companion)
        if name.kind:
            return prove_old_rejected(path, found)
        return prove_object(path, found, self.feed, name.week)

    def _prove_rejected(self, key: str, facts: Facts, budget: RetryBudget) -> Proof:
        """Compare the rows left out, as facts have them, with those that were kept; a file of them has its own line.

        Those of versions before 0.8.0 were written over by the next load, and are not compared.
        """
        if not facts.rejected and facts.landed_at:
            return judge_rejected(facts, 0)
        if Companion.named(facts.rejected) is None:
            return Proof()
        kept = self.lake.find([facts.rejected], budget).get(facts.rejected)
        if kept is None:
            return Proof("lacking", f"its rejected rows, {facts.rejected}, are not there")
        path = self.folder / f"rejected-of-{key.replace('/', '-')}"
        try:
            self.lake.read(facts.rejected, kept, path, budget)
            return judge_rejected(facts, count_rejected_rows(path))
        except (LakeFailed, GaveUp, Refused):
            return Proof()
        finally:
            path.unlink(missing_ok=True)

    def _fill(
        self, key: str, found: StoredObject, facts: Facts, proof: Proof, budget: RetryBudget
    ) -> tuple[Proof, bool]:
        """Give facts what they lack; whether that was done.

        Raises:
            ObjectChanged: the file is another one by now, or has other facts.
        """
        whole = facts.model_copy(update=dict(proof.lacks))
        try:
            if self.lake.set_facts(key, found, whole, budget) != whole:
                raise ObjectChanged(say_changed(key))
        except ObjectChanged:
            raise
        except LakeFailed as error:
            return Proof("unwritten", f"what its facts lack cannot be filled in: {error}", proof.rows), False
        return proof, True
