"""The names of what a lake in a folder keeps aside, and whose they are. Opens nothing."""

import re
from pathlib import Path

from mta_weekly.lake.facts import COMPANION

ASIDE = ".mta-etl"  # in the lake, for locks and for files that are being written
_NAME = (
    r"(?:(?P<kind>rejected|held|history){0})?(?P<feed>\w[\w-]*?){0}"
    r"(?P<file>\d{{6}}(?:(?:-[1-9]\d*)?-[0-9a-f]{{16}})?\.csv\.gz)"
)
_IN_PLACE = re.compile(_NAME.format("/") + r"\.json", re.ASCII)
_PUT_ASIDE = re.compile(re.escape(f"{ASIDE}/") + _NAME.format("-") + r"(?:\.json)?\.part", re.ASCII)


def name_aside(key: str, kind: str) -> str:
    """The name of a file that is written for an object."""
    return f"{key.replace('/', '-')}.{kind}"


def lock_name(key: str) -> str:
    """The name of an object's lock; companions of a week share one of their kind, or locks would grow with them."""
    if companion := COMPANION.search(key):
        key = "{kind}/{feed}/{week}.csv.gz".format(**companion.groupdict())
    return name_aside(key, "lock")


def key_of_leftover(name: str) -> str | None:
    """The object whose work file, or facts, have this name in the lake; None where it is no such name."""
    found = _PUT_ASIDE.fullmatch(name) or _IN_PLACE.fullmatch(name)
    return "/".join(part for part in found.group("kind", "feed", "file") if part) if found else None


def list_leftover_names(lake: Path) -> dict[str, str]:
    """The names of all work files, and of all facts, with that of their object."""
    places = [f"{kind}*/*.csv.gz.json" for kind in ("", "rejected/", "held/", "history/")]
    if not (lake / ASIDE).is_symlink():
        places.append(f"{ASIDE}/*.part")
    paths = [path for place in places for path in lake.glob(place) if path.is_symlink() or not path.is_dir()]
    names = sorted(path.relative_to(lake).as_posix() for path in paths)
    return {name: key for name in names if (key := key_of_leftover(name))}
