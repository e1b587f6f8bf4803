"""A load: one week of one feed, from its source to its verified object. Joins the wings; knows no Prefect."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mta_weekly.content.convert import rejected_path
from mta_weekly.content.judgement import Figures, Finding, are_alike, describe_findings
from mta_weekly.content.profile import WeekProfile
from mta_weekly.download import Download, Watch
from mta_weekly.errors import LakeFailed, ObjectChanged, Unchanged
from mta_weekly.feeds.sources import Source
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.body import Body
from mta_weekly.fetch.client import Web
from mta_weekly.held import HeldWeek
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.objects import PublishResult, StoredObject, say_changed
from mta_weekly.lake_week import LakeWeek, readable, utc_now
from mta_weekly.neighbourhood import describe_unlike, judge_new, read_figures
from mta_weekly.options import Options
from mta_weekly.outcomes import Outcome, count_noun, describe_differences
from mta_weekly.telemetry import record_step

log = logging.getLogger("mta.load")


@dataclass(frozen=True)
class LocalWeek:
    """A week's checked object in the work folder, and what is known of it.

    Attributes:
        notes: what a person should hear of it.
        compared: what is known of the object that is there, where a refresh compares.
        by: what replaces that, in words.
        began: on the monotonic clock.
    """

    path: Path
    facts: Facts
    notes: tuple[str, ...]
    compared: Facts | None
    by: str
    began: float


@dataclass(frozen=True)
class Load:
    """A week of a feed on its way into a lake.

    Attributes:
        known: the figures of the feed's weeks that were in the lake when the run began.
        held: something else of the week, kept aside; looked for where a run refreshes or accepts.
    """

    target: LakeWeek
    options: Options
    known: Mapping[Week, Figures] = field(default_factory=dict)
    held: HeldWeek | None = None

    @property
    def keeps(self) -> bool:
        """Whether what is in the lake is left as it is."""
        return self.target.existing is not None and not (self.options.force or self.options.refresh)

    def make(self, client: Web, watch: Watch) -> LocalWeek | Outcome:
        """Download the week and make its checked object in the work folder; `watch` sees the bytes go by.

        A refresh may end here, with the outcome, where the source has nothing but what the lake has.

        Raises:
            EtlError: it could not be had, or is not right; nothing of it stays.
        """
        began = time.monotonic()
        self.target.budget.start()
        if self.target.existing:  # before anything is downloaded
            readable(self.target.key, self.target.existing)
        compared = self.target.find_existing_facts() if self.options.refresh else None
        try:
            profile, body, source = Download(self.target, self.options).fetch(client, watch, self.target.path)
        except Unchanged as error:
            return self._keep_existing(self._find_again(), str(error))
        facts = self._make_facts(profile, body, source)
        by = "a refresh" if compared else "a forced load"
        return LocalWeek(self.target.path, facts, tuple(body.notes), compared, by, began)

    def _find_again(self) -> StoredObject | None:
        """The object that is there, which its source has again: what is held of the week is overtaken."""
        existing = self.target.existing
        if not (self.held and existing and existing.facts):
            return existing
        return self.target.set_facts(existing, existing.facts.model_copy(update={"loaded_at": utc_now()}))

    def _make_facts(self, profile: WeekProfile, body: Body, source: Source) -> Facts:
        return self.target.make_facts(
            profile,
            source=source.name,
            source_url=body.source_url,
            source_etag=body.etag,
            source_last_modified=body.last_modified,
            source_bytes=body.received,
            unknown_columns=body.unknown_columns,
            ended=body.ended,
            out_of_date=body.out_of_date,
        )

    def publish(self, local: LocalWeek | Outcome) -> Outcome:
        """Publish the object, if one was made, after the rows left out of it, and clear the work files.

        One that does not look like its neighbours is held, or lands with a warning, as the run's options say.

        Raises:
            EtlError: the lake did not take it, or another run replaced the object this one was to replace.
        """
        if isinstance(local, Outcome):
            return local
        try:
            facts = self._inherit(local.facts)
            findings = self._judge(facts, local.compared)
            if findings and self.options.judge == "hold":
                return self._hold(local, describe_findings(findings))
            published = self.target.publish(local.path, facts, local.compared, local.by)
        finally:
            local.path.unlink(missing_ok=True)
            rejected_path(local.path).unlink(missing_ok=True)
        outcome = self._describe(local, published)
        if findings:
            said = describe_unlike(findings)
            log.warning("%s %s: %s", self.target.feed.name, self.target.week, said)
            outcome = replace(outcome, reason="; ".join(filter(None, [outcome.reason, said])))
        return outcome

    @record_step(
        name="judge",
        about=lambda self, facts, _: {**self.target.names, "rows": facts.rows},
        result=lambda findings: {"findings": len(findings)},
    )
    def _judge(self, facts: Facts, compared: Facts | None) -> list[Finding]:
        """What is wrong with a week that would land; nothing where the lake has the same, or it is accepted."""
        existing = self.target.existing
        same = (existing and existing.holds_content(facts)) or (compared and compared.sha256 == facts.sha256)
        if self.options.judge == "off" or facts.accepted or same:
            return []
        return judge_new(self.target.feed, facts, self.known, compared)

    def _inherit(self, facts: Facts) -> Facts:
        """What replaces an accepted week, and is like it, is accepted for the same reason."""
        feed, before = self.target.feed, self.target.existing.facts if self.target.existing else None
        if facts.accepted or not (before and before.accepted):
            return facts
        is_like = are_alike(read_figures(feed, facts), read_figures(feed, before), feed)
        return facts.model_copy(update={"accepted": before.accepted}) if is_like else facts

    def _hold(self, local: LocalWeek, said: str) -> Outcome:
        """Keep aside a week that does not look like one."""
        key = self.target.hold(local.path, local.facts, said)
        stays = ["what is in the lake stays"] if self.target.existing else []
        bad = [f"{count_noun(local.facts.bad_rows, 'bad row')} left out"] if local.facts.bad_rows else []
        accept = self.options.write_command(self.target.feed, self.target.week, "--accept WHY")
        told = [f"held: {said}", *bad, *local.notes, f"kept as {key}", *stays, f"if it is right: {accept}"]
        return Outcome(
            self.target.week.label,
            "held",
            self.target.key,
            local.facts.rows,
            local.facts.size,
            round(time.monotonic() - local.began, 2),
            "; ".join(told),
        )

    def _describe(self, local: LocalWeek, published: PublishResult) -> Outcome:
        found, facts, reasons = published.found, local.facts, []
        if published.state == "there":
            other = found.facts and found.facts.flow_run_id != facts.flow_run_id
            by = f"another run {found.facts.flow_run_id}" if found.facts and other else "something else"
            same = "the same content" if found.holds_content(facts) else "other content, which stands"
            reasons.append(f"{by} was first, with {same}")
        elif facts.bad_rows and found.facts:
            reasons.append(f"{count_noun(facts.bad_rows, 'bad row')} left out: {found.facts.rejected}")
        if local.compared and published.state == "replaced":
            reasons.append(describe_differences(local.compared, facts))
        if facts.source != self.target.feed.sources[0].name:
            reasons.append(f"from {facts.source}")
        if published.state != "there":  # they are of what was not taken
            reasons += local.notes
        return Outcome(
            self.target.week.label,
            published.state,
            self.target.key,
            found.facts.rows if found.facts else facts.rows,
            found.size,
            round(time.monotonic() - local.began, 2),
            "; ".join(reasons),
            found.facts,
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
        facts, size = existing.facts if existing else None, existing.size if existing else 0
        rows = facts.rows if facts else 0
        return Outcome(self.target.week.label, "there", self.target.key, rows, size, reason=reason, facts=facts)
