"""The dead man's switch: who pings, with what, what a ping that fails costs, and that its address stays a secret."""

import logging
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from prefect.blocks.system import Secret
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import State
from pydantic import SecretStr

import etl_web_to_gcs as etl
from conftest import FILE, Ran, ask, small_week
from mta_weekly.command import flags
from mta_weekly.orchestration import ping
from mta_weekly.settings import Settings
from pings import SECRET, WELL, Receiver, failing
from web import Answer, Web

pytest_plugins = ["flow_runs", "pings"]

Flow = Callable[..., State[Any]]


@pytest.fixture
def newest(flow: Flow, web: Web, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Flow:
    """A run that names no week, on a Saturday whose week is published, with the receiver's address."""
    monkeypatch.setenv("MTA_PING_URL", receiver.address)
    monkeypatch.setattr(etl, "new_york_today", lambda: date(2024, 1, 6))
    web.serve(FILE, Answer(small_week()))
    return lambda **parameters: flow(**{"feed": "turnstile", **parameters})


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """All that is logged, also by the libraries that know the address, to the last detail."""
    for name in ("httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, logger=name)

    def read() -> str:
        assert SECRET not in caplog.text
        return caplog.text

    return read


def test_a_run_that_names_no_week_pings_once_as_it_ends(
    newest: Flow, web: Web, receiver: Receiver, heard: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTA_SOCRATA_APP_TOKEN", f"token-{SECRET}")
    assert newest().is_completed()
    assert newest().is_completed()  # the week is there before
    assert receiver.pings == [WELL, WELL]
    receiver.pings.clear()
    web.serve(FILE, Answer(status=404))
    missing = newest(force=True)
    nowhere = newest(lake="gcs-bucket/nowhere")
    assert "turnstile 240106: not published" in str(missing.message)
    assert "no such block is registered" in str(nowhere.message)
    assert receiver.pings == [failing(str(missing.message)), failing(str(nowhere.message))]
    heard()
    kept = str([run.parameters for run in ask(lambda client: client.read_flow_runs())])
    assert "'options': " in kept  # which hold the settings, for whoever reads Prefect's pages
    assert SECRET not in kept


def test_a_fault_that_nobody_expected_is_told_in_one_line(
    newest: Flow, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_weeks(*_: object) -> None:
        raise RuntimeError("a bug\n" + "of many words " * 100)

    monkeypatch.setattr(etl, "_find_weeks", find_weeks)
    assert newest().is_failed()
    (told,) = receiver.pings
    assert told == failing(("a bug " + "of many words " * 100)[: ping.LONGEST - 3] + "...")


@pytest.mark.parametrize(
    "parameters",
    [{"dry_run": True}, {"catch_up": 0}, {"feed": "none"}, {"year": 2024, "month": 1, "day": 6}],
    ids=lambda given: next(iter(given)),
)
def test_a_dry_run_a_bad_argument_and_a_run_that_names_weeks_ping_nobody(
    newest: Flow, receiver: Receiver, parameters: dict[str, Any]
) -> None:
    newest(**parameters)
    assert receiver.pings == []


@pytest.mark.usefixtures("clean_api")
def test_the_address_may_be_in_a_secret_block(
    newest: Flow, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, heard: Callable[[], str]
) -> None:
    monkeypatch.delenv("MTA_PING_URL")
    assert newest().is_completed()
    assert receiver.pings == []
    Secret(value=f" {receiver.address}\n").save("mta-ping-url")
    assert newest().is_completed()
    assert receiver.pings == [WELL]
    Secret(value=f"ftp://127.0.0.1/{SECRET}").save("mta-ping-url", overwrite=True)
    assert newest().is_completed()
    assert "block secret/mta-ping-url: must be an address as in https://HOST/PATH" in heard()


def test_a_ping_that_fails_changes_nothing_of_the_run(
    newest: Flow, receiver: Receiver, heard: Callable[[], str]
) -> None:
    receiver.status = 500
    assert newest().is_completed()
    assert receiver.pings == [WELL] * ping.TRIES
    assert "the ping did not arrive, so its receiver may raise a false alarm: the answer was 500" in heard()


@pytest.mark.parametrize("fault", ["hangs", "drips", "redirects", "is not there", "has no such ping"])
def test_a_receiver_that_does_not_hear_is_a_warning_within_its_time(
    fault: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, heard: Callable[[], str]
) -> None:
    monkeypatch.setattr(ping, "TIMEOUT", 0.5)
    address = receiver.address
    if fault == "hangs":
        receiver.wait = 60.0
    receiver.drips = fault == "drips"
    if fault == "redirects":
        receiver.status, receiver.location = 302, f"{receiver.url}/elsewhere/{SECRET}"
    if fault == "has no such ping":
        receiver.status = 404
    if fault == "is not there":
        address = f"http://127.0.0.1:1/{SECRET}"
    ping.send_ping(Settings(ping_url=SecretStr(address)), "a reason")
    assert set(receiver.pings) == (set() if fault == "is not there" else {failing("a reason")})
    slow = "no answer within 0.5 s"
    said = {"hangs": slow, "drips": slow, "redirects": "the answer was 302", "is not there": "(ConnectError)"}
    assert f"{said.get(fault, 'the answer was 404')}" in heard()
    assert heard().count("the ping did not arrive") == 1


def test_an_api_that_does_not_answer_for_the_block_is_a_warning(heard: Callable[[], str]) -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        ping.send_ping(Settings())
    assert "the ping did not arrive" in heard()
    assert "the Prefect API failed" in heard()


def test_a_command_of_a_person_who_names_no_week_pings_too(
    land: Callable[..., Ran], web: Web, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As cron starts it, without any deployment; what it prints does not show the address."""
    monkeypatch.setenv("MTA_PING_URL", receiver.address)
    for module in (flags, etl):
        monkeypatch.setattr(module, "new_york_today", lambda: date(2024, 1, 6))
    web.serve(FILE, Answer(small_week()))
    ran = land("--feed", "turnstile")
    assert ran.code == 0
    receiver.status = 500
    again = land("--feed", "turnstile")
    assert again.code == 0
    assert receiver.pings == [WELL] * (1 + ping.TRIES)
    assert "the ping did not arrive" in again.err
    assert SECRET not in ran.err + ran.out + again.err + again.out
