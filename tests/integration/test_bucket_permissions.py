"""What a bucket's account must be permitted, use by use: no request of a run takes another permission."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import google.cloud.storage
import pytest

import watch
from bucket_blocks import registered
from conftest import FILE, KEY, WEEK, Ran
from gcs import Gcs
from held_weeks import LONG_AGO, full_week, take_rows
from lake_objects import budget, made
from landed_weeks import ANONYMOUS, land_week
from mta_weekly.errors import LakeFailed
from mta_weekly.feeds.catalog import TURNSTILE
from mta_weekly.lake.companions import REJECTED, Companion, publish_companion
from mta_weekly.lake.facts import CompanionFacts, Facts
from mta_weekly.lake.gcs import PERMISSIONS, BucketLake
from mta_weekly.read import list_weeks, read_week
from web import Answer, Web

pytest_plugins = ["block_scripts", "held_weeks"]

Land = Callable[..., Ran]
BLOCK = "gcs-bucket/blk-least"
LOOK, READ, LAND = {"list"}, {"list", "get"}, {"list", "create"}


@pytest.fixture(autouse=True)
def asking_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Google's client may ask for what it wants to know itself, as where nobody tests it."""
    monkeypatch.delenv("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA")


@pytest.fixture
def lake(gcs: Gcs) -> BucketLake:
    """The bucket, for a test's own hand; it shows no token, and asks for nothing else."""
    client = google.cloud.storage.Client(project="test")
    client._bucket_metadata_cache = None
    return BucketLake(client, "lake")


@pytest.fixture
def block(gcs: Gcs) -> Iterator[str]:
    """The bucket's block, whose credentials must show a token."""
    gcs.require_token = True
    with registered(gcs, "blk-least") as name:
        yield name


@contextmanager
def needing(gcs: Gcs, actions: set[str]) -> Iterator[None]:
    """What is done takes these permissions on objects, every one of them, and none on the bucket or the project."""
    gcs.permitted.clear()
    yield
    assert gcs.permitted == {f"storage.objects.{action}" for action in actions}


def report(command: str) -> None:
    with suppress(LakeFailed):  # what lacks does not matter here
        list(watch.report(command, lake=BLOCK, feed="", since=None, concurrency=1))


def test_each_use_takes_what_is_written_of_it_and_no_more(
    land: Land, block: str, lake: BucketLake, gcs: Gcs, web: Web, weeks_around: list[tuple[Path, Facts]]
) -> None:
    week, judged = full_week(), ("--year", "2024", "--month", "1", "--day", "6", "--feed", "turnstile")
    gcs.require_token = False
    for path, facts in weeks_around:
        lake.publish(path, f"turnstile/{facts.week}.csv.gz", facts, None, budget())
    gcs.require_token = True

    def run(code: int, *flags: str) -> None:
        ran = land(*judged, *flags, lake=block)
        assert ran.code == code, ran.err

    web.serve(FILE, Answer(take_rows(week, 0.4)))
    with needing(gcs, LAND):
        run(1)  # held
    with needing(gcs, LAND | {"get"}):
        run(0, "--accept", "a strike")
    with needing(gcs, LOOK):
        run(0, "--dry-run")
        run(0)  # it is there
    web.serve(FILE, Answer(week, headers={"ETag": '"1"'}))
    with needing(gcs, LAND | {"get", "delete"}):  # what is replaced is kept: read, created anew
        run(0, "--refresh")
    with needing(gcs, LOOK | {"update"}):
        run(0, "--refresh")  # it has not changed, and the object says when that was looked at
    web.serve(FILE, Answer(week.replace(b"REGULAR", b"REG\0LAR", 1)))
    with needing(gcs, LAND | {"get", "delete"}):
        run(0, "--force", "--allow-bad-rows", "1")  # which are kept beside it
    gcs.objects["lake"][KEY].properties["metadata"] = {}
    with needing(gcs, READ | {"update"}):
        run(0)  # examined, as one of another hand
    assert gcs.permitted <= {*PERMISSIONS}


def test_who_looks_after_a_lake(
    block: str, lake: BucketLake, gcs: Gcs, script: Land, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTA_SPOOL", str(tmp_path / "spool"))
    gcs.require_token = False
    path, facts = made(tmp_path)
    rows = CompanionFacts(**vars(facts), of="", why="", last_seen=LONG_AGO)
    lost = publish_companion(lake, path, Companion.of(REJECTED, facts, facts.sha256), rows, budget())
    lake.publish(path, KEY, facts, None, budget())
    gcs.require_token = True
    with needing(gcs, LOOK):
        watch.freshness_flow(lake=block, return_state=True)
        report("status")
        assert any(lost in line for line in watch.tidy(block))
    with needing(gcs, LOOK | {"delete"}):
        assert [*watch.tidy(block, yes=True)][-1].endswith("removed")
    with needing(gcs, READ):
        report("verify")
    with needing(gcs, set()):  # to ask what is permitted is permitted to all
        flags = ("--gcs_bucket_name", "lake", "--gcp_acc_block_name", "blk-gcp-svc-acc", "--check")
        assert script("gcs_block", *flags).code == 0


def test_who_reads_a_lake(lake: BucketLake, gcs: Gcs, tmp_path: Path) -> None:
    land_week(lake, TURNSTILE, WEEK, full_week(), tmp_path)
    with needing(gcs, READ):
        assert len(list_weeks("gs://lake", "turnstile", ANONYMOUS)) == 1
        assert len(read_week("gs://lake", "turnstile", WEEK, ANONYMOUS)) > 0
