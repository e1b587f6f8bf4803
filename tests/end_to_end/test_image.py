"""The image: what it is, what it holds and does not hold, and all of it in one command."""

import base64
import gzip
import json
import re
import subprocess
from pathlib import Path

import docker
import pytest

from conftest import HANGS, expected, small_week
from containers import PLANTED
from engine import BATCH, ROOT, build, environment, run_image
from mta_weekly.settings import VERSION
from repository import copy_of_project
from web import Answer, Web

pytest_plugins = ["containers"]
pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]


class TestImage:
    def test_it_is_what_it_says(self, engine: docker.DockerClient, image: docker.models.images.Image) -> None:
        config = image.attrs["Config"]
        variables = dict(pair.split("=", 1) for pair in config["Env"])
        assert variables["MTA_LAKE"] == "gcs-bucket/blk-gcs-name"
        assert variables["MTA_SPOOL"] == "/opt/prefect/data/spool"
        assert variables["PREFECT_HOME"].startswith("/opt/prefect/")
        assert config["WorkingDir"] == "/opt/prefect"
        assert config["Labels"]["org.opencontainers.image.version"] == VERSION
        code = (
            "import json, os, pathlib, prefect; here = pathlib.Path('/opt/prefect'); (here / 'probe').write_text('x')\n"
            "files = [path for kind in ('py', 'jinja') for path in here.rglob(f'*.{kind}')]\n"
            "print(json.dumps([os.getuid(), prefect.__version__, sorted(map(str, files))]))"
        )
        said = run_image(engine, "python", "-c", code)
        user, version, files = json.loads(said.splitlines()[-1])
        assert user != 0
        assert version == re.search(r"^prefect==(\S+)", (ROOT / "prefect-requirements.txt").read_text(), re.M)[1]
        assert f"prefecthq/prefect:{version}-python3.11" in (ROOT / "Dockerfile").read_text()
        ours = [path for kind in ("py", "jinja") for path in (ROOT / "flows").rglob(f"*.{kind}")]
        assert files == sorted(f"/opt/prefect/{path.relative_to(ROOT)}" for path in ours)

    def test_it_runs_the_command_and_reads_the_week(
        self, engine: docker.DockerClient, image: object, served: Web
    ) -> None:
        published = small_week()
        served.serve("/turnstile_240106.txt", Answer(published))
        load = "python flows/etl_web_to_gcs.py --year 2024 --month 1 --day 6 --lake data/lake"
        read = "from mta_weekly.read import read_week; print(len(read_week('data/lake', 'turnstile', '240106')))"
        command = f'{load} && python -c "{read}" && base64 data/lake/*/*.gz'
        pretended = {"MTA_TURNSTILE_URL": served.url}
        said = run_image(engine, "sh", "-c", command, environment=pretended, network_mode="host")
        rows, _, packed = said.partition(b"\n")
        assert gzip.decompress(base64.b64decode(packed)) == expected(published)
        assert int(rows) == published.count(b"\n") - 1

    def test_what_prefect_loads_before_a_flow_loads_no_pandas(self, engine: docker.DockerClient, image: object) -> None:
        code = (
            "import sys, prefect, prefect.engine, prefect.plugins; prefect.plugins.load_prefect_collections()\n"
            "print(sorted({'prefect_gcp', 'pandas', 'gcsfs'} & sys.modules.keys()))"
        )
        said = run_image(engine, "python", "-c", code)
        assert said.split() == [b"['prefect_gcp']"]

    def test_no_broken_one_is_built(self, engine: docker.DockerClient, image: object, tmp_path: Path) -> None:
        context = copy_of_project(tmp_path)
        (context / "flows" / "mta_weekly" / "errors.py").write_text("import nothing_of_that_name\n")
        with pytest.raises(AssertionError, match="nothing_of_that_name"):
            build(context)

    def test_no_layer_holds_what_lay_about(self, image: docker.models.images.Image) -> None:
        rest = b""
        for chunk in image.save():
            assert PLANTED.encode() not in rest + chunk
            rest = chunk[-100:]
        assert rest


def test_all_of_it_in_one_command(engine: docker.DockerClient, image: object, tmp_path: Path) -> None:
    """compose.yaml, with a web server of the test's own beside it."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed")
    published, project = small_week(), copy_of_project(tmp_path / "project")
    (project / "web").mkdir()
    (project / "web" / "turnstile_240106.txt").write_bytes(published)
    (project / "web.yaml").write_text(
        "services: {web: {image: mta-etl:compose, command: python -m http.server 8000 --directory /web, "
        "volumes: ['./web:/web:ro']}}"
    )
    compose = ["docker", "compose", "-p", "mta-etl-test", "-f", "compose.yaml", "-f", "web.yaml", "--profile", "agent"]
    own = environment(MTA_TURNSTILE_URL="http://web:8000")

    def run(*arguments: str) -> bytes:
        ran = subprocess.run(
            [*compose, *arguments], cwd=project, env=own, capture_output=True, check=False, timeout=HANGS
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    week = ("-p", "year=2024", "-p", "month=1", "-p", "day=6", "--watch")
    try:
        for _ in range(2):  # the second time changes nothing
            run("up", "--build", "--detach")
        said = run("exec", "-T", "worker", "prefect", "deployment", "run", f"{BATCH}/saturday", *week)
        assert b"Completed" in said
        landed = run("exec", "-T", "worker", "cat", "data/lake/turnstile/240106.csv.gz")
        assert gzip.decompress(landed) == expected(published)
        run("exec", "-T", "worker", "prefect", "deployment", "inspect", "MTA Freshness flow/saturday")
        assert {"server", "worker", "agent"} <= set(run("ps", "--services", "--status", "running").decode().split())
    finally:
        run("down", "--volumes")
