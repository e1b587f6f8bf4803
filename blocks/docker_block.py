"""Register the container that runs the flows: as a Docker Container block, as a docker work pool, or both.

    python blocks/docker_block.py --block_name N --image_name I      # an own server, with an agent
    python blocks/docker_block.py --work_pool P --image_name I       # Prefect Cloud or an own server, with a worker

Prefect Cloud takes no new infrastructure blocks; a docker work pool describes the same container there. What is set
here shows in clear to whoever may look at the block or the pool: it is no place for a secret.
"""

import argparse
import re
from collections.abc import Sequence
from typing import Any

import script_steps  # first: it looks at what Prefect needs to load, and lets the others be found

# isort: split
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectAlreadyExists
from prefect.infrastructure.container import DockerContainer, ImagePullPolicy

from mta_weekly.errors import BadArgument, EtlError
from mta_weekly.settings import explain_unknown

PREFECT_HOME = "/opt/prefect/data/prefect"  # the image's; an agent's own, a path of its machine, would travel instead
SECRET = re.compile(
    r"KEY|TOKEN|SECRET|PASS|PWD|CREDENTIAL|PRIVATE|AUTH|HEADER|DSN|PING_URL|(^|_)PAT(_|$)", re.IGNORECASE
)
NAMES_A_FILE = "GOOGLE_APPLICATION_CREDENTIALS"  # looks secret, and holds a path
TYPE = "docker"  # of the work pool
# How a worker's containers are confined, in the words of docker-py. A container block, for an agent, has no such words.
CONFINED = {"cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"], "pids_limit": 256}


def parser() -> argparse.ArgumentParser:
    """The flags, as `--help` shows them."""
    made = script_steps.parser("Register the container that runs the flows.", __file__)
    made.add_argument(
        "--image_name", type=script_steps.image_name, required=True, metavar="I", help="the image, with its tag"
    )
    made.add_argument(
        "--block_name", type=script_steps.block_name, metavar="N", help="make a Docker Container block, for an agent"
    )
    made.add_argument(
        "--work_pool", type=script_steps.plain_name, metavar="P", help="make a docker work pool, for a worker"
    )
    made.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a variable of the container; as often as needed",
    )
    made.add_argument(
        "--volume", action="append", default=[], metavar="SRC:DST", help="mount SRC at DST; as often as needed"
    )
    made.add_argument(
        "--pull_policy",
        choices=[policy.value for policy in ImagePullPolicy],
        default=ImagePullPolicy.IF_NOT_PRESENT.value,
        help="default %(default)s",
    )
    made.add_argument("--mem_limit", type=_memory, metavar="SIZE", help="such as 1g; default: no limit")
    made.add_argument(
        "--auto_remove",
        action="store_true",
        help="remove containers that have ended; then one that dies before its flow starts leaves its run PENDING for "
        "ever, and one that is out of memory does not say so",
    )
    return made


def _memory(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]*[bkmg]?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no size: a whole number and one of b, k, m, g, such as 1g")
    return text


def build_container(options: argparse.Namespace) -> DockerContainer:
    """The container, as a block that is not saved yet.

    Raises:
        BadArgument: a variable or volume cannot be used, or would show a secret.
    """
    variables: dict[str, str | None] = {"PREFECT_HOME": PREFECT_HOME, **dict(map(_variable, options.env))}
    container = DockerContainer(
        image=options.image_name,
        image_pull_policy=ImagePullPolicy(options.pull_policy),
        env=variables,
        volumes=[_volume(volume) for volume in options.volume],
        auto_remove=options.auto_remove,
    )
    if options.mem_limit:
        container.mem_limit = options.mem_limit
    return container


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        # What was given is not shown: it may be a secret.
        raise BadArgument("--env: must be KEY=VALUE, and KEY of letters, digits and _.")
    if name == NAMES_A_FILE and value.startswith("/"):
        return name, value
    if SECRET.search(name) or re.search(r"://.*@", value) or script_steps.SECRET_VALUE.search(value):
        raise BadArgument(
            f"--env {name}: looks like a secret, and would show in clear in the block or pool. A Google key goes into "
            "a block of its own (blocks/gcp_acc_block.py); any other into a Secret block, or a file of the machine "
            "that runs the containers (--volume FILE:FILE:ro). PREFECT_API_KEY reaches them from the agent or worker."
        )
    return name, value


def _volume(text: str) -> str:
    source, _, rest = text.partition(":")
    source = script_steps.home(source)
    target, _, mode = rest.partition(":")
    if not target.startswith("/") or mode not in ("", "ro", "rw"):
        raise BadArgument(f"--volume {text}: must be SRC:DST or SRC:DST:ro, with DST from the root.")
    if not re.fullmatch(r"/.*|[A-Za-z0-9][\w.-]*", source):
        raise BadArgument(f"--volume {text}: SRC must be a path from the root, or the name of a volume.")
    return f"{source}:{rest}"


async def save_pool(name: str, template: dict[str, Any]) -> str | None:
    """Make a docker work pool of that template, or give it to the pool there is, whose limit and pause stay.

    Raises:
        EtlError: there is a pool of that name and of another type.
    """
    async with get_client() as client:
        try:
            await client.create_work_pool(WorkPoolCreate(name=name, type=TYPE, base_job_template=template))
            return None
        except ObjectAlreadyExists:
            pool = await client.read_work_pool(name)
        if pool.type != TYPE:
            raise EtlError(
                f"work pool {name}: is of type {pool.type}, not {TYPE}; choose another name, or remove that one: "
                f"prefect work-pool delete '{name}'"
            )
        # The template alone: create_work_pool(overwrite=True) would lift the pool's limit and pause.
        await client.update_work_pool(name, WorkPoolUpdate(base_job_template=template))
        return "it was there, and keeps its limit and pause"


def steps(options: argparse.Namespace) -> list[script_steps.Step]:
    """What the script does."""
    if not (options.block_name or options.work_pool):
        raise BadArgument("give --block_name (an own server) or --work_pool (Prefect Cloud or an own server), or both.")
    container, planned = build_container(options), []
    what = ", ".join(
        [f"image {container.image}", f"pull {options.pull_policy}", f"variables {' '.join(container.env)}"]
        + ([f"volumes {' '.join(container.volumes)}"] if container.volumes else [])
    )
    tag = container.image.rpartition("/")[2].partition(":")[2]
    if tag in ("", "latest") and options.pull_policy != ImagePullPolicy.ALWAYS.value:
        what += " (without a tag of its own a newer image is not noticed)"
    what += "".join(f" ({said})" for said in explain_unknown(container.env).values())

    async def save_block() -> None:
        await container.save(options.block_name, overwrite=True)

    async def make_pool() -> str | None:
        template = await container.generate_work_pool_base_job_template()
        template["variables"]["properties"]["container_create_kwargs"]["default"] = CONFINED
        return await save_pool(options.work_pool, template)

    if options.block_name:
        planned.append(script_steps.Step("register", f"docker-container/{options.block_name}: {what}", save_block))
    if options.work_pool:
        planned.append(script_steps.Step("register", f"{TYPE} work pool {options.work_pool}: {what}", make_pool))
    return planned


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script."""
    return script_steps.run(parser(), steps, arguments)


if __name__ == "__main__":
    script_steps.end(main())
