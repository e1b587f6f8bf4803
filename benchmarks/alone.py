"""Runs that keep to themselves: an environment that nothing of the user's steers, and a web server on the loopback.

Shared by the demo and the benchmark. Knows the project's settings, and nothing of how a week is loaded.

    python benchmarks/alone.py FOLDER    serves the folder until its standard input ends, and prints the address
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "flows"))  # where the package is

from mta_weekly.settings import Settings

HOST = "127.0.0.1"
STEERING = (
    "MTA_",
    "PREFECT_",
    "OTEL_",
    "GOOGLE_",
    "STORAGE_EMULATOR_HOST",
    "SSL_CERT_",
)  # what these name may not exist


def environment(prefect_home: Path, **settings: str | Path) -> dict[str, str]:
    """The user's environment without what steers Prefect, Google's clients, web clients or this project.

    Prefect finds its profiles in its home, and without an API URL it needs no server. Every setting of the project is
    given a value, its default where none is handed in, since a `.env` in the root speaks for every variable not set.

    Raises:
        ValueError: a setting has neither a value nor a default.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(STEERING) and not name.upper().endswith("_PROXY")
    }
    own = {"PREFECT_HOME": str(prefect_home), "NO_PROXY": HOST, "no_proxy": HOST}
    for name, field in Settings.model_fields.items():
        value = settings.get(name, field.default)
        if value in (None, ""):  # an empty variable counts as unset
            raise ValueError(f"setting {name!r} has no default, and a .env could fill it in: hand in a value")
        own[f"MTA_{name.upper()}"] = str(value)
    return kept | own


class FolderServer(ThreadingTCPServer):
    """A web server for the files of a folder.

    Attributes:
        url: where it listens, without a final slash.
        requests: the paths asked for so far.
    """

    # Not http.server's own: that one looks the host's name up, which may be slow.
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__((HOST, 0), partial(_Handler, directory=str(folder)))
        self.url = f"http://{HOST}:{self.server_address[1]}"
        self.requests: list[str] = []


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # one connection for several files
    server: FolderServer

    def copyfile(self, source: Any, outputfile: Any) -> None:
        self.connection.sendfile(source)  # by the kernel: a server that computes would take time from who is measured

    def log_request(self, *_: object) -> None:
        self.server.requests.append(self.path)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[FolderServer]:
    """A server of the folder in a thread of its own."""
    with FolderServer(folder) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


if __name__ == "__main__":
    with serving(Path(sys.argv[1])) as server:
        print(server.url, flush=True)
        sys.stdin.read()  # its end is the end of who started this server, however that ends
