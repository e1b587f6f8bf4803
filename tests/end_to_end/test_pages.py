"""Prefect's pages of a run that failed in a container, as a person sees them in a real browser, 1,600 pixels wide."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from containers import BY_WORKER, UNPUBLISHED
from engine import BATCH, Machine
from mta_weekly.feeds.catalog import CHOICES
from prefect_pages import ARTIFACT, FORM, PATIENCE, RUN, WIDE

pytest_plugins = ["chromium", "containers"]
pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]

expect.set_options(timeout=PATIENCE * 1000)


@pytest.fixture(scope="module")
def failed(deployed: Machine, unpublished: dict[str, str]) -> dict[str, Any]:
    deployed.ended(unpublished[BY_WORKER])
    return deployed.run_of(unpublished[BY_WORKER])


def look_at(browser: Page, machine: Machine, path: str, identity: str) -> None:
    browser.goto(f"{machine.api.removesuffix('/api')}/{path.format(identity)}")


def test_a_run_says_what_it_is_how_it_ended_and_why(browser: Page, deployed: Machine, failed: dict[str, Any]) -> None:
    look_at(browser, deployed, RUN, failed["id"])
    expect(browser.locator(".page-heading")).to_contain_text(f"turnstile {UNPUBLISHED}")
    expect(browser.locator(".state-badge")).to_have_text("Failed")
    expect(browser.get_by_text(f"turnstile {UNPUBLISHED}: not published").first).to_be_visible()  # on its log


def test_the_reason_is_in_the_frame_of_the_table(browser: Page, deployed: Machine, failed: dict[str, Any]) -> None:
    of_run = {"artifacts": {"flow_run_id": {"any_": [failed["id"]]}, "type": {"any_": ["table"]}}}
    (table,) = deployed.ask("POST", "artifacts/filter", of_run)
    assert table["key"] == "mta-weeks-turnstile"
    look_at(browser, deployed, ARTIFACT, table["id"])
    reason = browser.get_by_role("cell", name="not published")
    expect(reason).to_be_in_viewport(ratio=1)  # nor cut by the table, which is narrower than the page
    box = reason.bounding_box()
    assert box["x"] + box["width"] <= WIDE


def test_the_form_says_what_each_parameter_is_for(browser: Page, deployed: Machine) -> None:
    deployment = deployed.ask("GET", f"deployments/name/{BATCH}/{BY_WORKER}")
    look_at(browser, deployed, FORM, deployment["id"])

    def field(name: str) -> Locator:
        label = browser.get_by_text(f"{name} (Optional)", exact=True)
        return browser.locator(".schema-form-property").filter(has=label)

    for name, parameter in deployment["parameter_openapi_schema"]["properties"].items():
        help_text = field(name).locator(".schema-form-property__description")
        expect(help_text).to_have_text(parameter["description"].replace("`", ""))  # the form shows Markdown
        expect(help_text).to_be_visible()
    field("feed").locator(".p-select-button__control").click()
    expect(browser.get_by_role("option")).to_have_text(list(CHOICES))
