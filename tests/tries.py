"""How often a test tries what is drawn by chance: `make test-faults` all of it, `make test` a tenth, each time anew."""

import os

import pytest

SHOWN = "shown"
ALL = os.environ.get("TRIES") == "all"


def tries(count: int, least: int = 0) -> int:
    """Of so many tries, those of this run; of a few that are long, so many at least."""
    return count if ALL else max(least, count // 10)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows the tables that tests have recorded under SHOWN, in the order of their lines."""
    for report in terminalreporter.getreports(""):
        for name, table in getattr(report, "user_properties", []):
            if name == SHOWN:
                terminalreporter.section(report.nodeid)
                terminalreporter.write_line(table)
