"""What scheduled runs of the weekly flow have said already of weeks that they did not land.

Knows Prefect's API; of lakes, nothing but their names.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

from mta_weekly.backfill_parts import WEEKLY_FLOW
from mta_weekly.feeds.plans import PeriodRequest
from mta_weekly.orchestration.prefect_api import ask_api, translate_faults
from mta_weekly.orchestration.run_tags import ALERT_TAG
from mta_weekly.outcomes import read_missing

LATELY = timedelta(days=7)
MOST = 200  # runs the API gives at once; there is one a week, and those that people start
ENDED = [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED]  # one that was cancelled has looked at nothing


def find_told_weeks(is_lake: Callable[[str | None], bool], now: datetime) -> dict[tuple[str, str], str]:
    """Feeds and weeks that the last run of a weekly deployment has failed for, with the name of that run.

    Of each deployment whose runs somebody is told of, the last one that has ended within a week, into this lake, and
    that names no week: what it has said needs not to be said again.

    Args:
        is_lake: whether the lake that the parameters of a run name, if they do, is this one.

    Raises:
        ApiFailed: the API does not say.
    """

    async def read(client: PrefectClient) -> list[FlowRun]:
        return await client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[WEEKLY_FLOW])),
            flow_run_filter=FlowRunFilter(
                tags=FlowRunFilterTags(all_=[ALERT_TAG]),
                deployment_id=FlowRunFilterDeploymentId(is_null_=False),
                state=FlowRunFilterState(name=None, type=FlowRunFilterStateType(any_=ENDED)),
            ),
            sort=FlowRunSort.END_TIME_DESC,
            limit=MOST,
        )

    with translate_faults("try again"):
        runs: list[FlowRun] = ask_api(read)
    last: dict[UUID | None, FlowRun] = {}
    for run in runs:
        if run.end_time and now - run.end_time <= LATELY and _is_scheduled_kind(run, is_lake):
            last.setdefault(run.deployment_id, run)
    failed = [run for run in last.values() if run.state and run.state.is_failed()]
    return {named: run.name for run in failed for named in read_missing(str((run.state and run.state.message) or ""))}


def _is_scheduled_kind(run: FlowRun, is_lake: Callable[[str | None], bool]) -> bool:
    """Whether a run asked for the newest weeks, into this lake."""
    given = run.parameters
    return PeriodRequest.among(given).newest and not given.get("dry_run") and is_lake(given.get("lake"))
