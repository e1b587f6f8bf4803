"""Deploy the flow to run in containers of its image, every Saturday at nine in New York.

    python deployments/docker_deploy_etl_web_to_gcs.py --block_name N --deploy_name D    # an own server, by an agent
    python deployments/docker_deploy_etl_web_to_gcs.py --work_pool P --deploy_name D     # by a docker worker

The code is in the image. A process work pool will do as well, where the worker itself runs in the image. An agent is
started as `prefect agent start -p default-agent-pool -q default`: without its pool it takes runs of any other.
At noon a second deployment, of the watch, looks whether the lake is fresh. --backfill_pool Q makes two more: D-parts,
the weekly flow without a schedule, and the backfill, which waits in pool Q for the runs of D-parts.
"""

import argparse
from collections.abc import Sequence

import deploy_steps  # first: it looks at what Prefect needs to load, and lets the others be found

# isort: split
from prefect.client.orchestration import PrefectClient, get_client

import script_steps
from backfill import backfill_flow
from deployed_flows import Code
from mta_weekly.errors import BadArgument, EtlError

ROOT = "/opt/prefect"  # of the code in the image
BACKFILL = Code.of(backfill_flow, "backfill.py:backfill_flow")
TYPES = {
    "docker": "python blocks/docker_block.py --work_pool '{name}' --image_name I",
    "process": "prefect work-pool create '{name}' --type process",
}


def parser() -> argparse.ArgumentParser:
    """The flags, as `--help` shows them."""
    made = deploy_steps.parser(
        "Deploy the flow to run in containers of its image, on a schedule.", __file__, "a Docker Container block"
    )
    made.add_argument(
        "--image",
        type=script_steps.image_name,
        metavar="I",
        help="an image of its own; default: that of the block or pool",
    )
    made.add_argument(
        "--backfill_pool",
        type=script_steps.plain_name,
        metavar="Q",
        help="deploy the backfill too, in a pool of its own, and D-parts for its parts, of which nobody is alerted",
    )
    return made


def steps(options: argparse.Namespace) -> list[script_steps.Step]:
    """What the script does."""
    whats, pool = [deploy_steps.saturdays(options), deploy_steps.freshness(options)], options.backfill_pool
    if pool and pool == options.work_pool:
        raise BadArgument(f"--backfill_pool {pool}: the backfill would wait for itself there; name another pool.")
    if pool:
        parts = deploy_steps.parts(options)
        given = {
            "deployment": f"{parts.code.name}/{options.deploy_name}{parts.suffix}",
            "feed": options.feed,
            "lake": options.lake,
        }
        whats += [parts, deploy_steps.What(BACKFILL, given, tags=deploy_steps.alert_tags(options))]

    async def deploy(what: deploy_steps.What) -> str:
        entrypoint = f"flows/{what.code.entrypoint}"
        async with get_client() as client:
            where = await place(client, options, entrypoint)
            if pool:
                waits = await in_pool(client, pool, entrypoint, options.image)  # all are there, or nothing is deployed
                where = waits if what.code is BACKFILL else where
            return await deploy_steps.put(client, options, where, what)

    return deploy_steps.plan(options, whats, deploy)


async def place(client: PrefectClient, options: argparse.Namespace, entrypoint: str) -> deploy_steps.Place:
    """Where all runs but those of the backfill happen.

    Raises:
        EtlError: the block or the pool is not there, or the pool is of another type.
    """
    if options.block_name:
        variables = {"image": options.image} if options.image else {}
        make = f"python blocks/docker_block.py --block_name {options.block_name} --image_name I"
        container = await deploy_steps.block(client, "docker-container", options.block_name, make)
        return deploy_steps.Place(entrypoint, ROOT, infrastructure=container, job_variables=variables)
    return await in_pool(client, options.work_pool, entrypoint, options.image)


async def in_pool(client: PrefectClient, name: str, entrypoint: str, image: str | None) -> deploy_steps.Place:
    """A place in a work pool.

    Raises:
        EtlError: the pool is not there, or is of another type.
    """
    variables = {"image": image} if image else {}
    pool = await deploy_steps.work_pool(client, name, TYPES)
    if pool.type == "process":
        if image:
            raise EtlError(f"--image {image}: work pool {pool.name} starts processes, not containers")
        variables = {"working_dir": ROOT}  # else the code would be copied to a folder of each run
    return deploy_steps.Place(entrypoint, ROOT, work_pool=pool.name, job_variables=variables)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script."""
    return script_steps.run(parser(), steps, arguments)


if __name__ == "__main__":
    script_steps.end(main())
