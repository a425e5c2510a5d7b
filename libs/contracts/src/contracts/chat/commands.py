"""The commands that chat reads from ``chat.commands``, and how long their texts may be."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator

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
TurnToken = Annotated[Text, StringConstraints(min_length=1, max_length=100)]
"""What proves that a command comes from the runtime whose turn it is. Nothing that chat publishes has it."""
OnBusy = Literal["queue", "interrupt", "reject"]
"""What a user's message does while a turn runs: it waits for the next turn, cancels the one that runs, or
isn't stored."""

ALL_CUSTOM_AGENTS = "custom:*"
_CUSTOM = "custom:"


def _check_announced(agent_id: str) -> str:
    if "/" in agent_id or "@" in agent_id:
        raise ValueError("names a version: list versions in experiments")
    if agent_id.startswith(_CUSTOM) and agent_id != ALL_CUSTOM_AGENTS:
        try:
            return f"{_CUSTOM}{UUID(agent_id.removeprefix(_CUSTOM))}"
        except ValueError:
            raise ValueError("names no custom agent: expected custom:<uuid> or custom:*") from None
    return agent_id


AnnouncedAgentId = Annotated[
    Text, StringConstraints(min_length=1, max_length=100), AfterValidator(_check_announced)
]
"""An agent without a version, ``custom:<uuid>``, or ``custom:*`` for all custom agents."""
Experiments = Annotated[list[AgentVersion], Field(min_length=1, max_length=100)]
ToolName = Annotated[Text, StringConstraints(min_length=1, max_length=100)]
Description = Annotated[Text, StringConstraints(max_length=10_000)]
TtlSeconds = Annotated[int, Field(strict=True, ge=0, le=86_400)]


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
    turn_token: TurnToken | None = None
    on_busy: OnBusy | None = None

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
    turn_token: TurnToken | None = None


class ReplaceState(Contract):
    """Replace a conversation's whole state."""

    type: ClassVar[str] = "chat.conversation.state.replace.v1"

    conversation_id: UUID
    state: JsonObject
    expected_version: Annotated[int, Field(strict=True, ge=0)] | None = None
    turn_token: TurnToken | None = None


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


class AnnounceAgent(Contract):
    """A runtime serves an agent for the next ``ttlSeconds``, unless it announces it again; 0 takes it back.

    ``experiments`` are the versions of the agent that it serves, the default one first; without them it
    serves every version. ``agentId`` may be ``custom:<uuid>``, or ``custom:*`` for all custom agents.
    """

    type: ClassVar[str] = "chat.agent.announce.v1"

    agent_id: AnnouncedAgentId
    experiments: Experiments | None = None
    model: ModelName
    description: Description
    ttl_seconds: TtlSeconds


class AnnounceTool(Contract):
    """A runtime has a tool for the next ``ttlSeconds``, unless it announces it again; 0 takes it back.

    ``parameters`` is the JSON Schema of the tool's input.
    """

    type: ClassVar[str] = "chat.tool.announce.v1"

    name: ToolName
    description: Description
    parameters: JsonObject | None = None
    ttl_seconds: TtlSeconds


COMMANDS: tuple[type[Contract], ...] = (
    CreateConversation,
    AppendMessage,
    PatchState,
    ReplaceState,
    SetTitle,
    SetAgentVersion,
    DeleteConversation,
    AnnounceAgent,
    AnnounceTool,
)
