"""The papers name every flag of the scripts, and their commands are whole; the tests with containers run them."""

import importlib
import shlex

import pytest

from conftest import ROOT
from papers import MANUAL, commands

SCRIPTS = sorted(
    {path.stem for folder in ("blocks", "deployments") for path in (ROOT / folder).glob("*.py")}
    - {"alert_rules", "script_steps", "deploy_flags", "deploy_steps", "deployed_flows"}
)


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_flag_of_a_script_is_named(name: str) -> None:
    for action in importlib.import_module(name).parser()._actions:
        assert action.option_strings[-1] == "--help" or f"{action.option_strings[-1]}" in MANUAL, name


def test_the_commands_of_the_scripts_are_whole() -> None:
    found = commands("blocks|deployments")
    assert {name for name, _ in found} == set(SCRIPTS)
    for name, flags in found:
        importlib.import_module(name).parser().parse_args(shlex.split(flags))
