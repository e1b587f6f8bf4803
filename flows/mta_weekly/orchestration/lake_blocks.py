"""Which lake a run means, and the way into it: a name to a folder, or to a bucket through its Prefect block.

Knows Prefect's blocks and Google's credentials; of what is in a lake, nothing.
"""

from pathlib import Path

from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from prefect import runtime
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import ObjectNotFound

from mta_weekly.errors import BadArgument, LakeFailed
from mta_weekly.lake.folder import FolderLake
from mta_weekly.lake.gcs import BucketLake
from mta_weekly.lake.gcs_transport import Limits, limit_client
from mta_weekly.lake.objects import BLOCK, DEFAULT_BLOCK, Lake, check_name
from mta_weekly.orchestration.gcs_blocks import GcsBucket
from mta_weekly.orchestration.prefect_api import ask_api, translate_faults
from mta_weekly.secrets import keep_key_secret
from mta_weekly.settings import ROOT, Settings

ADVICE = "try again, or name a folder"
DEFAULT_FOLDER = ROOT / "data" / "lake"


def which_lake(lake: str | None, settings: Settings) -> str:
    """The lake's name: as asked, or MTA_LAKE, or the default block where it is registered, or the default folder.

    Raises:
        BadArgument: it is no lake's name, or a run of a deployment has no lake that outlives it.
    """
    check_name(lake or settings.lake)
    deployed = runtime.deployment.id is not None
    named = lake or settings.lake or (DEFAULT_BLOCK if is_registered(DEFAULT_BLOCK) else None)
    if named and named.startswith(BLOCK):
        return named
    folder = Path(named or DEFAULT_FOLDER).expanduser()
    if deployed and not (named and folder.is_absolute()):
        raise BadArgument(
            f"lake {named or 'not given'}: a deployed run would lose its file with its work folder; give the "
            "deployment a lake (parameter lake, or MTA_LAKE): gcs-bucket/NAME, or a folder from the root; or register "
            f"{DEFAULT_BLOCK}."
        )
    return str(folder.absolute())


def open_lake(name: str, settings: Settings) -> Lake:
    """The lake of that name, whose bucket is asked within the limits of the settings.

    Raises:
        LakeFailed: the block is not registered, or its credentials cannot be used.
    """
    if not name.startswith(BLOCK):
        return FolderLake(Path(name))
    try:
        with translate_faults(ADVICE):
            block = GcsBucket.load(name.removeprefix(BLOCK))
        if key := block.gcp_credentials.service_account_info:
            keep_key_secret(key.get_secret_value().get("private_key"))
        client = limit_client(block.gcp_credentials.get_cloud_storage_client(), Limits.of(settings))
    except DefaultCredentialsError as error:
        raise LakeFailed(
            f"lake {name}: its credentials block holds no key and this machine has no Application Default Credentials; "
            "give it some (gcloud auth application-default login, or a service account), or the block a key"
        ) from error
    except PermissionError as error:
        raise LakeFailed(
            f"lake {name}: the credentials in {error.filename} cannot be read; give the user of this run access to them"
        ) from error
    except (GoogleAuthError, ValueError, KeyError, OSError, RuntimeError) as error:
        if not is_registered(name):
            raise LakeFailed(
                f"lake {name}: no such block is registered; register it: python blocks/gcs_block.py --gcs_bucket_name "
                f"BUCKET --gcs_block_name {name.removeprefix(BLOCK)}"
            ) from error
        raise LakeFailed(  # the error's own text is not shown: it may quote the key
            f"lake {name}: the block or its credentials cannot be used ({type(error).__name__}); register them again"
        ) from error
    if not block.bucket:
        raise LakeFailed(f"lake {name}: the block names no bucket; register it again")
    return BucketLake(client, block.bucket, block.bucket_folder, name)


def is_registered(block: str) -> bool:
    """Whether the API knows a block, named as KIND/NAME; an API that fails is not one that says no.

    Raises:
        ApiFailed: the API does not say.
    """
    kind, _, name = block.partition("/")

    async def read(client: PrefectClient) -> None:
        await client.read_block_document_by_name(name, block_type_slug=kind, include_secrets=False)

    try:
        with translate_faults(ADVICE):
            ask_api(read)
    except ObjectNotFound:
        return False
    return True
