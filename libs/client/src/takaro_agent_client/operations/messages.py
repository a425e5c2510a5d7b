"""The messages of a conversation."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from takaro_agent_client.calls import Call, Listing, call, path
from takaro_agent_client.models import Message

MOST = 1_000
"""Messages of one :func:`append`, at most."""


def listing(conversation_id: UUID | str, **filters: Any) -> Listing[Message]:
    """The messages of a conversation, oldest first; ``filters`` are the query of ``GET``."""
    where = path("conversations", conversation_id, "messages")
    return Listing("chat", where, Message.model_validate, query=filters)


def post(conversation_id: UUID | str, content: str, **more: Any) -> Call[Message]:
    """Append a user's message; ``more`` are further fields of the body."""
    where = path("conversations", conversation_id, "messages")
    return call("chat", "POST", where, Message.model_validate, body={"content": content, **more})


def append(conversation_id: UUID | str, bodies: Sequence[Mapping[str, Any]]) -> Call[list[Message]]:
    """Append messages of any role, all or none of them: ``{"role", "content", "toolCalls"?, …}``."""
    where = path("conversations", conversation_id, "messages", "bulk")
    return call("chat", "POST", where, _messages, body={"messages": [dict(body) for body in bodies]})


def _messages(items: list[Any]) -> list[Message]:
    return [Message.model_validate(item) for item in items]
