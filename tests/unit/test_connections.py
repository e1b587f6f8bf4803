"""A connection on which nothing goes on for ever, where a library's own time is that of each read alone."""

import socket
import time
from pathlib import Path
from typing import Any

import pytest

from certificates import make_certificate
from mta_weekly.errors import EtlError, GaveUp, SourceFailed, Unreachable
from mta_weekly.fetch.client import open_client
from mta_weekly.fetch.http import fetch_body
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import Settings
from raw_source import Drip, RawSource, say

RECORD = b"\x16\x03\x03\x10\x00"  # the head of one of 4,096 bytes


def test_a_site_behind_a_secure_proxy_has_no_more_time_than_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = make_certificate(tmp_path / "proxy.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "proxy.pem"))
    drip = say((b"HTTP/1.1 200 OK\r\n\r\n" + RECORD, Drip(b"\0" * 20, 0.1)))
    with RawSource(drip, tls=tls) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        settings = Settings(_env_file=None, connect_timeout=0.3)
        with open_client(settings) as client, pytest.raises(GaveUp, match=r"no connection .* within 0.3 s"):
            began = time.monotonic()
            fetch_body(client, "https://a.example/x", lambda chunks, _: list(chunks), RetryBudget(1, 1.0, 0.001))
    assert time.monotonic() - began < 1.5


def give_addresses(monkeypatch: pytest.MonkeyPatch, addresses: list[Any]) -> None:
    """Those of some.example."""
    ask = socket.getaddrinfo

    def find(host: str, *rest: Any, **more: Any) -> list[Any]:
        return addresses if host == "some.example" else ask(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", find)


def test_a_name_with_many_addresses_has_no_more_time_than_one_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them answers: the line of those that wait to be taken in is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        found = (socket.AF_INET, socket.SOCK_STREAM, 6, "", address)
        give_addresses(monkeypatch, [found] * 20)
        settings, url = Settings(_env_file=None, connect_timeout=0.3), f"http://some.example:{address[1]}/x"
        began = time.monotonic()
        with (
            open_client(settings) as client,
            pytest.raises(GaveUp, match=r"no connection with some.example within 0.3"),
        ):
            fetch_body(client, url, lambda chunks, _: list(chunks), RetryBudget(1, 1.0, 0.001))
        for each in waiting:
            each.close()
    assert time.monotonic() - began < 2


def test_the_second_address_of_a_name_is_tried_where_the_first_is_shut(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawSource(say((b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",))) as source:
        port = int(source.url.rpartition(":")[2])
        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.2", "127.0.0.1")]
        give_addresses(monkeypatch, addresses)
        with open_client(Settings(_env_file=None)) as client:
            url = f"http://some.example:{port}/x"
            got, _ = fetch_body(client, url, lambda chunks, _: b"".join(chunks), RetryBudget(1, 1.0, 0.001))
    assert got == b"ok"


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("http://127.0.0.1:1", "no answer from the proxy 127.0.0.1:1, which leads to a.example: .*; look at HTTP_P"),
        ("http://me:sec#ret@127.0.0.1:1", "HTTP_PROXY, .* is no address of a proxy .* mend it, or unset it$"),
    ],
)  # fmt: skip
def test_a_proxy_that_is_not_there_is_not_taken_for_the_source(
    monkeypatch: pytest.MonkeyPatch, proxy: str, said: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(EtlError, match=said) as fault, open_client(Settings(_env_file=None)) as client:
        fetch_body(client, "http://a.example/x", lambda chunks, _: list(chunks), RetryBudget(1, 1.0, 0.001))
    assert not isinstance(fault.value, Unreachable)  # so no other source is asked, by the same proxy
    assert "sec" not in str(fault.value)


def test_a_proxy_that_wants_a_login_is_not_taken_for_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawSource(say((b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n",))) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        said = "the proxy does not lead to a.example: 407 Who are you .*; look at HTTP_PROXY$"
        with open_client(Settings(_env_file=None)) as client, pytest.raises(SourceFailed, match=said):
            fetch_body(client, "http://a.example/x", lambda chunks, _: list(chunks), RetryBudget(5, 1.0, 0.001))
