"""The way to the sources of a run, with what its Prefect blocks know: the app token of a Socrata site."""

from pydantic import SecretStr

from mta_weekly.errors import BadArgument
from mta_weekly.feeds.catalog import Feed, Succession
from mta_weekly.feeds.sources import Table
from mta_weekly.fetch.client import Web, web_client
from mta_weekly.orchestration.prefect_api import secret
from mta_weekly.settings import Settings, plain_token

TOKEN_BLOCK = "mta-socrata-app-token"  # noqa: S105 - the name of a Secret block


def open_sources(settings: Settings, *feeds: Feed | Succession) -> Web:
    """The way to the sources of these feeds; a Socrata site among them is told who asks."""
    sources = (source for each in feeds for feed in each.feeds for source in feed.sources)
    token = settings.socrata_app_token
    if token is None and any(isinstance(source, Table) for source in sources):
        try:
            token = plain_token(SecretStr(secret(TOKEN_BLOCK) or ""))
        except ValueError as error:
            raise BadArgument(f"block secret/{TOKEN_BLOCK}: {error}.") from None
    return web_client(settings, token.get_secret_value() if token else None)
