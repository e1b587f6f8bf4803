"""A load: one week of one feed, from its source to its verified object. Joins the wings; knows no Prefect."""

import logging
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import httpx

from mta_weekly.content.convert import convert_week, rejected_path
from mta_weekly.content.profile import WeekProfile, check_days
from mta_weekly.errors import (
    BadArgument,
    EtlError,
    LakeFailed,
    NotPublished,
    ObjectChanged,
    Refused,
    TooManyBadRows,
    TryAgain,
    Unchanged,
    Unreachable,
)
from mta_weekly.feeds.plans import expected_on
from mta_weekly.feeds.sources import Source
from mta_weekly.fetch.body import Body, Version
from mta_weekly.fetch.client import Hosts, Web
from mta_weekly.fetch.from_source import fetch_week, find_address
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.objects import PublishResult, StoredObject, say_changed
from mta_weekly.lake_week import LakeWeek, readable
from mta_weekly.outcomes import Outcome, count_noun, describe_differences
from mta_weekly.settings import Settings

log = logging.getLogger("mta.load")

Watch = Callable[[Iterator[bytes], str, Body], Iterator[bytes]]


@dataclass(frozen=True)
class Options:
    """How a run loads its weeks: made once, at its edge, and handed down.

    Attributes:
        today: New York's.
        lake: its name, as `--lake` takes it.
        run_id: of the flow run, for the facts.
        force: replace an object that is there.
        refresh: compare an object that is there with what the source has now, and replace it if it differs.
        allow_bad_rows: how many rows of a week may be left out.
        concurrency: how many weeks are in the making at once.
        hosts: what the run knows of the hosts it asks.
    """

    settings: Settings
    today: date
    lake: str = ""
    run_id: str = ""
    force: bool = False
    refresh: bool = False
    allow_bad_rows: int = 0
    concurrency: int = 2
    hosts: Hosts | None = None


def check_options(concurrency: int, allow_bad_rows: int, force: bool, refresh: bool) -> None:
    """Refuse options that no run can have.

    Raises:
        BadArgument: with the value and the rule.
    """
    if concurrency < 1:
        raise BadArgument(f"concurrency {concurrency}: must be 1 or more.")
    if allow_bad_rows < 0:
        raise BadArgument(f"allow_bad_rows {allow_bad_rows}: must be 0 or more.")
    if force and refresh:
        raise BadArgument("force and refresh: force replaces, refresh replaces what differs; give one of them.")


@dataclass(frozen=True)
class LocalWeek:
    """A week's checked object in the work folder, and what is known of it.

    Attributes:
        body: what the source said, and its name.
        compared: what is known of the object that is there, where a refresh compares.
        began: on the monotonic clock.
    """

    path: Path
    profile: WeekProfile
    body: Body
    source_name: str
    compared: Facts | None
    began: float


@dataclass(frozen=True)
class Load:
    """A week of a feed on its way into a lake."""

    target: LakeWeek
    options: Options

    @property
    def keeps(self) -> bool:
        """Whether what is in the lake is left as it is."""
        return self.target.existing is not None and not (self.options.force or self.options.refresh)

    def make(self, client: Web, watch: Watch) -> LocalWeek | Outcome:
        """Download the week and make its checked object in the work folder; `watch` sees the bytes go by.

        Where nobody answers at a source, or it does not have the week, the next one is asked. A refresh may end here,
        with the outcome, where the source has nothing but what the lake has.

        Raises:
            EtlError: it could not be had, or is not right; nothing of it stays.
        """
        began, faults = time.monotonic(), list[EtlError]()
        path = self.target.folder / f"{self.target.feed.name}-{self.target.week}.csv.gz"
        if self.target.existing:  # before anything is downloaded
            readable(self.target.key, self.target.existing)
        compared = self.target.find_existing_facts() if self.options.refresh else None
        sources = self._list_sources()
        for source in sources:
            if faults:
                log.warning("%s %s: %s; asking %s", self.target.feed.name, self.target.week, faults[-1], source.name)
                self.target.budget.renew()
            host = self._find_host(source)
            try:
                if host in client.hosts.unreachable and source is not sources[-1]:
                    raise Unreachable(f"nobody answers at {host.decode()}")
                profile, body = self._fetch(source, client, path, watch)
                return LocalWeek(path, profile, body, source.name, compared, began)
            except Unchanged as error:
                return self._keep_existing(self.target.existing, str(error))
            except EtlError as error:
                path.unlink(missing_ok=True)
                faults.append(error)
                if isinstance(error, Unreachable):
                    client.hosts.unreachable.add(host)  # all weeks of the run need not wait for it
                elif not isinstance(error, NotPublished):
                    break
        said = "; then: ".join(map(str, faults))
        if isinstance(faults[-1], NotPublished | Unreachable) and (others := self._list_sources_without()):
            said += f"; {' and '.join(others)} never had this week"
        if self.options.refresh and self.target.existing is not None:
            said += "; what is in the lake stays"
        raise type(faults[-1])(said) from faults[-1]

    def _list_sources(self) -> list[Source]:
        """The sources that may have the week. What a later one has is no revision of what came from an earlier one."""
        sources = self.target.feed.sources
        if self.options.refresh and self.target.existing and self.target.existing.facts:
            names = [source.name for source in sources]
            came_from = self.target.existing.facts.source
            sources = sources[: names.index(came_from) + 1 if came_from in names else 1]
        return [source for source in sources if source.holds(self.target.week)]

    def _list_sources_without(self) -> list[str]:
        """The names of the sources that have no such week."""
        return [source.name for source in self.target.feed.sources if not source.holds(self.target.week)]

    def _find_host(self, source: Source) -> bytes:
        address, _, _ = find_address(self.target.feed, source, self.target.week, self.options.settings).partition(" ")
        return httpx.URL(address).netloc

    def _fetch(self, source: Source, client: Web, path: Path, watch: Watch) -> tuple[WeekProfile, Body]:
        """The week as one source has it."""
        dialect = source.dialect_of(self.target.week)

        def consume(chunks: Iterator[bytes], body: Body) -> WeekProfile:
            watched = watch(chunks, self.target.week.label, body)
            try:
                profile = convert_week(
                    watched, self.target.feed, self.target.week, path, self.options.allow_bad_rows, dialect
                )
            except TooManyBadRows as error:
                raise Refused(f"{error}: {self._write_command(error.count)}") from error
            if body.rows is not None:
                rows = profile.rows + profile.bad_rows
                if body.rows != rows:
                    raise TryAgain(f"{rows:,} rows came of {body.rows:,} that were counted")
                if body.compare and not profile.bad_rows:  # the site sums those too
                    body.compare(profile.sums, profile.day_sums)
            try:
                check_days(profile, self.target.feed)
            except Refused as error:
                raise Refused(f"{error}; nothing loaded, try again later") from error
            return profile

        due = expected_on(self.target.feed.coverage.due_on(self.target.week), self.options.today)
        return fetch_week(
            client,
            self.target.feed,
            source,
            self.target.week,
            self.options.settings,
            self.target.budget,
            folder=self.target.folder,
            late=f"it is expected on {due}",
            unless=self._unless(source),
            consume=consume,
        )

    def _write_command(self, bad_rows: int) -> str:
        """What lands the week without its bad rows."""
        day, options = self.target.week.saturday, self.options
        again = ["--force"] if options.force else ["--refresh"] if options.refresh else []
        period = [f"--year {day.year} --month {day.month} --day {day.day} --feed {self.target.feed.name}"]
        lake = [f"--lake {shlex.quote(options.lake)}"] if options.lake else []
        return " ".join(["python flows/etl_web_to_gcs.py", *period, *lake, *again, f"--allow-bad-rows {bad_rows}"])

    def _unless(self, source: Source) -> Version | None:
        """The version that the lake has already, where it came from there."""
        facts = self.target.existing.facts if self.options.refresh and self.target.existing else None
        if facts is None or facts.source != source.name:
            return None
        return Version(facts.source_url, facts.source_etag, facts.source_last_modified, facts.rows + facts.bad_rows)

    def publish(self, local: LocalWeek | Outcome) -> Outcome:
        """Publish the object, if one was made, after the rows left out of it, and clear the work files.

        Raises:
            EtlError: the lake did not take it, or another run replaced the object this one was to replace.
        """
        if isinstance(local, Outcome):
            return local
        body = local.body
        facts = self.target.make_facts(
            local.profile,
            source=local.source_name,
            source_url=body.url,
            source_etag=body.etag,
            source_last_modified=body.last_modified,
            source_bytes=body.received,
            unknown_columns=body.unknown_columns,
            out_of_date=body.out_of_date,
        )
        try:
            published = self.target.publish(local.path, facts, local.compared)
        finally:
            local.path.unlink(missing_ok=True)
            rejected_path(local.path).unlink(missing_ok=True)
        return self._describe(local, published, facts)

    def _describe(self, local: LocalWeek, published: PublishResult, facts: Facts) -> Outcome:
        found, reasons = published.found, []
        if published.state == "there":
            other = found.facts and found.facts.flow_run_id != facts.flow_run_id
            by = f"another run {found.facts.flow_run_id}" if found.facts and other else "something else"
            same = "the same content" if found.holds_content(facts) else "other content, which stands"
            reasons.append(f"{by} was first, with {same}")
        elif facts.bad_rows and found.facts:
            reasons.append(f"{count_noun(facts.bad_rows, 'bad row')} left out: {found.facts.rejected}")
        if local.compared and published.state == "replaced":
            reasons.append(describe_differences(local.compared, facts))
        if local.source_name != self.target.feed.sources[0].name:
            reasons.append(f"from {local.source_name}")
        reasons += local.body.notes
        rows = found.facts.rows if found.facts else facts.rows
        seconds = round(time.monotonic() - local.began, 2)
        return Outcome(
            self.target.week.label, published.state, self.target.key, rows, found.size, seconds, "; ".join(reasons)
        )

    def keep(self) -> Outcome:
        """Leave the object that is there; one without facts is examined as a new week, and they are made anew.

        Raises:
            EtlError: the object is not a whole week, cannot be read, or another run changed it.
        """
        if self.target.existing is None:
            raise ObjectChanged(say_changed(self.target.key))
        existing, reason = readable(self.target.key, self.target.existing), ""
        if existing.facts is None:
            facts = self.target.examine(existing)
            spoke = f" spoke of a file of crc32c {existing.said.crc32c} and" if existing.said else ""
            reason = f"examined; its facts{spoke} are made anew"
            try:
                existing = self.target.set_facts(existing, facts)
            except ObjectChanged:
                raise
            except LakeFailed as error:  # what is there is a whole week all the same
                existing, reason = replace(existing, facts=facts), f"examined; its facts cannot be kept: {error}"
        return self._keep_existing(existing, reason)

    def fail(self, reason: str) -> Outcome:
        """The outcome of a week that could not be loaded."""
        return Outcome(self.target.week.label, "failed", self.target.key, reason=reason)

    def _keep_existing(self, existing: StoredObject | None, reason: str = "") -> Outcome:
        rows, size = (existing.facts.rows if existing and existing.facts else 0), existing.size if existing else 0
        return Outcome(self.target.week.label, "there", self.target.key, rows, size, reason=reason)
