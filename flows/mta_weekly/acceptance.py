"""What becomes of a week that is held, or does not look like its neighbours, when somebody says that it is right.

Asks nothing of a source.
"""

import time
from dataclasses import dataclass

from mta_weekly.download import Watch
from mta_weekly.errors import BadArgument
from mta_weekly.fetch.client import Web
from mta_weekly.lake.facts import Facts
from mta_weekly.lake_week import utc_now
from mta_weekly.load import Load, LocalWeek
from mta_weekly.neighbourhood import judge_standing
from mta_weekly.outcomes import Outcome
from mta_weekly.settings import VERSION

SHOWN = 5  # weeks named in an error


@dataclass(frozen=True)
class Acceptance(Load):
    """A week whose held object lands because somebody says why it is right, or that is in the lake and is right."""

    @property
    def keeps(self) -> bool:
        """See Load."""
        return self.held is None

    @property
    def is_suspect(self) -> bool:
        """Whether what is in the lake does not look like its neighbours."""
        figures = self.known.get(self.target.week)
        return figures is not None and bool(judge_standing(self.target.feed, figures, self.known))

    def make(self, client: Web, watch: Watch) -> LocalWeek | Outcome:
        """Take the held object.

        Raises:
            EtlError: it cannot be read, or another hand changed it.
        """
        if self.held is None:
            return self.keep()
        began, target, held = time.monotonic(), self.target, self.held
        target.lake.read(held.key, held.found, target.path, target.budget)
        known = {name: value for name, value in vars(held.facts).items() if name in Facts.model_fields}
        now = utc_now()
        known |= {"accepted": self._say(now), "landed_at": now, "flow_run_id": target.run_id, "version": VERSION}
        return LocalWeek(target.path, Facts(**known), (f"accepted: {self.options.accept}",), None, "a held week", began)

    def keep(self) -> Outcome:
        """See Load; what does not look like its neighbours is noted as accepted.

        Raises:
            EtlError: the object cannot be read or written, or another run changed it.
        """
        outcome, existing = super().keep(), self.target.existing
        if not (self.is_suspect and existing and existing.facts):
            return outcome
        facts = existing.facts.model_copy(update={"accepted": self._say(utc_now())})
        return self._keep_existing(self.target.set_facts(existing, facts), f"accepted: {self.options.accept}")

    def _say(self, now: str) -> dict[str, str]:
        return {"why": self.options.accept, "when": now, "by": self.target.run_id}


def check_acceptances(acceptances: list[Acceptance]) -> None:
    """Refuse to accept what is not held.

    Raises:
        BadArgument: a week that is not in the lake is not held, or there is none to accept.
    """
    lacking = [each for each in acceptances if each.held is None and each.target.existing is None]
    if lacking:
        is_one = len(lacking) == 1
        load = "is not held, and not in the lake; load it" if is_one else "are not held, and not in the lake; load them"
        raise BadArgument(f"accept: {_name_weeks(lacking)} {load}.")
    if not any(each.held or each.is_suspect for each in acceptances):
        is_one, stands = len(acceptances) == 1, acceptances[0].target.existing
        said = stands.facts.accepted if is_one and stands and stands.facts else {}
        why = f"was accepted, {said.get('when')}: {said.get('why')}" if said else "is in the lake"
        raise BadArgument(
            f"accept: {_name_weeks(acceptances)} {'is' if is_one else 'are'} not held: {'it' if is_one else 'each'} "
            f"{why}; there is nothing to accept."
        )


def _name_weeks(acceptances: list[Acceptance]) -> str:
    weeks: dict[str, list[str]] = {}
    for each in acceptances:
        weeks.setdefault(each.target.feed.name, []).append(each.target.week.label)
    return ", ".join(f"{feed} {_shorten(named)}" for feed, named in weeks.items())


def _shorten(labels: list[str]) -> str:
    more = len(labels) - SHOWN
    return ", ".join(labels[:SHOWN]) + (f" and {more} more" if more > 0 else "")
