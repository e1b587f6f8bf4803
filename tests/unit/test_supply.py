"""What is shipped is what was tried, services are confined, and the page on security says what is."""

import re
from typing import Any

import pytest
import yaml

from conftest import ROOT
from mta_weekly.lake.gcs import PERMISSIONS
from mta_weekly.settings import Settings
from papers import PAGES

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
STEPS = yaml.safe_load((ROOT / ".github/workflows/image.yml").read_text())["jobs"]["image"]["steps"]
SECURITY = PAGES["docs/security.md"]
PLATFORMS = {"amd64", "arm64"}


@pytest.mark.parametrize("service", COMPOSE["services"].values(), ids=COMPOSE["services"])
def test_a_service_is_confined(service: dict[str, Any]) -> None:
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert 0 < service["pids_limit"] <= 256
    assert re.fullmatch(r"\d+[gm]", service["mem_limit"])
    assert not service.keys() & {"cap_add", "privileged", "pid", "ipc", "network_mode", "devices", "userns_mode"}
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert "docker.sock" not in str(service)


def test_the_image_that_is_pushed_is_the_one_that_was_tried() -> None:
    """Built once, for both, into files; each platform is taken out of them, tried, scanned; they alone are pushed."""
    kinds = [step.get("uses", "").partition("@")[0] or step["run"] for step in STEPS]
    (build,) = (
        number for number, kind in enumerate(kinds) if re.search(r"build-push-action|docker build|buildx b", kind)
    )
    taken, tried = build + 1, build + 2
    scans = [number for number, kind in enumerate(kinds) if kind == "anchore/scan-action"]
    pushed = len(STEPS) - 1
    built = STEPS[build]["with"]
    assert built["platforms"] == ",".join(f"linux/{platform}" for platform in sorted(PLATFORMS))
    assert built["outputs"] == "type=oci,dest=${{ env.BUILT }},tar=false"
    assert not built.keys() & {"push", "load", "tags"}
    assert '"oci:$BUILT" "docker-daemon:mta-etl:$platform"' in kinds[taken]
    assert '--platform "linux/$platform" "mta-etl:$platform"' in kinds[tried]
    assert all("for platform in $PLATFORMS" in kinds[number] for number in (taken, tried))
    stops = {STEPS[number]["with"]["image"] for number in scans if STEPS[number]["with"]["fail-build"]}
    assert stops == {f"mta-etl:{platform}" for platform in PLATFORMS}
    assert tried < min(scans) <= max(scans) < pushed
    assert [number for number, kind in enumerate(kinds) if "docker://" in kind or "docker push" in kind] == [pushed]
    assert 'skopeo copy --all --preserve-digests "oci:$BUILT" "docker://docker.io/$name"' in kinds[pushed]
    assert {number for number, step in enumerate(STEPS) if "if" in step} == {pushed - 1, pushed}


def test_every_pin_is_audited_each_week_and_what_is_not_known_is_a_fault() -> None:
    (audit,) = re.findall(r"pip-audit((?:.*\\\n)*.*)", (ROOT / "Makefile").read_text())
    files = [str(path.relative_to(ROOT)) for path in (*ROOT.glob("*requirements.txt"), ROOT / "requirements/dev.txt")]
    assert sorted(re.findall(r"-r (\S+)", audit)) == sorted(files)
    assert {"--strict", "--require-hashes", "--disable-pip"} <= {*audit.split()}
    workflow = yaml.safe_load((ROOT / ".github/workflows/audit.yml").read_text())
    assert workflow[True].keys() == {"pull_request", "push", "schedule"}  # YAML reads `on` so
    assert workflow["jobs"]["audit"]["steps"][-1]["run"].startswith("make audit ")


def test_the_limits_that_are_told_are_those_that_hold() -> None:
    told = re.findall(r"^\| `MTA_(\w+)` \| `(\d+)` \|", SECURITY, re.M)
    assert len(told) >= 6
    assert [(name, f"{Settings.model_fields[name.lower()].default:.0f}") for name, _ in told] == told


def test_the_permissions_that_are_told_are_those_that_are_asked_for() -> None:
    (section,) = re.findall(r"^## The least roles\n(.*?)^## ", SECURITY, re.M | re.S)
    rows = re.findall(r"^\|[^|]*\| ((?:`\w+`,? ?)+)\|", section, re.M)
    told = [set(re.findall(r"`(\w+)`", row)) for row in rows]
    assert len(told) == 5
    assert max(told, key=len) == set.union(*told) == {permission.rpartition(".")[2] for permission in PERMISSIONS}
