"""How a lake in a folder stands: said without Prefect, which takes longer to load than this takes in all."""

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from mta_weekly.command.command import may_be_a_block
from mta_weekly.lake.folder import FolderLake
from mta_weekly.options import Options
from mta_weekly.settings import new_york_today, read_settings
from mta_weekly.upkeep.report import report_lake


def find_folder(arguments: Mapping[str, Any]) -> str | None:
    """The folder whose status a command asks for, from the root; None where it asks for something else."""
    if arguments.get("command") != "status":
        return None
    named = arguments["lake"] or read_settings().lake
    return None if may_be_a_block(named) else str(Path(str(named)).expanduser().absolute())


def report_folder(folder: str, feed: str, since: date | None, json: bool, **_: object) -> Iterator[str]:
    """How the lake in a folder stands, line by line.

    Raises:
        LakeFailed: as `report_lake`.
    """
    options = Options(read_settings(), new_york_today(), folder)
    yield from report_lake(FolderLake(Path(folder)), options, feed, since, json)
