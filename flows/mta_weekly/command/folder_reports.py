"""Reports on a lake in a folder: made without Prefect, which takes longer to load than most of them take in all."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mta_weekly.command.command import may_be_a_block
from mta_weekly.command.progress import add_done, count_weeks
from mta_weekly.lake.folder import FolderLake
from mta_weekly.options import Options
from mta_weekly.settings import new_york_today, read_settings
from mta_weekly.upkeep.status_report import report_lake
from mta_weekly.upkeep.verify import verify_lake

REPORTS: dict[str, Callable[..., Iterator[str]]] = {  # by command
    "status": report_lake,
    "verify": partial(verify_lake, count_weeks=count_weeks, add_done=add_done),
}


def find_folder(arguments: Mapping[str, Any]) -> str | None:
    """The folder that a command asks for a report of, from the root; None where it asks for something else."""
    if arguments.get("command") not in REPORTS:
        return None
    named = arguments["lake"] or read_settings().lake
    return None if may_be_a_block(named) else str(Path(str(named)).expanduser().absolute())


def report_folder(folder: str, command: str, lake: str | None = None, **asked: Any) -> Iterator[str]:
    """The report of that command on the lake in a folder, line by line.

    Args:
        lake: as it was typed.
        asked: what else the report takes.

    Raises:
        LakeFailed: it cannot be read; or, when all is said, something is not as it should be.
    """
    options = Options(read_settings(), new_york_today(), folder)
    yield from REPORTS[command](FolderLake(Path(folder)), options, **asked)
