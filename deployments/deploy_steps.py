"""What the deployments share: the Saturday schedules, the parameters, and putting them at Prefect's API.

Import it first: it lets a script reach the modules of blocks/ and flows/ from wherever it is started.
"""

import argparse
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "blocks"))  # and by `script` flows/

import script_steps  # first: it looks at what Prefect needs to load, and lets the others be found

# isort: split
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.objects import DEFAULT_AGENT_WORK_POOL_NAME, WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from deploy_flags import CATCH_UP, NEW_YORK, NO, SATURDAY_AT_NINE, SATURDAY_AT_NOON, parameters, read_schedule
from deployed_flows import OURS, WATCH, Code
from mta_weekly.errors import BadArgument, EtlError
from mta_weekly.feeds.catalog import AUTO, CHOICES, feed_named
from mta_weekly.feeds.plans import newest_due
from mta_weekly.lake.objects import BLOCK, DEFAULT_BLOCK
from mta_weekly.orchestration.run_tags import ALERT_TAG, FRESHNESS_TAG, PART_TAG
from mta_weekly.settings import VERSION, new_york_today


@dataclass(frozen=True)
class Place:
    """Where a deployment's runs happen and where their code is, in the words of Prefect's API.

    Attributes:
        entrypoint: the flow's file and name, relative to `path` or to where `pull_steps` or `storage` put the code.
        path: where the code is already, or the part of `storage` to take.
    """

    entrypoint: str
    path: str | None = None
    work_pool: str | None = None
    infrastructure: UUID | None = None
    storage: UUID | None = None
    pull_steps: tuple[dict[str, Any], ...] = ()
    job_variables: dict[str, Any] | None = None


@dataclass(frozen=True)
class What:
    """What a deployment runs: its flow, the parameters of every run unless it is asked otherwise, and when.

    Attributes:
        suffix: what its name has after that of the weekly one.
    """

    code: Code
    parameters: dict[str, Any]
    schedule: CronSchedule | None = None
    tags: tuple[str, ...] = ()
    suffix: str = ""

    @property
    def is_made(self) -> bool:
        """Whether there is to be such a deployment: not of a watch without a schedule."""
        return self.code.name != WATCH.name or self.schedule is not None


def parser(description: str, file: str, block: str) -> argparse.ArgumentParser:
    """The flags both deployments have; `block` says what block the script takes."""
    made = script_steps.parser(description, file)
    where = made.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--block_name", type=script_steps.block_name, metavar="N", help=f"{block}; an own server, by an agent"
    )
    where.add_argument("--work_pool", type=script_steps.plain_name, metavar="P", help="a work pool; by its workers")
    made.add_argument(
        "--deploy_name", type=script_steps.plain_name, required=True, metavar="D", help="the deployment's name"
    )
    made.add_argument(
        "--cron",
        default=SATURDAY_AT_NINE,
        help=f"when, default '%(default)s': Saturdays at nine; {NO}: when asked only, as for a backfill",
    )
    made.add_argument(
        "--freshness-cron",
        metavar="CRON",
        help=f"when a run looks whether the lake is fresh, default '{SATURDAY_AT_NOON}'; {NO}, and by default where "
        f"--cron is {NO}: never",
    )
    made.add_argument("--timezone", default=NEW_YORK, metavar="ZONE", help="where, default %(default)s")
    made.add_argument(
        "--work_queue", type=script_steps.plain_name, default="default", metavar="QUEUE", help="default '%(default)s'"
    )
    made.add_argument(
        "--tag",
        type=script_steps.plain_name,
        action="append",
        metavar="TAG",
        help=f"of its runs besides {ALERT_TAG} and the feed, as often as needed",
    )
    made.add_argument("--feed", choices=list(CHOICES), default=AUTO, help="default %(default)s: the week decides")
    made.add_argument(
        "--catch-up",
        type=int,
        default=CATCH_UP,
        metavar="N",
        help="the newest week and those of the N-1 before it that the lake lacks, default %(default)s",
    )
    made.add_argument("--refresh", action="store_true", help="compare weeks that are there, replace what differs")
    made.add_argument(
        "--lake",
        default=DEFAULT_BLOCK,
        metavar="WHERE",
        help=f"{BLOCK}NAME of a block, or a folder from the root where the runs happen; default %(default)s",
    )
    return made


def saturdays(options: argparse.Namespace) -> What:
    """The weekly flow, every Saturday.

    Raises:
        BadArgument: as `read_schedule` and `parameters`; or the feed has ended, so that every such run would fail.
    """
    when, feed = read_schedule("--cron", options.cron, options.timezone), feed_named(options.feed)
    if when and not feed.coverage.holds(newest_due(feed, new_york_today())):
        raise BadArgument(
            f"--feed {feed.name}: its last week was {feed.coverage.last}, and every scheduled run would fail; it is "
            f"replaced by {feed.replaced_by}. Give --cron {NO}, for its backfill; or a live feed."
        )
    return What(OURS, parameters(options), when, alert_tags(options))


def parts(options: argparse.Namespace) -> What:
    """The weekly flow once more, for the parts of a backfill: nobody is told of each."""
    return What(OURS, parameters(options), tags=(PART_TAG, *feed_tag(options)), suffix="-parts")


def freshness(options: argparse.Namespace) -> What:
    """The watch; without a schedule where none is to run.

    Raises:
        BadArgument: as `read_schedule`.
    """
    cron = options.freshness_cron
    if cron is None:
        cron = NO if options.cron == NO else SATURDAY_AT_NOON
    given = {"lake": options.lake, "feed": "".join(feed_tag(options))}
    when = read_schedule("--freshness-cron", cron, options.timezone)
    return What(WATCH, given, when, (FRESHNESS_TAG, *feed_tag(options)))


def feed_tag(options: argparse.Namespace) -> tuple[str, ...]:
    """The feed, where it is one: with `auto` each run says by itself which it has loaded."""
    return () if options.feed == AUTO else (options.feed,)


def alert_tags(options: argparse.Namespace) -> tuple[str, ...]:
    """The tags of a deployment of whose runs somebody is told.

    Raises:
        BadArgument: a tag is that of the watch, or of parts: its runs would be told of twice, or taken for others.
    """
    if taken := {FRESHNESS_TAG, PART_TAG} & set(options.tag or ()):
        raise BadArgument(f"--tag {min(taken)}: is for other deployments, which bear it anyway; leave it out.")
    return tuple(dict.fromkeys((ALERT_TAG, *feed_tag(options), *(options.tag or ()))))


def plan(
    options: argparse.Namespace, whats: Sequence[What], deploy: Callable[[What], Awaitable[str]]
) -> list[script_steps.Step]:
    """The steps of a script: `deploy` each, but for a watch that is not to run."""
    made = []
    for what in whats:
        name = f"'{what.code.name}/{options.deploy_name}{what.suffix}'"
        if not what.is_made:
            made.append(script_steps.Step("check", f"{name}: no schedule", partial(_stop_watch, options.deploy_name)))
            continue
        when = f"cron {what.schedule.cron} in {what.schedule.timezone}" if what.schedule else "when asked"
        made.append(script_steps.Step("deploy", f"{name}: {when}, to {options.lake}", partial(deploy, what)))
    return made


async def _stop_watch(name: str) -> str:
    """Take the schedule of a watch that was deployed before; it stays, and runs when asked."""
    async with get_client() as client:
        there = await _existing(client, WATCH.name, name)
        if not there:
            return "there is no such deployment"
        for each in there.schedules:
            await client.delete_deployment_schedule(there.id, each.id)
        return "removed the one it had" if there.schedules else "it had none"


async def work_pool(client: PrefectClient, name: str, types: dict[str, str]) -> WorkPool:
    """The work pool of that name; `types` has the types that will do, each with the command that makes one.

    Raises:
        EtlError: it does not exist, or is of another type.
    """
    try:
        pool = await client.read_work_pool(name)
    except ObjectNotFound:
        make = " or ".join(command.format(name=name) for command in types.values())
        raise EtlError(f"work pool {name}: there is none of that name; make it: {make}") from None
    if pool.type not in types:
        raise EtlError(f"work pool {name}: is of type {pool.type}, not {' or '.join(types)}; name another pool")
    return pool


async def block(client: PrefectClient, kind: str, name: str, make: str) -> UUID:
    """The id of a registered block; `make` is the command that registers it.

    Raises:
        EtlError: it is not registered.
    """
    try:
        document = await client.read_block_document_by_name(name, block_type_slug=kind, include_secrets=False)
    except ObjectNotFound:
        raise EtlError(f"{kind}/{name}: no such block is registered; register it: {make}") from None
    found: UUID = document.id
    return found


async def put(client: PrefectClient, options: argparse.Namespace, place: Place, what: What) -> str:
    """Make or update a deployment; returns what of it a person may not expect.

    Prefect's own `deploy` and `build_from_flow` do the same with less: they look for the flow under the working folder,
    write files there, and start again a deployment that a person has paused.

    Raises:
        EtlError: its lake is not registered.
    """
    if options.lake.startswith(BLOCK):
        lake = options.lake.removeprefix(BLOCK)
        await block(
            client, "gcs-bucket", lake, f"python blocks/gcs_block.py --gcs_bucket_name B --gcs_block_name {lake}"
        )
    code, name = what.code, options.deploy_name + what.suffix
    there = await _existing(client, code.name, name)
    running = not there or any(each.active for each in there.schedules) or not there.schedules
    paused = bool(there and there.paused)
    fields: dict[str, Any] = {
        "flow_id": await client.create_flow_from_name(code.name),
        "name": name,
        "description": code.purpose,
        "version": VERSION,
        "tags": list(what.tags),
        "schedules": [DeploymentScheduleCreate(schedule=what.schedule, active=running)] if what.schedule else [],
        "paused": paused,
        "parameters": what.parameters,
        "parameter_openapi_schema": code.limited_schema,
        "enforce_parameter_schema": True,
        "work_pool_name": place.work_pool or await _agents_pool(client),
        "work_queue_name": options.work_queue,
        "infrastructure_document_id": place.infrastructure,
        "storage_document_id": place.storage,
        "path": place.path,
        "entrypoint": place.entrypoint,
        "pull_steps": list(place.pull_steps),
        "job_variables": place.job_variables or {},
    }
    identity = await client.create_deployment(**fields)
    stands = await client.read_deployment(identity)
    remarks = ["updated" if there else "new"]
    if paused or (what.schedule and not running):
        remarks.append("paused, as it was")
    if image := stands.job_variables.get("image"):
        remarks.append(f"image {image}")
    return ", ".join(remarks)


async def _agents_pool(client: PrefectClient) -> str:
    """The pool that agents take their runs from, made where no agent has made it yet.

    As long as it is missing, an own server takes the queue of any pool that has one of the name asked for.
    """
    with suppress(ObjectAlreadyExists):
        await client.create_work_pool(WorkPoolCreate(name=DEFAULT_AGENT_WORK_POOL_NAME, type="prefect-agent"))
    return DEFAULT_AGENT_WORK_POOL_NAME


async def _existing(client: PrefectClient, flow: str, name: str) -> DeploymentResponse | None:
    try:
        return await client.read_deployment_by_name(f"{flow}/{name}")
    except ObjectNotFound:
        return None
