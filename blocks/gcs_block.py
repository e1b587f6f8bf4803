"""Register a bucket, the lake, as a GCS Bucket block; or check what the credentials may do there.

    python blocks/gcs_block.py --gcs_bucket_name my-bucket [--check]
        [--gcp_acc_block_name blk-gcp-svc-acc] [--gcs_block_name blk-gcs-name]

The block refers to the credentials block and holds no copy of the key.
"""

import argparse
import json
import re
from collections.abc import Sequence

import script_steps  # first: it looks at what Prefect needs to load, and lets the others be found

# isort: split
from google.auth.exceptions import GoogleAuthError
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect_gcp import GcpCredentials
from prefect_gcp.cloud_storage import GcsBucket
from pydantic.v1 import ValidationError

from gcp_acc_block import DEFAULT_NAME as DEFAULT_ACCOUNT
from mta_weekly.errors import EtlError, LakeFailed
from mta_weekly.lake.gcs import BucketLake
from mta_weekly.lake.gcs_transport import Limits, limit_client
from mta_weekly.lake.objects import BLOCK, DEFAULT_BLOCK
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import read_settings

DEFAULT_NAME = DEFAULT_BLOCK.removeprefix(BLOCK)


def parser() -> argparse.ArgumentParser:
    """The flags, as `--help` shows them."""
    made = script_steps.parser("Register a bucket as the lake, or check it.", __file__)
    made.add_argument(
        "--gcp_acc_block_name",
        type=script_steps.block_name,
        default=DEFAULT_ACCOUNT,
        metavar="N",
        help=f"the credentials block, default {DEFAULT_ACCOUNT}",
    )
    made.add_argument("--gcs_bucket_name", type=_bucket, required=True, metavar="B", help="the bucket's own name")
    made.add_argument(
        "--gcs_block_name",
        type=script_steps.block_name,
        default=DEFAULT_NAME,
        metavar="G",
        help=f"default {DEFAULT_NAME}",
    )
    made.add_argument(
        "--check",
        action="store_true",
        help="ask Google which of the permissions the loads need are lacking; write nothing",
    )
    return made


def _bucket(text: str) -> str:
    # https://cloud.google.com/storage/docs/buckets#naming
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no bucket's name: lowercase letters, digits, - _ and . only, without gs://"
        )
    return text


async def credentials(name: str) -> GcpCredentials:
    """The credentials block of that name.

    Raises:
        EtlError: it is not registered, or cannot be used.
    """
    make = f"python blocks/gcp_acc_block.py --gcp_acc_block_name {name} [--file_path KEY.json]"
    try:
        async with get_client() as client:
            await client.read_block_document_by_name(name, block_type_slug="gcp-credentials", include_secrets=False)
        return await GcpCredentials.load(name)
    except ObjectNotFound:
        raise EtlError(f"gcp-credentials/{name}: no such block is registered; register it: {make}") from None
    except (json.JSONDecodeError, ValidationError):
        raise  # the API's, not the block's
    except (GoogleAuthError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise EtlError(  # the error's own text is not shown: it may quote the key
            f"gcp-credentials/{name}: the block cannot be used here ({type(error).__name__}); a keyless one needs "
            f"Application Default Credentials on this machine, another one a new key: {make}"
        ) from None


def steps(options: argparse.Namespace) -> list[script_steps.Step]:
    """What the script does."""
    account, bucket, name = options.gcp_acc_block_name, options.gcs_bucket_name, options.gcs_block_name

    async def register() -> None:
        block = GcsBucket(bucket=bucket, gcp_credentials=await credentials(account))
        await block.save(name, overwrite=True)

    async def check() -> str:
        settings = read_settings()
        client = (await credentials(account)).get_cloud_storage_client()
        lake = BucketLake(limit_client(client, Limits.of(settings)), bucket)
        if lacking := lake.lacks(RetryBudget.of(settings, bucket)):
            raise LakeFailed(
                f"gs://{bucket}: gcp-credentials/{account} lacks {', '.join(lacking)}; give its account the role "
                "Storage Object User (roles/storage.objectUser) on the bucket"
            )
        return "it holds every permission the loads need"

    if options.check:
        return [script_steps.Step("check", f"gs://{bucket} with gcp-credentials/{account}", check, writes=False)]
    what = f"gcs-bucket/{name}: gs://{bucket} with gcp-credentials/{account}"
    return [script_steps.Step("register", what, register)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script."""
    return script_steps.run(parser(), steps, arguments)


if __name__ == "__main__":
    script_steps.end(main())
