"""What a run tells Prefect's API of itself: its name and tags, a line for each of its weeks, its tables.

What these say is for outcomes.py, run_names.py and run_tables.py to know.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from prefect import runtime
from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import PrefectClient
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_UI_URL

from mta_weekly.backfill_parts import Part, count_parts
from mta_weekly.errors import ApiFailed
from mta_weekly.feeds.catalog import Feed, FeedSequence
from mta_weekly.feeds.plans import Plan
from mta_weekly.lake.objects import BLOCK
from mta_weekly.orchestration.prefect_api import ask_api, translate_faults
from mta_weekly.orchestration.run_names import is_made_up, name_run, name_weeks
from mta_weekly.orchestration.run_tables import group_by_feed, link_object, list_part_rows, list_week_rows, show_path
from mta_weekly.outcomes import Outcome, describe_not_due, list_not_loaded, summarize_outcomes
from mta_weekly.settings import new_york_today

log = logging.getLogger("mta")


def label_run() -> None:
    """Name the flow run by what it is asked for, and tag it by its feeds, in one request.

    A name that a person gave it stays, and so do its tags. An API that fails costs the run nothing else.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if context is None or run is None:
        return
    name, feeds = name_run(context.parameters or {}, new_york_today())
    new: dict[str, Any] = {"name": name} if is_made_up(run.name) else {}
    if not set(feeds) <= set(run.tags):
        new["tags"] = sorted({*run.tags, *feeds})
    if not new:
        return
    try:
        with translate_faults("the run goes on without its name and tags"):
            ask_api(lambda client: client.update_flow_run(run.id, **new))
    except ApiFailed as error:
        log.warning(str(error))
        return
    except ObjectNotFound:
        log.warning("the run was deleted from the Prefect API; it goes on without its name and tags")
        return
    run.name, run.tags = new.get("name", run.name), new.get("tags", run.tags)


def name_subflow() -> str:
    """The name of the flow run that lands weeks inside another one."""
    given = runtime.flow_run.parameters
    return name_weeks(given["feed"], given["weeks"])


def say_week(outcome: Outcome, run_id: str) -> Outcome:
    """Log a week's line on the flow run of that id: that which was asked for it, not the one inside that landed it."""
    level = logging.ERROR if outcome.missed else logging.INFO
    log.log(level, str(outcome), extra={"flow_run_id": run_id} if run_id else None)
    return outcome


def say_unloaded(plan: Plan, feed: Feed | FeedSequence, run_id: str) -> list[Outcome]:
    """What becomes of the weeks of a plan that are not to load, after a line for those not due and for each outside."""
    outcomes = list_not_loaded(plan, feed)
    if later := describe_not_due(outcomes):
        log.info("%s %s", feed.feeds[-1].name, later)
    for outcome in outcomes:
        if outcome.missed:
            say_week(outcome, run_id)
    return outcomes


def report_weeks(outcomes: list[Outcome], lake: str, seconds: float) -> None:
    """Make the run's tables, one for each feed.

    Args:
        lake: its name.
        seconds: that the run took.
    """
    locate = _find_way_to_objects(lake)
    for feed, those in group_by_feed(outcomes).items():
        create_table_artifact(  # type: ignore[unused-coroutine] # done at once in a flow that is not async
            key=_name_table("weeks", feed),
            table=list_week_rows(those, seconds, locate),
            description=f"{summarize_outcomes(those)}. Lake: `{lake}`",
        )


def report_parts(parts: list[Part], feed: str, lake: str, deployment: str, seconds: float) -> None:
    """Make the table of a backfill.

    Args:
        feed: the name of the feed, of its newest week where there are two.
        lake: its name.
        deployment: the name of that of the parts.
        seconds: that the backfill took.
    """
    create_table_artifact(  # type: ignore[unused-coroutine] # done at once in a flow that is not async
        key=_name_table("parts", feed),
        table=list_part_rows(parts, seconds, PREFECT_UI_URL.value()),
        description=f"{count_parts(parts)}. Lake: `{lake}`; deployment: `{deployment}`",
    )


def _name_table(what: str, feed: str) -> str:
    """The key of an artifact: lower case, digits and dashes."""
    return f"mta-{what}-{feed.replace('_', '-')}"


def _find_way_to_objects(lake: str) -> Callable[[str], str]:
    """What shows where an object of the lake is: a link into its bucket, or a path; else its name."""
    if not lake.startswith(BLOCK):
        return partial(show_path, folder=lake)
    name = lake.removeprefix(BLOCK)

    async def read(client: PrefectClient) -> dict[str, Any]:
        document = await client.read_block_document_by_name(name, block_type_slug=BLOCK[:-1], include_secrets=False)
        return document.data

    try:
        with translate_faults("the run's table has no links"):
            block: dict[str, Any] = ask_api(read)
    except ApiFailed as error:
        log.warning(str(error))
        return str
    except ObjectNotFound:  # each week has said so
        return str
    return partial(link_object, bucket=str(block["bucket"]), folder=str(block.get("bucket_folder") or ""))
