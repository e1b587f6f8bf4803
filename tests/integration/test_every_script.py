"""Every script of blocks/ and deployments/: a dry run touches nothing, an API that is gone or lies is one line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from block_scripts import REPOSITORY, Script, lines_of
from conftest import ask
from web import Answer, Handler, Web

pytest_plugins = ["block_scripts"]
pytestmark = pytest.mark.usefixtures("clean_api")


EVERY = [
    ("gcp_acc_block", "--gcp_acc_block_name", "acc"),
    ("gcs_block", "--gcs_bucket_name", "lake", "--gcs_block_name", "lake"),
    ("docker_block", "--block_name", "box", "--work_pool", "pool", "--image_name", "mta:v1"),
    ("github_block", "--block_name", "hub", "--repository", REPOSITORY),
    ("alert_block", "--kind", "slack", "--url-env", "ADDRESS"),
    ("docker_deploy_etl_web_to_gcs", "--work_pool", "pool", "--deploy_name", "d"),
    ("github_deploy_etl_web_to_gcs", "--block_name", "hub", "--deploy_name", "d"),
]


@pytest.fixture(autouse=True)
def address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADDRESS", "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ")


@pytest.mark.parametrize("flags", EVERY, ids=lambda flags: flags[0])
class TestEveryScript:
    @pytest.fixture(autouse=True)
    def elsewhere(self, clean_api: None, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """No API answers, and credentials are at hand; the API is there again when it is cleaned."""
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
    before = ask(lambda client: client.read_block_documents(include_secrets=False))
    assert script(*flags, "--dry-run").code == 0
    assert ask(lambda client: client.read_block_documents(include_secrets=False)) == before
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
