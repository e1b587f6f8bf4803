"""The scripts that register credentials and a bucket: what they register, what they refuse; they show no secret."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from prefect_gcp import GcpCredentials
from prefect_gcp.cloud_storage import GcsBucket

from block_scripts import Script, documents, lines_of
from conftest import ask
from gcs import Fault, Gcs

pytest_plugins = ["block_scripts"]
pytestmark = pytest.mark.usefixtures("clean_api")


class TestCredentials:
    def test_the_key_travels_in_the_block_and_shows_nowhere(self, script: Script, key: Path) -> None:
        for _ in range(2):
            ran = script("gcp_acc_block", "--file_path", str(key), "--gcp_acc_block_name", "acc")
            assert ran.code == 0, ran.err
        assert ran.out.startswith("registered gcp-credentials/acc: the key of tests@tests.iam.gserviceaccount.com")
        block = GcpCredentials.load("acc")
        assert block.service_account_info.get_secret_value() == json.loads(key.read_text())
        assert block.project == "tests"
        assert len(documents("gcp-credentials", "acc")) == 1
        shown = ran.out + ran.err + repr(block) + str(documents("gcp-credentials", "acc"))
        assert [line for line in lines_of(key) if line in shown] == []

    def test_the_home_folder(self, script: Script, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(key.parent))
        assert script("gcp_acc_block", "--file_path", "~/key.json", "--gcp_acc_block_name", "acc").code == 0
        assert "no such home" in script("gcp_acc_block", "--file_path", "~nobody-here/key.json").err

    def test_keyless_takes_the_key_out_of_the_block(
        self, script: Script, key: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert script("gcp_acc_block", "--file_path", str(key), "--gcp_acc_block_name", "acc").code == 0
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        ran = script("gcp_acc_block", "--gcp_acc_block_name", "acc")
        assert ran.code == 0, ran.err
        assert "keyless" in ran.out
        assert GcpCredentials.load("acc").service_account_info is None

    def test_keyless_without_any_credentials(
        self, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NO_GCE_CHECK", "true")
        monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
        ran = script("gcp_acc_block", "--gcp_acc_block_name", "acc")
        assert ran.code == 1
        assert "gcloud auth application-default login" in ran.err
        assert documents("gcp-credentials", "acc") == []

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (None, "No such file"),
            (lambda key: "", "empty"),
            (lambda key: " \n", "empty"),
            (lambda key: "\x00\xff", "no JSON"),
            (lambda key: json.dumps(key)[:-40], "no JSON (line 1)"),
            (lambda key: "[]", "not service_account"),
            (lambda key: json.dumps({**key, "type": "external_account"}), "not service_account"),
            (lambda key: json.dumps({**key, "type": "authorized_user"}), "without --file_path"),
            (lambda key: json.dumps({**key, "private_key": ""}), "it has no private_key"),
            (lambda key: json.dumps({k: v for k, v in key.items() if "_email" not in k}), "it has no client_email"),
            (lambda key: json.dumps({**key, "client_email": key["private_key"]}), "client_email or project_id is none"),
            (lambda key: json.dumps({**key, "project_id": key["private_key"]}), "client_email or project_id is none"),
            (lambda key: json.dumps({**key, "more": "\ud800"}), "no JSON that a key is written in"),
            (lambda key: "[" * 20_000, "no JSON that a key is written in"),
            (lambda key: "9" * 5_000, "no JSON that a key is written in"),
            (lambda key: " " * 70_000, "too large"),
        ],
    )
    def test_a_file_that_is_no_key_is_one_line(self, change: Any, said: str, script: Script, key: Path) -> None:
        secret = lines_of(key)
        good = json.loads(key.read_text())
        key.write_text(change(good)) if change else key.unlink()
        ran = script("gcp_acc_block", "--file_path", str(key), "--gcp_acc_block_name", "acc")
        assert ran.code == 1
        (line,) = ran.err.splitlines()
        assert said in line
        assert str(key) in line
        assert [part for part in secret if part in ran.err + ran.out] == []
        assert documents("gcp-credentials", "acc") == []

    def test_a_private_key_that_cannot_be_read(self, script: Script, key: Path) -> None:
        good = json.loads(key.read_text())
        for broken in (good["private_key"][:300], good["private_key"].replace("M", "Z")):
            key.write_text(json.dumps({**good, "private_key": broken}))
            ran = script("gcp_acc_block", "--file_path", str(key))
            assert ran.code == 1
            assert "the private key of tests@tests.iam.gserviceaccount.com cannot be read" in ran.err
            assert [line for line in broken.splitlines()[1:-1] if line in ran.err] == []

    def test_a_folder_a_pipe_or_bytes_are_no_key(self, script: Script, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
            assert "a folder, a pipe or too large" in script("gcp_acc_block", "--file_path", str(path)).err
        (tmp_path / "bytes").write_bytes(b"\xff\xfe{")
        assert "UTF-8" in script("gcp_acc_block", "--file_path", str(tmp_path / "bytes")).err


class TestBucket:
    FLAGS = ("--gcp_acc_block_name", "acc", "--gcs_bucket_name", "lake", "--gcs_block_name", "lake")

    @pytest.fixture
    def account(self, script: Script, key: Path) -> None:
        assert script("gcp_acc_block", "--file_path", str(key), "--gcp_acc_block_name", "acc").code == 0

    def test_the_block_refers_to_the_credentials_and_copies_no_key(self, script: Script, account: None) -> None:
        for _ in range(2):
            ran = script("gcs_block", *self.FLAGS)
            assert ran.code == 0, ran.err
        assert ran.out.startswith("registered gcs-bucket/lake: gs://lake with gcp-credentials/acc")
        (document,) = documents("gcs-bucket", "lake")
        assert document.block_document_references["gcp_credentials"]["block_document"]["name"] == "acc"
        (acc,) = documents("gcp-credentials", "acc")
        stored = ask(lambda client: client.read_block_document(document.id, include_secrets=False))
        assert stored.data["bucket"] == "lake"
        assert stored.block_document_references["gcp_credentials"]["block_document"]["id"] == str(acc.id)
        assert GcsBucket.load("lake").gcp_credentials.service_account_info is not None

    def test_without_credentials_it_says_how_to_make_them(self, script: Script) -> None:
        ran = script("gcs_block", *self.FLAGS)
        assert ran.code == 1
        assert "register it: python blocks/gcp_acc_block.py --gcp_acc_block_name acc" in ran.err
        assert documents("gcs-bucket", "lake") == []

    @pytest.mark.parametrize("name", ["gs://lake", "Lake", "lake/raw", "-lake", "la", "", "lake "])
    def test_what_is_no_bucket(self, name: str, script: Script) -> None:
        ran = script("gcs_block", f"--gcs_bucket_name={name}")
        assert ran.code == 2
        assert "is no bucket's name" in ran.err

    def test_check_names_what_is_lacking_and_writes_nothing(self, script: Script, account: None, gcs: Gcs) -> None:
        ran = script("gcs_block", *self.FLAGS, "--check")
        assert (ran.code, "every permission" in ran.out) == (0, True), ran.err
        gcs.forbid |= {"storage.objects.delete", "storage.objects.list"}
        ran = script("gcs_block", *self.FLAGS, "--check")
        assert ran.code == 1
        assert "lacks storage.objects.delete, storage.objects.list; give its account the role" in ran.err
        assert documents("gcs-bucket", "lake") == []
        assert gcs.objects == {"lake": {}}
        assert {seen.method for seen in gcs.requests if "token" not in seen.path} == {"GET"}

    def test_check_tries_again_after_what_may_pass(self, script: Script, account: None, gcs: Gcs) -> None:
        gcs.faults = [Fault(503, times=2, on="permissions")]
        assert script("gcs_block", *self.FLAGS, "--check").code == 0

    def test_check_of_a_bucket_that_is_not_there_or_refuses(self, script: Script, account: None, gcs: Gcs) -> None:
        flags = [*self.FLAGS[:3], "nowhere", "--check"]
        assert "not there" in script("gcs_block", *flags).err
        gcs.refuse_credentials = True
        ran = script("gcs_block", *self.FLAGS, "--check")
        assert (ran.code, "access refused" in ran.err) == (1, True), ran.err
