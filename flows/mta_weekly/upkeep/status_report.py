"""The command `status`: looks at a lake, and tells how it stands in lines, as JSON, as a page in a file."""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from secrets import token_hex

from mta_weekly.errors import LakeFailed, PageFailed, to_one_line
from mta_weekly.files import Irregular, check_own, describe_denial, move, remove
from mta_weekly.lake.objects import Lake
from mta_weekly.options import Options
from mta_weekly.upkeep.page import write_page
from mta_weekly.upkeep.report import count_faults, list_lines, write_json
from mta_weekly.upkeep.status import look_at_lake


def report_lake(
    lake: Lake,
    options: Options,
    feed: str = "",
    since: date | None = None,
    json: bool = False,
    html: Path | None = None,
    **_: object,
) -> Iterator[str]:
    """How a lake stands, a line a feed and a line a fault, or one JSON document; and as a page in the file `html`.

    Raises:
        PageFailed: the file cannot be written.
        LakeFailed: the lake cannot be read; or, when all is said, something is not as it should be.
    """
    status = look_at_lake(lake, options, feed, since)
    if json:
        yield write_json(status)
    else:
        yield f"lake: {options.lake}"
        yield from list_lines(status)
    if html:
        put_page(html, write_page(status))
        if not json:
            yield f"page: {html}"
    if faults := status.list_faults():
        raise LakeFailed(f"{options.lake} is not as it should be: {count_faults(faults)}")


def put_page(path: Path, page: str) -> None:
    """Write a page whole, or leave what the file was.

    Raises:
        PageFailed: it cannot be written; the sentence says why.
    """
    path = Path(os.path.realpath(path))  # what a link leads to; it stays one
    part = path.with_name(f".page-{token_hex(8)}")
    try:
        check_own(path)
        try:
            with part.open("xb") as file:  # with the permissions that this user's files have
                file.write(page.encode(errors="xmlcharrefreplace"))  # half a letter has no UTF-8
                file.flush()
                os.fsync(file.fileno())
            move(part, path)
        finally:
            remove(part)
    except OSError as error:
        why = f"it {error.strerror}" if isinstance(error, Irregular) else describe_denial(error, write=True)
        why = why or to_one_line(error.strerror or error)
        raise PageFailed(f"the page {path} cannot be written: {why}; name a file in a folder that is there") from error
