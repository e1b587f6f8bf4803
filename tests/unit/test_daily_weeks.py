"""Weeks of a feed whose series come each at its own pace: which are whole, and which are not yet or never will be."""

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import pytest

from hourly import DAILY as COLUMNS
from hourly import MODES, daily_week
from mta_weekly.errors import NotPublished
from mta_weekly.feeds.catalog import DAILY
from mta_weekly.feeds.weeks import Week
from mta_weekly.fetch.from_source import find_complete_week
from mta_weekly.retry import RetryBudget
from socrata_weeks import TODAY, Loads, Row, expected, in_order
from soda import Soda

SET = "sayj-mze2"
WEEKS = [date(2026, 10, 24) + timedelta(weeks=n) for n in range(5)]  # to 261121
SATURDAY = WEEKS[2]


def rows_of(ends: dict[str, str], begins: dict[str, str] | None = None) -> list[Row]:
    """The rows of all weeks; some modes end with a day, or begin with one."""
    rows = [row for week in WEEKS for row in daily_week(week)]
    last, first = (lambda row: ends.get(row[1], "9")), (lambda row: (begins or {}).get(row[1], ""))
    return [row for row in rows if first(row) <= row[0][:10] <= last(row)]


class Daily:
    """What becomes of weeks at a site with these rows."""

    def __init__(self, site: Soda, folder: Path, rows: Iterable[Row]) -> None:
        site.put(SET, COLUMNS, rows)
        self.load = Loads(site, folder)

    def land(self, saturday: date = SATURDAY) -> str:
        """The reason of one that landed, with the content that the site has."""
        return self.load(DAILY, saturday).reason

    def refused(self, saturday: date = SATURDAY) -> str:
        with pytest.raises(NotPublished) as error:
            self.load(DAILY, saturday)
        assert self.load.objects == []
        return str(error.value)

    def newest(self) -> Week | None:
        budget = RetryBudget.of(self.load.settings, "")
        return find_complete_week(self.load.client, DAILY, self.load.settings, budget, TODAY)


def test_a_mode_that_begins_in_the_week_makes_it_no_less_whole(tmp_path: Path) -> None:
    with Soda() as site:
        rows = rows_of({}, {"CBD Entries": "2026-11-03"})
        daily = Daily(site, tmp_path, rows)
        assert daily.land() == ""
        of_the_week = [row for row in rows if "2026-10-31" <= str(row[0]) < "2026-11-07"]
        assert daily.load.content(DAILY, SATURDAY) == expected(in_order(of_the_week, (0, 1)), COLUMNS)


@pytest.mark.parametrize("mode", [name for name, _ in MODES])
def test_any_mode_may_be_late(tmp_path: Path, mode: str) -> None:
    with Soda() as site:
        daily = Daily(site, tmp_path, [row for row in rows_of({mode: "2026-11-05"}) if str(row[0]) < "2026-11-12"])
        said = f"not published yet: {mode} ends on 2026-11-05; it is expected on 2026-11-28"
        assert daily.refused() == said
        assert daily.newest() == Week(WEEKS[1])


def test_a_day_of_a_mode_that_is_missing_in_the_middle_is_waited_for(tmp_path: Path) -> None:
    with Soda() as site:
        rows = [row for row in rows_of({}) if (str(row[0])[:10], row[1]) != ("2026-11-02", "Bus")]
        daily = Daily(site, tmp_path, [row for row in rows if str(row[0]) < "2026-11-14"])
        assert daily.refused().startswith("not published yet: Bus has no rows of 2026-11-02; ")


def test_a_mode_that_has_ended_is_said_and_one_that_ended_before_is_not_missed(tmp_path: Path) -> None:
    with Soda() as site:
        daily = Daily(site, tmp_path, rows_of({"CBD Entries": "2026-11-02", "AAR": "2026-10-23"}))
        assert daily.land() == "CBD Entries ends on 2026-11-02"
        assert daily.load.facts(DAILY, SATURDAY)["ended"] == ["AAR", "CBD Entries"]
        assert daily.land(WEEKS[1]) == "AAR ends on 2026-10-23"
        assert daily.load.facts(DAILY, WEEKS[1])["ended"] == ["AAR"]


def test_a_mode_that_lacks_a_day_for_good_has_not_ended(tmp_path: Path) -> None:
    with Soda() as site:
        daily = Daily(site, tmp_path, [row for row in rows_of({}) if (row[0] or "")[:10] + row[1] != "2026-11-02Bus"])
        assert daily.land() == "Bus has no rows of 2026-11-02"
        assert daily.load.facts(DAILY, SATURDAY)["ended"] == []


def test_a_mode_that_is_late_by_more_than_a_week_holds_up_every_week_after(tmp_path: Path) -> None:
    """The weeks after the first one without it would land short, though it has not ended yet."""
    with Soda() as site:
        daily = Daily(site, tmp_path, rows_of({"CBD Entries": "2026-11-06"}))  # two weeks before the newest row
        assert daily.refused(WEEKS[3]).startswith("not published yet: CBD Entries ends on 2026-11-06; ")
        assert daily.newest() == Week(SATURDAY)
        assert daily.refused(WEEKS[4]).startswith("not published yet: CBD Entries ends on 2026-11-06; ")
