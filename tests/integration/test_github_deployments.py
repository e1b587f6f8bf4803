"""The script that deploys from a repository: what stands at the API afterwards, what is not deployed."""

import inspect
import re
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from prefect.blocks.system import Secret
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectNotFound
from prefect.utilities.importtools import import_object

import github_deploy_etl_web_to_gcs
from conftest import ROOT, ask
from deploy_scripts import BY, DOCKER, GITHUB, NAME, Script, deployment
from repository import bare_repository, committed
from web import Answer, Web

pytest_plugins = ["deploy_scripts"]
pytestmark = pytest.mark.usefixtures("clean_api")
# Of a pool of the type prefect:managed, which only Prefect Cloud has: its page "Run flows on Prefect Managed
# infrastructure" names `pip_packages` and the images, "Customize job variables" says that `env` is in every pool, and
# Prefect's own command for it, prefect-cloud, sets `image`.
MANAGED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "env": {"type": "object", "additionalProperties": {"type": "string"}},
        "image": {"type": "string", "pattern": "^prefecthq/prefect"},
        "pip_packages": {"type": "array", "items": {"type": "string"}},
    },
}


class TestFromARepository:
    @pytest.fixture(scope="class")
    def repository(self, tmp_path_factory: pytest.TempPathFactory) -> str:
        return bare_repository(tmp_path_factory.mktemp("github"))

    @pytest.fixture
    def pool(self) -> None:
        ask(lambda client: client.create_work_pool(WorkPoolCreate(name="pool", type="process")))

    def test_a_worker_is_told_where_to_fetch_it(
        self, script: Script, default_lake: None, pool: None, repository: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Secret(value="ghp_very-secret").save("token")
        at = ("--repository", repository, "--reference", "main")
        ran = script(GITHUB, *BY[1], *NAME, *at, "--token_block", "token")
        assert ran.code == 0, ran.err
        stands = deployment()
        (step,) = stands.pull_steps
        clone = step["prefect.deployments.steps.git_clone"]
        assert (clone["repository"], clone["branch"]) == (repository, "main")
        assert "{{ prefect.blocks.secret.token }}" in str(clone)
        assert "very-secret" not in ran.out + ran.err + str(stands)
        assert (stands.path, stands.entrypoint) == (None, "flows/etl_web_to_gcs.py:main_flow")
        assert stands.enforce_parameter_schema
        assert stands.parameter_openapi_schema["properties"]["month"]["maximum"] == 12
        assert stands.parameter_openapi_schema["additionalProperties"] is False
        watch = deployment(flow="MTA Freshness flow")
        assert (watch.pull_steps, watch.entrypoint) == (stands.pull_steps, "flows/watch.py:freshness_flow")
        assert "no such block is registered" in script(GITHUB, *BY[1], *NAME, *at, "--token_block", "none").err

    def test_what_holds_no_flow_is_not_deployed(
        self, script: Script, default_lake: None, pool: None, repository: str
    ) -> None:
        for wrong in (
            ("--repository", repository, "--reference", "no-such"),
            ("--repository", repository, "--github_path", "tests"),
            ("--repository", f"{repository}-not-there"),
        ):
            ran = script(GITHUB, *BY[1], *NAME, *wrong)
            assert (ran.code, len(ran.err.splitlines())) == (1, 1), ran.err
            assert re.search("cannot be (cloned|loaded from there)", ran.err)
        with pytest.raises(ObjectNotFound):
            deployment()

    @pytest.mark.parametrize(
        ("flows", "said"),
        [
            ("raise RuntimeError('boom')", "boom"),
            ("from mta_weekly import feeds, load", "No module named"),
            ("x = 1", "main_flow"),
            ("main_flow = 1", "main_flow"),
            ("raise SystemExit", "nothing is said"),
            (
                "from prefect import flow\n@flow(name='Other')\ndef main_flow(a): ...",
                "is the flow 'Other', not 'MTA Batch",
            ),
        ],
    )
    def test_what_cannot_run_is_not_deployed(
        self, flows: str, said: str, script: Script, default_lake: None, pool: None, tmp_path: Path
    ) -> None:
        (tmp_path / "work" / "flows").mkdir(parents=True)
        (tmp_path / "work" / "flows" / "etl_web_to_gcs.py").write_text(flows)
        ran = script(GITHUB, *BY[1], *NAME, "--repository", committed(tmp_path / "work").as_uri())
        assert (ran.code, len(ran.err.splitlines())) == (1, 1), ran.err
        assert said in ran.err
        assert ask(lambda client: client.read_deployments()) == []

    def test_a_version_without_the_watch_is_deployed_without_it(
        self, script: Script, default_lake: None, pool: None, tmp_path: Path
    ) -> None:
        (tmp_path / "work" / "flows").mkdir(parents=True)
        flow = "@flow(name='MTA Batch flow')\ndef main_flow(feed: str = 'auto', catch_up=1, lake=''): ..."
        (tmp_path / "work" / "flows" / "etl_web_to_gcs.py").write_text(f"from prefect import flow\n{flow}\n")
        older = ("--repository", committed(tmp_path / "work").as_uri())
        ran = script(GITHUB, *BY[1], *NAME, *older)
        assert (ran.code, ran.out) == (1, "")
        assert "flows/watch.py:freshness_flow cannot be loaded from there" in ran.err
        assert "or, of a version without this flow, --freshness-cron no" in ran.err
        assert script(GITHUB, *BY[1], *NAME, *older, "--freshness-cron", "no").code == 0
        assert set(deployment().parameter_openapi_schema["properties"]) == {"feed", "catch_up", "lake"}

    def test_a_managed_pool_installs_what_the_code_needs(
        self, script: Script, default_lake: None, repository: str
    ) -> None:
        """By the variables that Prefect's papers name; its server here has no such pool of its own."""
        template = {
            "job_configuration": {name: f"{{{{ {name} }}}}" for name in MANAGED["properties"]},
            "variables": MANAGED,
        }
        made = WorkPoolCreate(name="pool", type="prefect:managed", base_job_template=template)
        ask(lambda client: client.create_work_pool(made))
        at = ("--repository", repository, "--reference", "main")
        ran = script(GITHUB, *BY[1], *NAME, *at, "--lake", "/srv/lake")
        assert (ran.code, ran.out) == (1, "")
        assert "--lake /srv/lake: a run in the managed pool pool loses its folders; give gcs-bucket/NAME" in ran.err
        ran = script(GITHUB, *BY[1], *NAME, *at)
        assert ran.code == 0, ran.err
        for stands in (deployment(), deployment(flow="MTA Freshness flow")):
            jsonschema.validate(stands.job_variables, MANAGED | {"additionalProperties": False})
            assert f"ARG BASE={stands.job_variables['image']}\n" in (ROOT / "Dockerfile").read_text()
            clone, needs = (next(iter(step.items())) for step in stands.pull_steps)
            assert clone[1] == {"id": "clone", "repository": repository, "branch": "main"}
            called = inspect.signature(import_object(needs[0])).bind(**needs[1]).arguments
            assert called == {"directory": "{{ clone.directory }}", "requirements_file": "docker-requirements.txt"}
            assert (ROOT / called["requirements_file"]).is_file()

    def test_from_one_place_to_another_nothing_stays(
        self, script: Script, default_lake: None, pool: None, repository: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known: list[Any] = []
        fetch = github_deploy_etl_web_to_gcs.fetch

        async def fetch_once(*asked: Any) -> Any:
            """The repository stays as it is, and to load its flow in a Python of its own takes seconds."""
            known.extend([] if known else [await fetch(*asked)])
            return dict(known[0])

        monkeypatch.setattr(github_deploy_etl_web_to_gcs, "fetch", fetch_once)
        assert script("github_block", "--block_name", "hub", "--repository", repository).code == 0
        assert script("docker_block", "--block_name", "box", "--image_name", "mta:v1").code == 0
        places = {
            "pool": (GITHUB, *BY[1], "--repository", repository),
            "hub": (GITHUB, "--block_name", "hub"),
            "box": (DOCKER, *BY[0]),
        }
        wanted = {"pool": (True, False, False, None), "hub": (False, True, False, "flows")}
        wanted["box"] = (False, False, True, "/opt/prefect")
        for name in ("pool", "hub", "box", "hub", "pool", "box", "pool"):
            assert script(*places[name], *NAME).code == 0
            now = deployment()
            kept = bool(now.pull_steps), bool(now.storage_document_id), bool(now.infrastructure_document_id), now.path
            assert kept == wanted[name]

    def test_a_repository_that_refuses_or_hangs(
        self, script: Script, default_lake: None, pool: None, web: Web, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = "/mta/info/refs?service=git-upload-pack"
        web.serve(asked, Answer(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'}))
        ran = script(GITHUB, *BY[1], *NAME, "--repository", f"{web.url}/mta")
        assert (ran.code, "of a private repository, --token_block" in ran.err) == (1, True)
        web.serve(asked, Answer(wait=60))
        monkeypatch.setitem(github_deploy_etl_web_to_gcs.GIT, "GIT_HTTP_LOW_SPEED_TIME", "1")
        began = time.monotonic()
        ran = script(GITHUB, *BY[1], *NAME, "--repository", f"{web.url}/mta")
        assert (ran.code, "cannot be cloned" in ran.err) == (1, True)
        assert time.monotonic() - began < 30, "it waited for the server to hang up"

    def test_an_agent_takes_the_flows_folder_of_the_block(
        self, script: Script, default_lake: None, repository: str
    ) -> None:
        assert script("github_block", "--block_name", "hub", "--repository", repository).code == 0
        assert script(GITHUB, "--block_name", "hub", *NAME).code == 0
        stands = deployment()
        assert (stands.path, stands.entrypoint) == ("flows", "flows/etl_web_to_gcs.py:main_flow")
        assert stands.storage_document_id is not None
        assert (stands.infrastructure_document_id, stands.pull_steps) == (None, [])
