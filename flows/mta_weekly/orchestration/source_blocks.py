"""The way to the sources of a run, with what its Prefect blocks know: the tokens that say who asks."""

from pydantic import SecretStr

from mta_weekly.errors import BadArgument
from mta_weekly.feeds.catalog import Feed, FeedSequence
from mta_weekly.fetch.client import Hosts, Token, Web, open_client
from mta_weekly.fetch.from_source import find_base
from mta_weekly.orchestration.prefect_api import read_secret
from mta_weekly.settings import Settings, plain_token


def open_sources(settings: Settings, hosts: Hosts | None, *feeds: Feed | FeedSequence) -> Web:
    """The way to the sources of these feeds; those that ask for a token are told who asks.

    Args:
        hosts: what the run knows of them already.
    """
    tokens: dict[str, Token | None] = {}
    for source in (source for each in feeds for feed in each.feeds for source in feed.sources if source.token):
        base = find_base(source, settings)
        if base not in tokens:
            own = settings.tokens[source.token]
            tokens[base] = Token(own.get_secret_value(), source.token) if own else _read_token(source.token)
    return open_client(settings, {base: token for base, token in tokens.items() if token}, hosts)


def _read_token(variable: str) -> Token | None:
    """What the Secret block named like the variable holds, in lower case and with dashes."""
    name = variable.lower().replace("_", "-")
    try:
        token = plain_token(SecretStr(read_secret(name) or ""))
        return Token(token.get_secret_value(), f"block secret/{name}") if token else None
    except ValueError as error:
        raise BadArgument(f"block secret/{name}: {error}.") from None
