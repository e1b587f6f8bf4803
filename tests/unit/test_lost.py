"""Rejected rows of an object that stands are never lost, whatever fails after they were set aside."""

import pytest

from conftest import FILE, KEY
from gcs import Fault, Gcs
from mta_weekly.errors import EtlError
from mta_weekly.lake.facts import Facts
from mta_weekly.lake.objects import Lake
from web import Answer, Web
from week_loads import BAD, GOOD, PATIENCE, Begin

pytest_plugins = ["either_lake", "week_loads"]

bucket = pytest.mark.parametrize("lake", ["bucket"], indirect=True)


def stands(lake: Lake) -> Facts:
    """The facts of the object that stands; its rejected rows, where it has some, are there and its own."""
    facts = lake.find([KEY], PATIENCE)[KEY].facts
    assert facts
    rejected = lake.find_all("rejected/", PATIENCE)
    assert bool(facts.rejected) == bool(facts.bad_rows)
    assert not facts.rejected or facts.rejected in rejected
    return facts


@bucket
def test_a_listing_refused_after_the_upload_loses_no_rejected_rows(
    begin: Begin, web: Web, lake: Lake, gcs: Gcs
) -> None:
    web.serve(FILE, Answer(BAD))

    def refuse_the_next_listing(_: Gcs) -> None:
        gcs.faults.append(Fault(on="list", status=403))

    def wait_for_the_object(_: Gcs) -> None:
        gcs.faults.append(Fault(on="upload", before=refuse_the_next_listing))

    gcs.faults.append(Fault(on="upload", before=wait_for_the_object))  # that of the rejected rows
    with pytest.raises(EtlError, match="access refused"):
        begin(allow_bad_rows=1)
    assert stands(lake).bad_rows == 1
    assert begin().state == "there"
    assert stands(lake).bad_rows == 1


@bucket
@pytest.mark.parametrize("status", [403, 507])
def test_a_forced_upload_that_fails_leaves_what_stands_with_its_rejected_rows(
    begin: Begin, web: Web, lake: Lake, gcs: Gcs, status: int
) -> None:
    web.serve(FILE, Answer(BAD))
    begin(allow_bad_rows=1)
    was = stands(lake)
    web.serve(FILE, Answer(BAD.replace(b"REGULAR", b"RECOVR AUD")))
    for skipped in range(3):  # rejected rows, history, object
        gcs.faults += [Fault(on="upload")] * skipped + [Fault(on="upload", status=status, times=99)]
        with pytest.raises(EtlError):
            begin(force=True, allow_bad_rows=1)
        gcs.faults.clear()
        assert stands(lake) == was
    assert begin(force=True, allow_bad_rows=1).state == "replaced"
    assert stands(lake).revision == 2


def test_a_good_week_in_the_place_of_one_with_bad_rows_names_none(begin: Begin, web: Web, lake: Lake) -> None:
    web.serve(FILE, Answer(BAD))
    begin(allow_bad_rows=1)
    before = stands(lake)
    web.serve(FILE, Answer(GOOD))
    begin(force=True)
    now = stands(lake)
    assert (now.bad_rows, now.rejected) == (0, "")
    (kept,) = lake.find_all("history/", PATIENCE).values()
    assert kept.facts
    assert kept.facts.rejected == before.rejected
    assert before.rejected in lake.find_all("rejected/", PATIENCE)


@bucket
def test_a_week_asks_the_bucket_no_more_than_it_must(begin: Begin, web: Web, lake: Lake, gcs: Gcs) -> None:
    """After the one listing for all weeks of a run: an upload and a look, for the object and for each companion.

    What is replaced is read, and the list of what was replaced before.
    """

    def asked(published: bytes, **options: object) -> list[str]:
        web.serve(FILE, Answer(published))
        gcs.requests.clear()
        begin(allow_bad_rows=1, **options)
        return [seen.method for seen in gcs.requests][1:]

    put = ["POST", "GET"]
    assert asked(GOOD) == put
    assert asked(GOOD) == []
    assert asked(BAD, force=True) == [*put, "GET", "GET", *put, *put]
    assert asked(BAD, force=True) == [*put, "PATCH"]
