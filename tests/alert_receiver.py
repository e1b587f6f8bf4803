"""Where alerts arrive in the tests: an HTTP server on the loopback that keeps every message."""

import json
from dataclasses import dataclass
from typing import Any

from loopback import Handler, Loopback


@dataclass(frozen=True)
class Message:
    """A message: the path it was sent to, and its JSON."""

    path: str
    content: dict[str, Any]


class Receiver(Loopback):
    """It takes every message, or refuses it with `status`."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Message] = []
        self.status = 200

    def answer(self, request: Handler) -> None:
        with self.lock:
            self.messages.append(Message(request.path, json.loads(request.body)))
        request.send_response(self.status)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def at(self, path: str) -> list[str]:
        """The texts that came to a path, in order: as Apprise calls it, or the block of a plain webhook."""
        with self.lock:
            return [each.content.get("message") or each.content["body"] for each in self.messages if each.path == path]
