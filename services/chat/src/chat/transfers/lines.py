"""The lines of an exported conversation: itself, the versions of its state, its messages, and the end.

Without the end, a file that was cut off would pass for a shorter conversation. What ``jsonb`` holds is copied
as it is, so that numbers keep each of their digits.
"""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from orjson import Fragment
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    StringConstraints,
    model_validator,
)
from pydantic.alias_generators import to_camel

from chat.feedback.records import Rating
from chat.messages.records import Incomplete, Message
from chat.states.records import KeptState
from chat.transfers.records import ExportedConversation
from common import codec
from contracts.chat import MAX_NOTE, AgentVersion, ModelName, Provider, Title
from contracts.storable import JsonArray, JsonObject, Text

FORMAT = 2
"""Format 1 had no feedback, redactions and versions of states; it can still be imported."""
MEDIA_TYPE = "application/x-ndjson"
EXAMPLE = """\
{"type":"conversation","format":2,"id":"0190b5a0-0000-7000-8000-000000000001","agentId":"module-writer",\
"agentVersion":"grok-fast","userId":"ann","title":null,"provider":"openrouter","metadata":{},"state":{"step":1},\
"stateVersion":1,"createdAt":"2026-11-28T12:00:00.000001Z","updatedAt":"2026-11-28T12:00:00.000001Z",\
"messageSequence":1}
{"type":"stateVersion","version":1,"bytes":10,"userId":"ann","source":null,\
"changedAt":"2026-11-28T12:00:00.000001Z","state":{"step":1}}
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
    format: Literal[1, 2]
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


class StateVersionLine(_Line):
    """The state as it was at a version, and who made it. The lines come in the order of the versions."""

    type: Literal["stateVersion"]
    version: _Place
    bytes: _Place
    state: JsonObject
    user_id: Text | None
    source: Text | None
    changed_at: AwareDatetime | None


class FeedbackObject(_Line):
    """What the owner thinks of a message. ``userId`` is ignored, as that of the conversation."""

    user_id: Text | None = None
    rating: Rating
    note: Annotated[Text, StringConstraints(min_length=1, max_length=MAX_NOTE)] | None = None
    at: AwareDatetime


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
    feedback: FeedbackObject | None = None
    redacted_at: AwareDatetime | None = None
    incomplete: Incomplete | None = None

    @model_validator(mode="after")
    def _as_it_can_be(self) -> Self:
        if self.feedback is not None and self.role != "assistant":
            raise ValueError("feedback is for an assistant's message")
        held = self.content or self.tool_calls or self.tool_results or self.feedback
        if self.redacted_at is not None and held:
            raise ValueError("a redacted message holds nothing")
        return self


class EndLine(_Line):
    """The last line, which counts the messages."""

    type: Literal["end"]
    messages: _Place


class AnyLine(RootModel[Annotated[StateVersionLine | MessageLine | EndLine, Field(discriminator="type")]]):
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


def state_version_line(kept: KeptState) -> bytes:
    """The line of a version of the state."""
    about = kept.about
    line: dict[str, Any] = {
        "type": "stateVersion",
        "version": about.version,
        "bytes": about.bytes,
        "userId": about.user_id,
        "source": about.source,
        "changedAt": about.changed_at,
        "state": Fragment(kept.state),
    }
    return codec.dumps(line) + b"\n"


def message_line(message: Message) -> bytes:
    """The line of a message. What it hasn't of tool records, feedback and redaction is absent."""
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
    optional = {
        "toolCalls": message.tool_calls,
        "toolResults": message.tool_results,
        "feedback": message.feedback,
    }
    line |= {name: Fragment(value) for name, value in optional.items() if value is not None}
    if message.redacted_at is not None:
        line["redactedAt"] = message.redacted_at
    if message.incomplete is not None:
        line["incomplete"] = message.incomplete
    return codec.dumps(line) + b"\n"


def end_line(messages: int) -> bytes:
    """The last line of an export."""
    return codec.dumps({"type": "end", "messages": messages}) + b"\n"
