"""The scripts that deploy: what stands at the API afterwards, what they refuse; a late source leaves no gap."""

import re
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.system import Secret
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect_gcp import GcpCredentials
from prefect_gcp.cloud_storage import GcsBucket

import weekly
from backfill import backfill_flow
from conftest import Ran, ask, content, expected, small_week
from engine import bare_repository, committed
from etl_web_to_gcs import main_flow
from gcs import Gcs
from mta_weekly.settings import VERSION
from web import Answer, Web

Script = Callable[..., Ran]
DOCKER, GITHUB = "docker_deploy_etl_web_to_gcs", "github_deploy_etl_web_to_gcs"
NAME = ("--deploy_name", "dep")


@pytest.fixture(autouse=True)
def clean(clean_api: None) -> None:
    pass


@pytest.fixture
def lake() -> None:
    """The default lake, registered; nobody asks anything of it."""
    key = GcpCredentials(service_account_info=Gcs().service_account(), project="test")
    key.save("acc", overwrite=True)
    GcsBucket(bucket="lake", gcp_credentials=key).save("blk-gcs-name", overwrite=True)


@pytest.fixture
def box(script: Script) -> None:
    """A container, as a block and as a pool."""
    flags = ("--block_name", "box", "--work_pool", "pool", "--image_name", "mta:v1")
    assert script("docker_block", *flags).code == 0


def deployment(name: str = "dep") -> Any:
    return ask(lambda client: client.read_deployment_by_name(f"{main_flow.name}/{name}"))


BY = [("--block_name", "box"), ("--work_pool", "pool")]
either = pytest.mark.parametrize("by", BY, ids=["block", "pool"])


@either
def test_it_is_deployed_for_saturdays_and_again_without_a_second_one(
    by: tuple[str], script: Script, lake: None, box: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = script(DOCKER, *by, *NAME)
    assert ran.code == 0, ran.err
    said = "deployed 'MTA Batch flow/dep': cron 0 9 * * 6 in America/New_York, to gcs-bucket/blk-gcs-name; new\n"
    assert ran.out.startswith(said)
    first = deployment()
    assert first.parameters == {"feed": "auto", "catch_up": 8, "lake": "gcs-bucket/blk-gcs-name"}
    (schedule,) = first.schedules
    assert (schedule.schedule.cron, schedule.schedule.timezone, schedule.active) == (
        "0 9 * * 6",
        "America/New_York",
        True,
    )
    assert (first.tags, first.version, first.work_queue_name) == (["mta"], VERSION, "default")
    assert (first.path, first.entrypoint) == ("/opt/prefect", "flows/etl_web_to_gcs.py:main_flow")
    assert first.enforce_parameter_schema
    assert "allow_bad_rows" in first.parameter_openapi_schema["properties"]
    assert (first.infrastructure_document_id is not None) == ("box" in by)
    assert first.work_pool_name == ("default-agent-pool" if "box" in by else "pool")

    more = ("--cron", "30 7 * * 0", "--timezone", "Europe/Paris", "--tag", "a", "--tag", "b", "--feed", "turnstile")
    ran = script(DOCKER, *by, *NAME, *more, "--catch-up", "1", "--lake", "/lake", "--work_queue", "other")
    assert "; updated" in ran.out, ran.err
    second = deployment()
    assert second.id == first.id
    assert second.parameters == {"feed": "turnstile", "catch_up": 1, "lake": "/lake"}
    assert [(each.schedule.cron, each.schedule.timezone) for each in second.schedules] == [
        ("30 7 * * 0", "Europe/Paris")
    ]
    assert (second.tags, second.work_queue_name) == (["a", "b"], "other")
    assert [each.name for each in ask(lambda client: client.read_deployments())] == ["dep"]
    assert list(tmp_path.iterdir()) == []  # Prefect's own way leaves a file where it is called


def test_from_block_to_pool_and_back_nothing_of_the_other_stays(script: Script, lake: None, box: None) -> None:
    for by in (*BY, BY[0]):
        assert script(DOCKER, *by, *NAME).code == 0
        stands = deployment()
        assert (stands.infrastructure_document_id is not None) == ("box" in by)
        assert stands.work_pool_name == ("default-agent-pool" if "box" in by else "pool")


def test_what_a_person_paused_stays_paused(script: Script, lake: None, box: None) -> None:
    assert script(DOCKER, *BY[1], *NAME).code == 0
    identity = deployment().id
    ask(lambda client: client.update_schedule(identity, active=False))
    assert deployment().paused
    assert "paused, as it was" in script(DOCKER, *BY[1], *NAME).out
    assert deployment().paused
    ask(lambda client: client.update_schedule(identity, active=True))
    schedule: DeploymentSchedule = deployment().schedules[0]
    ask(lambda client: client.update_deployment_schedule(identity, schedule.id, active=False))
    assert "paused, as it was" in script(DOCKER, *BY[1], *NAME).out
    assert [each.active for each in deployment().schedules] == [False]


@either
def test_an_image_of_its_own(by: tuple[str], script: Script, lake: None, box: None) -> None:
    assert "image" not in script(DOCKER, *by, *NAME).out
    assert "; updated, image mta:v2\n" in script(DOCKER, *by, *NAME, "--image", "mta:v2").out
    assert deployment().job_variables["image"] == "mta:v2"
    assert "image" not in script(DOCKER, *by, *NAME).out
    assert "image" not in deployment().job_variables


def test_a_process_pool_whose_worker_runs_in_the_image(script: Script) -> None:
    ask(lambda client: client.create_work_pool(WorkPoolCreate(name="pool", type="process")))
    ran = script(DOCKER, *BY[1], *NAME, "--lake", "/opt/prefect/data/lake")
    assert ran.code == 0, ran.err
    assert deployment().job_variables == {"working_dir": "/opt/prefect"}
    assert "starts processes, not containers" in script(DOCKER, *BY[1], *NAME, "--lake", "/l", "--image", "i:1").err


def test_the_backfill_waits_in_a_pool_of_its_own(script: Script, lake: None, box: None) -> None:
    assert script("docker_block", "--work_pool", "pool-q", "--image_name", "mta:v1").code == 0
    for by in BY:
        ran = script(DOCKER, *by, *NAME, "--backfill_pool", "pool-q")
        assert ran.code == 0, ran.err
        stands = ask(lambda client: client.read_deployment_by_name(f"{backfill_flow.name}/dep"))
        assert (stands.work_pool_name, stands.entrypoint) == ("pool-q", "flows/backfill.py:backfill_flow")
        assert stands.path == "/opt/prefect"
        assert stands.schedules == []
        assert stands.enforce_parameter_schema
        assert stands.parameters == {
            "deployment": "MTA Batch flow/dep",
            "feed": "auto",
            "lake": "gcs-bucket/blk-gcs-name",
        }
    ran = script(DOCKER, *BY[1], *NAME, "--backfill_pool", "pool")
    assert (ran.code, ran.err) == (
        2,
        "docker_deploy_etl_web_to_gcs.py: --backfill_pool pool: the backfill would wait for itself there; name another "
        "pool.\n",
    )
    ran = script(DOCKER, *BY[1], "--deploy_name", "half", "--backfill_pool", "pool-none")
    assert (ran.code, ran.out) == (1, "")
    assert [each.name for each in ask(lambda client: client.read_deployments())] == ["dep", "dep"]


@pytest.mark.parametrize(
    ("name", "flags", "said"),
    [
        (
            DOCKER,
            BY[0],
            "docker-container/box: no such block is registered; register it: python blocks/docker_block.py",
        ),
        (
            DOCKER,
            BY[1],
            "make it: python blocks/docker_block.py --work_pool 'pool' --image_name I or prefect work-pool",
        ),
        (GITHUB, ("--block_name", "hub"), "github/hub: no such block is registered; register it: python blocks/github"),
        (GITHUB, (*BY[1], "--repository", "https://a.b/c"), "make it: prefect work-pool create 'pool' --type process"),
    ],
)
def test_what_is_not_there_is_said_with_the_way_to_make_it(
    name: str, flags: tuple[str], said: str, script: Script, lake: None
) -> None:
    ran = script(name, *flags, *NAME)
    assert ran.code == 1
    (line,) = ran.err.splitlines()
    assert said in line
    with pytest.raises(ObjectNotFound):
        deployment()


def test_a_lake_that_is_not_registered(script: Script, box: None) -> None:
    ran = script(DOCKER, *BY[0], *NAME)
    assert ran.code == 1
    assert "python blocks/gcs_block.py --gcs_bucket_name B --gcs_block_name blk-gcs-name" in ran.err
    with pytest.raises(ObjectNotFound):
        deployment()


def test_a_pool_of_another_type(script: Script, lake: None, box: None) -> None:
    ran = script(GITHUB, *BY[1], *NAME, "--repository", "https://a.b/c")
    assert "work pool pool: is of type docker, not process" in ran.err
    ask(lambda client: client.create_work_pool(WorkPoolCreate(name="pool-k", type="kubernetes")))
    assert "of type kubernetes, not docker or process" in script(DOCKER, "--work_pool", "pool-k", *NAME).err


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        (DOCKER, ()),
        (DOCKER, (*BY[0], *BY[1])),
        (DOCKER, (*BY[0], "--cron", "every saturday")),
        (DOCKER, (*BY[0], "--cron", "0 9 * *")),
        (DOCKER, (*BY[0], "--cron", "0 9 31 2 *")),
        (DOCKER, (*BY[0], "--cron", "0 9 * * 6 0")),
        (DOCKER, (*BY[0], "--cron", "0 9 * *\n6")),
        (DOCKER, (*BY[0], "--timezone", "")),
        (DOCKER, (*BY[0], "--lake", "gcs-bucket/..")),
        (DOCKER, (*BY[0], "--lake", "gcs-bucket/no?x")),
        (DOCKER, (*BY[0], "--image", "Not an Image\nuser:hidden@registry/image")),
        (DOCKER, (*BY[0], "--catch-up", "99999999999999999999999")),
        (DOCKER, (*BY[0], "--deploy_name", "dep?x")),
        (GITHUB, (*BY[0], "--reference", "main")),
        (GITHUB, (*BY[0], "--token_block", "token")),
        (DOCKER, (*BY[0], "--timezone", "New York")),
        (DOCKER, (*BY[0], "--catch-up", "0")),
        (DOCKER, (*BY[0], "--catch-up", "many")),
        (DOCKER, (*BY[0], "--lake", "lake")),
        (DOCKER, (*BY[0], "--lake", "~/lake")),
        (DOCKER, (*BY[0], "--lake", "gs://lake")),
        (DOCKER, (*BY[0], "--feed", "bus")),
        (DOCKER, (*BY[0], "--tag", "")),
        (DOCKER, (*BY[0], "--deploy_name", "a/b")),
        (GITHUB, BY[1]),
        (GITHUB, (*BY[0], "--repository", "https://a.b/c")),
        (GITHUB, (*BY[1], "--repository", "--upload-pack=x")),
        (GITHUB, (*BY[1], "--repository", "https://a.b/c", "--reference=-x")),
        (GITHUB, (*BY[0], "--github_path", "../flows")),
        (GITHUB, (*BY[0], "--github_path", "/flows")),
        (GITHUB, (*BY[0], "--github_path", "")),
    ],
)
def test_flags_that_cannot_be_used_reach_no_api(name: str, flags: tuple[str], script: Script) -> None:
    ran = script(name, *NAME, *flags)
    assert ran.code == 2
    assert ran.err.splitlines()[-1].startswith(f"{name}.py: ")
    assert "hidden" not in ran.err


def test_parameters_are_held_to_their_types(script: Script, lake: None, box: None) -> None:
    assert script(DOCKER, *BY[1], *NAME).code == 0
    identity = deployment().id

    def run_with(**given: Any) -> Any:
        return ask(lambda client: client.create_flow_run_from_deployment(identity, parameters=given))

    for wrong in ({"year": "soon"}, {"limit_one": 3}, {"start": 20240106}):
        with pytest.raises(PrefectHTTPStatusError, match=r"409|422"):
            run_with(**wrong)
    assert run_with(year=2024, month=1, day=6).parameters["year"] == 2024


class TestFromARepository:
    @pytest.fixture(scope="class")
    def repository(self, tmp_path_factory: pytest.TempPathFactory) -> str:
        return bare_repository(tmp_path_factory.mktemp("github"))

    @pytest.fixture
    def pool(self) -> None:
        ask(lambda client: client.create_work_pool(WorkPoolCreate(name="pool", type="process")))

    def test_a_worker_is_told_where_to_fetch_it(
        self, script: Script, lake: None, pool: None, repository: str, monkeypatch: pytest.MonkeyPatch
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
        assert "no such block is registered" in script(GITHUB, *BY[1], *NAME, *at, "--token_block", "none").err

    def test_what_holds_no_flow_is_not_deployed(self, script: Script, lake: None, pool: None, repository: str) -> None:
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
            ("import no_such_module", "no_such_module"),
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
        self, flows: str, said: str, script: Script, lake: None, pool: None, tmp_path: Path
    ) -> None:
        (tmp_path / "work" / "flows").mkdir(parents=True)
        (tmp_path / "work" / "flows" / "etl_web_to_gcs.py").write_text(flows)
        ran = script(GITHUB, *BY[1], *NAME, "--repository", committed(tmp_path / "work").as_uri())
        assert (ran.code, len(ran.err.splitlines())) == (1, 1), ran.err
        assert said in ran.err
        assert ask(lambda client: client.read_deployments()) == []

    def test_from_one_place_to_another_nothing_stays(
        self, script: Script, lake: None, pool: None, repository: str
    ) -> None:
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
        self, script: Script, lake: None, pool: None, web: Web, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import github_deploy_etl_web_to_gcs

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

    def test_an_agent_takes_the_flows_folder_of_the_block(self, script: Script, lake: None, repository: str) -> None:
        assert script("github_block", "--block_name", "hub", "--repository", repository).code == 0
        assert script(GITHUB, "--block_name", "hub", *NAME).code == 0
        stands = deployment()
        assert (stands.path, stands.entrypoint) == ("flows", "flows/etl_web_to_gcs.py:main_flow")
        assert stands.storage_document_id is not None
        assert (stands.infrastructure_document_id, stands.pull_steps) == (None, [])


def test_a_deployment_may_refresh(script: Script, lake: None, box: None) -> None:
    assert script(DOCKER, *BY[1], *NAME, "--refresh", "--catch-up", "26").code == 0
    assert deployment().parameters.items() >= {"refresh": True, "catch_up": 26}.items()


def test_a_source_that_skips_a_week_and_has_two_the_week_after_leaves_no_gap(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import etl_web_to_gcs

    monkeypatch.setenv("MTA_TURNSTILE_URL", web.url)
    monkeypatch.setenv("MTA_SPOOL", str(tmp_path / "spool"))
    flags = weekly.parser("", DOCKER, "").parse_args([*NAME, *BY[1], "--lake", str(tmp_path / "lake")])
    given = weekly.parameters(flags)  # what every scheduled run is given
    assert given["catch_up"] == 8

    def on(saturday: date) -> Any:
        monkeypatch.setattr(etl_web_to_gcs, "new_york_today", lambda: saturday)
        return main_flow(**given, return_state=True)

    weeks = [date(2024, 1, 6), date(2024, 1, 13), date(2024, 1, 20)]
    for week in (*(date(2023, 11, day) for day in (18, 25)), *(date(2023, 12, day) for day in (2, 9, 16, 23, 30))):
        web.serve(f"/turnstile_{week:%y%m%d}.txt", Answer(small_week(week)))
    assert on(weeks[0]).is_completed()
    state = on(weeks[1])  # the source skips it
    assert state.is_failed()
    assert "turnstile 240113: not published" in state.message
    for week in weeks[1:]:
        web.serve(f"/turnstile_{week:%y%m%d}.txt", Answer(small_week(week)))
    state = on(weeks[2])
    assert (state.is_completed(), state.message) == (True, "8 weeks: 2 landed, 6 there")
    for week in weeks:
        assert content(tmp_path / "lake", f"turnstile/{week:%y%m%d}.csv.gz") == expected(small_week(week))
