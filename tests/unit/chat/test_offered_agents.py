"""Which agents are offered, and which version a conversation gets, when runtimes announce some."""

from collections.abc import Sequence

import pytest

from chat.agents.declared import KnownModel, KnownTool
from chat.agents.records import KnownAgent, OfferedAgent
from chat.agents.rules import Catalogue, display_name, offered
from chat.announcements.records import AnnouncedAgent, AnnouncedTool
from chat.offers.rules import offered_agent, offered_models, offered_tools
from chat.settings import DEFAULT_AGENTS
from common.errors import Invalid

WRITER = {"writer": KnownAgent(default="fast", experiments=["slow", "fast"], name="The Writer")}


def announced(agent_id: str, experiment: str, model: str = "m", position: int = 0) -> OfferedAgent:
    return offered_agent(AnnouncedAgent(agent_id, experiment, position, model, "says"))


def shown(agents: Sequence[OfferedAgent]) -> list[tuple[str, str, str | None, bool]]:
    return [(each.agent_id, each.experiment, each.model, each.served) for each in agents]


def test_the_settings_agents_are_offered_with_their_default_first() -> None:
    assert shown(offered(WRITER, [])) == [("writer", "fast", None, False), ("writer", "slow", None, False)]


def test_what_is_announced_goes_before_the_setting_and_beside_it() -> None:
    found = offered(WRITER, [announced("writer", "slow", "big"), announced("other-agent", "a")])
    assert shown(found) == [
        ("writer", "fast", None, False),
        ("writer", "slow", "big", True),
        ("other-agent", "a", "m", True),
    ]
    assert [each.name for each in found] == ["The Writer", "The Writer", "Other Agent"]


def test_an_announcement_of_every_version_stands_for_all_experiments_of_the_setting() -> None:
    found = offered(WRITER, [announced("writer", ""), announced("writer", "slow", "big")])
    assert shown(found) == [("writer", "fast", "m", True), ("writer", "slow", "big", True)]
    assert shown(offered({}, [announced("solo", "")])) == [("solo", "default", "m", True)]
    both = offered({}, [announced("solo", ""), announced("solo", "default", "big")])
    assert [(each.agent_id, each.experiment) for each in both] == [("solo", "default")]


def test_runtimes_of_custom_agents_are_no_agents_of_everybody() -> None:
    assert offered({}, [announced("custom:*", "")]) == []


@pytest.mark.parametrize(
    ("name", "served", "version"),
    [
        ("module-writer", {}, "grok-fast"),
        ("module-writer", {"module-writer": ["concise", "grok-fast"]}, "grok-fast"),
        ("module-writer", {"module-writer": [""]}, "grok-fast"),
        ("module-writer", {"module-writer": ["new", "concise"]}, "new"),
        ("module-writer/mine", {"module-writer": ["new"]}, "mine"),
        ("solo", {"solo": ["", "b"]}, "b"),
        ("solo", {"solo": [""]}, "default"),
        ("solo@1", {"solo": [""]}, "1"),
    ],
)
def test_a_conversation_without_a_version_gets_one_that_is_served(
    name: str, served: dict[str, list[str]], version: str
) -> None:
    assert Catalogue(DEFAULT_AGENTS).resolve(name, None, served).version == version


def test_an_unknown_agent_is_told_of_the_settings_and_the_announced_ones() -> None:
    served = {"solo": [""], "custom:*": [""]}
    with pytest.raises(
        Invalid, match=r"^Unknown agent: x\. Available: module-writer, player-moderator, solo$"
    ):
        Catalogue(DEFAULT_AGENTS).resolve("x", None, served)
    many = {f"a{number}": [""] for number in range(1000)}
    with pytest.raises(Invalid) as raised:
        Catalogue(DEFAULT_AGENTS).resolve("x", None, many)
    assert raised.value.reason.endswith(", a97, …")


@pytest.mark.parametrize(
    ("agent_id", "name"),
    [("module-writer", "Module Writer"), ("a_b  c", "A B C"), ("GPT", "GPT"), ("--", "--"), ("été", "Été")],
)
def test_an_agents_name_is_made_of_its_id(agent_id: str, name: str) -> None:
    assert display_name(agent_id) == name


def test_announced_tools_go_before_the_settings_and_models_of_the_setting_keep_their_names() -> None:
    tools = offered_tools(
        [KnownTool(name="a", description="old"), KnownTool(name="b")],
        [AnnouncedTool("a", "new", None), AnnouncedTool("c", "", None)],
    )
    assert tools == {"a": "new", "b": "", "c": ""}
    declared = [KnownModel(id="x/one", name="One", provider="X")]
    models = offered_models(declared, ["x/one", "y/two", "plain", "/odd"])
    assert [(each.id, each.name, each.provider) for each in models] == [
        ("x/one", "One", "X"),
        ("y/two", "y/two", "y"),
        ("plain", "plain", "other"),
        ("/odd", "/odd", "other"),
    ]
