"""How often a test tries what is drawn by chance: `make test-faults` all of it, `make test` a tenth, each time anew."""

import os

ALL = os.environ.get("TRIES") == "all"


def tries(count: int, least: int = 0) -> int:
    """Of so many tries, those of this run; of a few that are long, so many at least."""
    return count if ALL else max(least, count // 10)
