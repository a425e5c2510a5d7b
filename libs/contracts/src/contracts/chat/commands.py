"""The commands that chat reads from ``chat.commands``, and how long their texts may be."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from contracts import Contract
from contracts.storable import JsonArray, JsonObject, Text

COMMANDS_STREAM = "chat.commands"

MAX_USER_CONTENT = 50_000
"""Maximum characters in a user's message, over HTTP and on the stream."""
MAX_CONTENT = 1_000_000
"""Maximum characters in a message of an agent, a tool or the system."""

Role = Literal["user", "assistant", "system", "tool"]
Title = Annotated[Text, StringConstraints(min_length=1, max_length=255)]
UserId = Annotated[Text, StringConstraints(min_length=1, max_length=255)]
AgentName = Annotated[Text, StringConstraints(min_length=1, max_length=151)]
"""An agent as users write it: a base id (100 characters), optionally ``/`` or ``@`` and a version (50)."""
AgentVersion = Annotated[Text, StringConstraints(min_length=1, max_length=50)]
Provider = Annotated[Text, StringConstraints(min_length=1, max_length=50)]
ModelName = Annotated[Text, StringConstraints(min_length=1, max_length=100)]
Count = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]


class CreateConversation(Contract):
    """Create a conversation. ``id`` defaults to the command's own id, or ``uuid5(source, id)``."""

    type: ClassVar[str] = "chat.conversation.create.v1"

    id: UUID | None = None
    agent_id: AgentName
    agent_version: AgentVersion | None = None
    user_id: UserId
    title: Title | None = None
    provider: Provider = "openrouter"
    metadata: JsonObject = Field(default_factory=dict)
    state: JsonObject = Field(default_factory=dict)


class AppendMessage(Contract):
    """Append a message. Its id is the command's own id, or ``uuid5(source, id)``: a repeat is stored once."""

    type: ClassVar[str] = "chat.message.append.v1"

    conversation_id: UUID
    role: Role
    content: Annotated[Text, StringConstraints(max_length=MAX_CONTENT)]
    tool_calls: JsonArray | None = None
    tool_results: JsonArray | JsonObject | None = None
    token_count: Count | None = None
    latency_ms: Count | None = None
    model: ModelName | None = None

    @model_validator(mode="after")
    def _user_content_as_over_http(self) -> "AppendMessage":
        if self.role == "user" and not 1 <= len(self.content) <= MAX_USER_CONTENT:
            raise ValueError(f"content of a user's message must have 1 to {MAX_USER_CONTENT} characters")
        return self


class PatchState(Contract):
    """Change a conversation's state by a JSON merge patch (RFC 7396)."""

    type: ClassVar[str] = "chat.conversation.state.patch.v1"

    conversation_id: UUID
    patch: JsonObject
    expected_version: Annotated[int, Field(strict=True, ge=0)] | None = None


class ReplaceState(Contract):
    """Replace a conversation's whole state."""

    type: ClassVar[str] = "chat.conversation.state.replace.v1"

    conversation_id: UUID
    state: JsonObject
    expected_version: Annotated[int, Field(strict=True, ge=0)] | None = None


class SetTitle(Contract):
    """Name a conversation; ``null`` removes the name."""

    type: ClassVar[str] = "chat.conversation.title.set.v1"

    conversation_id: UUID
    title: Title | None


class SetAgentVersion(Contract):
    """Let a conversation go on with another version of its agent."""

    type: ClassVar[str] = "chat.conversation.agent_version.set.v1"

    conversation_id: UUID
    agent_version: AgentVersion


class DeleteConversation(Contract):
    """Delete a conversation with its messages and cockpit sessions."""

    type: ClassVar[str] = "chat.conversation.delete.v1"

    conversation_id: UUID


COMMANDS: tuple[type[Contract], ...] = (
    CreateConversation,
    AppendMessage,
    PatchState,
    ReplaceState,
    SetTitle,
    SetAgentVersion,
    DeleteConversation,
)
