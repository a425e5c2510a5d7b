"""The facts about an imported conversation: those of one that was created, message by message."""

from datetime import UTC, datetime
from uuid import UUID

from backbone.outbox import Fact
from chat.transfers.lines import ConversationLine, MessageLine
from contracts import chat as contracts


def created(conversation_id: UUID, user_id: str, line: ConversationLine, sequence: int) -> Fact:
    """A conversation was created, by an import."""
    data = contracts.ConversationCreated(
        conversation_id=conversation_id,
        agent_id=line.agent_id,
        agent_version=line.agent_version,
        user_id=user_id,
        title=line.title,
        provider=line.provider,
        metadata=line.metadata or {},
        state=line.state or {},
        created_at=line.created_at or datetime.now(UTC),
    )
    return Fact(contracts.FACTS_STREAM, str(conversation_id), sequence, data)


def appended(conversation_id: UUID, message_id: UUID, line: MessageLine, sequence: int) -> Fact:
    """A message was appended, by an import. Its missing fields are absent from the fact."""
    optional = {
        name: value
        for name in ("tool_calls", "tool_results", "token_count", "latency_ms", "model", "incomplete")
        if (value := getattr(line, name)) is not None
    }
    data = contracts.MessageAppended(
        message_id=message_id,
        conversation_id=conversation_id,
        role=line.role,
        content=line.content,
        created_at=line.created_at or datetime.now(UTC),
        sequence=line.sequence,
        **optional,
    )
    return Fact(contracts.FACTS_STREAM, str(conversation_id), sequence, data)
