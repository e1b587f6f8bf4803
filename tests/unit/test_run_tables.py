"""The tables of runs, as a person reads them."""

from mta_weekly.backfill_parts import Part
from mta_weekly.lake.facts import Facts
from mta_weekly.orchestration.run_tables import (
    SHOWN,
    group_by_feed,
    link_object,
    list_part_rows,
    list_week_rows,
    shorten_reason,
    show_path,
)
from mta_weekly.outcomes import Outcome

LANDED = Outcome(
    "240106", "landed", "turnstile/240106.csv.gz", 250_816, 3_312_345, 12.34, facts=Facts.model_construct()
)
FAILED = Outcome("240113", "failed", "turnstile/240113.csv.gz", reason="not published (404 from web.mta.info)")


def test_the_total_is_first_and_why_stands_beside_what() -> None:
    total, landed, failed = list_week_rows([LANDED, FAILED], 20.06, lambda key: f"at {key}")
    assert list(total) == ["week", "state", "reason", "rows", "size", "seconds", "object"]
    assert list(total.values()) == ["total", "2 weeks", "1 landed, 1 failed", "250,816", "3.3 MB", 20.1, ""]
    assert list(landed.values()) == [
        "240106", "landed", "", "250,816", "3.3 MB", 12.3, "at turnstile/240106.csv.gz",
    ]  # fmt: skip
    assert (failed["reason"], failed["object"]) == (FAILED.reason, FAILED.object)  # there is nothing to show


def test_each_feed_has_a_table_of_its_own() -> None:
    ridership = Outcome("240224", "landed", "ridership/240224.csv.gz")
    assert group_by_feed([LANDED, FAILED, ridership]) == {"turnstile": [LANDED, FAILED], "ridership": [ridership]}


def test_a_long_reason_is_cut_at_a_word_and_shown_as_it_is() -> None:
    long = "the header has changed: " + "missing ENTRIES, " * 20
    cut = shorten_reason(long)
    assert SHOWN - 20 < len(cut) <= SHOWN
    assert cut.endswith(" ...")
    assert long.startswith(cut.removesuffix(" ..."))
    assert shorten_reason("a page: <html> in *place* of C_A [1]") == r"a page: \<html> in \*place\* of C\_A \[1]"


def test_where_an_object_is() -> None:
    page = "https://console.cloud.google.com/storage/browser/_details"
    key = "turnstile/240106.csv.gz"
    for folder in ("mta data", "mta data/"):
        assert link_object(key, "lake", folder) == f"[{key}]({page}/lake/mta%20data/{key})"
    assert link_object(key, "lake", "") == f"[{key}]({page}/lake/{key})"
    assert show_path(key, "/data/my_lake") == rf"/data/my\_lake/{key}"


def test_a_part_links_to_its_run_where_prefects_pages_are_known() -> None:
    parts = [
        Part("2015-01", "landed", 5, 0, 1_000_000, 13_000_000, 61.0, "a74ffeb5-8d50"),
        Part("2015-02", "failed", 4, 1, reason="x"),
    ]
    total, landed, failed = list_part_rows(parts, 70, "http://here")
    assert list(total) == ["part", "state", "reason", "weeks", "missing", "rows", "size", "seconds", "flow run"]
    assert [*total.values()][:5] == ["total", "2 parts", "1 landed, 1 failed", 9, 1]
    assert (landed["rows"], landed["size"]) == ("1,000,000", "13.0 MB")
    assert landed["flow run"] == "[a74ffeb5](http://here/flow-runs/flow-run/a74ffeb5-8d50)"
    assert (failed["reason"], failed["flow run"]) == ("x", "")
    assert [row["flow run"] for row in list_part_rows(parts, 70, None)] == ["", "a74ffeb5-8d50", ""]
