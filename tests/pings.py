"""Who hears the pings of the dead man's switch, on the loopback, and the secret in its address."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from loopback import Handler, Loopback

SECRET = "5ecret-u-u-i-d"


@dataclass(frozen=True)
class Ping:
    """A ping as it came."""

    method: str
    path: str
    body: str


class Receiver(Loopback):
    """Hears pings, and answers as it is told.

    Attributes:
        pings: those so far, in order.
        status: of its answers.
        wait: seconds before them.
        location: where its answers send one.
        drips: whether an answer comes a header at a time, for ever.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pings: list[Ping] = []
        self.status, self.wait, self.location, self.drips = 200, 0.0, "", False

    @property
    def address(self) -> str:
        """What is told to nobody."""
        return f"{self.url}/{SECRET}?create=1"

    def answer(self, request: Handler) -> None:
        self.pings.append(Ping(request.command, request.path, request.body.decode()))
        request.pause(self.wait)
        request.send_response(self.status)
        while self.drips:
            request.pause(0.1)
            request.send_header("X-More", "to come")
            request.flush_headers()
        request.send_header("Content-Length", "0")
        if self.location:
            request.send_header("Location", self.location)
        request.end_headers()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


WELL = Ping("GET", f"/{SECRET}?create=1", "")


def failing(reason: str) -> Ping:
    """The ping of a run that did not land what is due."""
    return Ping("POST", f"/{SECRET}/fail?create=1", reason)
