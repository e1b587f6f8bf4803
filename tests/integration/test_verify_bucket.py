"""`verify` of a bucket: found by its block, read through Prefect's credentials."""

from collections.abc import Iterator
from pathlib import Path

import google.cloud.storage
import pytest

from bucket_blocks import registered
from conftest import KEY, WEEK
from gcs import Gcs
from mta_weekly.errors import LakeFailed
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.feeds.weeks import Week
from mta_weekly.lake.gcs import BucketLake
from proved_lakes import ProvedLake


@pytest.fixture
def block(gcs: Gcs) -> Iterator[str]:
    """The block of the bucket, by its name."""
    with registered(gcs, "blk-verify", folder="raw") as name:
        yield name


def test_a_bucket_is_proved_through_its_block(
    block: str, gcs: Gcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import watch

    monkeypatch.setenv("MTA_SPOOL", str(tmp_path / "spool"))
    lake = BucketLake(google.cloud.storage.Client(project="test"), "lake", "raw/")
    proved = ProvedLake(lake, gcs, lambda *_: None, tmp_path)
    proved.land(TURNSTILE, Week.named(WEEK))
    asked = {"lake": block, "feed": "", "since": None, "concurrency": 2}
    assert [*watch.report("verify", **asked)][1].endswith(": all sound")
    gcs.put("lake", f"raw/{KEY}", b"", metadata=gcs.objects["lake"][f"raw/{KEY}"].metadata)
    lines = list[str]()
    with pytest.raises(LakeFailed, match="gcs-bucket/blk-verify is not as it should be: 1 partial"):
        lines.extend(watch.report("verify", **asked))
    assert lines[1].startswith(f"{KEY} partial: ")
    assert lines[1].endswith("--lake gcs-bucket/blk-verify --force")
