"""Deploy the flow to run in containers of its image, every Saturday at nine in New York.

    python deployments/docker_deploy_etl_web_to_gcs.py --block_name N --deploy_name D    # an own server, by an agent
    python deployments/docker_deploy_etl_web_to_gcs.py --work_pool P --deploy_name D     # by a docker worker

The code is in the image. A process work pool will do as well, where the worker itself runs in the image.
--backfill_pool Q makes a second deployment, of the backfill, which waits in pool Q for the runs of the first.
"""

import argparse
from collections.abc import Sequence

from prefect.client.orchestration import PrefectClient, get_client

import deploy_steps  # lets the others be found

# isort: split
import script_steps
from backfill import backfill_flow
from mta_weekly.errors import BadArgument, EtlError

ROOT = "/opt/prefect"  # of the code in the image
BACKFILL = "flows/backfill.py:backfill_flow"
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
        help="deploy the backfill too, in a pool of its own",
    )
    return made


def steps(options: argparse.Namespace) -> list[script_steps.Step]:
    """What the script does."""
    what, pool = deploy_steps.check(options), options.backfill_pool
    if pool and pool == options.work_pool:
        raise BadArgument(f"--backfill_pool {pool}: the backfill would wait for itself there; name another pool.")

    async def deploy() -> str:
        async with get_client() as client:
            if pool:
                await in_pool(client, pool, BACKFILL, options.image)  # both are there, or nothing is deployed
            return await deploy_steps.put(
                client, options, await place(client, options), deploy_steps.saturdays(options)
            )

    async def deploy_backfill() -> str:
        async with get_client() as client:
            where = await in_pool(client, pool, BACKFILL, options.image)
            return await deploy_steps.put(
                client, options, where, deploy_steps.What(deploy_steps.Code.of(backfill_flow), given)
            )

    given = {
        "deployment": f"{deploy_steps.OURS.name}/{options.deploy_name}",
        "feed": options.feed,
        "lake": options.lake,
    }
    made = [script_steps.Step("deploy", what, deploy)]
    if pool:
        what = f"'{backfill_flow.name}/{options.deploy_name}': when asked, in {pool}, to {options.lake}"
        made.append(script_steps.Step("deploy", what, deploy_backfill))
    return made


async def place(client: PrefectClient, options: argparse.Namespace) -> deploy_steps.Place:
    """Where the weekly runs happen.

    Raises:
        EtlError: the block or the pool is not there, or the pool is of another type.
    """
    entrypoint = f"flows/{deploy_steps.ENTRYPOINT}"
    if options.block_name:
        variables = {"image": options.image} if options.image else {}
        make = f"python blocks/docker_block.py --block_name {options.block_name} --image_name I"
        container = await deploy_steps.block(client, "docker-container", options.block_name, make)
        return deploy_steps.Place(entrypoint, ROOT, infrastructure=container, job_variables=variables)
    return await in_pool(client, options.work_pool, entrypoint, options.image)


async def in_pool(client: PrefectClient, name: str, entrypoint: str, image: str | None) -> deploy_steps.Place:
    """A place in a work pool, for either deployment.

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
