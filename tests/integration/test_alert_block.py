"""The script that registers where alerts go: policies as they are stored, Cloud's request; no secret shows."""

import json
from collections.abc import Iterator
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock, MicrosoftTeamsWebhook, SlackWebhook
from prefect.client.schemas.filters import FlowRunNotificationPolicyFilter
from prefect.events.schemas.automations import AutomationCore
from prefect.server.events.schemas.automations import AutomationCore as StoredAutomation
from prefect.server.utilities.user_templates import render_user_template_sync

from alert_receiver import Receiver
from alert_rules import ALERTS, CRASHED, FAILED, build_automations
from block_scripts import Script, documents
from conftest import ask
from mta_weekly.orchestration.run_tags import ALERT_TAG, FRESHNESS_TAG, PART_TAG

pytestmark = pytest.mark.usefixtures("clean_api")
SLACK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
TEAMS = "https://prod-1.westus.logic.azure.com:443/workflows/643e69f83c8944/triggers/manual/paths/invoke?sig=KODuebWbDGYFr0z0eu"
HIDDEN = ("TIiajkdnlazkcOXrIdevi7FQ", "KODuebWbDGYFr0z0eu", "hid-den")
EVERY_CAUSE = {*product([ALERT_TAG], [*FAILED, *CRASHED, "Late"]), *product([FRESHNESS_TAG], [*FAILED, *CRASHED])}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def register(script: Script, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the script with an address in the environment; it shows nothing of it."""

    def run(kind: str, address: str, *flags: str) -> Any:
        monkeypatch.setenv("ADDRESS", address)
        ran = script("alert_block", "--kind", kind, "--url-env", "ADDRESS", *flags)
        assert [word for word in HIDDEN if word in ran.out + ran.err] == []
        return ran

    return run


def policies() -> list[Any]:
    every = FlowRunNotificationPolicyFilter(is_active=None)
    return ask(lambda client: client.read_flow_run_notification_policies(every))


def causes() -> list[tuple[str, str]]:
    """Tag and state of each message that would be sent."""
    return sorted(
        (tag, state) for each in policies() if each.is_active for tag, state in product(each.tags, each.state_names)
    )


def change(policy: Any, **fields: Any) -> None:
    ask(lambda client: client.update_flow_run_notification_policy(policy.id, **fields))


class TestPolicies:
    def test_each_cause_once_and_again_is_no_second_message(self, register: Any) -> None:
        for _ in range(2):
            ran = register("slack", SLACK)
            assert ran.code == 0, ran.err
            assert causes() == sorted(EVERY_CAUSE)
        assert ran.out.startswith("registered slack-webhook/mta-alert, an address for --kind slack\n")
        assert PART_TAG not in ran.out
        (document,) = documents("slack-webhook", "mta-alert")
        assert {each.block_document_id for each in policies()} == {document.id}
        assert SlackWebhook.load("mta-alert").url.get_secret_value() == SLACK
        assert [word for word in HIDDEN if word in str(document.data)] == []

    def test_what_a_person_has_paused_stays_so_and_what_is_left_of_an_older_version_goes(self, register: Any) -> None:
        register("slack", SLACK)
        late, *others = sorted(policies(), key=lambda each: each.state_names != ["Late"])
        crashed = next(each for each in others if (each.tags, each.state_names) == ([ALERT_TAG], ["Crashed"]))
        change(late, is_active=False)
        change(crashed, state_names=["Crashed", "Failed"], message_template="as it was")
        ran = register("slack", SLACK)
        assert "that of mta for Late stays paused" in ran.out
        assert causes() == sorted(EVERY_CAUSE - {(ALERT_TAG, "Late")})
        assert "as it was" not in [each.message_template for each in policies()]

    def test_another_block_is_a_second_message_and_that_is_said(self, register: Any) -> None:
        register("slack", SLACK)
        ran = register("webhook", "http://127.0.0.1:9/hid-den")
        assert "slack-webhook/mta-alert is told of the same, a second message each time" in ran.out
        assert "prefect block delete slack-webhook/mta-alert" in ran.out
        (document,) = documents("slack-webhook", "mta-alert")
        ask(lambda client: client.delete_block_document(document.id))
        assert causes() == sorted(EVERY_CAUSE)
        assert "is told of the same" not in register("webhook", "http://127.0.0.1:9/hid-den").out

    def test_a_policy_of_somebody_else_is_said_and_stays(self, register: Any) -> None:
        identity: UUID = SlackWebhook(url=SLACK).save("theirs")
        ask(lambda client: client.create_flow_run_notification_policy(identity, tags=["other"], state_names=["Failed"]))
        assert "theirs" not in register("slack", SLACK).out
        ask(lambda client: client.create_flow_run_notification_policy(identity))  # all runs, all states
        assert "slack-webhook/theirs is told of the same" in register("slack", SLACK).out
        assert [each.tags for each in policies() if each.block_document_id == identity] in (
            [["other"], []],
            [[], ["other"]],
        )


class TestKinds:
    def test_a_plain_webhook_keeps_its_address_among_the_secrets(self, register: Any) -> None:
        assert register("webhook", "http://127.0.0.1:9/hid-den").code == 0
        (document,) = documents("custom-webhook", "mta-alert")
        assert document.data["url"] == "{{address}}"
        assert "hid-den" not in str(document.data)
        assert "hid-den" in CustomWebhookNotificationBlock.load("mta-alert").secrets.get_secret_value()["address"]

    def test_teams(self, register: Any) -> None:
        assert register("teams", TEAMS, "--block_name", "team").code == 0
        assert MicrosoftTeamsWebhook.load("team").url.get_secret_value() == TEAMS

    @pytest.mark.parametrize(
        ("kind", "address"),
        [
            ("slack", "https://hid-den/services/x"), ("slack", "json://127.0.0.1/hid-den"), ("slack", "hid-den"),
            ("teams", SLACK), ("teams", "hid-den"), ("apprise", "hid-den"), ("apprise", "nowhere://hid-den"),
            ("apprise", "mailto://"), ("webhook", "hid-den"), ("webhook", "ftp://h/hid-den"), ("webhook", "http:///hid-den"),
            ("webhook", "http://h:hid-den/"), ("webhook", "http://h:99999/hid-den"), ("webhook", "http://h/hid den"),
            ("webhook", "http://h/hid-d\u00e9n"), ("slack", ""), ("slack", " "),
        ],
    )  # fmt: skip
    def test_what_is_no_address_of_the_kind(self, kind: str, address: str, register: Any) -> None:
        ran = register(kind, address)
        assert (ran.code, len(ran.err.splitlines())) == (2, 1)
        assert ran.err.startswith("alert_block.py: --url-env: the variable ")
        assert policies() == []

    def test_an_address_given_in_place_of_its_variable_is_not_shown(self, script: Script) -> None:
        ran = script("alert_block", "--kind", "slack", "--url-env", SLACK)
        assert (ran.code, HIDDEN[0] in ran.err) == (2, False)


class TestTestMessage:
    @pytest.mark.parametrize("kind", ["apprise", "webhook"])
    def test_it_arrives_once_or_says_why_not(self, kind: str, register: Any, receiver: Receiver) -> None:
        schemes = {"apprise": "json:", "webhook": "http:"}
        address = receiver.url.replace("http:", schemes[kind]) + "/hid-den"
        ran = register(kind, address, "--test")
        assert ran.code == 0, ran.err
        assert "by one message" in ran.out
        assert receiver.at("/hid-den") == ["blocks/alert_block.py --test: alerts of the weekly loads arrive here."]
        receiver.status = 503
        ran = register(kind, address, "--test")
        assert (ran.code, len(ran.err.splitlines())) == (1, 1)
        assert "the test did not arrive (its address answered 503); block and rules are registered" in ran.err
        ran = register(kind, address.replace("127.0.0.1:", "127.0.0.1:1/"), "--test")
        assert (ran.code, "(its address cannot be reached)" in ran.err) == (1, True)

    def test_a_dry_run_sends_nothing(self, register: Any, receiver: Receiver) -> None:
        ran = register("webhook", receiver.url, "--test", "--dry-run")
        assert "would test custom-webhook/mta-alert by one message" in ran.out
        assert (receiver.messages, policies(), documents("custom-webhook", "mta-alert")) == ([], [], [])


class TestCloud:
    """Its request alone; in test_alerts.py an own server that has Prefect's events, and so automations, runs them."""

    BLOCK = uuid4()

    @pytest.fixture
    def requests(self) -> list[dict[str, Any]]:
        made = build_automations(self.BLOCK, "slack-webhook/mta-alert")
        return [json.loads(json.dumps(each.dict(json_compatible=True))) for each in made]

    def test_the_client_reads_back_what_it_is_and_a_server_stores_it(self, requests: list[dict[str, Any]]) -> None:
        for request in requests:
            read = AutomationCore.parse_obj(request).dict(json_compatible=True)
            for said in (read, request):  # what a trigger expects is a set, and comes in any order
                said["trigger"]["expect"].sort()
            assert read == request
            stored = StoredAutomation.parse_obj(request).dict(json_compatible=True)
            for part in ("name", "enabled", "actions"):
                assert stored[part] == request[part]
            for part in ("type", "match", "match_related", "posture", "threshold"):
                assert stored["trigger"][part] == request["trigger"][part]
            assert set(stored["trigger"]["expect"]) == set(request["trigger"]["expect"])

    def test_each_cause_once(self, requests: list[dict[str, Any]]) -> None:
        found = [
            (request["trigger"]["match_related"]["prefect.resource.id"], event)
            for request in requests
            for event in request["trigger"]["expect"]
        ]
        assert sorted(found) == sorted(
            (f"prefect.tag.{tag}", f"prefect.flow-run.{state}") for tag, state in EVERY_CAUSE
        )
        assert {action["type"] for request in requests for action in request["actions"]} == {"send-notification"}
        assert {action["block_document_id"] for request in requests for action in request["actions"]} == {
            str(self.BLOCK)
        }

    @pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert.tag} {alert.states[0]}")
    def test_the_words_are_those_of_the_state(self, alert: Any, requests: list[dict[str, Any]]) -> None:
        (body,) = (
            request["actions"][0]["body"]
            for request in requests
            if request["trigger"]["match_related"]["prefect.resource.id"] == f"prefect.tag.{alert.tag}"
        )
        body = body.replace("|ui_url", ".link")
        run = {"name": "N", "state": {"name": alert.states[0], "message": "{a} {{b}}"}, "parameters": {"feed": "daily"}}
        event = {"resource": {"link": "http://x"}}
        said = render_user_template_sync(body, {"flow": {"name": "F"}, "flow_run": run, "event": event})
        reason = alert.reason.replace("{message}", "{a} {{b}}")
        first, *rest = said.splitlines()
        assert first == f"F, run N: {alert.states[0]}"
        assert rest == [
            reason,
            "Asked for: {'feed': 'daily'}",
            f"What to do: {alert.advice} (docs/alerts.md)",
            "http://x",
        ]
