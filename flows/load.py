"""A load: one week of one feed, from its source to its verified object. Joins the rooms; knows no Prefect."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from check import Content
from convert import convert, examine, rejects, sums_of
from download import Body, Web, fetch
from errors import EtlError, LakeFailed
from feeds import Feed
from lake import Facts, Found, Lake, Published, changed
from outcomes import Outcome
from retry import Patience
from settings import VERSION, Settings

DAYS = 7  # in a week
Watch = Callable[[Iterator[bytes], str, Body], Iterator[bytes]]


@dataclass(frozen=True)
class Local:
    """A week's checked object in the work folder, and what is known of it."""

    path: Path
    content: Content
    source: Body
    began: float  # on the monotonic clock


@dataclass(frozen=True)
class Load:
    """One week of one feed, into one lake.

    Attributes:
        seen: the object that is in the lake already, where there is one.
        folder: the run's work folder.
        run_id: of the flow run, for the facts.
        patience: what the week may spend on faults that pass, from its source to its object.
    """

    week: str
    feed: Feed
    lake: Lake
    seen: Found | None
    folder: Path
    run_id: str
    patience: Patience

    @property
    def key(self) -> str:
        """The name of the object."""
        return self.feed.key(self.week)

    @property
    def aside(self) -> str:
        """The name of the rows left out of it."""
        return f"rejected/{self.key}"

    def make(self, client: Web, settings: Settings, allow_bad_rows: int, watch: Watch) -> Local:
        """Download the week and make its checked object in the work folder; `watch` sees the bytes go by.

        Raises:
            EtlError: it could not be had, or is not right; nothing of it stays.
        """
        began, path = time.monotonic(), self.folder / f"{self.feed.name}-{self.week}.csv.gz"

        def consume(chunks: Iterator[bytes], body: Body) -> Content:
            return convert(watch(chunks, self.week, body), self.feed, self.week, path, allow_bad_rows)

        try:
            content, source = fetch(client, self.feed.sources[0].url(self.week, settings), consume, self.patience)
        except EtlError:
            path.unlink(missing_ok=True)
            raise
        return Local(path, content, source, began)

    def publish(self, local: Local) -> Outcome:
        """Publish the object, after the rows left out of it, and clear the work files.

        Raises:
            EtlError: the lake did not take it, or another run replaced the object this one was to replace.
        """
        facts = self._facts(local.content, local.source)
        try:
            ours, stale = self._set_aside(local, facts)
            try:
                published = self.lake.publish(local.path, self.key, facts, self.seen, self.patience)
            except LakeFailed:
                self._remove_aside(ours)
                raise
            if published.state != "there":
                self._remove_aside(stale)
            elif not published.found.holds(facts):
                self._remove_aside(ours)  # they are not of the object that stands
        finally:
            local.path.unlink(missing_ok=True)
            rejects(local.path).unlink(missing_ok=True)
        return self._outcome(local, published, facts)

    def _set_aside(self, local: Local, facts: Facts) -> tuple[Found | None, Found | None]:
        """Publish the rows left out, before their object: (ours, where we wrote some; stale ones, where we have none).

        Those of a run that died, or of the object to be replaced, are written over; never those of a run that is
        landing its own object now.

        Raises:
            LakeFailed: another run set its own aside meanwhile.
        """
        standing = self.lake.find([self.aside], self.patience).get(self.aside)
        if not local.content.bad_rows:
            return None, standing
        now = self.lake.find([self.key], self.patience).get(self.key)
        if (now and now.generation) != (self.seen and self.seen.generation):
            return None, None  # another run was first: publishing the object will say so
        path = rejects(local.path)
        own = facts.model_copy(update=sums_of(path))
        published = self.lake.publish(path, self.aside, own, standing, self.patience)
        if published.state == "there":
            if not published.found.holds(own):
                raise LakeFailed(changed(self.aside))
            return None, None
        return published.found, None

    def _remove_aside(self, found: Found | None) -> None:
        if found:
            self.lake.remove(self.aside, found, self.patience)

    def _outcome(self, local: Local, published: Published, facts: Facts) -> Outcome:
        found, reasons = published.found, []
        if published.state == "there":
            by = f" {found.facts.flow_run_id}" if found.facts else ""
            same = "the same content" if found.holds(facts) else "other content, which stands"
            reasons.append(f"another run{by} was first, with {same}")
        elif facts.bad_rows:
            reasons.append(f"{facts.bad_rows} bad rows left out: {self.aside}")
        if local.content.days < DAYS:
            reasons.append(f"rows of {local.content.days} days only")
        rows = found.facts.rows if found.facts else facts.rows
        seconds = round(time.monotonic() - local.began, 2)
        return Outcome(self.week, published.state, self.key, rows, found.size, seconds, "; ".join(reasons))

    def keep(self, seen: Found) -> Outcome:
        """Leave the object that is there; facts that are missing or speak of another file are made anew.

        Raises:
            EtlError: the object is not whole, or the lake cannot be read or written.
        """
        facts = seen.facts
        if facts is None:
            path = self.folder / f"seen-{self.feed.name}-{self.week}.csv.gz"
            try:
                self.lake.read(self.key, path, self.patience)
                facts = self._facts(examine(path, self.feed, self.week), Body(""))
                self.lake.set_facts(self.key, seen, facts, self.patience)
            except EtlError as error:
                raise type(error)(
                    f"{self.key} is in the lake, without facts that fit it, and: {error}; --force loads it again"
                ) from error
            finally:
                path.unlink(missing_ok=True)
        return Outcome(self.week, "there", self.key, facts.rows, seen.size)

    def _facts(self, content: Content, source: Body) -> Facts:
        return Facts(
            feed=self.feed.name,
            week=self.week,
            source_url=source.url,
            source_etag=source.etag,
            source_last_modified=source.last_modified,
            source_bytes=source.received,
            loaded_at=datetime.now(UTC).isoformat(timespec="seconds"),
            flow_run_id=self.run_id,
            version=VERSION,
            **{name: value for name, value in asdict(content).items() if name in Facts.model_fields},
        )
