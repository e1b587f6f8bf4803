"""Register where alerts go, as a notification block, and the rules by which Prefect sends them there.

    ADDRESS=https://hooks.slack.com/... python blocks/alert_block.py --kind slack --url-env ADDRESS [--test]
        [--block_name mta-alert]

The address of a webhook is a secret: it comes from the environment. docs/alerts.md says what the alerts are.
"""

import argparse
import logging
import re
from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

import script_steps  # first: it looks at what Prefect needs to load, and lets the others be found

# isort: split
import httpx
from apprise import Apprise, NotifyFormat
from prefect.blocks.abstract import NotificationBlock, NotificationError
from prefect.blocks.core import Block
from prefect.blocks.fields import SecretDict
from prefect.blocks.notifications import CustomWebhookNotificationBlock, MicrosoftTeamsWebhook, SlackWebhook
from prefect.client.orchestration import ServerType, get_client
from pydantic.v1 import SecretStr

from alert_rules import ALERTS, put_automations, put_policies
from mta_weekly.errors import BadArgument, EtlError
from mta_weekly.orchestration.run_tags import ALERT_TAG, FRESHNESS_TAG

DEFAULT_NAME = "mta-alert"
KINDS = {
    "slack": "https://hooks.slack.com/services/...",
    "teams": "the address of a Teams workflow, https://...logic.azure.com/workflows/...",
    "apprise": "an address of Apprise, as mailto://USER:PASSWORD@HOST?to=... (https://appriseit.com/services)",
    "webhook": "http:// or https:// of what takes JSON, {subject, body}",
}
NOTIFY_TYPE: Literal["failure"] = (
    "failure"  # Prefect's own default is none to newer versions of Apprise: they send nothing, in silence
)
SUBJECT, BODY = "A test of the alerts", "blocks/alert_block.py --test: alerts of the weekly loads arrive here."


def parser() -> argparse.ArgumentParser:
    """The flags, as `--help` shows them."""
    made = script_steps.parser("Register where alerts of the weekly loads go.", __file__)
    made.add_argument("--kind", choices=list(KINDS), required=True, help="what kind of address it is")
    made.add_argument(
        "--url-env", required=True, metavar="VARIABLE", help="the variable that holds the address, which is a secret"
    )
    made.add_argument(
        "--block_name",
        type=script_steps.block_name,
        default=DEFAULT_NAME,
        metavar="N",
        help=f"the block's name, default {DEFAULT_NAME}",
    )
    made.add_argument("--test", action="store_true", help="send one message now, from this machine")
    return made


def build_block(kind: str, address: str) -> NotificationBlock:
    """The block: of a class of Prefect's own, for a server loads no other.

    Apprise takes what it is handed by a SlackWebhook as it is, so that one stands for any of its addresses.

    Raises:
        BadArgument: the address is none of that kind. It is not shown.
    """
    quotes_the_address = logging.getLogger("apprise")
    quotes_the_address.propagate = False
    quotes_the_address.addHandler(logging.NullHandler())
    refused = BadArgument(f"--url-env: the variable holds no address for --kind {kind}; expected: {KINDS[kind]}.")
    try:
        if kind == "teams":
            return MicrosoftTeamsWebhook(url=SecretStr(address), notify_type=NOTIFY_TYPE)
        if kind == "webhook":
            url = httpx.URL(address)
            plain = address.isascii() and address.isprintable() and " " not in address
            if not (plain and url.host and url.scheme in ("http", "https") and 0 < (url.port or 80) < 2**16):
                raise refused
            message = {"subject": "{{subject}}", "body": "{{body}}"}
            secrets = SecretDict({"address": address})
            return CustomWebhookNotificationBlock(
                name=DEFAULT_NAME, url="{{address}}", json_data=message, secrets=secrets
            )
        block = SlackWebhook(url=SecretStr(_as_text(address)), notify_type=NOTIFY_TYPE)
    except (ValueError, TypeError, httpx.InvalidURL):
        raise refused from None
    named = [service.service_name for service in block._apprise_client]
    if not named or (kind == "slack" and named != ["Slack"]):
        raise refused
    return block


def _as_text(address: str) -> str:
    """An address of Apprise whose messages keep their lines: e-mail would be HTML, where they run together."""
    service = Apprise.instantiate(address)
    if service is None or service.notify_format != NotifyFormat.HTML or "format=" in address:
        return address
    return f"{address}{'&' if '?' in address else '?'}format=text"


async def send_test(block: Any, name: str) -> str | None:
    """Send one message through a block, as a server does.

    Raises:
        EtlError: it was not taken. The words of those who say so are not shown, for they may quote the address.
    """
    status = ""
    try:
        with block.raise_on_failure():
            await block.notify(BODY, SUBJECT)
            return None
    except NotificationError as error:
        if found := re.search(r"error=(\d{3})\b", str(error.log)):
            status = found[1]
    except httpx.HTTPStatusError as error:
        status = str(error.response.status_code)
    except (httpx.HTTPError, httpx.InvalidURL):
        pass
    why = f"its address answered {status}" if status else "its address cannot be reached"
    raise EtlError(f"{name}: the test did not arrive ({why}); block and rules are registered; correct the address")


def steps(options: argparse.Namespace) -> list[script_steps.Step]:
    """What the script does."""
    block: Any = build_block(options.kind, script_steps.secret_of(options.url_env, "--url-env"))
    slug, name = block.get_block_type_slug(), options.block_name
    identity: list[UUID] = []

    async def register() -> None:
        identity.append(await block.save(name, overwrite=True))

    async def rule() -> str:
        async with get_client() as client:
            if client.server_type is ServerType.CLOUD:
                return await put_automations(client, identity[0], f"{slug}/{name}")
            return await put_policies(client, identity[0])

    async def test() -> str | None:
        return await send_test(await Block.load(f"{slug}/{name}"), f"{slug}/{name}")

    tags = {
        tag: ", ".join(state for alert in ALERTS if alert.tag == tag for state in alert.states)
        for tag in (ALERT_TAG, FRESHNESS_TAG)
    }
    told = "; ".join(f"{tag}: {states}" for tag, states in tags.items())
    return [
        script_steps.Step("register", f"{slug}/{name}, an address for --kind {options.kind}", register),
        script_steps.Step("register", f"the runs it is told of, by their tags: {told}", rule),
        *([script_steps.Step("test", f"{slug}/{name} by one message", test, writes=False)] if options.test else []),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script."""
    return script_steps.run(parser(), steps, arguments)


if __name__ == "__main__":
    script_steps.end(main())
