"""Pieces, and the messages that they are of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from takaro_agent_client.operations.messages import NewMessage

TEXT_CHARACTERS = 8_000
"""Of one piece. Each is at most 6 bytes of JSON, and a piece may have 64 KB."""
MAX_CONTENT = 1_000_000
"""Characters of a message."""


def text_pieces(content: str) -> list[dict[str, Any]]:
    """A text as pieces, none of which is too long."""
    starts = range(0, len(content), TEXT_CHARACTERS)
    return [{"type": "text", "content": content[start : start + TEXT_CHARACTERS]} for start in starts]


@dataclass(slots=True)
class Message:
    """What was shown of one message: its text, and its tool calls by their id."""

    texts: list[str] = field(default_factory=list)
    executions: dict[str, dict[str, Any]] = field(default_factory=dict)

    def as_new(self, id: str) -> list[NewMessage]:
        """The message as it is appended. A text that is too long for one goes on in the next."""
        content = "".join(self.texts)
        starts = range(0, len(content) or 1, MAX_CONTENT)
        parts: list[NewMessage] = [
            {"role": "assistant", "content": content[start : start + MAX_CONTENT]} for start in starts
        ]
        parts[0]["id"] = id
        if self.executions:
            parts[0]["tool_executions"] = list(self.executions.values())
        return parts


@dataclass(slots=True)
class Shown:
    """What a turn has shown and not stored as messages yet, in the order of their first pieces."""

    _messages: dict[str, Message] = field(default_factory=dict)

    def add(self, message_id: str, piece: Mapping[str, Any]) -> None:
        """A piece was shown."""
        message = self._messages.setdefault(message_id, Message())
        if piece["type"] == "text":
            message.texts.append(piece["content"])
            return
        execution = message.executions.setdefault(piece["id"], {})
        execution.update({name: value for name, value in piece.items() if name != "type"})

    def stored(self, message_id: str) -> None:
        """This message was appended."""
        self._messages.pop(message_id, None)

    def messages(self) -> list[NewMessage]:
        """The messages that are still to be stored."""
        return [part for id, message in self._messages.items() for part in message.as_new(id)]
