"""Command lines drawn by chance, of every command and script: no traceback, and a bad argument asks nobody anything."""

import importlib
import random
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import backfill
import etl_web_to_gcs
import watch
from conftest import Ran
from mta_weekly.command import flags
from mta_weekly.command.command import print_report, run_command
from mta_weekly.command.folder_reports import REPORTS, find_folder, report_folder
from mta_weekly.errors import BadArgument, EtlError
from mta_weekly.orchestration.prefect_api import prepare_prefect
from odd_words import draw_flags
from tries import ALL, tries

DAYS = ["2023-12-30", "2024-01-06", "2024-02-03"]
RIGHT = {
    "--start": DAYS[:2], "--end": DAYS[1:], "--since": DAYS, "--year": ["2023", "2024"], "--month": ["1", "12"],
    "--day": ["1", "30"], "--lake": ["lake", "gcs-bucket/lake"], "--html": ["page.html"], "--deployment": ["weekly"],
    "--part-timeout": ["60", "0.5"], "--accept": ["a strike"], "--image_name": ["mta:v1"], "--image": ["mta:v1"],
    "--repository": ["https://github.com/somebody/mta"], "--reference": ["v1"], "--url-env": ["ADDRESS"],
    "--cron": ["0 9 * * 6", "no"], "--freshness-cron": ["0 12 * * 6", "no"], "--timezone": ["Europe/Paris"],
    "--env": ["KEY=VALUE"], "--volume": ["/lake:/lake"], "--mem_limit": ["1g"], "--file_path": ["key.json"],
    "--github_path": ["flows"], "--token-env": ["TOKEN"], "--gcs_bucket_name": ["lake"],
}  # fmt: skip
SCRIPTS = [
    "gcp_acc_block", "gcs_block", "docker_block", "github_block", "alert_block",
    "docker_deploy_etl_web_to_gcs", "github_deploy_etl_web_to_gcs",
]  # fmt: skip
NAMES = [
    "--block_name",
    "--gcp_acc_block_name",
    "--gcs_block_name",
    "--work_pool",
    "--deploy_name",
    "--work_queue",
    "--tag",
]
RIGHT |= {flag: ["a-name"] for flag in [*NAMES, "--token_block", "--backfill_pool"]}
asked: list[Any] = []
watching = False


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if watching and event in ("socket.connect", "socket.getaddrinfo"):
        asked.append(arguments)


sys.addaudithook(_note)


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder to be in, an address for alerts; and whoever is asked anything is noted."""
    global watching
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MTA_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("ADDRESS", "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ")
    monkeypatch.setenv("TOKEN", "a-token")
    asked.clear()
    watching = True
    yield
    watching = False


def read(parser: Any, words: list[str]) -> dict[str, Any]:
    """The parameters; a lake among them is one by the words of design.md."""
    parameters = flags.parse_flags(parser, words)
    lake = parameters["lake"] or "lake"
    assert lake.isprintable(), words
    assert re.fullmatch(r"gcs-bucket/[a-z0-9-]+|(?!gcs-bucket/).+", lake), words
    return parameters


def weekly(words: list[str]) -> int:
    parameters = read(flags.weekly_parser(), words) | {"dry_run": True}
    return run_command(etl_web_to_gcs.main_flow, etl_web_to_gcs.rehearse_run, prepare_prefect, parameters)


def backfills(words: list[str]) -> int:
    parameters = read(flags.backfill_parser(), words)
    try:
        return len([*backfill.rehearse_backfill(**parameters)])
    except BadArgument as error:
        assert "there is none of that name" in str(error)  # which only Prefect knows
        return 1
    except EtlError:
        return 1


def watches(words: list[str]) -> int:
    parameters = read(flags.watch_parser(), words)
    if folder := find_folder(parameters):
        return print_report(partial(report_folder, folder), parameters)
    return print_report(watch.report if parameters["command"] in REPORTS else watch.tidy, parameters, prepare_prefect)


def run(command: Callable[[], int], capfd: pytest.CaptureFixture[str], words: list[str]) -> Ran:
    """Run a command line; its end is a code, and a bad argument one line that a terminal can show."""
    capfd.readouterr()
    asked.clear()
    try:
        code = command()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException as error:
        raise AssertionError(f"{words!r}: {error!r}") from error
    ran = Ran(code, *capfd.readouterr())
    assert code in (0, 1, 2), words
    assert "Traceback" not in ran.err, f"{words!r}: {ran.err}"
    assert asked == [], words
    if code == 2:
        assert len(ran.err.splitlines()) == 1, f"{words!r}: {ran.err}"
        assert ran.err.removesuffix("\n").isprintable(), words
        assert len(ran.err) < 2200, words
    return ran


def draw_lines(parser: Any, request: pytest.FixtureRequest, *first: str, count: int = 200) -> Iterator[list[str]]:
    seed = request.config.getoption("hypothesis_seed")
    for number in range(tries(count)):
        draw = random.Random(f"{seed} {request.node.name} {number}")
        yield [*first, *draw_flags(parser, RIGHT, draw)]


@pytest.mark.parametrize("command", [weekly, backfills])
def test_a_command(command: Any, capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> None:
    parser = flags.weekly_parser() if command is weekly else flags.backfill_parser()
    codes = [run(partial(command, words), capfd, words).code for words in draw_lines(parser, request)]
    assert not ALL or codes.count(2) < len(codes)


def test_the_watch(capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> None:
    (commands,) = (each.choices for each in flags.watch_parser()._actions if each.dest == "command")
    lines = [draw_lines(parser, request, name, count=70) for name, parser in commands.items()]
    codes = [run(partial(watches, words), capfd, words).code for every in lines for words in every]
    assert not ALL or codes.count(2) < len(codes)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script(name: str, capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> None:
    module = importlib.import_module(name)
    codes = []
    for words in draw_lines(module.parser(), request):
        words += ["--dry-run"]
        codes.append(run(partial(module.main, words), capfd, words).code)
    assert not ALL or codes.count(2) < len(codes)
