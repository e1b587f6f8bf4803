"""What runs are called, by what they are asked for."""

from datetime import date
from typing import Any

import pytest

from mta_weekly.orchestration.run_names import is_made_up, name_run, name_weeks

TODAY = date(2026, 11, 26)
FEBRUARY, MARCH = date(2024, 2, 3), date(2024, 3, 2)


@pytest.mark.parametrize(
    ("parameters", "name", "tags"),
    [
        ({}, "ridership newest", "ridership"),
        ({"catch_up": 8, "feed": "daily"}, "daily newest, 8 back", "daily"),
        ({"start": FEBRUARY, "end": date(2024, 2, 24), "feed": "turnstile"}, "turnstile 240203 to 240224", "turnstile"),
        ({"year": 2024, "month": 2, "day": 1, "feed": "turnstile"}, "turnstile 240203", "turnstile"),
        ({"year": 2024, "month": 2, "day": 1, "limit_one": False}, "turnstile, ridership 240203 to 240224", ""),
        ({"year": 2026, "month": 9}, "ridership 2026-09", "ridership"),
        ({"year": 2016}, "turnstile 2016", "turnstile"),
        ({"start": FEBRUARY, "end": MARCH}, "turnstile, ridership 240203 to 240302", ""),
        ({"start": "2024-02-03", "end": "2024-03-02T00:00:00Z"}, "turnstile, ridership 240203 to 240302", ""),
        ({"start": date(2026, 11, 1), "end": date(2026, 11, 28)}, "ridership 261107 to 261128", "ridership"),
        ({"year": 2026, "month": 9, "catch_up": 8}, "ridership 2026-09", "ridership"),  # as a deployment's default
        ({"year": 2026, "month": 9, "dry_run": True}, "ridership 2026-09, dry run", "ridership"),
        (
            {"start": date(2025, 1, 1), "end": date(2025, 12, 31), "by": "month", "deployment": "weekly"},
            "ridership 250104 to 251227 by month",
            "ridership",
        ),
        ({"feed": "turnstile"}, "turnstile newest", "turnstile"),  # which has ended: the flow says so
        ({"year": 2024, "month": 13, "feed": "daily"}, "daily year 2024, month 13", "daily"),
        ({"start": "yesterday", "dry_run": True}, "auto start yesterday, dry run", "none"),
        ({"year": "x", "feed": None}, "None year x", "none"),
        ({"feed": "buses"}, "buses newest", "none"),
        ({"feed": "b" * 999}, "b" * 97 + "...", "none"),
        ({"catch_up": 0}, "auto newest", "none"),
    ],
)
def test_a_run_is_called_by_its_feeds_and_its_period(parameters: dict[str, Any], name: str, tags: str) -> None:
    """Right or wrong arguments."""
    feeds = {"": ["turnstile", "ridership"], "none": []}.get(tags, [tags])
    assert name_run(parameters, TODAY) == (name, feeds)


def test_the_run_inside_it_is_called_by_its_weeks() -> None:
    assert name_weeks("auto", ["240224", "240217"]) == "turnstile, ridership 240217 to 240224"
    assert name_weeks("daily", ["240224"]) == "daily 240224"
    assert name_weeks("daily", []) == "daily"
    assert name_weeks("buses", ["240224"]) == "buses"


def test_a_name_that_a_person_gave_is_told_from_those_that_prefect_makes_up() -> None:
    made_up = ["bold-lynx", "gamma5-canis-majoris-cluster", "iota3862-onile-a", "beta4"]  # by its server, and its form
    given = ["backfill 2015-01", "Mend March", "turnstile 240203", "mend", "after-the-storm", "x"]
    assert [name for name in made_up + given if is_made_up(name)] == made_up
