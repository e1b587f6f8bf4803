"""The scripts that register blocks: what they register, what they refuse, and that they show no secret."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.filesystems import GitHub
from prefect.infrastructure.container import DockerContainer
from prefect_gcp import GcpCredentials
from prefect_gcp.cloud_storage import GcsBucket

from conftest import ROOT, Ran, ask
from gcs import Fault, Gcs
from web import Answer, Handler, Web

Script = Callable[..., Ran]


@pytest.fixture
def key(gcs: Gcs, tmp_path: Path) -> Path:
    """The key file of the bucket's service account."""
    gcs.require_token = True
    path = tmp_path / "key.json"
    path.write_text(json.dumps(gcs.service_account()))
    return path


@pytest.fixture(autouse=True)
def clean(clean_api: None) -> None:
    pass


def documents(kind: str, name: str) -> list[Any]:
    """The block documents of that kind and name."""
    every = ask(lambda client: client.read_block_documents(include_secrets=False))
    return [each for each in every if each.block_type.slug == kind and each.name == name]


def lines_of(key: Path) -> list[str]:
    """What of a private key no one may see."""
    return [line for line in json.loads(key.read_text())["private_key"].splitlines() if len(line) > 20]


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


class TestContainer:
    IMAGE = ("--image_name", "somebody/mta-etl:v1")

    def pool(self) -> Any:
        return ask(lambda client: client.read_work_pool("pool"))

    def defaults(self) -> dict[str, Any]:
        """What a run in the pool is given."""
        variables = self.pool().base_job_template["variables"]["properties"]
        return {name: of["default"] for name, of in variables.items() if of.get("default") is not None}

    def test_one_container_as_a_block_and_as_a_pool(self, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/home/somebody")
        flags = ("--env", "MTA_RETRY_WAIT=600", "--env", "A=b=c", "--volume", "~/lake:/lake", "--mem_limit", "1g")
        ran = script("docker_block", "--block_name", "box", "--work_pool", "pool", *self.IMAGE, *flags)
        assert ran.code == 0, ran.err
        block, pool = DockerContainer.load("box"), self.defaults()
        env = {"PREFECT_HOME": "/opt/prefect/data/prefect", "MTA_RETRY_WAIT": "600", "A": "b=c"}
        assert (block.image, block.env, block.volumes) == (self.IMAGE[1], env, ["/home/somebody/lake:/lake"])
        assert (block.image_pull_policy.value, block.mem_limit, block.auto_remove) == ("IF_NOT_PRESENT", "1g", False)
        assert self.pool().type == "docker"
        wanted = {"image": block.image, "env": env, "volumes": block.volumes, "image_pull_policy": "IfNotPresent"}
        assert pool.items() >= {**wanted, "mem_limit": "1g", "auto_remove": False}.items()

    def test_again_with_less_leaves_nothing_of_the_first(self, script: Script) -> None:
        both = ("--block_name", "box", "--work_pool", "pool")
        more = ("--env", "A=b", "--volume", "/a:/b", "--mem_limit", "1g", "--auto_remove", "--pull_policy", "ALWAYS")
        assert script("docker_block", *both, *self.IMAGE, *more).code == 0
        assert self.defaults().items() >= {"auto_remove": True, "image_pull_policy": "Always"}.items()
        assert script("docker_block", *both, "--image_name", "other:v2").code == 0
        block, pool = DockerContainer.load("box"), self.defaults()
        assert (block.image, list(block.env), block.volumes, block.mem_limit) == (
            "other:v2",
            ["PREFECT_HOME"],
            [],
            None,
        )
        assert not block.auto_remove
        assert (pool["image"], list(pool["env"]), pool["auto_remove"]) == ("other:v2", ["PREFECT_HOME"], False)
        assert not pool.get("volumes")
        assert "mem_limit" not in pool

    def test_an_existing_pool_keeps_its_limit_and_pause(self, script: Script) -> None:
        assert script("docker_block", "--work_pool", "pool", *self.IMAGE).code == 0
        ask(lambda client: client.update_work_pool("pool", WorkPoolUpdate(concurrency_limit=3, is_paused=True)))
        ran = script("docker_block", "--work_pool", "pool", "--image_name", "other:v2")
        assert "keeps its limit and pause" in ran.out
        assert (self.pool().concurrency_limit, self.pool().is_paused) == (3, True)
        assert self.defaults()["image"] == "other:v2"

    def test_a_pool_of_another_type_is_an_error(self, script: Script) -> None:
        ask(lambda client: client.create_work_pool(WorkPoolCreate(name="pool", type="process")))
        ran = script("docker_block", "--work_pool", "pool", *self.IMAGE)
        assert ran.code == 1
        assert "work pool pool: is of type process, not docker" in ran.err
        assert self.pool().type == "process"

    @pytest.mark.parametrize(
        "pair",
        [
            "PREFECT_API_KEY=pnu_hidden", "MTA_SOCRATA_APP_TOKEN=hidden", "db_password=hidden", "CLIENT_SECRET=hidden",
            "PRIVATE=hidden", "GOOGLE_APPLICATION_CREDENTIALS={hidden}", "PASSPHRASE=hidden",
            "PREFECT_API_DATABASE_CONNECTION_URL=postgresql+asyncpg://me:hidden@db/prefect",
            "SOMETHING=-----BEGIN PRIVATE KEY-----hidden", "PREFECT_SERVER_API_AUTH_STRING=admin:hidden",
            "MYSQL_PWD=hidden", "GITHUB_PAT=hidden", "X=Bearer hidden", "PREFECT_CLIENT_CUSTOM_HEADERS=hidden",
            "DB=postgres://me:hid/hidden@db/x", 'X={"private_key": "hidden"}', "X=ghp_hidden", "SENTRY_DSN=hidden",
        ],
    )  # fmt: skip
    def test_what_looks_secret_is_refused_with_the_way_to_do_it(self, pair: str, script: Script) -> None:
        ran = script("docker_block", "--block_name", "box", "--work_pool", "pool", *self.IMAGE, "--env", pair)
        assert ran.code == 2
        assert pair.partition("=")[0] in ran.err
        assert "blocks/gcp_acc_block.py" in ran.err
        assert "hidden" not in ran.out + ran.err
        assert documents("docker-container", "box") == []

    def test_a_path_to_credentials_is_none(self, script: Script) -> None:
        flags = ("--env", "GOOGLE_APPLICATION_CREDENTIALS=/run/key.json", "--volume", "/root/key.json:/run/key.json:ro")
        assert script("docker_block", "--block_name", "box", *self.IMAGE, *flags).code == 0

    @pytest.mark.parametrize(
        "flags",
        [
            ["--env", "A"], ["--env", "=b"], ["--env", "A B=c"], ["--volume", "lake"], ["--volume", "./lake:/lake"],
            ["--volume", "/lake:lake"], ["--volume", "/a:/b:rx"], ["--mem_limit", "1 g"],
            ["--pull_policy", "Sometimes"], ["--block_name", "Box_1"], ["--work_pool", "a/b"],
            ["--image_name", "Some Image"], ["--image_name", ""],
            ["--image_name", "user:hidden@registry.io/img:v1"], ["--work_pool", "pool?x"], ["--work_pool", ".."],
            ["--work_pool", "pool#y"], ["--env", "PREFECT_API_KEY:hidden"],
        ],
    )  # fmt: skip
    def test_flags_that_cannot_be_used(self, flags: list[str], script: Script) -> None:
        ran = script("docker_block", "--block_name", "box", *self.IMAGE, *flags)
        assert (ran.code, len(ran.err.splitlines())) == (2, 1)
        assert documents("docker-container", "box") == []

    def test_it_needs_one_of_two_flags(self, script: Script) -> None:
        assert script("docker_block", *self.IMAGE).code == 2

    def test_an_image_without_a_tag_of_its_own_is_remarked(self, script: Script) -> None:
        for name, remarked in (
            ("mta", True),
            ("host:5000/mta", True),
            ("mta:latest", True),
            ("host:5000/mta:v1", False),
        ):
            ran = script("docker_block", "--block_name", "box", "--image_name", name, "--dry-run")
            assert ("newer image is not noticed" in ran.out) is remarked


class TestGitHub:
    URL = "https://github.com/somebody/mta"

    def test_the_token_travels_in_the_block(self, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("THE_TOKEN", "ghp_very-secret")
        flags = ("--block_name", "hub", "--repository", self.URL, "--reference", "v1.2", "--token-env", "THE_TOKEN")
        ran = script("github_block", *flags)
        assert ran.out.startswith(f"registered github/hub: {self.URL} at v1.2, with a token")
        block = GitHub.load("hub")
        assert (block.repository, block.reference) == (self.URL, "v1.2")
        assert block.access_token.get_secret_value() == "ghp_very-secret"
        assert "very-secret" not in ran.out + ran.err + repr(block) + str(documents("github", "hub"))
        assert script("github_block", *flags[:4]).code == 0  # again without: nothing of it stays
        assert (GitHub.load("hub").reference, GitHub.load("hub").access_token) == (None, None)

    @pytest.mark.parametrize(
        "flags",
        [
            ["--reference", "--upload-pack=touch /tmp/x"], ["--reference=--upload-pack=x"], ["--reference=-b"],
            ["--reference=a b"], ["--reference=a..b"], ["--reference=a;b"], ["--reference=$(id)"], ["--reference="],
            ["--reference=a.lock"], ["--reference=" + 40 * "a"], ["--reference=a\nb"],
            ["--repository=--upload-pack=x"], ["--repository=ext::sh -c id"], ["--repository=https://-x"],
            ["--repository=https://me:hidden@github.com/a/b"], ["--repository=https://hidden@github.com/a/b"],
            ["--repository=/etc"], ["--token-env", "hidden"], ["--token-env", "EMPTY"],
            ["--repository=https://github.com/a/b?access_token=hidden"], ["--repository=https:///me:hidden@github.com/a"],
            ["--repository=me:hidden@github.com/a/b"], ["--repository=ssh://x@-oProxyCommand=id/x"],
            ["--repository=x@-oProxyCommand=id:x"], ["--reference=a//b"], ["--reference=a/.b"], ["--reference=a."],
        ],
    )  # fmt: skip
    def test_what_git_could_take_for_an_option(
        self, flags: list[str], script: Script, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("EMPTY", "")
        ran = script("github_block", "--block_name", "hub", "--repository", self.URL, *flags)
        assert ran.code == 2
        assert "hidden" not in ran.err
        assert documents("github", "hub") == []

    def test_a_token_goes_with_https_only(self, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("THE_TOKEN", "ghp_very-secret")
        flags = ("--block_name", "hub", "--token-env", "THE_TOKEN", "--repository", "http://github.com/somebody/mta")
        ran = script("github_block", *flags)
        assert (ran.code, "https://" in ran.err) == (2, True)


EVERY = [
    ("gcp_acc_block", "--gcp_acc_block_name", "acc"),
    ("gcs_block", "--gcs_bucket_name", "lake", "--gcs_block_name", "lake"),
    ("docker_block", "--block_name", "box", "--work_pool", "pool", "--image_name", "mta:v1"),
    ("github_block", "--block_name", "hub", "--repository", TestGitHub.URL),
    ("docker_deploy_etl_web_to_gcs", "--work_pool", "pool", "--deploy_name", "d"),
    ("github_deploy_etl_web_to_gcs", "--block_name", "hub", "--deploy_name", "d"),
]


@pytest.mark.parametrize("flags", EVERY, ids=lambda flags: flags[0])
class TestEveryScript:
    @pytest.fixture(autouse=True)
    def elsewhere(self, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """No API answers, and credentials are at hand."""
        from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        gone = temporary_settings({PREFECT_API_URL: "http://me:hidden@127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0})
        with gone:
            yield

    def test_a_dry_run_touches_nothing(self, flags: tuple[str], script: Script) -> None:
        ran = script(*flags, "--dry-run")
        assert (ran.code, ran.err) == (0, "")
        assert all(line.startswith("would ") for line in ran.out.splitlines())
        assert ran.out

    def test_an_api_that_is_gone_is_one_line(self, flags: tuple[str], script: Script) -> None:
        ran = script(*flags)
        assert (ran.code, ran.out) == (1, "")
        (line,) = ran.err.splitlines()
        assert "the Prefect API at http://127.0.0.1:9/api/ cannot be reached" in line
        assert "hidden" not in line


@pytest.mark.parametrize("flags", EVERY, ids=lambda flags: flags[0])
def test_a_dry_run_does_not_do_it(
    flags: tuple[str], script: Script, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it could: Prefect's own database is at hand."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    assert script(*flags, "--dry-run").code == 0
    assert ask(lambda client: client.read_block_documents(include_secrets=False)) == []
    assert [pool for pool in ask(lambda client: client.read_work_pools()) if pool.name == "pool"] == []


class TestAnApiThatLies:
    """It says that it is well, and answers all else with the same."""

    ANSWERS = (
        (Answer(b'{"detail": "not in this plan"}', status=403), "refused it with 403 Forbidden: not in this plan"),
        (Answer(b'{"detail": "a\\nb"}', status=409), "refused it with 409 Conflict: a b"),
        (Answer(b"no", status=500), "refused it with 500 Internal Server Error"),
        (Answer(b"<html>hello</html>"), "the Prefect API's answer is not Prefect's (JSONDecodeError)"),
        (Answer(b"\xff\xfe"), "the Prefect API's answer is not Prefect's ("),
        (Answer(b"{}"), "the Prefect API's answer is not Prefect's (ValidationError)"),
        (Answer(drop=True), "the Prefect API failed ("),
    )

    @pytest.fixture
    def api(self) -> Iterator[Web]:
        from prefect.settings import (
            PREFECT_API_URL,
            PREFECT_CLIENT_CSRF_SUPPORT_ENABLED,
            PREFECT_CLIENT_MAX_RETRIES,
            temporary_settings,
        )

        class Lies(Web):
            lie = Answer(status=404)

            def answer(self, request: Handler) -> None:
                self.serve(request.path, Answer(b"true") if request.path == "/api/health" else self.lie)
                super().answer(request)

        own = {PREFECT_CLIENT_MAX_RETRIES: 0, PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: False}
        with Lies() as web, temporary_settings({PREFECT_API_URL: f"{web.url}/api", **own}):
            yield web

    @pytest.mark.parametrize(("answer", "said"), ANSWERS)
    def test_it_is_one_line(self, answer: Answer, said: str, script: Script, key: Path, api: Any) -> None:
        api.lie = answer
        for flags in (("gcp_acc_block", "--file_path", str(key)), EVERY[1], EVERY[2]):
            ran = script(*flags)
            assert ran.code == 1
            assert len(ran.err.splitlines()) == 1, ran.err
            assert said in ran.err

    @pytest.mark.parametrize("wrap", ["bad: {}", "{}"])
    def test_what_it_repeats_of_a_key_is_not_shown(self, wrap: str, script: Script, key: Path, api: Any) -> None:
        private = json.loads(key.read_text())["private_key"]
        api.lie = Answer(json.dumps({"detail": wrap.replace("{}", private)}).encode(), status=400)
        ran = script("gcp_acc_block", "--file_path", str(key))
        assert (ran.code, "PRIVATE" in ran.err) == (1, False)
        assert [line for line in lines_of(key) if line in ran.err] == []

    def test_an_address_that_is_none(self, script: Script) -> None:
        from prefect.settings import PREFECT_API_URL, temporary_settings

        with temporary_settings({PREFECT_API_URL: "http://me:hid/den@127.0.0.1/api"}):
            ran = script(*EVERY[2])
        assert (ran.code, "hid" in ran.err, len(ran.err.splitlines())) == (1, False, 1)


def test_a_reader_that_has_gone_does_not_stop_it(script: Script, tmp_path: Path) -> None:
    home = tmp_path / "home"
    command = (
        f"{sys.executable} {ROOT}/blocks/docker_block.py --block_name box --work_pool pool --image_name m:1 | true"
    )
    env = {**os.environ, "PREFECT_HOME": str(home)}
    ran = subprocess.run(["bash", "-c", command], env=env, capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    prefect = Path(sys.executable).with_name("prefect")
    listed = subprocess.run([prefect, "work-pool", "ls"], env=env, capture_output=True, text=True, check=True)
    assert "pool" in listed.stdout


def test_a_broken_database_of_prefects_is_one_line_and_an_end(tmp_path: Path) -> None:
    (tmp_path / "prefect.db").write_text("this is no database" * 100)
    (tmp_path / "memo_store.toml").write_text("")
    command = [sys.executable, str(ROOT / "blocks" / "docker_block.py"), "--block_name", "box", "--image_name", "m:1"]
    env = {**os.environ, "PREFECT_HOME": str(tmp_path)}
    ran = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 1
    assert "Prefect's own database in PREFECT_HOME cannot be used" in ran.stderr.splitlines()[-1]
