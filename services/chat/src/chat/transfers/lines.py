"""The lines of an exported conversation: itself, its messages in order, and the end.

Without the end, a file that was cut off would pass for a shorter conversation. What ``jsonb`` holds is copied
as it is, so that numbers keep each of their digits.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from orjson import Fragment
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, RootModel, StringConstraints
from pydantic.alias_generators import to_camel

from chat.messages.records import Message
from chat.transfers.records import ExportedConversation
from common import codec
from contracts.chat import AgentVersion, ModelName, Provider, Title
from contracts.storable import JsonArray, JsonObject, Text

FORMAT = 1
MEDIA_TYPE = "application/x-ndjson"
EXAMPLE = """\
{"type":"conversation","format":1,"id":"0190b5a0-0000-7000-8000-000000000001","agentId":"module-writer",\
"agentVersion":"grok-fast","userId":"ann","title":null,"provider":"openrouter","metadata":{},"state":{},\
"stateVersion":0,"createdAt":"2026-11-28T12:00:00.000001Z","updatedAt":"2026-11-28T12:00:00.000001Z",\
"messageSequence":1}
{"type":"message","id":"0190b5a0-0000-7000-8000-000000000002","role":"user","content":"hi","tokenCount":null,\
"latencyMs":null,"model":null,"createdAt":"2026-11-28T12:00:01.000001Z","sequence":1}
{"type":"end","messages":1}
"""

_Count = Annotated[int, Field(strict=True, ge=-(2**31), le=2**31 - 1)]
_Place = Annotated[int, Field(strict=True, ge=0, le=2**62)]


class _Line(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", allow_inf_nan=False)


class ConversationLine(_Line):
    """The first line. ``userId`` is ignored: what is imported is the caller's."""

    type: Literal["conversation"]
    format: Literal[1]
    id: UUID
    agent_id: Annotated[Text, StringConstraints(min_length=1, max_length=100)]
    agent_version: AgentVersion
    user_id: Text | None = None
    title: Title | None
    provider: Provider
    metadata: JsonObject | None = None
    state: JsonObject | None = None
    state_version: _Place
    created_at: AwareDatetime | None
    updated_at: AwareDatetime | None
    message_sequence: _Place


class MessageLine(_Line):
    """A message, with its place and its time."""

    type: Literal["message"]
    id: UUID
    role: Annotated[Text, StringConstraints(min_length=1, max_length=20)]
    content: Text
    tool_calls: JsonArray | None = None
    tool_results: JsonArray | JsonObject | None = None
    token_count: _Count | None
    latency_ms: _Count | None
    model: ModelName | None
    created_at: AwareDatetime | None
    sequence: _Place


class EndLine(_Line):
    """The last line, which counts the messages."""

    type: Literal["end"]
    messages: _Place


class AnyLine(RootModel[Annotated[MessageLine | EndLine, Field(discriminator="type")]]):
    """A line after the first."""


def conversation_line(conversation: ExportedConversation) -> bytes:
    """The first line of an export."""
    line: dict[str, Any] = {
        "type": "conversation",
        "format": FORMAT,
        "id": conversation.id,
        "agentId": conversation.agent_id,
        "agentVersion": conversation.agent_version,
        "userId": conversation.user_id,
        "title": conversation.title,
        "provider": conversation.provider,
        "stateVersion": conversation.state_version,
        "createdAt": conversation.created_at,
        "updatedAt": conversation.updated_at,
        "messageSequence": conversation.message_sequence,
    }
    for name, value in (("metadata", conversation.metadata), ("state", conversation.state)):
        if value is not None:
            line[name] = Fragment(value)
    return codec.dumps(line) + b"\n"


def message_line(message: Message) -> bytes:
    """The line of a message. Tool records that it hasn't are absent."""
    line: dict[str, Any] = {
        "type": "message",
        "id": message.id,
        "role": message.role,
        "content": message.content,
        "tokenCount": message.token_count,
        "latencyMs": message.latency_ms,
        "model": message.model,
        "createdAt": message.created_at,
        "sequence": message.sequence,
    }
    for name, value in (("toolCalls", message.tool_calls), ("toolResults", message.tool_results)):
        if value is not None:
            line[name] = Fragment(value)
    return codec.dumps(line) + b"\n"


def end_line(messages: int) -> bytes:
    """The last line of an export."""
    return codec.dumps({"type": "end", "messages": messages}) + b"\n"
