"""The facts that chat publishes on ``chat.events``."""

from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from contracts import CommandRejected, Contract
from contracts.chat.turns import TURN_FACTS

FACTS_STREAM = "chat.events"

MAX_NOTE = 2_000
"""Maximum characters of a note to a message."""


class ConversationCreated(Contract):
    type: ClassVar[str] = "chat.conversation.created.v1"

    conversation_id: UUID
    agent_id: str
    agent_version: str
    user_id: str
    title: str | None = None
    provider: str
    metadata: dict[str, Any]
    state: dict[str, Any]
    created_at: datetime


class ConversationForked(Contract):
    """A new conversation begins with messages of another one, up to the sequence ``throughSequence`` there.

    They have the same sequences, times and content as there. The id of a copy is ``uuid3`` (RFC 9562, version
    3) of the new conversation's id and the id of the message as text. From ``movedFromSequence`` on, if it is
    there, messages weren't copied but moved, and kept their ids.
    """

    type: ClassVar[str] = "chat.conversation.forked.v1"

    conversation_id: UUID
    source_conversation_id: UUID
    through_sequence: int
    messages: int
    moved_from_sequence: int | None = None


class StateChanged(Contract):
    """The whole state after the change. Each change increments ``version`` by one.

    A state over 64 KB isn't repeated: ``chat.conversation.state_changed.v2`` tells the change alone. A
    replacement that no merge patch can express, or only a larger one, comes with its whole state.
    """

    type: ClassVar[str] = "chat.conversation.state_changed.v1"

    conversation_id: UUID
    state: dict[str, Any]
    version: int


class LargeStateChanged(Contract):
    """A change whose result is over 64 KB, as the merge patch (RFC 7396) that made it.

    Apply it to the state at ``version`` - 1. A follower that doesn't have that reads the state over HTTP.
    """

    type: ClassVar[str] = "chat.conversation.state_changed.v2"

    conversation_id: UUID
    version: int
    patch: dict[str, Any]


class ConversationTitled(Contract):
    type: ClassVar[str] = "chat.conversation.titled.v1"

    conversation_id: UUID
    title: str | None


class AgentVersionChanged(Contract):
    """The conversation goes on with another version of its agent."""

    type: ClassVar[str] = "chat.conversation.agent_version_changed.v1"

    conversation_id: UUID
    agent_id: str
    agent_version: str


class ConversationDeleted(Contract):
    """Deleted, with its messages and cockpit sessions. ``userId`` is null if a legacy one had no owner."""

    type: ClassVar[str] = "chat.conversation.deleted.v1"

    conversation_id: UUID
    user_id: str | None


class MessageAppended(Contract):
    """A message as stored. ``sequence`` is its place among the conversation's messages: 1, 2, 3 …

    ``incomplete``: a turn had shown this much of it when it was ``interrupted``, ``failed`` or ``cancelled``.
    """

    type: ClassVar[str] = "chat.message.appended.v1"

    message_id: UUID
    conversation_id: UUID
    role: str
    content: str
    tool_calls: list[Any] | None = None
    tool_results: list[Any] | dict[str, Any] | None = None
    token_count: int | None = None
    latency_ms: int | None = None
    model: str | None = None
    incomplete: str | None = None
    created_at: datetime
    sequence: int | None = None


class MessageRedacted(Contract):
    """What a message said is gone for good: its content is empty, and it has no tool records and no feedback.

    Forget what you have of it, in what you made of it too. ``sequence`` is its place, which stays.
    """

    type: ClassVar[str] = "chat.message.redacted.v1"

    conversation_id: UUID
    message_id: UUID
    sequence: int
    redacted_at: datetime


class MessageReplaced(Contract):
    """The user's last message was edited, or is answered again.

    The messages from ``fromSequence`` (``replacedMessageId``) to ``throughSequence`` have left this
    conversation; ``branchConversationId`` has them. The message that replaces them is appended by the next
    fact.
    """

    type: ClassVar[str] = "chat.message.replaced.v1"

    conversation_id: UUID
    message_id: UUID
    replaced_message_id: UUID
    from_sequence: int
    through_sequence: int
    branch_conversation_id: UUID


class FeedbackGiven(Contract):
    """What the owner of the conversation thinks of an assistant's message; replaces what was given before."""

    type: ClassVar[str] = "chat.message.feedback_given.v1"

    conversation_id: UUID
    message_id: UUID
    user_id: str
    rating: Literal["up", "down"]
    note: str | None = None
    given_at: datetime


class FeedbackRemoved(Contract):
    """Feedback was taken back."""

    type: ClassVar[str] = "chat.message.feedback_removed.v1"

    conversation_id: UUID
    message_id: UUID
    user_id: str


class AgentCreated(Contract):
    type: ClassVar[str] = "chat.agent.created.v1"

    agent_id: UUID
    user_id: str
    name: str
    model: str
    tools: list[str]
    knowledge_bases: list[str]
    version: int | None = None


class AgentUpdated(Contract):
    """The agent's values after the change, and its newest version. That is the one of before if nothing
    changed; a version that another program made is told of by the next fact."""

    type: ClassVar[str] = "chat.agent.updated.v1"

    agent_id: UUID
    user_id: str
    name: str
    model: str
    tools: list[str]
    knowledge_bases: list[str]
    version: int | None = None


class AgentDeleted(Contract):
    """Deleted. Conversations go on with the versions that they have; ``version`` was the last one."""

    type: ClassVar[str] = "chat.agent.deleted.v1"

    agent_id: UUID
    user_id: str
    version: int | None = None


class UserErased(Contract):
    """Data of a user was erased. A fact for each transaction, with the ``subjects`` (at most 200) of facts on
    this stream that no longer exist; followers forget them, and take gaps in their sequences for the erasure.
    The last fact has ``finished``, no subjects, and the counts of all. ``counts`` are rows by table,
    ``streams`` entries by stream."""

    type: ClassVar[str] = "chat.user.erased.v1"
    erasure_id: UUID
    user_id: str
    subjects: list[str]
    counts: dict[str, int]
    finished: bool
    streams: dict[str, int] | None = None


class ChatCommandRejected(CommandRejected):
    type: ClassVar[str] = "chat.command.rejected.v1"


FACTS: tuple[type[Contract], ...] = (
    ConversationCreated,
    ConversationForked,
    StateChanged,
    LargeStateChanged,
    ConversationTitled,
    AgentVersionChanged,
    ConversationDeleted,
    MessageAppended,
    MessageRedacted,
    MessageReplaced,
    FeedbackGiven,
    FeedbackRemoved,
    *TURN_FACTS,
    AgentCreated,
    AgentUpdated,
    AgentDeleted,
    UserErased,
    ChatCommandRejected,
)
