"""Which ends of runs somebody is told of, in what words, and the rules at Prefect's API that do it.

An own server has notification policies, which go by the names of states; Prefect Cloud has automations, which go by
events of the same names. Knows no flags, and of a block only its id and its name.
"""

from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunNotificationPolicyFilter
from prefect.client.schemas.objects import FlowRunNotificationPolicy
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger
from prefect.events.schemas.events import ResourceSpecification

import script_steps  # noqa: F401 - lets the others be found

# isort: split
from mta_weekly.orchestration.run_tags import ALERT_TAG, FRESHNESS_TAG

# What a message is made of, as the two kinds of template write it.
POLICY_WORDS = {
    "flow": "{flow_name}",
    "run": "{flow_run_name}",
    "state": "{flow_run_state_name}",
    "message": "{flow_run_state_message}",
    "parameters": "{flow_run_parameters}",
    "link": "{flow_run_url}",
}
AUTOMATION_WORDS = {
    "flow": "{{ flow.name }}",
    "run": "{{ flow_run.name }}",
    "state": "{{ flow_run.state.name }}",
    "message": "{{ flow_run.state.message }}",
    "parameters": "{{ flow_run.parameters }}",
    "link": "{{ event.resource|ui_url }}",
}


@dataclass(frozen=True)
class Alert:
    """Ends of runs that are told of in the same words.

    Attributes:
        tag: of the runs.
        states: the names of the states.
        advice: what to do.
        reason: why; by default what the state says of itself.
    """

    tag: str
    states: tuple[str, ...]
    advice: str
    reason: str = "{message}"

    def write(self, words: dict[str, str]) -> str:
        """The message, as a template whose own placeholders are `words`."""
        lines = (
            "{flow}, run {run}: {state}",
            self.reason,
            "Asked for: {parameters}",
            f"What to do: {self.advice} (docs/alerts.md)",
            "{link}",
        )
        return "\n".join(lines).format(**words)


FAILED = ("Failed", "TimedOut", "BadArgument")  # the last is the flow's own name for parameters that cannot be used
CRASHED = ("Crashed",)
ALERTS = (  # those of a tag in a row, and a state once: it makes one message
    Alert(
        ALERT_TAG, FAILED, "mend what the reason names, run the deployment again; what is in the lake stays as it is"
    ),
    Alert(ALERT_TAG, CRASHED, "look on the machine why its process died, then run the deployment again"),
    Alert(
        ALERT_TAG,
        ("Late",),
        "start the worker or agent of its work pool; it then begins by itself",
        "No worker or agent has taken it.",
    ),
    Alert(FRESHNESS_TAG, FAILED, "load what the lake lacks, by the commands that the log of the run names"),
    Alert(
        FRESHNESS_TAG,
        CRASHED,
        "python flows/watch.py status says what it would have said; look on the machine why its process died",
    ),
)


async def put_policies(client: PrefectClient, block: UUID) -> str:
    """Make or update the notification policies that tell a block; return what of them a person may not expect.

    A policy of this block with the same tag and a state in common is taken for an earlier one of ours and updated,
    paused or not; what is left over of such is deleted, for each would make a second message. Others are named.
    """
    there = await _read_policies(client)
    remarks = []
    for alert in ALERTS:
        alike = [each for each in there if each.block_document_id == block and _is_like(each, alert)]
        there = [each for each in there if each not in alike]
        # The paused one first: a person's pause outlives what is deleted.
        alike.sort(key=lambda each: each.is_active)
        fields: dict[str, Any] = {
            "tags": [alert.tag], "state_names": [*alert.states], "message_template": alert.write(POLICY_WORDS)
        }  # fmt: skip
        if not alike:
            await client.create_flow_run_notification_policy(block_document_id=block, **fields)
            continue
        await client.update_flow_run_notification_policy(alike[0].id, **fields)
        if not alike[0].is_active:
            remarks.append(f"that of {alert.tag} for {', '.join(alert.states)} stays paused")
        for surplus in alike[1:]:
            await client.delete_flow_run_notification_policy(surplus.id)
    doubles = [each for each in there if each.is_active and any(_tells_too(each, alert) for alert in ALERTS)]
    names = {await _name_block(client, each.block_document_id) for each in doubles}
    return "; ".join([*remarks, *(_say_double(each, f"prefect block delete {each}") for each in sorted(names))])


async def _read_policies(client: PrefectClient) -> list[FlowRunNotificationPolicy]:
    every: list[FlowRunNotificationPolicy] = []
    which = FlowRunNotificationPolicyFilter(is_active=None)  # its default is those that are paused
    while page := await client.read_flow_run_notification_policies(which, offset=len(every)):
        every += page
    return every


def _is_like(policy: FlowRunNotificationPolicy, alert: Alert) -> bool:
    return policy.tags == [alert.tag] and not set(alert.states).isdisjoint(policy.state_names)


def _tells_too(policy: FlowRunNotificationPolicy, alert: Alert) -> bool:
    """Whether it tells of the same; no tags are all tags, and so are states."""
    tagged = not policy.tags or alert.tag in policy.tags
    return tagged and (not policy.state_names or not set(alert.states).isdisjoint(policy.state_names))


async def _name_block(client: PrefectClient, block: UUID) -> str:
    document = await client.read_block_document(block, include_secrets=False)
    return f"{document.block_type.slug}/{document.name}"


def _say_double(block: str, end: str) -> str:
    return f"{block} is told of the same, a second message each time; if that is not wanted: {end}"


def build_automations(block: UUID, name: str) -> list[AutomationCore]:
    """The automations that tell a block, one a tag; the name of each has the tag and the block's name."""
    return [_build_automation(tag, [*alerts], block, name) for tag, alerts in groupby(ALERTS, lambda alert: alert.tag)]


def _build_automation(tag: str, alerts: list[Alert], block: UUID, name: str) -> AutomationCore:
    bodies = [
        f"{{% if flow_run.state.name in {[*alert.states]} %}}{alert.write(AUTOMATION_WORDS)}{{% endif %}}"
        for alert in alerts
    ]
    related = {"prefect.resource.id": f"prefect.tag.{tag}", "prefect.resource.role": "tag"}
    return AutomationCore(
        name=_name_automation(tag, name),
        description="Made by blocks/alert_block.py, which also updates it.",
        enabled=True,
        trigger=EventTrigger(
            expect={f"prefect.flow-run.{state}" for alert in alerts for state in alert.states},
            match=ResourceSpecification.parse_obj({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification.parse_obj(related),
            for_each={"prefect.resource.id"},
        ),
        actions=[SendNotification(block_document_id=block, subject=SUBJECT, body="".join(bodies))],
    )


SUBJECT = f"{AUTOMATION_WORDS['flow']}: {AUTOMATION_WORDS['state']}"


def _name_automation(tag: str, name: str) -> str:
    return f"{tag} alerts by {name}"


async def put_automations(client: PrefectClient, block: UUID, name: str) -> str:
    """Make or update the automations that tell a block; return what of them a person may not expect.

    They are found by their names. One that a person has paused stays so.
    """
    remarks = []
    for automation in build_automations(block, name):
        found = await client.read_automations_by_name(automation.name)
        if not found:
            await client.create_automation(automation)
            continue
        # The client sends what was set and leaves out defaults, such as the trigger's type: so all of it is set. That
        # an automation has no owner is refused.
        whole = automation.dict(exclude={"owner_resource"}) | {"enabled": found[0].enabled}
        await client.update_automation(found[0].id, AutomationCore(**whole))
        if not found[0].enabled:
            remarks.append(f"'{automation.name}' stays paused")
    doubles = await _find_doubles(client, name)
    return "; ".join([*remarks, *(_say_double(block, f"prefect automation delete '{its}'") for block, its in doubles)])


async def _find_doubles(client: PrefectClient, name: str) -> list[tuple[str, str]]:
    """Other blocks that automations of ours tell of the same, and the names of these."""
    documents = await client.read_block_documents(include_secrets=False)
    others = {f"{each.block_type.slug}/{each.name}" for each in documents if each.name} - {name}
    return [
        (other, automation.name)
        for other in sorted(others)
        for tag in (ALERT_TAG, FRESHNESS_TAG)
        for automation in await client.read_automations_by_name(_name_automation(tag, other))
        if automation.enabled
    ]
