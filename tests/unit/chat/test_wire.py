"""JSON as the existing clients know it."""

from datetime import UTC, datetime
from uuid import UUID

from chat.conversations.records import Conversation
from chat.conversations.wire import conversation_json
from chat.messages.records import Message
from chat.messages.wire import message_json
from common import codec

ID = UUID("0190d7a0-1111-7222-8333-444455556666")
AT = datetime(2026, 11, 22, 12, 0, 0, 123999, UTC)
AT_TEXT = "2026-11-22T12:00:00.123999Z"


def test_a_message_shows_tool_calls_as_tool_executions_and_omits_what_is_null() -> None:
    message = Message(str(ID), "assistant", "hi", '[{"id": "t"}]', None, 3, None, None, AT_TEXT, 7)
    assert codec.loads(codec.dumps(message_json(str(ID), message))) == {
        "id": str(ID),
        "conversationId": str(ID),
        "role": "assistant",
        "content": "hi",
        "toolExecutions": [{"id": "t"}],
        "tokenCount": 3,
        "latencyMs": None,
        "createdAt": "2026-11-22T12:00:00.123Z",
        "sequence": 7,
    }


def test_a_conversation_has_the_ten_known_fields() -> None:
    conversation = Conversation(ID, "a", "1", None, None, "openrouter", None, '{"k": 1}', AT, AT)
    assert codec.loads(codec.dumps(conversation_json(conversation))) == {
        "id": str(ID),
        "agentId": "a",
        "agentVersion": "1",
        "userId": None,
        "title": None,
        "provider": "openrouter",
        "metadata": None,
        "state": {"k": 1},
        "createdAt": "2026-11-22T12:00:00.123Z",
        "updatedAt": "2026-11-22T12:00:00.123Z",
    }
