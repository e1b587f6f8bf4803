"""The bucket of a test, registered in Prefect as the blocks that a user has."""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect_gcp import GcpCredentials
from prefect_gcp.cloud_storage import GcsBucket

from gcs import Gcs
from mta_weekly.lake.objects import BLOCK


@contextmanager
def registered(gcs: Gcs, name: str, bucket: str = "lake", folder: str = "") -> Iterator[str]:
    """A block of that name, of a bucket and the key of its account; what it is called as a lake."""
    key = GcpCredentials(service_account_info=gcs.service_account(), project="test")
    key.save("blk-gcp-svc-acc", overwrite=True)
    GcsBucket(bucket=bucket, gcp_credentials=key, bucket_folder=folder).save(name, overwrite=True)
    try:
        yield f"{BLOCK}{name}"
    finally:
        GcsBucket.delete(name)
