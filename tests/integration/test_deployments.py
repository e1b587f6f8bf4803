"""The scripts that deploy: what stands at the API afterwards, and what they refuse."""

from pathlib import Path

import pytest
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.exceptions import ObjectNotFound

from backfill import backfill_flow
from conftest import ask
from deploy_scripts import BY, DOCKER, GITHUB, NAME, Script, deployment
from mta_weekly.settings import VERSION
from watch import freshness_flow

pytest_plugins = ["deploy_scripts"]
pytestmark = pytest.mark.usefixtures("clean_api")


LAKE = "gcs-bucket/blk-gcs-name"
either = pytest.mark.parametrize("by", BY, ids=["block", "pool"])


@either
def test_it_is_deployed_for_saturdays_and_again_without_a_second_one(
    by: tuple[str], script: Script, default_lake: None, box: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    watch = deployment(flow=freshness_flow.name)
    assert (watch.tags, watch.version, watch.parameters) == (["mta-freshness"], VERSION, {"lake": LAKE, "feed": ""})
    assert [(each.schedule.cron, each.schedule.timezone) for each in watch.schedules] == [
        ("0 12 * * 6", "America/New_York")
    ]
    assert watch.entrypoint == "flows/watch.py:freshness_flow"
    assert watch.enforce_parameter_schema
    assert (first.path, first.entrypoint) == ("/opt/prefect", "flows/etl_web_to_gcs.py:main_flow")
    assert first.enforce_parameter_schema
    assert "allow_bad_rows" in first.parameter_openapi_schema["properties"]
    assert (first.infrastructure_document_id is not None) == ("box" in by)
    assert first.work_pool_name == ("default-agent-pool" if "box" in by else "pool")

    more = ("--cron", "30 7 * * 0", "--timezone", "Europe/Paris", "--tag", "a", "--tag", "mta", "--feed", "daily")
    more += ("--freshness-cron", "0 8 * * 0")
    ran = script(DOCKER, *by, *NAME, *more, "--catch-up", "1", "--lake", "/lake", "--work_queue", "other")
    assert "; updated" in ran.out, ran.err
    second = deployment()
    assert second.id == first.id
    assert second.parameters == {"feed": "daily", "catch_up": 1, "lake": "/lake"}
    assert [(each.schedule.cron, each.schedule.timezone) for each in second.schedules] == [
        ("30 7 * * 0", "Europe/Paris")
    ]
    assert (sorted(second.tags), second.work_queue_name) == (["a", "daily", "mta"], "other")
    again = deployment(flow=freshness_flow.name)
    assert (again.id, sorted(again.tags)) == (watch.id, ["daily", "mta-freshness"])
    assert again.parameters == {"lake": "/lake", "feed": "daily"}
    assert [(each.schedule.cron, each.schedule.timezone) for each in again.schedules] == [("0 8 * * 0", "Europe/Paris")]
    for each in (second, again):  # in the same place
        assert (each.path, each.work_queue_name, each.job_variables) == ("/opt/prefect", "other", first.job_variables)
        assert each.work_pool_name == first.work_pool_name
        assert each.infrastructure_document_id == first.infrastructure_document_id
    assert [each.name for each in ask(lambda client: client.read_deployments())] == ["dep", "dep"]
    assert list(tmp_path.iterdir()) == []  # Prefect's own way leaves a file where it is called


def test_from_block_to_pool_and_back_nothing_of_the_other_stays(script: Script, default_lake: None, box: None) -> None:
    for by in (*BY, BY[0]):
        assert script(DOCKER, *by, *NAME).code == 0
        stands = deployment()
        assert (stands.infrastructure_document_id is not None) == ("box" in by)
        assert stands.work_pool_name == ("default-agent-pool" if "box" in by else "pool")


def test_what_a_person_paused_stays_paused(script: Script, default_lake: None, box: None) -> None:
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
def test_an_image_of_its_own(by: tuple[str], script: Script, default_lake: None, box: None) -> None:
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


def test_without_a_schedule_it_runs_when_asked(script: Script, default_lake: None, box: None) -> None:
    ran = script(DOCKER, *BY[1], *NAME, "--feed", "turnstile", "--cron", "no")
    assert ran.out.splitlines()[:2] == [
        "deployed 'MTA Batch flow/dep': when asked, to gcs-bucket/blk-gcs-name; new",
        "checked 'MTA Freshness flow/dep': no schedule; there is no such deployment",
    ]
    assert (deployment().schedules, sorted(deployment().tags)) == ([], ["mta", "turnstile"])
    assert script(DOCKER, *BY[1], *NAME).code == 0
    assert [len(deployment(flow=flow).schedules) for flow in ("MTA Batch flow", "MTA Freshness flow")] == [1, 1]
    ran = script(DOCKER, *BY[1], *NAME, "--freshness-cron", "no")
    assert "checked 'MTA Freshness flow/dep': no schedule; removed the one it had\n" in ran.out
    assert "no schedule; it had none\n" in script(DOCKER, *BY[1], *NAME, "--cron", "no").out
    assert [len(deployment(flow=flow).schedules) for flow in ("MTA Batch flow", "MTA Freshness flow")] == [0, 0]
    assert script(DOCKER, *BY[1], *NAME, "--cron", "no", "--freshness-cron", "0 12 * * 6").code == 0
    assert [len(deployment(flow=flow).schedules) for flow in ("MTA Batch flow", "MTA Freshness flow")] == [0, 1]


def test_a_feed_that_has_ended_has_no_schedule(script: Script) -> None:
    ran = script(DOCKER, *BY[1], *NAME, "--feed", "turnstile")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "docker_deploy_etl_web_to_gcs.py: --feed turnstile: its last week was 240217, and every scheduled run would "
        "fail; it is replaced by ridership (hourly, on data.ny.gov). Give --cron no, for its backfill; or a live "
        "feed.\n"
    )


@pytest.mark.parametrize("tag", ["mta-freshness", "mta-backfill"])
def test_a_tag_of_other_deployments_is_refused(script: Script, tag: str) -> None:
    ran = script(DOCKER, *BY[1], *NAME, "--tag", tag)
    assert (ran.code, ran.out) == (2, "")
    assert f"--tag {tag}: is for other deployments" in ran.err


def test_the_backfill_waits_in_a_pool_of_its_own(script: Script, default_lake: None, box: None) -> None:
    assert script("docker_block", "--work_pool", "pool-q", "--image_name", "mta:v1").code == 0
    for by in BY:
        ran = script(DOCKER, *by, *NAME, "--backfill_pool", "pool-q", "--feed", "ridership", "--tag", "mta")
        assert ran.code == 0, ran.err
        stands = deployment(flow=backfill_flow.name)
        assert (stands.work_pool_name, stands.entrypoint) == ("pool-q", "flows/backfill.py:backfill_flow")
        assert stands.path == "/opt/prefect"
        assert (stands.schedules, sorted(stands.tags)) == ([], ["mta", "ridership"])
        assert stands.enforce_parameter_schema
        assert stands.parameters == {"deployment": "MTA Batch flow/dep-parts", "feed": "ridership", "lake": LAKE}
        weekly, parts = deployment(), deployment("dep-parts")
        assert (parts.schedules, sorted(parts.tags)) == ([], ["mta-backfill", "ridership"])
        same = ("entrypoint", "path", "work_pool_name", "work_queue_name", "infrastructure_document_id", "parameters")
        assert [getattr(parts, name) for name in same] == [getattr(weekly, name) for name in same]
    stands.parameters["deployment"] = "MTA Batch flow/dep"  # as versions before had it
    ask(lambda client: client.update_deployment(stands))
    assert deployment(flow=backfill_flow.name).parameters["deployment"] == "MTA Batch flow/dep"
    assert script(DOCKER, *BY[1], *NAME, "--backfill_pool", "pool-q").code == 0
    assert deployment(flow=backfill_flow.name).parameters["deployment"] == "MTA Batch flow/dep-parts"
    ran = script(DOCKER, *BY[1], *NAME, "--backfill_pool", "pool")
    assert (ran.code, ran.err) == (
        2,
        "docker_deploy_etl_web_to_gcs.py: --backfill_pool pool: the backfill would wait for itself there; name another "
        "pool.\n",
    )
    ran = script(DOCKER, *BY[1], "--deploy_name", "half", "--backfill_pool", "pool-none")
    assert (ran.code, ran.out) == (1, "")
    assert sorted(each.name for each in ask(lambda client: client.read_deployments())) == [*3 * ["dep"], "dep-parts"]


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
    name: str, flags: tuple[str], said: str, script: Script, default_lake: None
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


def test_a_pool_of_another_type(script: Script, default_lake: None, box: None) -> None:
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
        (DOCKER, (*BY[0], "--freshness-cron", "noon")),
        (DOCKER, (*BY[0], "--freshness-cron", "")),
        (GITHUB, (*BY[0], "--feed", "turnstile")),
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


def test_a_deployment_may_refresh(script: Script, default_lake: None, box: None) -> None:
    assert script(DOCKER, *BY[1], *NAME, "--refresh", "--catch-up", "26").code == 0
    assert deployment().parameters.items() >= {"refresh": True, "catch_up": 26}.items()
