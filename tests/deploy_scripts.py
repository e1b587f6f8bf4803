"""What the scripts of deployments/ are given, and the deployment that stands at Prefect's API after them."""

from collections.abc import Callable
from typing import Any

import pytest
from prefect_gcp import GcpCredentials
from prefect_gcp.cloud_storage import GcsBucket

from conftest import Ran, ask
from etl_web_to_gcs import main_flow
from gcs import Gcs

Script = Callable[..., Ran]
DOCKER, GITHUB = "docker_deploy_etl_web_to_gcs", "github_deploy_etl_web_to_gcs"
NAME = ("--deploy_name", "dep")


@pytest.fixture
def default_lake() -> None:
    """The default lake, registered; nobody asks anything of it."""
    key = GcpCredentials(service_account_info=Gcs().service_account(), project="test")
    key.save("acc", overwrite=True)
    GcsBucket(bucket="lake", gcp_credentials=key).save("blk-gcs-name", overwrite=True)


@pytest.fixture
def box(script: Script) -> None:
    """A container, as a block and as a pool."""
    flags = ("--block_name", "box", "--work_pool", "pool", "--image_name", "mta:v1")
    assert script("docker_block", *flags).code == 0


def deployment(name: str = "dep", flow: str = main_flow.name) -> Any:
    return ask(lambda client: client.read_deployment_by_name(f"{flow}/{name}"))


BY = [("--block_name", "box"), ("--work_pool", "pool")]
