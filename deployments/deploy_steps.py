"""What the deployments share: the Saturday schedule, the parameters, and putting them at Prefect's API.

Import it first: it lets a script reach the modules of blocks/ and flows/ from wherever it is started.
"""

import argparse
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "blocks"))  # and by `script` flows/

from prefect import Flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.objects import DEFAULT_AGENT_WORK_POOL_NAME, WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.utilities.callables import parameter_schema

import script_steps  # lets the others be found

# isort: split
from croniter import CroniterBadDateError, croniter

from etl_web_to_gcs import main_flow
from mta_weekly.errors import BadArgument, EtlError
from mta_weekly.feeds.catalog import AUTO, CHOICES
from mta_weekly.lake.objects import BLOCK, DEFAULT_BLOCK, check_name
from mta_weekly.settings import VERSION

SATURDAY_AT_NINE, NEW_YORK = "0 9 * * 6", "America/New_York"
MOST_WEEKS = 5_200  # a hundred years
CATCH_UP = 8  # weeks a Saturday's run looks back, so that a missed one, or a source that was late, heals
ENTRYPOINT = "etl_web_to_gcs.py:main_flow"


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
class Code:
    """What Prefect's API is told of a flow: its name, what it is for, and the schema of its parameters."""

    name: str
    description: str
    schema: dict[str, Any]

    @classmethod
    def of(cls, flow: Flow[..., Any]) -> "Code":
        """That of a flow which is loaded."""
        return cls(flow.name, flow.description or "", parameter_schema(flow).dict())


OURS = Code.of(main_flow)


@dataclass(frozen=True)
class What:
    """What a deployment runs: its flow, the parameters of every run unless it is asked otherwise, and when."""

    code: Code
    parameters: dict[str, Any]
    schedule: CronSchedule | None = None


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
    made.add_argument("--cron", default=SATURDAY_AT_NINE, help="when, default '%(default)s': Saturdays at nine")
    made.add_argument("--timezone", default=NEW_YORK, metavar="ZONE", help="where, default %(default)s")
    made.add_argument(
        "--work_queue", type=script_steps.plain_name, default="default", metavar="QUEUE", help="default '%(default)s'"
    )
    made.add_argument(
        "--tag", type=script_steps.plain_name, action="append", metavar="TAG", help="as often as needed, default mta"
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


def schedule(options: argparse.Namespace) -> CronSchedule:
    """When the deployment runs.

    Raises:
        BadArgument: the cron line or the time zone cannot be used.
    """
    said = f"--cron {options.cron!r} --timezone {options.timezone!r}"
    if len(options.cron.split()) != 5 or not options.cron.isprintable() or not options.timezone:
        raise BadArgument(f"{said}: must be five fields, as {SATURDAY_AT_NINE!r}, and a zone, as {NEW_YORK!r}.")
    try:
        when = CronSchedule(cron=options.cron, timezone=options.timezone)
        croniter(options.cron).get_next()
    except CroniterBadDateError:  # it would stop the server's scheduler, for everybody
        raise BadArgument(f"{said}: there is no such day, ever.") from None
    except ValueError as error:
        fault = " ".join(str(error).splitlines()[2:]).partition(" (type=")[0].strip()
        raise BadArgument(f"{said}: {fault}.") from None
    return when


def parameters(options: argparse.Namespace) -> dict[str, Any]:
    """What every run is given unless it is asked otherwise.

    Raises:
        BadArgument: the lake is none that outlives a run, or there is no such number of weeks.
    """
    check_name(options.lake)
    if not options.lake.startswith((BLOCK, "/")):
        raise BadArgument(f"--lake {options.lake}: give {BLOCK}NAME, or a folder from the root where the runs happen.")
    if options.lake.startswith(BLOCK):
        try:
            script_steps.block_name(options.lake.removeprefix(BLOCK))
        except argparse.ArgumentTypeError as error:
            raise BadArgument(f"--lake: {error}.") from None
    if not 1 <= options.catch_up <= MOST_WEEKS:
        raise BadArgument(f"--catch-up {options.catch_up}: must be 1 (the newest week alone) to {MOST_WEEKS}.")
    refresh = {"refresh": True} if options.refresh else {}
    return {"feed": options.feed, "catch_up": options.catch_up, "lake": options.lake} | refresh


def check(options: argparse.Namespace) -> str:
    """Refuse what cannot be used, before any request; say the deployment in words."""
    when = schedule(options)
    parameters(options)
    return f"'{main_flow.name}/{options.deploy_name}': cron {when.cron} in {when.timezone}, to {options.lake}"


def saturdays(options: argparse.Namespace, code: Code = OURS) -> What:
    """The weekly flow, every Saturday.

    Raises:
        BadArgument: as `schedule` and `parameters`.
    """
    return What(code, parameters(options), schedule(options))


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
    code = what.code
    there = await _existing(client, code.name, options.deploy_name)
    running = not there or any(each.active for each in there.schedules) or not there.schedules
    paused = bool(there and there.paused)
    fields: dict[str, Any] = {
        "flow_id": await client.create_flow_from_name(code.name),
        "name": options.deploy_name,
        "description": code.description,
        "version": VERSION,
        "tags": options.tag or ["mta"],
        "schedules": [DeploymentScheduleCreate(schedule=what.schedule, active=running)] if what.schedule else [],
        "paused": paused,
        "parameters": what.parameters,
        "parameter_openapi_schema": code.schema,
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
    if paused or not running:
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
