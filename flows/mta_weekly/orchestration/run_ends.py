"""How a flow run ends: its final state, and what that says."""

import logging
from typing import Any

from prefect.states import Completed, Failed, State

from mta_weekly.errors import BadArgument, EtlError
from mta_weekly.outcomes import Outcome, describe_missing, summarize_outcomes

log = logging.getLogger("mta")
# Of a line that Prefect's own last one repeats to its API: "Finished in state ...", with the message of the state.
CONSOLE_ONLY = {"send_to_api": False}


def end_by_fault(error: EtlError) -> State[Any]:
    """The end of a run by a fault that was expected; a bad argument gives the state its name."""
    log.error(str(error), extra=CONSOLE_ONLY)
    return Failed(name="BadArgument" if isinstance(error, BadArgument) else None, message=str(error))


def end_by_outcomes(outcomes: list[Outcome]) -> State[Any]:
    """The end of a run that has looked at all its weeks: Failed unless every due one is there; its data is theirs."""
    if missed := describe_missing(outcomes):
        return Failed(message=f"{summarize_outcomes(outcomes)}. {missed}", data=outcomes)
    return Completed(message=summarize_outcomes(outcomes), data=outcomes)
