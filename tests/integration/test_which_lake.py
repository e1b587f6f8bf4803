"""Which lake a run takes: a folder, the variable, the block, the default; a deployed run none that it would lose."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.states import State
from prefect_gcp import GcpCredentials
from prefect_gcp.cloud_storage import GcsBucket

from bucket_blocks import registered
from conftest import KEY, ask, content, expected, small_week
from flow_runs import Land
from gcs import Gcs
from mta_weekly.orchestration import lake_blocks as lakes
from web import Web

pytest_plugins = ["flow_runs"]


class TestWhichLake:
    @pytest.fixture
    def gcs(self, gcs: Gcs) -> Iterator[Gcs]:
        with registered(gcs, "blk-gcs-name", folder="raw"):
            yield gcs

    def test_a_folder_relative_to_the_working_folder(
        self, land: Land, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("MTA_LAKE", "elsewhere")
        assert land(lake="here").code == 0
        assert content(tmp_path / "here") == expected(small_week())

    def test_the_variable_before_the_block(
        self, land: Land, gcs: Gcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MTA_LAKE", str(tmp_path / "named"))
        assert land(lake=None).code == 0
        assert content(tmp_path / "named") == expected(small_week())
        assert gcs.objects["lake"] == {}

    def test_the_registered_block_before_the_default_folder(self, land: Land, gcs: Gcs) -> None:
        ran = land(lake=None)
        assert ran.lines[0] == "INFO    lake: gcs-bucket/blk-gcs-name"
        assert ran.code == 0
        blob = gcs.objects["lake"][f"raw/{KEY}"]
        assert gzip.decompress(blob.data) == expected(small_week())
        assert blob.metadata["rows"] == "500"
        run = FlowRunFilter(id=FlowRunFilterId(any_=[blob.metadata["flow_run_id"]]))
        (table,) = ask(lambda client: client.read_artifacts(flow_run_filter=run))
        page = f"https://console.cloud.google.com/storage/browser/_details/lake/raw/{KEY}"
        assert json.loads(table.data)[1]["object"] == f"[{KEY}]({page})"
        assert land(lake=None).lines[-1] == "INFO    1 week: 1 there"

    @pytest.mark.parametrize("rot", [{"private_key": "none"}, {"private_key": None}, {"client_email": None}])
    def test_a_key_that_is_none_is_said_and_not_shown(self, land: Land, gcs: Gcs, rot: dict[str, Any]) -> None:
        info = {name: value for name, value in {**gcs.service_account(), **rot}.items() if value}
        key = GcpCredentials.construct(service_account_info=info, project="test")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(GcpCredentials, "block_initialization", lambda self: None)
            GcsBucket.construct(bucket="lake", gcp_credentials=key, bucket_folder="").save("blk-rot", overwrite=True)
        ran = land(lake="gcs-bucket/blk-rot")
        assert ran.code == 1
        assert "the block or its credentials cannot be used" in ran.err
        assert "Traceback" not in ran.err
        assert "PRIVATE KEY" not in ran.err

    def test_a_dry_run_only_reads(self, land: Land, gcs: Gcs) -> None:
        assert land("--year", "2024", "--month", "1", "--dry-run", lake=None).code == 0
        assert {seen.method for seen in gcs.requests if "/token" not in seen.path} == {"GET"}

    def test_an_object_without_facts_gets_them(self, land: Land, gcs: Gcs, web: Web) -> None:
        assert land(lake=None).code == 0
        data = gcs.objects["lake"][f"raw/{KEY}"].data
        gcs.put("lake", f"raw/{KEY}", data)
        requests = len(web.requests)
        assert land(lake=None).lines[-1] == "INFO    1 week: 1 there"
        assert gcs.objects["lake"][f"raw/{KEY}"].metadata["rows"] == "500"
        assert len(web.requests) == requests

    def test_the_default_folder_for_the_command_line(
        self, land: Land, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lakes, "DEFAULT_FOLDER", tmp_path / "default")
        assert land(lake=None).code == 0
        assert content(tmp_path / "default") == expected(small_week())

    @pytest.mark.parametrize("lake", [None, "a/relative/folder"])
    def test_a_deployed_run_must_have_one_that_outlives_it(
        self, flow: Callable[..., State[Any]], monkeypatch: pytest.MonkeyPatch, lake: str | None, web: Web
    ) -> None:
        monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "a-deployment")
        state = flow(year=2024, month=1, day=6, lake=lake)
        assert state.is_failed()
        assert "a deployed run would lose its file" in str(state.message)
        assert web.requests == []
