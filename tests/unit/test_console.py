"""Which lines a person sees."""

import logging

import pytest

from mta_weekly.command.console import show_lines
from mta_weekly.command.interrupts import Interrupts


def test_an_interrupted_run_speaks_of_weeks_and_no_more_of_faults(capsys: pytest.CaptureFixture[str]) -> None:
    interrupts, log = Interrupts(), logging.getLogger("mta.retry")
    with show_lines(interrupts):
        log.warning("before: trying again")
        interrupts.came = True
        log.warning("the body broke off, for its client was closed; trying again")
        log.info("turnstile 240106: landed")
    said = capsys.readouterr().err
    assert [line.split(maxsplit=3)[-1] for line in said.splitlines()] == [
        "before: trying again",
        "turnstile 240106: landed",
    ]
