"""What is appended in bulk, on the wire."""

from typing import Annotated, Self
from uuid import UUID, uuid4

from pydantic import FailFast, Field, StringConstraints, model_validator
from typing_extensions import TypedDict

from chat.messages.records import NewMessage
from contracts.chat import MAX_CONTENT, MAX_USER_CONTENT, Count, ModelName, Role
from contracts.storable import JsonArray, JsonObject, Text
from servicekit.answers import Body
from servicekit.forms import Uuid

MAX_MESSAGES = 1_000


class BulkMessage(Body):
    """A message of any role, with its tool records. ``id`` is the caller's own: sent again, the same message
    is stored once."""

    id: Annotated[UUID, Field(strict=False)] | None = None
    role: Role
    content: Annotated[Text, StringConstraints(max_length=MAX_CONTENT)]
    tool_executions: JsonArray | None = None
    tool_results: JsonArray | JsonObject | None = None
    token_count: Count | None = None
    latency_ms: Count | None = None
    model: ModelName | None = None

    @model_validator(mode="after")
    def _user_content_as_alone(self) -> Self:
        if self.role == "user" and not 1 <= len(self.content) <= MAX_USER_CONTENT:
            raise ValueError(f"content of a user's message must have 1 to {MAX_USER_CONTENT} characters")
        return self

    def message(self, conversation_id: UUID, owner: str, turn_sha256: str | None = None) -> NewMessage:
        """The message to append to this conversation of ``owner``'s, in the turn of this token."""
        return NewMessage(
            self.id or uuid4(),
            conversation_id,
            self.role,
            self.content,
            self.tool_executions,
            self.tool_results,
            self.token_count,
            self.latency_ms,
            self.model,
            owner=owner,
            turn_sha256=turn_sha256,
        )


class AppendInBulk(Body):
    """Messages to append in this order: all of them, or none."""

    messages: Annotated[list[BulkMessage], FailFast(), Field(min_length=1, max_length=MAX_MESSAGES)]


class ImportedJson(TypedDict):
    """What was imported: the conversation's id, and how many messages."""

    id: Uuid
    messages: int
