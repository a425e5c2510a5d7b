"""Which key orders a command among others."""

from uuid import UUID

import pytest

from contracts import Contract, chat, knowledge
from takaro_agent_client.events import outgoing

ID = UUID("0190b5a0-0000-7000-8000-000000000001")


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (chat.CreateConversation(id=ID, agent_id="module-writer", user_id="ann"), str(ID)),
        (chat.AppendMessage(conversation_id=ID, role="assistant", content="hi"), str(ID)),
        (knowledge.RequestSync(knowledge_base_id="handbook"), "handbook"),
    ],
)
def test_commands_about_one_conversation_have_one_key(command: Contract, key: str) -> None:
    """On Kafka, a message that came to another partition could be read before its conversation is created."""
    sent = outgoing(command, source="test")
    assert (sent.key, sent.fields["subject"]) == (key, key)
