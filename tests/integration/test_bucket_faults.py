"""Every expected fault of a bucket and of its credentials is one readable line, beside a control that loads."""

from collections.abc import Callable, Iterator

import pytest
from prefect_gcp import GcpCredentials

from bucket_blocks import registered
from conftest import KEY, WEEK, Ran
from gcs import Fault, Gcs
from web import Web

Land = Callable[..., Ran]


@pytest.fixture
def gcs(gcs: Gcs) -> Iterator[Gcs]:
    """The bucket asks for a token, and is registered as the blocks a user has."""
    gcs.require_token = True
    with registered(gcs, "blk-gcs-name"), registered(gcs, "blk-nowhere", bucket="nowhere"):
        yield gcs


def refuse(gcs: Gcs) -> None:
    gcs.refuse_credentials = True


def forbid(gcs: Gcs) -> None:
    gcs.forbid.add("storage.objects.create")


def fail(gcs: Gcs) -> None:
    gcs.faults.append(Fault(status=503, times=5, on="list"))


def mend(gcs: Gcs) -> None:
    gcs.refuse_credentials = False
    gcs.forbid.clear()
    gcs.faults.clear()


BUCKET_FAULTS = {
    "refused credentials": (refuse, "access refused (('invalid_grant"),
    "no permission to create": (forbid, "access refused (403"),
    "failing for ever": (fail, "503"),
}


@pytest.mark.parametrize("fault", BUCKET_FAULTS)
def test_a_bucket(fault: str, land: Land, gcs: Gcs) -> None:
    break_it, said = BUCKET_FAULTS[fault]
    break_it(gcs)
    ran = land(lake="gcs-bucket/blk-gcs-name")
    assert ran.code == 1
    (line,) = [line for line in ran.lines if line.startswith("ERROR")]
    assert line.startswith(f"ERROR   turnstile {WEEK}: gs://lake/ (gcs-bucket/blk-gcs-name): {said}")
    assert "Traceback" not in ran.err
    assert "PRIVATE KEY" not in ran.err
    assert gcs.objects["lake"] == {}

    mend(gcs)
    assert land(lake="gcs-bucket/blk-gcs-name").code == 0
    assert KEY in gcs.objects["lake"]


def test_a_missing_bucket(land: Land, gcs: Gcs, web: Web) -> None:
    ran = land(lake="gcs-bucket/blk-nowhere")
    assert ran.code == 1
    assert f"turnstile {WEEK}: gs://nowhere/ (gcs-bucket/blk-nowhere): the bucket is not there" in ran.err
    assert web.requests == []
    assert land(lake="gcs-bucket/blk-gcs-name").code == 0


def test_credentials_that_may_not_be_read(land: Land, gcs: Gcs, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a container's user of a mounted key; root, who may read all, gets the system's own error put in its way."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "/run/key.json")

    with monkeypatch.context() as patch:
        patch.setattr(GcpCredentials, "block_initialization", refuse)
        ran = land(lake=None)
    assert ran.code == 1
    assert "the credentials in /run/key.json cannot be read; give the user of this run access" in ran.err
    assert land(lake=None).code == 0
