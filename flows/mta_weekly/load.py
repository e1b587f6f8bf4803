"""A load: one week of one feed, from its source to its verified object. Joins the wings; knows no Prefect."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path

import httpx

from mta_weekly.content.convert import convert, examine, rejects, sums_of
from mta_weekly.content.summary import Content
from mta_weekly.errors import EtlError, LakeFailed, NoAnswer, NotPublished, Refused, TryAgain, Unchanged
from mta_weekly.feeds.catalog import Feed
from mta_weekly.feeds.sources import Source, Table
from mta_weekly.feeds.weeks import expected_on, saturday
from mta_weekly.fetch import socrata, soda_queries
from mta_weekly.fetch.client import Web
from mta_weekly.fetch.http import Body, Version, fetch
from mta_weekly.lake.objects import Facts, Found, Lake, Published, changed
from mta_weekly.outcomes import Outcome, differences
from mta_weekly.retry import Patience
from mta_weekly.settings import VERSION, Settings

log = logging.getLogger("mta.load")

DAYS = 7  # in a week
LONGEST_TAG = 1000  # characters; all facts of an object in a bucket together are 8 KiB at most
Watch = Callable[[Iterator[bytes], str, Body], Iterator[bytes]]


@dataclass(frozen=True)
class Local:
    """A week's checked object in the work folder, and what is known of it.

    Attributes:
        source: what it said, and its name.
        began: on the monotonic clock.
    """

    path: Path
    content: Content
    source: Body
    source_name: str
    began: float


@dataclass(frozen=True)
class Load:
    """One week of one feed, into one lake.

    Attributes:
        seen: the object that is in the lake already, where there is one.
        folder: the run's work folder.
        run_id: of the flow run, for the facts.
        patience: what the week may spend on faults that pass, from its source to its object.
        today: New York's.
        refresh: whether an object that is there is compared with what the source has now, and replaced if it differs.
    """

    week: str
    feed: Feed
    lake: Lake
    seen: Found | None
    folder: Path
    run_id: str
    patience: Patience
    today: date
    refresh: bool = False

    @property
    def key(self) -> str:
        """The name of the object."""
        return self.feed.key(self.week)

    @property
    def aside(self) -> str:
        """The name of the rows left out of it."""
        return f"rejected/{self.key}"

    def make(self, client: Web, settings: Settings, allow_bad_rows: int, watch: Watch) -> Local | Outcome:
        """Download the week and make its checked object in the work folder; `watch` sees the bytes go by.

        Where nobody answers at a source, or it does not have the week, the next one is asked. A refresh may end here,
        with the outcome, where the source has nothing but what the lake has.

        Raises:
            EtlError: it could not be had, or is not right; nothing of it stays.
        """
        began, path = time.monotonic(), self.folder / f"{self.feed.name}-{self.week}.csv.gz"
        faults: list[EtlError] = []
        sources = self._sources()
        if self.refresh:
            self.known  # noqa: B018 - an object that cannot be compared is said before anything is downloaded
        for source in sources:
            if faults:
                log.warning("%s %s: %s; asking %s", self.feed.name, self.week, faults[-1], source.name)
                self.patience.renew()
            try:
                host = httpx.URL(_address(source, saturday(self.week), settings).partition(" ")[0]).netloc
                if host in client.gone and source is not sources[-1]:
                    raise NoAnswer(f"nobody answers at {host.decode()}")
                content, body = self._fetched(source, client, settings, path, allow_bad_rows, watch)
                return Local(path, content, body, source.name, began)
            except Unchanged as error:
                return self._there(self.seen, str(error))
            except EtlError as error:
                path.unlink(missing_ok=True)
                faults.append(error)
                if isinstance(error.__cause__, NoAnswer):
                    client.gone.add(host)  # all weeks of the run need not wait for it
                elif not isinstance(error, NotPublished | NoAnswer):
                    break
        stays = "; what is in the lake stays" * (self.refresh and self.seen is not None)
        raise type(faults[-1])("; then: ".join(map(str, faults)) + stays) from faults[-1]

    def _sources(self) -> list[Source]:
        """The sources that may have the week. What a later one has is no revision of what came from an earlier one."""
        week, sources = saturday(self.week), self.feed.sources
        if self.refresh and self.seen and self.seen.facts:
            names = [source.name for source in sources]
            came_from = self.seen.facts.source
            sources = sources[: names.index(came_from) + 1 if came_from in names else 1]
        return [source for source in sources if source.holds(week)]

    def _fetched(
        self, source: Source, client: Web, settings: Settings, path: Path, allow_bad_rows: int, watch: Watch
    ) -> tuple[Content, Body]:
        """The week as one source has it."""
        week, stream = saturday(self.week), None
        form = source.form_of(week)

        def consume(chunks: Iterator[bytes], body: Body) -> Content:
            content = convert(watch(chunks, self.week, body), self.feed, self.week, path, allow_bad_rows, form)
            if body.rows is not None:
                if body.rows != content.rows + content.bad_rows:
                    raise TryAgain(f"{content.rows + content.bad_rows:,} rows came of {body.rows:,} that were counted")
                if content.days < DAYS:
                    raise Refused(f"rows of {content.days} days only, expected {DAYS}; nothing loaded, try again later")
            return content

        if isinstance(source, Table):
            expected = f"it is expected on {expected_on(self.feed.coverage.due_on(week), self.today)}"
            stream = socrata.stream(soda_queries.parts(source, week, settings), form, expected * source.grows(week))
        return fetch(client, _address(source, week, settings), consume, self.patience, stream, self._unless(source))

    def _unless(self, source: Source) -> Version | None:
        """The version that the lake has already, where it came from there."""
        facts = self.seen.facts if self.refresh and self.seen else None
        if facts is None or facts.source != source.name:
            return None
        return Version(facts.source_etag, facts.source_last_modified, facts.rows + facts.bad_rows)

    def publish(self, local: Local | Outcome) -> Outcome:
        """Publish the object, if one was made, after the rows left out of it, and clear the work files.

        Raises:
            EtlError: the lake did not take it, or another run replaced the object this one was to replace.
        """
        if isinstance(local, Outcome):
            return local
        facts = self._facts(local.content, local.source, local.source_name)
        try:
            ours, stale = self._set_aside(local, facts)
            try:
                published = self._put(local.path, facts)
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

    def _put(self, path: Path, facts: Facts) -> Published:
        """Create the object or replace the one seen; one that is the same by a refresh is only given its facts."""
        seen = self.seen
        if not (self.refresh and seen and self.known and self.known.sha256 == facts.sha256):
            return self.lake.publish(path, self.key, facts, seen, self.patience)
        facts = facts.model_copy(update={"size": seen.size, "crc32c": seen.crc32c})  # of the file that stays
        self.lake.set_facts(self.key, seen, facts, self.patience)
        return Published("unchanged", Found(seen.generation, seen.size, seen.crc32c, facts))

    @cached_property
    def known(self) -> Facts | None:
        """What is known of the object that is there; what its facts lack is made of it."""
        facts = self.seen.facts if self.seen else None
        if self.seen is None or (facts and facts.sums):
            return facts
        made = self._facts(self._examined(), Body(""), "")
        return facts.model_copy(update={"sums": made.sums}) if facts else made

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
        if self.refresh and self.known and published.state == "replaced":
            reasons.append(differences(self.known, facts))
        if local.content.days < DAYS:
            reasons.append(f"rows of {local.content.days} days only")
        if local.source_name != self.feed.sources[0].name:
            reasons.append(f"from {local.source_name}")
        rows = found.facts.rows if found.facts else facts.rows
        seconds = round(time.monotonic() - local.began, 2)
        return Outcome(self.week, published.state, self.key, rows, found.size, seconds, "; ".join(reasons))

    def keep(self, seen: Found) -> Outcome:
        """Leave the object that is there; facts that are missing or speak of another file are made anew.

        Raises:
            EtlError: the object is not whole, or the lake cannot be read or written.
        """
        if seen.facts is None and self.known:
            self.lake.set_facts(self.key, seen, self.known, self.patience)
            seen = replace(seen, facts=self.known)
        return self._there(seen)

    def _there(self, seen: Found | None, reason: str = "") -> Outcome:
        rows, size = (seen.facts.rows if seen and seen.facts else 0), seen.size if seen else 0
        return Outcome(self.week, "there", self.key, rows, size, reason=reason)

    def _examined(self) -> Content:
        """What the object in the lake holds, read again."""
        path = self.folder / f"seen-{self.feed.name}-{self.week}.csv.gz"
        try:
            self.lake.read(self.key, path, self.patience)
            return examine(path, self.feed, self.week)
        except EtlError as error:
            raise type(error)(
                f"{self.key} is in the lake, without facts that fit it, and: {error}; --force loads it again"
            ) from error
        finally:
            path.unlink(missing_ok=True)

    def _facts(self, content: Content, source: Body, source_name: str) -> Facts:
        return Facts(
            feed=self.feed.name,
            week=self.week,
            source=source_name,
            source_url=source.url,
            source_etag=source.etag if len(source.etag) <= LONGEST_TAG else "",
            source_last_modified=source.last_modified,
            source_bytes=source.received,
            loaded_at=datetime.now(UTC).isoformat(timespec="seconds"),
            flow_run_id=self.run_id,
            version=VERSION,
            **{name: value for name, value in asdict(content).items() if name in Facts.model_fields},
        )


def _address(source: Source, week: date, settings: Settings) -> str:
    return soda_queries.addresses(source, week, settings) if isinstance(source, Table) else source.url(week, settings)


def address(feed: Feed, week: str, settings: Settings) -> str:
    """Where a week is looked for first."""
    return _address(feed.sources[0], saturday(week), settings)
