"""A lake in a folder and one in a bucket, for tests that hold of both; and another hand that puts files there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import google.cloud.storage
import pytest

from conftest import KEY
from gcs import Gcs
from mta_weekly.lake.folder import FolderLake
from mta_weekly.lake.gcs import BucketLake
from mta_weekly.lake.objects import Lake, PublishResult

Put = Callable[..., None]


@pytest.fixture(params=["folder", "bucket"])
def lake(request: pytest.FixtureRequest, gcs: Gcs, tmp_path: Path) -> Lake:
    """An empty lake of each kind."""
    if request.param == "bucket":
        return BucketLake(google.cloud.storage.Client(project="test"), "lake")
    folder = FolderLake(tmp_path / "lake")
    folder.prepare()
    return folder


@pytest.fixture
def put(lake: Lake, gcs: Gcs) -> Put:
    """Put a file under an object's name, as another tool would; what is said with it stays."""

    def put(data: bytes, key: str = KEY) -> None:
        if isinstance(lake, FolderLake):
            path = lake.folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        else:
            standing = gcs.objects["lake"].get(key)
            gcs.put("lake", key, data, metadata=standing.metadata if standing else {})

    return put


@contextmanager
def dying_at_the_object(lake: Lake) -> Iterator[None]:
    """A run that ends when all is there but the object itself, as a process that is killed does."""
    publish = type(lake).publish

    def die(self: Lake, path: Path, key: str, *rest: Any) -> PublishResult:
        if key == KEY:
            raise KeyboardInterrupt
        return publish(self, path, key, *rest)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(type(lake), "publish", die)
        yield
