"""Facts fit what a bucket keeps with an object, whatever a source says of itself."""

import pytest

from mta_weekly.lake.facts import CompanionFacts, Facts

LONG = 400  # bytes of an ETag or a Last-Modified that are kept


def facts(url: str, columns: tuple[str, ...], series: dict[str, int] | None = None, why: str = "") -> CompanionFacts:
    """Facts of a companion, as long as any can be."""
    largest = 1.7e308
    return CompanionFacts(
        feed="ridership", week="260912", source="data.ny.gov", source_url=url, source_etag="e" * LONG * 2,
        source_last_modified="m" * LONG * 2, source_bytes=2**31, rows=10**7, bad_rows=10**6, first_day="2026-09-05",
        last_day="2026-09-11", empty={f"COLUMN_NUMBER_{n}": 10**7 for n in range(12)},
        sums={f"SUM_{n}": int(largest) for n in range(3)}, day_rows=(10**7,) * 7, hour_rows=(10**7,) * 24, keys=65_536,
        doubled_keys=10**7, series_rows=series or {}, ended=columns, unknown_columns=columns,
        accepted={"why": why, "when": "2026-09-26T13:00:00+00:00", "run": "a" * 36}, size=2**31, crc32c="AAAAAA==",
        sha256="a" * 64, loaded_at="2026-09-26T13:00:00+00:00", landed_at="2026-09-26T13:00:00+00:00",
        flow_run_id="a" * 36, version="0.8.0", revision=1000, rejected="rejected/ridership/260912-" + "a" * 23,
        replaces="history/ridership/260912-1000-" + "a" * 23, of="a" * 64, why=why,
        last_seen="2026-09-26T13:00:00+00:00", looked_at="2026-09-26T13:00:00+00:00",
    )  # fmt: skip


SERIES = {f"M\u00d6DE {n:02}": 10**7 for n in range(19)}  # more of them are not kept
LONG_TEXT = "w\u00f6" * 900


def test_they_fit_however_long_what_comes_from_outside_is() -> None:
    columns = tuple(f"COLUMN Z\u00d6 {n} " + "z" * n for n in range(500))
    made = facts("https://data.ny.gov/" + "x" * 9000, columns, SERIES, LONG_TEXT)
    size = sum(len(name.encode()) + len(value.encode()) for name, value in made.as_metadata().items())
    assert size <= 8192
    assert made.source_url.endswith("...")
    assert made.unknown_columns[0] == made.ended[0] == "COLUMN Z\u00d6 0 "
    assert made.unknown_columns[-1] == made.ended[-1] == "..."
    assert made.accepted["why"].startswith("w\u00f6w\u00f6")
    assert made.accepted["why"].endswith("...")
    assert made.series_rows == SERIES
    again = CompanionFacts.model_validate(made.as_metadata())
    assert again == made  # what is read again is not cut again
    assert facts("", (), SERIES | {f"M\u00d6DE {n}": 10**7 for n in range(19, 40)}).series_rows == {}


def test_what_is_short_is_kept_whole() -> None:
    zones = ("ZONE", "ZONE 2")
    made = facts("https://data.ny.gov/x", zones, why="the storm")
    assert (made.source_url, made.unknown_columns, made.ended) == ("https://data.ny.gov/x", zones, zones)
    assert made.accepted["why"] == made.why == "the storm"
    assert isinstance(made, Facts)


@pytest.mark.parametrize("said", [{"sha256": "/../../../../../x"}, {"sha256": ""}, {"revision": 0}, {"revision": -5}])
def test_facts_that_would_name_a_companion_elsewhere_are_none(said: dict[str, object]) -> None:
    whole = facts("https://data.ny.gov/x", ()).model_dump()
    assert Facts.read(whole, "ridership/260912.csv.gz", 2**31, "AAAAAA==")
    assert Facts.read(whole | said, "ridership/260912.csv.gz", 2**31, "AAAAAA==") is None


@pytest.mark.parametrize(
    "said",
    [{"rows": -1}, {"rows": 10**400}, {"day_rows": (1,) * 3}, {"hour_rows": (1,) * 25}, {"day_rows": (-1,) * 7},
     {"hour_rows": "[" + "9" * 400 + "]"}, {"keys": -1}, {"doubled_keys": 10**30}, {"series_rows": {"subway": -1}}],
)  # fmt: skip
def test_facts_with_figures_that_no_week_has_are_none(said: dict[str, object]) -> None:
    """Else whoever compares a week with this one would stumble over them."""
    whole = facts("https://data.ny.gov/x", ()).model_dump()
    assert Facts.read_of_any(whole, "ridership/260912.csv.gz")
    assert Facts.read_of_any(whole | said, "ridership/260912.csv.gz") is None
