"""LangChain's chat history on a conversation (the extra ``langchain``)."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict

from takaro_agent_client.adapters.log import Kept, Replay, clearing, entry
from takaro_agent_client.operations import messages as operations
from takaro_agent_client.operations.messages import NewMessage
from takaro_agent_client.sync_client import Client

FORMAT = "langchain"
_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}
_TYPES = {role: type for type, role in _ROLES.items()}


class TakaroChatMessageHistory(BaseChatMessageHistory):
    """Implements ``BaseChatMessageHistory``: LangChain's messages are messages of the conversation, kept
    exactly. Messages that others wrote come as messages of their role."""

    def __init__(self, client: Client, conversation_id: UUID | str) -> None:
        self._client, self.session_id = client, str(conversation_id)

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override] # the base declares an attribute
        """All messages, oldest first."""
        replay = Replay(FORMAT)
        for message in self._client.each(operations.listing(self.session_id, order="desc")):
            if replay.take(message):
                break
        return [_message(each) for each in reversed(replay.kept)]

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Append messages: all or none, of up to a thousand."""
        bodies = [_entry(message) for message in messages]
        for start in range(0, len(bodies), operations.MOST):
            self._client.send(operations.append(self.session_id, bodies[start : start + operations.MOST]))

    def clear(self) -> None:
        """Take all messages back. The conversation stays, and says that they were."""
        self._client.send(operations.append(self.session_id, [clearing(FORMAT)]))


def _entry(message: BaseMessage) -> NewMessage:
    role = _ROLES.get(message.type, getattr(message, "role", "system"))
    return entry(FORMAT, message_to_dict(message), role=role, text=str(message.text))


def _message(kept: Kept) -> BaseMessage:
    said = kept.message
    plain: dict[str, Any] = {"content": said.content}
    if said.role == "tool":
        plain["tool_call_id"] = str(said.id)
    [message] = messages_from_dict([kept.item or {"type": _TYPES.get(said.role, "system"), "data": plain}])
    return message
