"""The facts about conversations. Use cases append them to the outbox."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from backbone.outbox import Fact
from chat.conversations.records import DeletedConversation, NewConversation, TitleChange, VersionChange
from common import codec
from common.trace_context import TraceContext
from contracts import Contract
from contracts import chat as contracts


def _fact(conversation_id: UUID, sequence: int, data: Contract, trace: TraceContext | None) -> Fact:
    return Fact(contracts.FACTS_STREAM, str(conversation_id), sequence, data, trace=trace)


def created(conversation: NewConversation, created_at: datetime, sequence: int) -> Fact:
    """A conversation was created; ``sequence`` is 1 unless its id was used before."""
    assert conversation.agent_version is not None, "it was created"
    data = contracts.ConversationCreated(
        conversation_id=conversation.id,
        agent_id=conversation.agent_id,
        agent_version=conversation.agent_version,
        user_id=conversation.user_id,
        title=conversation.title,
        provider=conversation.provider,
        metadata=conversation.metadata,
        state=conversation.state,
        created_at=created_at,
    )
    return _fact(conversation.id, sequence, data, conversation.trace)


def started(conversation: NewConversation) -> str:
    """The beginning of a :class:`contracts.chat.ConversationCreated` of an empty conversation as JSON, up to
    ``createdAt``, which the statement adds."""
    data = {
        "conversationId": conversation.id,
        "agentId": conversation.agent_id,
        "agentVersion": conversation.agent_version,
        "userId": conversation.user_id,
        "title": None,
        "provider": conversation.provider,
        "metadata": {},
        "state": {},
    }
    return codec.dumps_str(data)[:-1]


def titled(change: TitleChange, place: int) -> Fact:
    """A conversation was titled. The sequence is its ``place`` in the transaction, until :func:`number`."""
    data = contracts.ConversationTitled(conversation_id=change.conversation_id, title=change.title)
    return _fact(change.conversation_id, place, data, change.trace)


def agent_version_changed(change: VersionChange, agent_id: str, sequence: int) -> Fact:
    """A conversation goes on with another version of its agent."""
    data = contracts.AgentVersionChanged(
        conversation_id=change.conversation_id, agent_id=agent_id, agent_version=change.agent_version
    )
    return _fact(change.conversation_id, sequence, data, change.trace)


def deleted(conversation: DeletedConversation, trace: TraceContext | None) -> Fact:
    """A conversation was deleted; the last fact of its subject."""
    data = contracts.ConversationDeleted(conversation_id=conversation.id, user_id=conversation.user_id)
    return _fact(conversation.id, conversation.sequence, data, trace)


def number(facts: Sequence[Fact], before: Mapping[UUID, int]) -> None:
    """Turn each fact's place within the transaction into its sequence.

    ``before`` has the sequence of each conversation before this transaction.
    """
    for fact in facts:
        fact.sequence += before[UUID(fact.subject)]
