"""The scripts that register a container and a repository: what they register, what they refuse."""

from typing import Any

import pytest
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.filesystems import GitHub
from prefect.infrastructure.container import DockerContainer

from block_scripts import REPOSITORY, Script, documents
from conftest import ask

pytestmark = pytest.mark.usefixtures("clean_api")


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
        assert pool.items() >= {**wanted, "mem_limit": "1g", "auto_remove": False, "privileged": False}.items()
        confined = pool["container_create_kwargs"]
        assert (confined["cap_drop"], confined["security_opt"]) == (["ALL"], ["no-new-privileges:true"])

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
            "PREFECT_API_KEY=pnu_hidden", "MTA_SOCRATA_APP_TOKEN=hidden", "MTA_PING_URL=hidden",
            "db_password=hidden", "CLIENT_SECRET=hidden",
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

    def test_a_variable_that_is_none_of_ours_is_remarked(self, script: Script) -> None:
        flags = ("--env", "MTA_LAEK=data/lake", "--env", "MTA_READ_TIMEOUT=9", "--dry-run")
        ran = script("docker_block", "--block_name", "box", *self.IMAGE, *flags)
        assert ran.code == 0
        assert ran.out.count("MTA_LAEK: no variable of this project; the nearest is MTA_LAKE") == 1
        assert "MTA_READ_TIMEOUT:" not in ran.out


class TestGitHub:
    URL = REPOSITORY

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
