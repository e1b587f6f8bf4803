"""Deploy the flow to run on machines without Docker, its code fetched from a repository for every run.

    python deployments/github_deploy_etl_web_to_gcs.py --block_name N --deploy_name D     # an own server, by an agent
    python deployments/github_deploy_etl_web_to_gcs.py --work_pool P --deploy_name D --repository URL
        [--reference v1] [--token_block NAME]                                             # by a process worker

The machine of the agent or worker needs git and what prefect-requirements.txt lists.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from prefect.blocks.system import Secret
from prefect.client.orchestration import PrefectClient, get_client
from prefect.runner.storage import GitRepository

import deploy_steps  # lets the others be found

# isort: split
import script_steps
from github_block import reference, repository
from mta_weekly.errors import BadArgument, EtlError, to_one_line

# What git reads: no waiting for somebody to type a login, nor longer than 60 s for a server that sends nothing.
GIT = {"GIT_TERMINAL_PROMPT": "0", "GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": "60"}
LOAD_TIMEOUT = 120.0  # seconds
# Prints what Prefect's API is told of a flow. Without the False, Prefect would be content with a placeholder.
LOAD = """
import json, sys
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema

flow = load_flow_from_entrypoint(sys.argv[1], use_placeholder_flow=False)
said = {"name": flow.name, "description": flow.description or "", "schema": parameter_schema(flow).dict()}
print(json.dumps(said))
"""
TYPES = {"process": "prefect work-pool create '{name}' --type process"}


def parser() -> argparse.ArgumentParser:
    """The flags, as `--help` shows them."""
    made = deploy_steps.parser("Deploy the flow to run from a repository, on a schedule.", __file__, "a GitHub block")
    made.add_argument(
        "--github_path",
        default="flows",
        metavar="PATH",
        help="the flows' folder in the repository, default %(default)s",
    )
    made.add_argument("--repository", type=repository, metavar="URL", help="with --work_pool: the repository's address")
    made.add_argument("--reference", type=reference, metavar="R", help="with --work_pool: a branch or tag")
    made.add_argument(
        "--token_block",
        type=script_steps.block_name,
        metavar="NAME",
        help="with --work_pool: the Secret block that holds the token of a private repository",
    )
    return made


def steps(options: argparse.Namespace) -> list[script_steps.Step]:
    """What the script does."""
    what = deploy_steps.check(options)
    folder = PurePosixPath(options.github_path)
    if folder.is_absolute() or ".." in folder.parts or not options.github_path:
        raise BadArgument(f"--github_path {options.github_path!r}: must be a folder inside the repository.")
    entrypoint = str(folder / deploy_steps.ENTRYPOINT)
    of_pools = {"repository": options.repository, "reference": options.reference, "token_block": options.token_block}
    given = [flag for flag, value in of_pools.items() if value]
    if options.block_name and given:
        raise BadArgument(f"--{given[0]} goes with --work_pool; with --block_name the block says it.")
    if options.work_pool and not options.repository:
        raise BadArgument("--work_pool needs --repository, the address the workers fetch the code from.")

    async def deploy() -> str:
        async with get_client() as client:
            if options.block_name:
                make = f"python blocks/github_block.py --block_name {options.block_name} --repository URL"
                storage = await deploy_steps.block(client, "github", options.block_name, make)
                place = deploy_steps.Place(
                    entrypoint, None if folder == PurePosixPath() else str(folder), storage=storage
                )
                return await deploy_steps.put(client, options, place, deploy_steps.saturdays(options))
            pool = await deploy_steps.work_pool(client, options.work_pool, TYPES)
            fetched = await git(client, options)
            code = await fetch(fetched, entrypoint, options.repository)
            place = deploy_steps.Place(entrypoint, work_pool=pool.name, pull_steps=(fetched.to_pull_step(),))
            return await deploy_steps.put(client, options, place, deploy_steps.saturdays(options, code))

    return [script_steps.Step("deploy", what, deploy)]


async def fetch(repository: GitRepository, entrypoint: str, address: str) -> deploy_steps.Code:
    """The flow as the repository has it, cloned here once: what does not hold it is not deployed.

    Flow.from_source would be content with a file that cannot be loaded, and takes the flow's modules from this project
    where the repository lacks them; so it is loaded by a Python of its own, in the clone.

    Raises:
        EtlError: it cannot be cloned, or the flow is not in it.
    """
    if not shutil.which("git"):
        raise EtlError("git is not on this machine; install it")
    os.environ |= GIT
    with tempfile.TemporaryDirectory() as folder:
        repository.set_base_path(Path(folder))
        try:
            await repository.pull_code()
        except RuntimeError as error:
            raise EtlError(
                f"{address}: cannot be cloned ({to_one_line(error)}); look at the address, --reference and, of a "
                "private repository, --token_block"
            ) from None
        command = [sys.executable, "-c", LOAD, entrypoint]
        try:
            ran = subprocess.run(  # noqa: S603 - the code that is to be deployed
                command, cwd=repository.destination, capture_output=True, text=True, timeout=LOAD_TIMEOUT, check=True
            )
            code = deploy_steps.Code(**json.loads(ran.stdout.splitlines()[-1]))
        except (subprocess.SubprocessError, ValueError, IndexError, TypeError) as error:
            last = [*(getattr(error, "stderr", None) or "nothing is said").strip().splitlines()][-1]
            raise EtlError(
                f"{address}: {entrypoint} cannot be loaded from there ({to_one_line(last)[:200]}); look at "
                "--github_path and --reference"
            ) from None
    if code.name != deploy_steps.OURS.name:
        raise EtlError(
            f"{address}: {entrypoint} is the flow {code.name!r}, not {deploy_steps.OURS.name!r}; look at the address"
        )
    return code


async def git(client: PrefectClient, options: argparse.Namespace) -> GitRepository:
    """The repository as its workers fetch it; of a token only the name of its block is kept.

    Raises:
        EtlError: the token's block is not registered.
    """
    token = None
    if options.token_block:
        make = "a Secret block with the token, in the server's pages under Blocks"
        await deploy_steps.block(client, "secret", options.token_block, make)
        token = {"access_token": await Secret.load(options.token_block)}
    return GitRepository(options.repository, credentials=token, branch=options.reference)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script."""
    return script_steps.run(parser(), steps, arguments)


if __name__ == "__main__":
    script_steps.end(main())
