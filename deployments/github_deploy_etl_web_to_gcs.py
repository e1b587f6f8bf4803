"""Deploy the flow to run on machines without Docker, its code fetched from a repository for every run.

    python deployments/github_deploy_etl_web_to_gcs.py --block_name N --deploy_name D     # an own server, by an agent
    python deployments/github_deploy_etl_web_to_gcs.py --work_pool P --deploy_name D --repository URL
        [--reference v1] [--token_block NAME]                                # by a process worker, or in Prefect Cloud

The machine of the agent or worker needs git and what prefect-requirements.txt lists. An agent is started as
`prefect agent start -p default-agent-pool -q default`: without its pool it takes runs of any other.
A pool of the type prefect:managed, which Prefect Cloud runs itself, takes Prefect's own image: each run fetches the
code, and installs what docker-requirements.txt adds to that image. This way was never run: its request is what
Prefect's papers say of such pools.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import deploy_steps  # first: it looks at what Prefect needs to load, and lets the others be found

# isort: split
import prefect
from prefect.blocks.system import Secret
from prefect.client.orchestration import PrefectClient, get_client
from prefect.runner.storage import GitRepository

import script_steps
from deployed_flows import WATCH, Code
from github_block import reference, repository
from mta_weekly.errors import BadArgument, EtlError, to_one_line
from mta_weekly.lake.objects import BLOCK
from mta_weekly.secrets import keep_secret

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
TYPES = {kind: f"prefect work-pool create '{{name}}' --type {kind}" for kind in ("process", "prefect:managed")}
IMAGE = f"prefecthq/prefect:{prefect.__version__}-python3.11"  # that of the Dockerfile; a managed pool's own is newer


def parser() -> argparse.ArgumentParser:
    """The flags, as `--help` shows them."""
    made = deploy_steps.parser(
        "Deploy the flow to run from a repository, on a schedule. A work pool of the type prefect:managed, of Prefect "
        "Cloud, is taken too; that way was never run.",
        __file__,
        "a GitHub block",
    )
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
    whats = [deploy_steps.saturdays(options), deploy_steps.freshness(options)]
    folder = PurePosixPath(options.github_path)
    if folder.is_absolute() or ".." in folder.parts or not options.github_path:
        raise BadArgument(f"--github_path {options.github_path!r}: must be a folder inside the repository.")
    of_pools = {"repository": options.repository, "reference": options.reference, "token_block": options.token_block}
    given = [flag for flag, value in of_pools.items() if value]
    if options.block_name and given:
        raise BadArgument(f"--{given[0]} goes with --work_pool; with --block_name the block says it.")
    if options.work_pool and not options.repository:
        raise BadArgument("--work_pool needs --repository, the address the workers fetch the code from.")
    wanted, codes = [what.code for what in whats if what.is_made], dict[str, Code]()

    async def fetch_codes() -> None:
        async with get_client() as client:
            await in_pool(client, options, folder)
            codes.update(await fetch(await git(client, options), folder, wanted, options.repository))

    async def deploy(what: deploy_steps.What) -> str:
        async with get_client() as client:
            where = await (in_pool if options.work_pool else by_block)(client, options, folder)
            where = replace(where, entrypoint=str(folder / what.code.entrypoint))
            what = replace(what, code=codes.get(what.code.name, what.code))
            return await deploy_steps.put(client, options, where, what)

    made = deploy_steps.plan(options, whats, deploy)
    if options.work_pool:
        made.insert(0, script_steps.Step("fetch", f"the flows of {options.repository}", fetch_codes, writes=False))
    return made


async def by_block(client: PrefectClient, options: argparse.Namespace, folder: PurePosixPath) -> deploy_steps.Place:
    """The place of runs whose code an agent fetches.

    Raises:
        EtlError: the block is not registered.
    """
    make = f"python blocks/github_block.py --block_name {options.block_name} --repository URL"
    storage = await deploy_steps.block(client, "github", options.block_name, make)
    return deploy_steps.Place("", None if folder == PurePosixPath() else str(folder), storage=storage)


async def in_pool(client: PrefectClient, options: argparse.Namespace, folder: PurePosixPath) -> deploy_steps.Place:
    """The place of runs that fetch their code themselves; in a managed pool, what the code needs too.

    Raises:
        EtlError: the pool is not there, or is of another type; or the lake is a folder of a machine of Prefect's.
    """
    pool = await deploy_steps.work_pool(client, options.work_pool, TYPES)
    fetched = (await git(client, options)).to_pull_step()
    if not pool.is_managed_pool:
        return deploy_steps.Place("", work_pool=pool.name, pull_steps=(fetched,))
    if not options.lake.startswith(BLOCK):
        raise EtlError(
            f"--lake {options.lake}: a run in the managed pool {pool.name} loses its folders; give {BLOCK}NAME, whose "
            "credentials hold a key"
        )
    (clone,) = fetched.values()
    needs: dict[str, Any] = {
        "directory": "{{ clone.directory }}",
        "requirements_file": str(folder.parent / "docker-requirements.txt"),
    }
    return deploy_steps.Place(
        "",
        work_pool=pool.name,
        pull_steps=(
            {"prefect.deployments.steps.git_clone": clone | {"id": "clone"}},
            {"prefect.deployments.steps.pip_install_requirements": needs},
        ),
        job_variables={"image": IMAGE},
    )


async def fetch(
    repository: GitRepository, folder: PurePosixPath, wanted: Sequence[Code], address: str
) -> dict[str, Code]:
    """The flows as the repository has them, by name, cloned here once: what does not hold them is not deployed.

    Raises:
        EtlError: it cannot be cloned, or a flow is not in it.
    """
    if not shutil.which("git"):
        raise EtlError("git is not on this machine; install it")
    os.environ |= GIT
    with tempfile.TemporaryDirectory() as base:
        repository.set_base_path(Path(base))
        try:
            await repository.pull_code()
        except RuntimeError as error:
            raise EtlError(
                f"{address}: cannot be cloned ({to_one_line(error, 200)}); look at the network of this machine, the "
                "address, --reference and, of a private repository, --token_block"
            ) from None
        return {code.name: load(repository.destination, folder, code, address) for code in wanted}


def load(clone: Path, folder: PurePosixPath, wanted: Code, address: str) -> Code:
    """A flow as the clone has it.

    Flow.from_source would be content with a file that cannot be loaded, and takes the flow's modules from this project
    where the repository lacks them; so it is loaded by a Python of its own, in the clone.

    Raises:
        EtlError: it cannot be loaded, or is another flow.
    """
    entrypoint = str(folder / wanted.entrypoint)
    command = [sys.executable, "-c", LOAD, entrypoint]
    older = ", or, of a version without this flow, --freshness-cron no" if wanted is WATCH else ""
    try:
        ran = subprocess.run(  # noqa: S603 - the code that is to be deployed  # nosec B603
            command, cwd=clone, capture_output=True, text=True, timeout=LOAD_TIMEOUT, check=True
        )
        code = Code(**json.loads(ran.stdout.splitlines()[-1]), entrypoint=wanted.entrypoint)
    except (subprocess.SubprocessError, ValueError, IndexError, TypeError) as error:
        last = [*(getattr(error, "stderr", None) or "nothing is said").strip().splitlines()][-1]
        raise EtlError(
            f"{address}: {entrypoint} cannot be loaded from there ({to_one_line(last, 200)}); look at "
            f"--github_path and --reference{older}"
        ) from None
    if code.name != wanted.name:
        raise EtlError(f"{address}: {entrypoint} is the flow {code.name!r}, not {wanted.name!r}; look at the address")
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
        keep_secret(str(token["access_token"].get()))
    return GitRepository(options.repository, credentials=token, branch=options.reference)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script."""
    return script_steps.run(parser(), steps, arguments)


if __name__ == "__main__":
    script_steps.end(main())
