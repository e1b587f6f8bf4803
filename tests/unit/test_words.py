"""What a lake, a block, a deployment and a flag may be called: anything else is said before anybody is asked."""

from pathlib import Path

import pytest

from mta_weekly.backfill_parts import check_shared, name_deployment
from mta_weekly.command.flags import parse_flags, watch_parser, weekly_parser
from mta_weekly.errors import BadArgument
from mta_weekly.lake.objects import check_name
from mta_weekly.options import MOST, check_options

BLOCKS = [
    "blk-prod#dev", "blk-prod?x", "%62lk-prod", "a\nb", "a b", "..", ".", "", "Blk-Prod", "a/b", "a\\b", "blk_prod",
    "blk\0", "٣",
]  # fmt: skip
LAKES = [
    *(f"gcs-bucket/{name}" for name in BLOCKS),
    " gcs-bucket/blk",
    "GCS-Bucket/blk",
    "gcs_bucket/blk",
    "gcs-bucket",
]
FOLDERS = [
    "a\nb",
    "/lake\x1b[31m",
    "zo\udcc3",
    "a\0b",
    "~\0",
    "\u202egnp",
    "a\u2028b",
    " ",
    "gs://lake",
    "a" * 1001,
    "~nobody-of-this/x",
]


@pytest.mark.parametrize("lake", [*LAKES, *FOLDERS])
def test_a_lake_that_is_none(lake: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadArgument) as fault:
        check_name(lake)
    assert str(fault.value).isprintable()
    for parser, command in ((weekly_parser(), []), (watch_parser(), ["status"])):
        with pytest.raises(SystemExit, match="2"):
            parse_flags(parser, [*command, "--lake", lake])
        monkeypatch.setenv("MTA_LAKE", lake.replace("\0", "\1"))  # no variable holds a NUL
        with pytest.raises(SystemExit, match="2"):
            parse_flags(parser, command)
        monkeypatch.delenv("MTA_LAKE")
    assert len(capsys.readouterr().err.splitlines()) == 4


@pytest.mark.parametrize(
    "lake", [None, "", "gcs-bucket/blk-prod-2", "zoë", "a b", "~/lake", "./gcs-bucket/x", "a#b%62"]
)
def test_a_lake_that_is_one(lake: str | None) -> None:
    check_name(lake)


def test_a_folder_in_one_that_has_no_name_in_letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zo\udcc3").mkdir()
    monkeypatch.chdir(tmp_path / "zo\udcc3")
    with pytest.raises(BadArgument, match="PYTHONUTF8=1"):
        check_name("lake")
    (tmp_path / "zo\udcc3").rmdir()
    with pytest.raises(BadArgument, match="is gone"):
        check_name("/lake")


@pytest.mark.parametrize(
    "word", ["--year=--", "--feed=--", "--lake=--", "--start=--", "--accept=--", "--lake=", "--dry-run=--"]
)
def test_a_flag_whose_value_is_none(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse_flags(weekly_parser(), [word])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"etl_web_to_gcs.py: argument {word.partition('=')[0]}: ")


def test_authorities_that_are_none_are_a_bad_argument(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    with pytest.raises(SystemExit, match="2"):
        parse_flags(weekly_parser(), [])
    assert "SSL_CERT_FILE: there is no file /nowhere.pem" in capsys.readouterr().err


def test_what_is_wrong_is_one_line_that_a_terminal_can_show(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse_flags(weekly_parser(), ["--year", "1", "a\nb\x1b[31m\udcff", "9" * 5000])
    said = capsys.readouterr().err
    assert said.removesuffix("\n").isprintable()
    assert len(said) < 2100


@pytest.mark.parametrize(
    "name", ["a/b", "Other flow/weekly", "a#b", "a%62", "a?b", "", " a", "..", "a\nb", "MTA Batch flow/"]
)
def test_a_deployment_that_is_none(name: str) -> None:
    with pytest.raises(BadArgument, match=r"^deployment '"):
        name_deployment(name)


def test_a_deployment_that_is_one() -> None:
    assert name_deployment("weekly 2") == name_deployment("MTA Batch flow/weekly 2") == "MTA Batch flow/weekly 2"


def test_a_lake_that_machines_do_not_share() -> None:
    for shared in ("/lake", "gcs-bucket/lake"):
        check_shared(shared)
    with pytest.raises(BadArgument, match="all machines share"):
        check_shared("lake")


@pytest.mark.parametrize(("concurrency", "bad_rows"), [(0, 0), (MOST + 1, 0), (10**30, 0), (1, -1), (1, 10**30)])
def test_numbers_that_no_api_takes(concurrency: int, bad_rows: int) -> None:
    check_options(MOST, MOST)
    with pytest.raises(BadArgument, match="below a billion"):
        check_options(concurrency, bad_rows)
