"""The way of one run to its sources: time-outs, who asks, what a host wants of all weeks, and what nobody must read.

Knows no address, no answer and no week.
"""

import time
from collections.abc import Mapping
from typing import Any

import httpx

from mta_weekly.errors import EtlError, SourceFailed
from mta_weekly.retry import RetryBudget
from mta_weekly.settings import VERSION, Settings

WHO_ASKS = "X-App-Token"  # who asks, for a rate limit of one's own


class Web(httpx.Client):
    """The way of one run to its sources. What a host asks of one week, by Retry-After, holds for all weeks of the run.

    Attributes:
        retry_after_until: until when a host (and port) wants no request, on the monotonic clock.
        unreachable_hosts: hosts (and ports) at which nobody answered, however often they were asked.
        tokens: for each origin (scheme, host and port) the token that it, and nobody else, is sent.
    """

    def __init__(self, tokens: Mapping[str, str], **options: Any) -> None:
        super().__init__(**options, event_hooks={"request": [self._sign]})
        self.retry_after_until: dict[bytes, float] = {}
        self.unreachable_hosts: set[bytes] = set()
        self.tokens = {_origin(httpx.URL(url)): token for url, token in tokens.items()}

    def hide(self, text: str) -> str:
        """A text of somebody else's without the tokens that were sent: he may have repeated them."""
        for token in self.tokens.values():
            text = text.replace(token, "...")
        return text

    def _sign(self, request: httpx.Request) -> None:
        """Called for every request, those that follow a redirect too, which bring the headers of the one before."""
        request.headers.pop(WHO_ASKS, None)
        if token := self.tokens.get(_origin(request.url)):
            request.headers[WHO_ASKS] = token

    def leave_alone(self, url: httpx.URL, seconds: float) -> None:
        """Send no request to the host of an address for so many seconds."""
        until = self.retry_after_until
        until[url.netloc] = max(until.get(url.netloc, 0.0), time.monotonic() + seconds)

    def wait_for(self, url: httpx.URL, budget: RetryBudget) -> None:
        """Wait until the host may be asked again, where it said when.

        Raises:
            GaveUp: that is later than the week may wait.
        """
        while (left := self.retry_after_until.get(url.netloc, 0.0) - time.monotonic()) > 0:
            budget.sit_out(left, url.host)


def open_client(settings: Settings, tokens: Mapping[str, str] | None = None) -> Web:
    """A client with the project's time-outs and an honest User-Agent; `tokens` are for the sites of their addresses.

    It asks for the plain body: a resumed download counts in the bytes of the body as it is sent.

    Raises:
        SourceFailed: HTTP_PROXY and the like name no proxy that can be used.
    """
    try:
        return Web(
            tokens or {},
            timeout=httpx.Timeout(settings.read_timeout, connect=settings.connect_timeout),
            headers={"User-Agent": f"mta-weekly-etl/{VERSION}", "Accept-Encoding": "identity"},
            follow_redirects=True,
        )
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise SourceFailed(f"the proxy in the environment cannot be used: {error}") from error


def hide_tokens(client: Web, error: EtlError) -> None:
    """Take out of an error's text what nobody must read."""
    error.args = tuple(client.hide(str(part)) for part in error.args)


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode()}"
