"""A refresh takes a week for unchanged only where address and time are equal; else it looks."""

import pytest

from conftest import FILE
from mta_weekly.settings import Settings
from web import Answer, Web
from week_loads import GOOD, Begin

pytest_plugins = ["either_lake", "week_loads"]

NEWER, OLDER = "Sat, 06 Jan 2024 12:00:00 GMT", "Fri, 05 Jan 2024 12:00:00 GMT"
OTHER = GOOD.replace(b"REGULAR", b"RECOVR AUD")


def test_another_address_is_looked_at_though_its_file_has_the_same_etag(begin: Begin, web: Web) -> None:
    web.serve(FILE, Answer(GOOD, conditional=True, etag='"1"'))
    web.serve("/mirror" + FILE, Answer(OTHER, conditional=True, etag='"1"'))
    begin()
    assert begin(refresh=True).state == "there"
    assert begin(refresh=True, settings=mirror(web)).state == "replaced"


@pytest.mark.parametrize("etag", ["", '"v1"'])
def test_the_same_address_and_time_is_not_read(begin: Begin, web: Web, etag: str) -> None:
    web.serve(FILE, Answer(GOOD, conditional=True, last_modified=NEWER, etag=etag))
    begin()
    web.serve(FILE, Answer(OTHER, conditional=True, last_modified=NEWER, etag=etag))
    outcome = begin(refresh=True)
    assert (outcome.state, outcome.reason) == ("there", f"the source has not changed since {NEWER}")


def test_a_mirror_is_looked_at_though_its_file_is_as_old(begin: Begin, web: Web) -> None:
    web.serve(FILE, Answer(GOOD, conditional=True, last_modified=NEWER))
    web.serve("/mirror" + FILE, Answer(OTHER, conditional=True, last_modified=NEWER))
    begin()
    assert begin(refresh=True, settings=mirror(web)).state == "replaced"


def test_a_file_that_was_set_back_to_an_older_one_is_looked_at(begin: Begin, web: Web) -> None:
    web.serve(FILE, Answer(GOOD, conditional=True, last_modified=NEWER))
    begin()
    web.serve(FILE, Answer(OTHER, conditional=True, last_modified=OLDER))
    assert begin(refresh=True).state == "replaced"


def test_a_304_that_contradicts_itself_is_looked_at(begin: Begin, web: Web) -> None:
    web.serve(FILE, Answer(GOOD, conditional=True, last_modified=NEWER, etag='"v1"'))
    begin()
    old = Answer(status=304, last_modified=OLDER)
    web.serve(FILE, old, Answer(OTHER, conditional=True, last_modified=OLDER))
    assert begin(refresh=True).state == "replaced"


def mirror(web: Web) -> Settings:
    return Settings(turnstile_url=f"{web.url}/mirror", retry_base=0.001, retry_wait=2.0)
