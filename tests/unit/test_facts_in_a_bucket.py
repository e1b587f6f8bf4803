"""What a source said of itself comes back from a bucket as it was, where all metadata is text."""

from pathlib import Path

import google.cloud.storage
import pytest

from conftest import KEY
from gcs import Gcs
from lake_objects import budget, made
from mta_weekly.lake.gcs import BucketLake


def open_bucket() -> BucketLake:
    return BucketLake(google.cloud.storage.Client(project="test"), "lake")


@pytest.mark.parametrize("columns", [(), ("FARE_ZONE",), ("FARE_ZONE", 'ZÖNE, "2"')])
@pytest.mark.parametrize("out_of_date", [True, False])
def test_facts_come_back(gcs: Gcs, tmp_path: Path, columns: tuple[str, ...], out_of_date: bool) -> None:
    path, facts = made(tmp_path)
    facts = facts.model_copy(update={"unknown_columns": columns, "out_of_date": out_of_date})
    open_bucket().publish(path, KEY, facts, None, budget())
    found = open_bucket().find([KEY], budget())[KEY].facts
    assert found is not None
    assert (found.unknown_columns, found.out_of_date) == (columns, out_of_date)
    assert found == facts
    assert all(isinstance(value, str) for value in gcs.objects["lake"][KEY].metadata.values())


def test_facts_of_before_there_were_such_are_those_of_a_source_that_said_nothing(gcs: Gcs, tmp_path: Path) -> None:
    path, facts = made(tmp_path)
    open_bucket().publish(path, KEY, facts, None, budget())
    metadata = gcs.objects["lake"][KEY].metadata
    assert {metadata.pop("unknown_columns"), metadata.pop("out_of_date")} == {"[]", "false"}
    assert open_bucket().find([KEY], budget())[KEY].facts == facts
