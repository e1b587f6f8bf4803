"""A week's place in the lake: the object that stands there, what is known of it, and what takes its place.

Joins content and lake; knows no source.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mta_weekly.content.convert import compute_sums, describe_file, examine_object, rejected_path
from mta_weekly.content.profile import WeekProfile, check_days
from mta_weekly.errors import LakeFailed, ObjectChanged, Refused
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.weeks import Week
from mta_weekly.lake.companions import HELD, HISTORY, REJECTED, Companion, find_own, follow_history, publish_companion
from mta_weekly.lake.facts import CompanionFacts, Facts
from mta_weekly.lake.objects import Lake, PublishResult, StoredObject
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import VERSION
from mta_weekly.telemetry import record_step

HEALED = "--force loads it again, and keeps this one in history/"


@dataclass(frozen=True)
class LakeWeek:
    """One week of one feed in one lake.

    Attributes:
        existing: the object that is there already, where there is one.
        folder: the run's work folder.
        budget: what the week may spend on faults that pass, from its source to its object.
        run_id: of the flow run, for the facts.
    """

    week: Week
    feed: Feed
    lake: Lake
    existing: StoredObject | None
    folder: Path
    budget: RetryBudget
    run_id: str

    @property
    def key(self) -> str:
        """The name of the object."""
        return self.feed.key(self.week)

    @property
    def names(self) -> dict[str, str]:
        """What tells this week of this run from others, for telemetry."""
        return {"feed": self.feed.name, "week": self.week.label, "run_id": self.run_id}

    @property
    def path(self) -> Path:
        """Where the object is made, in the work folder."""
        return self.folder / f"{self.feed.name}-{self.week}.csv.gz"

    @property
    def _run(self) -> str:
        return f"run {self.run_id}" if self.run_id else "a run without a name"

    def find_existing_facts(self) -> Facts | None:
        """What is known of the object that is there; what its facts lack is made of it.

        Raises:
            EtlError: it cannot be read, or is not a whole week.
        """
        facts = self.existing.facts if self.existing else None
        if self.existing is None or (facts and facts.sums):
            return facts
        if facts is None:
            return self.examine(self.existing)
        with self._copied(self.existing, "existing") as path:
            return facts.model_copy(update={"sums": examine_object(path, self.feed, self.week).sums})

    def examine(self, found: StoredObject) -> Facts:
        """Read an object that has no facts as strictly as a new week; its facts, made anew.

        Raises:
            Refused: it is not a whole week; says what heals it.
            EtlError: it cannot be read.
        """
        with self._copied(found, "existing") as path:
            try:
                profile = examine_object(path, self.feed, self.week)
                check_days(profile, self.feed)
            except Refused as error:
                raise Refused(f"{self.key} {_describe_damage(found)}: {error}; {HEALED}") from error
        return find_own(self.lake, self.make_facts(profile), self.budget)

    def set_facts(self, found: StoredObject, facts: Facts) -> StoredObject:
        """Give the object that is there its facts, or find those that another run has just given it.

        Raises:
            EtlError: another run changed it, or the lake cannot be written.
        """
        return replace(found, facts=self.lake.set_facts(self.key, found, facts, self.budget), said=None)

    @record_step(
        name="publish",
        about=lambda self, path, facts, _: {**self.names, "rows": facts.rows, "size": facts.size},
        result=lambda _: {"state": "held"},
    )
    def hold(self, path: Path, facts: Facts, why: str) -> str:
        """Keep an object aside, and the rows left out of it; returns its name.

        Raises:
            EtlError: the lake did not take it.
        """
        facts = self._name_rejected(path, facts).model_copy(update={"landed_at": ""})
        companion = Companion.of(HELD, facts, facts.sha256)
        return self._publish_companion(path, companion, facts, facts.sha256, why, looked_at=utc_now())

    @record_step(
        name="publish",
        about=lambda self, path, facts, *_: {**self.names, "rows": facts.rows, "size": facts.size},
        result=lambda published: {"state": published.state},
    )
    def publish(self, path: Path, facts: Facts, compared: Facts | None, by: str) -> PublishResult:
        """Publish an object after its companions: the rows left out of it, and what it replaces.

        Args:
            path: the object; rows left out lie beside it, at `content.convert.rejected_path`.
            compared: what is known of the object that is there, where a refresh compares: one that is the same is only
                given its new facts.
            by: what replaces the object that is there, in words.

        Raises:
            EtlError: the lake did not take it, or another run replaced the object this one was to replace.
        """
        facts = self._name_rejected(path, facts)
        try:
            published = self._publish_object(path, facts, compared, by)
        except ObjectChanged:
            now = self.lake.find([self.key], self.budget).get(self.key)
            if now is None or not now.holds(facts):
                raise
            published = PublishResult("there", now)
        found = published.found
        if published.state == "there" and found.facts is None:
            known = facts if found.holds(facts) else self.examine(readable(self.key, found))
            found = self.set_facts(found, known)
        return PublishResult(published.state, found)

    def _name_rejected(self, path: Path, facts: Facts) -> Facts:
        """The facts with the name of the rows left out, which lie beside the object or in the lake already."""
        if not facts.bad_rows or facts.rejected:
            return facts
        return facts.model_copy(update={"rejected": self._publish_rejected(rejected_path(path), facts)})

    def _publish_object(self, path: Path, facts: Facts, compared: Facts | None, by: str) -> PublishResult:
        before = self.existing
        if before is None:
            return self.lake.publish(path, self.key, facts, None, self.budget)
        if before.holds(facts) or (compared and compared.sha256 == facts.sha256):
            was = before.facts or compared or find_own(self.lake, facts, self.budget)
            kept: dict[str, Any] = {
                "revision": was.revision,
                "replaces": was.replaces,
                "landed_at": was.landed_at or was.loaded_at,
            }
            kept |= {"accepted": facts.accepted or was.accepted}
            kept |= {"size": before.size, "crc32c": before.crc32c}  # of the file that stays
            return PublishResult("unchanged", self.set_facts(before, facts.model_copy(update=kept)))
        name, revision = self._publish_history(before, compared, by)
        facts = facts.model_copy(update={"replaces": name, "revision": revision + 1})
        return self.lake.publish(path, self.key, facts, before, self.budget)

    def _publish_rejected(self, path: Path, facts: Facts) -> str:
        """The rows left out of an object; returns their name."""
        sums = compute_sums(path)
        companion = Companion.of(REJECTED, facts, sums["sha256"])
        return self._publish_companion(
            path, companion, facts.model_copy(update=sums), facts.sha256, f"rows left out by {self._run}"
        )

    def _publish_history(self, before: StoredObject, compared: Facts | None, by: str) -> tuple[str, int]:
        """What is to be replaced, its content and facts; returns its name and revision."""
        with self._copied(before, "history") as path:
            if before.facts:
                facts = follow_history(self.lake, before.facts, self.budget)
            else:
                facts = compared or self._describe_unproved(path, before)
            if facts.bad_rows and not facts.rejected:  # before 0.8.0 there was one name for them
                facts = facts.model_copy(update={"rejected": f"{REJECTED}/{self.key}"})
            companion = Companion.of(HISTORY, facts, facts.sha256, facts.revision)
            why = f"replaced by {by}, {self._run}"
            if not before.facts:
                why += "; it had no facts that fit it"
            return self._publish_companion(path, companion, facts, facts.sha256, why), facts.revision

    def _publish_companion(
        self, path: Path, companion: Companion, facts: Facts, of: str, why: str, looked_at: str = ""
    ) -> str:
        own = CompanionFacts(**vars(facts), of=of, why=why, last_seen=looked_at or utc_now(), looked_at=looked_at)
        return publish_companion(self.lake, path, companion, own, self.budget)

    def _describe_unproved(self, path: Path, found: StoredObject) -> Facts:
        """The facts of an object that has none and is to be replaced, whatever it is.

        Of a damaged one: those that it had, or none, with the sums of the file.
        """
        try:
            facts = self.make_facts(examine_object(path, self.feed, self.week))
        except Refused:
            damaged = describe_file(path)
            if found.said:
                sums = {name: getattr(damaged, name) for name in ("size", "crc32c", "sha256")}
                return follow_history(self.lake, found.said.model_copy(update=sums), self.budget)
            facts = self.make_facts(damaged)
        return find_own(self.lake, facts, self.budget)

    @contextmanager
    def _copied(self, found: StoredObject, kind: str) -> Iterator[Path]:
        """The object, in the work folder for a while."""
        path = self.folder / f"{kind}-{self.feed.name}-{self.week}.csv.gz"
        try:
            self.lake.read(self.key, readable(self.key, found), path, self.budget)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def make_facts(self, profile: WeekProfile, **said: Any) -> Facts:
        """The facts of an object of this run: what is in it, and what its source `said` of it, where that is known."""
        figures = {name: value for name, value in asdict(profile).items() if name in Facts.model_fields}
        unknown: dict[str, Any] = {"source_url": "", "source_etag": "", "source_last_modified": "", "source_bytes": 0}
        return Facts(
            feed=self.feed.name,
            week=self.week.label,
            loaded_at=(now := utc_now()),
            landed_at=now,
            flow_run_id=self.run_id,
            version=VERSION,
            **unknown | said | figures,
        )


def readable(key: str, found: StoredObject) -> StoredObject:
    """An object that can be read.

    Raises:
        LakeFailed: it cannot; says why.
    """
    if found.fault:
        raise LakeFailed(f"{key}: {found.fault}")
    return found


def _describe_damage(found: StoredObject) -> str:
    """What is wrong with an object that has no facts of its own, before it is read."""
    if found.said:
        return f"is damaged: its crc32c is {found.crc32c}, its facts say {found.said.crc32c}"
    return "is in the lake, without facts that fit it, and"


def utc_now() -> str:
    """The time, as facts have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
