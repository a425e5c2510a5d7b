"""Which facts ask a runtime for a turn."""

from typing import Any

import pytest

from contracts.chat import AnnounceAgent
from takaro_agent_client.events import Fact
from takaro_agent_client.runtime.choosing import waiting

ID = "0190b5a0-0000-7000-8000-000000000001"
ANOTHER = "0190b5a0-0000-7000-8000-000000000002"
ABOUT = {"conversationId": ID, "turnId": ID, "number": 3}
REQUESTED = {**ABOUT, "throughSequence": 1, "requestedAt": "2026-11-29T12:00:00Z"}


def fact(kind: str, data: dict[str, Any]) -> Fact:
    return Fact("chat.events", "1-0", "i", f"chat.{kind}.v1", "/takaro/chat", ID, 1, "", data)


def agent(id: str, *experiments: str) -> AnnounceAgent:
    return AnnounceAgent(
        agent_id=id, experiments=list(experiments) or None, model="m", description="d", ttl_seconds=30
    )


@pytest.mark.parametrize(
    ("served", "asked", "version", "ours"),
    [
        (agent("echo"), "echo", "any", True),
        (agent("echo"), "other", "any", False),
        (agent("echo", "a", "b"), "echo", "b", True),
        (agent("echo", "a", "b"), "echo", "c", False),
        (agent("custom:*"), f"custom:{ID}", "1", True),
        (agent("custom:*"), "echo", "1", False),
        (agent(f"custom:{ID}"), f"custom:{ANOTHER}", "1", False),
    ],
)
def test_requested_turns_are_those_of_the_agents_that_are_served(
    served: AnnounceAgent, asked: str, version: str, ours: bool
) -> None:
    data = {**REQUESTED, "agentId": asked, "agentVersion": version}
    found = waiting(fact("turn.requested", data), [served])
    assert (found is not None) == ours
    if found is not None:
        assert (str(found.turn_id), found.number, found.interrupted) == (ID, 3, False)


def test_interrupted_turns_may_be_ours_and_other_facts_never_are() -> None:
    interrupted = {**ABOUT, "interruptedAt": "2026-11-29T12:00:00Z"}
    found = waiting(fact("turn.interrupted", interrupted), [agent("echo")])
    assert found is not None
    assert found.interrupted
    assert waiting(fact("turn.finished", ABOUT), [agent("echo")]) is None
    assert waiting(fact("turn.requested", {"conversationId": "?"}), [agent("echo")]) is None
