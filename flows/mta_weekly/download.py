"""A week's bytes from the first of its sources that has it, made into a checked object in the work folder.

Joins fetch and content; knows what is in the lake, for what has not changed need not be sent again.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from mta_weekly.ceilings import refuse_more_bytes, refuse_more_rows
from mta_weekly.content.convert import convert_week
from mta_weekly.content.profile import WeekProfile, check_days
from mta_weekly.errors import EtlError, NotPublished, Refused, TooManyBadRows, TryAgain, Unchanged, Unreachable
from mta_weekly.feeds.plans import expected_on
from mta_weekly.feeds.sources import Source
from mta_weekly.fetch.body import Body, Version
from mta_weekly.fetch.client import Web
from mta_weekly.fetch.from_source import fetch_week, find_address
from mta_weekly.lake_week import LakeWeek
from mta_weekly.options import Options
from mta_weekly.telemetry import record_step

log = logging.getLogger("mta.load")

Watch = Callable[[Iterator[bytes], str, Body], Iterator[bytes]]


@dataclass(frozen=True)
class Download:
    """A week on its way from a source to the work folder."""

    target: LakeWeek
    options: Options

    def fetch(self, client: Web, watch: Watch, path: Path) -> tuple[WeekProfile, Body, Source]:
        """Make the week's object at `path`; `watch` sees the bytes go by.

        Where nobody answers at a source, or it does not have the week, the next one is asked.

        Raises:
            Unchanged: a refresh, and the source has nothing but what the lake has.
            EtlError: it could not be had, or is not right; nothing of it stays.
        """
        faults = list[EtlError]()
        sources = self._list_sources()
        for source in sources:
            if faults:
                log.warning("%s %s: %s; asking %s", self.target.feed.name, self.target.week, faults[-1], source.name)
                self.target.budget.renew()
            host = self._find_host(source)
            try:
                if host in client.hosts.unreachable and source is not sources[-1]:
                    raise Unreachable(f"nobody answers at {host.decode()}")
                return *self._fetch(source, client, path, watch), source
            except Unchanged:
                raise
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

    @record_step(
        name="fetch",
        about=lambda self, source, *_: {**self.target.names, "source": source.name},
        result=lambda fetched: {"rows": fetched[0].rows, "received": fetched[1].received},
    )
    def _fetch(self, source: Source, client: Web, path: Path, watch: Watch) -> tuple[WeekProfile, Body]:
        """The week as one source has it."""
        dialect = source.dialect_of(self.target.week)

        def consume(chunks: Iterator[bytes], body: Body) -> WeekProfile:
            watched = watch(self._limit(chunks, body), self.target.week.label, body)
            feed, week, options = self.target.feed, self.target.week, self.options
            try:
                profile = convert_week(
                    watched, feed, week, path, options.allow_bad_rows, dialect, options.settings.max_rows
                )
            except TooManyBadRows as error:
                again = ["--force"] if options.force else ["--refresh"] if options.refresh else []
                command = options.write_command(feed, week, *again, f"--allow-bad-rows {error.count}")
                raise Refused(f"{error}: {command}") from error
            self._check(profile, body)
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

    @record_step(name="check", about=lambda self, profile, _: {**self.target.names, "rows": profile.rows})
    def _check(self, profile: WeekProfile, body: Body) -> None:
        """Compare a whole week with what its source counted and summed, and see that it is no part of one.

        Raises:
            TryAgain: it is not what was counted or summed.
            Refused: it is a part.
        """
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

    def _limit(self, chunks: Iterator[bytes], body: Body) -> Iterator[bytes]:
        """The chunks of a week that is not beyond all measure, in bytes or by its source's own count of rows."""
        for chunk in refuse_more_bytes(chunks, self.options.settings.max_bytes):
            refuse_more_rows(body.rows or 0, self.options.settings.max_rows)
            yield chunk

    def _unless(self, source: Source) -> Version | None:
        """The version that the lake has already, where it came from there."""
        facts = self.target.existing.facts if self.options.refresh and self.target.existing else None
        if facts is None or facts.source != source.name:
            return None
        return Version(facts.source_url, facts.source_etag, facts.source_last_modified, facts.rows + facts.bad_rows)
