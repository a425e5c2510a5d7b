"""Compound agent ids, and the errors for unknown agents."""

import pytest

from chat.agents.records import AgentRef
from chat.agents.rules import Catalogue, custom_id, parse
from chat.custom_agents.rules import version_number
from chat.settings import DEFAULT_AGENTS
from common.errors import Invalid

CUSTOM = "custom:0190d7a0-1111-7222-8333-444455556666"
CATALOGUE = Catalogue(DEFAULT_AGENTS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("module-writer", AgentRef("module-writer", None)),
        ("module-writer/grok-fast", AgentRef("module-writer", "grok-fast")),
        ("module-writer@1.0.0", AgentRef("module-writer", "1.0.0")),
        ("module-writer/with/slash@2", AgentRef("module-writer", "with/slash@2")),
        (CUSTOM, AgentRef(CUSTOM, None)),
        (f"{CUSTOM}@2", AgentRef(CUSTOM, "2")),
        (f"{CUSTOM}/2", AgentRef(CUSTOM, "2")),
        (CUSTOM.upper().replace("CUSTOM", "custom"), AgentRef(CUSTOM, None)),
    ],
)
def test_compound_ids_split_into_base_and_version(name: str, expected: AgentRef) -> None:
    assert parse(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        *("", "/", "module-writer/", "@1", "a" * 101, "module-writer/" + "v" * 51),
        *("custom:", "custom:nope", f"{CUSTOM}@", f"{CUSTOM}@{'v' * 51}"),
    ],
)
def test_what_can_be_no_agent_is_invalid(name: str) -> None:
    with pytest.raises(Invalid):
        parse(name)


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        ("module-writer", None, ("module-writer", "grok-fast")),
        ("player-moderator", None, ("player-moderator", "default")),
        ("module-writer", "whatever", ("module-writer", "whatever")),
        ("module-writer/concise", None, ("module-writer", "concise")),
        ("module-writer/concise", "concise", ("module-writer", "concise")),
        ("module-writer@9.9.9", None, ("module-writer", "9.9.9")),
        (CUSTOM, None, (CUSTOM, None)),
        (CUSTOM, "7", (CUSTOM, "7")),
        (f"{CUSTOM}@7", "7", (CUSTOM, "7")),
    ],
)
def test_a_conversation_gets_agent_and_version(
    name: str, version: str | None, expected: tuple[str, str | None]
) -> None:
    ref = CATALOGUE.resolve(name, version)
    assert (ref.agent_id, ref.version) == expected


def test_an_unknown_agent_is_told_what_there_is() -> None:
    with pytest.raises(Invalid) as refused:
        CATALOGUE.resolve("poet")
    assert refused.value.reason == "Unknown agent: poet. Available: module-writer, player-moderator"
    assert refused.value.code == "unknown_agent"


def test_a_malformed_custom_agent_is_not_found() -> None:
    with pytest.raises(Invalid) as refused:
        CATALOGUE.resolve("custom:123")
    assert refused.value.reason == "Custom agent not found: 123"


def test_two_versions_that_contradict_are_refused() -> None:
    with pytest.raises(Invalid) as refused:
        CATALOGUE.resolve("module-writer/concise", "grok-fast")
    assert refused.value.details == {"agentVersion": ["contradicts the version in agentId, concise"]}


@pytest.mark.parametrize(
    ("version", "number"),
    [("1", 1), ("42", 42), (str(2**31 - 1), 2**31 - 1)]
    + [
        (version, None)
        for version in (
            "0",
            "01",
            "-1",
            "1.0.0",
            "",
            "x",
            "\N{FULLWIDTH DIGIT ONE}",
            " 1",
            str(2**31),
            "9" * 50,
        )
    ],
)
def test_versions_of_custom_agents_are_numbers(version: str, number: int | None) -> None:
    assert version_number(version) == number


@pytest.mark.parametrize("agent_id", ["module-writer", "custom:nope", "custom:", "", f"{CUSTOM}@1"])
def test_what_names_no_custom_agent_has_no_id(agent_id: str) -> None:
    assert custom_id(agent_id) is None
    assert str(custom_id(CUSTOM)) == CUSTOM.removeprefix("custom:")
