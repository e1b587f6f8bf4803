"""How often a test tries what is drawn by chance: `make test-faults` all of it, `make test` a tenth, each time anew."""

import os

ALL = os.environ.get("TRIES") == "all"


def tries(count: int) -> int:
    """Of so many tries, those of this run."""
    return count if ALL else count // 10
