"""Deploy the flow to run in containers of its image, every Saturday at nine in New York.

    python deployments/docker_deploy_etl_web_to_gcs.py --block_name N --deploy_name D    # an own server, by an agent
    python deployments/docker_deploy_etl_web_to_gcs.py --work_pool P --deploy_name D     # by a docker worker

The code is in the image. A process work pool will do as well, where the worker itself runs in the image.
"""

import argparse
from collections.abc import Sequence

from prefect.client.orchestration import PrefectClient, get_client

import weekly  # lets the others be found

# isort: split
import script
from errors import EtlError

ROOT = "/opt/prefect"  # of the code in the image
TYPES = {
    "docker": "python blocks/docker_block.py --work_pool '{name}' --image_name I",
    "process": "prefect work-pool create '{name}' --type process",
}


def parser() -> argparse.ArgumentParser:
    """The flags, as `--help` shows them."""
    made = weekly.parser(
        "Deploy the flow to run in containers of its image, on a schedule.", __file__, "a Docker Container block"
    )
    made.add_argument(
        "--image", type=script.image_name, metavar="I", help="an image of its own; default: that of the block or pool"
    )
    return made


def steps(options: argparse.Namespace) -> list[script.Step]:
    """What the script does."""
    what = weekly.check(options)

    async def deploy() -> str:
        async with get_client() as client:
            return await weekly.put(client, options, await place(client, options))

    return [script.Step("deploy", what, deploy)]


async def place(client: PrefectClient, options: argparse.Namespace) -> weekly.Place:
    """Where the runs happen.

    Raises:
        EtlError: the block or the pool is not there, or the pool is of another type.
    """
    entrypoint = f"flows/{weekly.ENTRYPOINT}"
    variables = {"image": options.image} if options.image else {}
    if options.block_name:
        make = f"python blocks/docker_block.py --block_name {options.block_name} --image_name I"
        container = await weekly.block(client, "docker-container", options.block_name, make)
        return weekly.Place(entrypoint, ROOT, infrastructure=container, job_variables=variables)
    pool = await weekly.work_pool(client, options, TYPES)
    if pool.type == "process":
        if options.image:
            raise EtlError(f"--image {options.image}: work pool {pool.name} starts processes, not containers")
        variables = {"working_dir": ROOT}  # else the code would be copied to a folder of each run
    return weekly.Place(entrypoint, ROOT, work_pool=pool.name, job_variables=variables)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script."""
    return script.run(parser(), steps, arguments)


if __name__ == "__main__":
    script.end(main())
