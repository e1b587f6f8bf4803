"""A week's place in the lake: the object that stands there, what is known of it, and what takes its place.

Joins content and lake; knows no source.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mta_weekly.content.convert import compute_sums, examine_object, rejected_path
from mta_weekly.content.profile import WeekProfile
from mta_weekly.errors import EtlError, LakeFailed
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.weeks import Week
from mta_weekly.lake.objects import Facts, Lake, PublishResult, StoredObject, say_changed
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import VERSION


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
    def rejected_key(self) -> str:
        """The name of the rows left out of it."""
        return f"rejected/{self.key}"

    def find_existing_facts(self) -> Facts | None:
        """What is known of the object that is there; what its facts lack is made of it.

        Raises:
            EtlError: it cannot be read, or is not whole.
        """
        facts = self.existing.facts if self.existing else None
        if self.existing is None or (facts and facts.sums):
            return facts
        made = self.make_facts(self._examine())
        return facts.model_copy(update={"sums": made.sums}) if facts else made

    def set_existing_facts(self, facts: Facts) -> StoredObject:
        """Give the object that is there its facts.

        Raises:
            EtlError: there is none, another run changed it, or the lake cannot be written.
        """
        existing = self.existing
        if existing is None:
            raise LakeFailed(say_changed(self.key))
        self.lake.set_facts(self.key, existing, facts, self.budget)
        return StoredObject(existing.generation, existing.size, existing.crc32c, facts)

    def publish(self, path: Path, facts: Facts, compared: Facts | None) -> PublishResult:
        """Publish an object after the rows left out of it, which lie beside it: `content.convert.rejected_path`.

        Args:
            compared: what is known of the object that is there, where a refresh compares: one that is the same is only
                given its new facts.

        Raises:
            EtlError: the lake did not take it, or another run replaced the object this one was to replace.
        """
        ours, stale = self._publish_rejected(path, facts)
        try:
            published = self._publish_object(path, facts, compared)
        except LakeFailed:
            self._remove_rejected(ours)
            raise
        if published.state != "there":
            self._remove_rejected(stale)
        elif not published.found.holds(facts):
            self._remove_rejected(ours)  # they are not of the object that stands
        return published

    def _publish_object(self, path: Path, facts: Facts, compared: Facts | None) -> PublishResult:
        if not (self.existing and compared and compared.sha256 == facts.sha256):
            return self.lake.publish(path, self.key, facts, self.existing, self.budget)
        file = {"size": self.existing.size, "crc32c": self.existing.crc32c}  # of the file that stays
        return PublishResult("unchanged", self.set_existing_facts(facts.model_copy(update=file)))

    def _publish_rejected(self, object_path: Path, facts: Facts) -> tuple[StoredObject | None, StoredObject | None]:
        """Publish the rows left out, before their object: (ours, where we wrote some; stale ones, where we have none).

        Those of a run that died, or of the object to be replaced, are written over; never those of a run that is
        landing its own object now.

        Raises:
            LakeFailed: another run set its own aside meanwhile.
        """
        standing = self.lake.find([self.rejected_key], self.budget).get(self.rejected_key)
        if not facts.bad_rows:
            return None, standing
        now = self.lake.find([self.key], self.budget).get(self.key)
        if (now and now.generation) != (self.existing and self.existing.generation):
            return None, None  # another run was first: publishing the object will say so
        path = rejected_path(object_path)
        own = facts.model_copy(update=compute_sums(path))
        published = self.lake.publish(path, self.rejected_key, own, standing, self.budget)
        if published.state == "there":
            if not published.found.holds(own):
                raise LakeFailed(say_changed(self.rejected_key))
            return None, None
        return published.found, None

    def _remove_rejected(self, found: StoredObject | None) -> None:
        if found:
            self.lake.remove(self.rejected_key, found, self.budget)

    def _examine(self) -> WeekProfile:
        """What the object in the lake holds, read again."""
        path = self.folder / f"existing-{self.feed.name}-{self.week}.csv.gz"
        try:
            self.lake.read(self.key, path, self.budget)
            return examine_object(path, self.feed, self.week)
        except EtlError as error:
            raise type(error)(
                f"{self.key} is in the lake, without facts that fit it, and: {error}; --force loads it again"
            ) from error
        finally:
            path.unlink(missing_ok=True)

    def make_facts(self, profile: WeekProfile, **said: Any) -> Facts:
        """The facts of an object of this run: what is in it, and what its source `said` of it, where that is known."""
        figures = {name: value for name, value in asdict(profile).items() if name in Facts.model_fields}
        unknown: dict[str, Any] = {"source_url": "", "source_etag": "", "source_last_modified": "", "source_bytes": 0}
        return Facts(
            feed=self.feed.name,
            week=self.week.label,
            loaded_at=datetime.now(UTC).isoformat(timespec="seconds"),
            flow_run_id=self.run_id,
            version=VERSION,
            **unknown | said | figures,
        )
