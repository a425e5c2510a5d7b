"""Messages on the wire."""

from typing import Annotated, Any

from orjson import Fragment
from pydantic import Field, StringConstraints

from chat.messages.records import Message
from common.json_time import json_time
from contracts.chat import MAX_USER_CONTENT
from contracts.storable import Text
from servicekit.answers import Body


class PostMessage(Body):
    """A user's message."""

    content: Annotated[Text, StringConstraints(min_length=1, max_length=MAX_USER_CONTENT)] = Field(
        examples=["Write me a module that greets new players"]
    )


def message_json(message: Message) -> dict[str, Any]:
    """A message as clients know it: ``toolExecutions`` is the column ``tool_calls``, absent when NULL."""
    answer: dict[str, Any] = {
        "id": str(message.id),
        "conversationId": str(message.conversation_id),
        "role": message.role,
        "content": message.content,
        "tokenCount": message.token_count,
        "latencyMs": message.latency_ms,
        "createdAt": json_time(message.created_at),
        "sequence": message.sequence,
    }
    if message.model is not None:
        answer["model"] = message.model
    if message.tool_calls is not None:
        answer["toolExecutions"] = Fragment(message.tool_calls)
    if message.tool_results is not None:
        answer["toolResults"] = Fragment(message.tool_results)
    return answer
