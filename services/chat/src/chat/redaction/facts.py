"""The facts about redactions, and what is left of an older one."""

from uuid import UUID

from backbone.outbox import Fact
from chat.messages.records import Message
from contracts import chat as contracts


def redacted(conversation_id: UUID, message: Message, sequence: int) -> Fact:
    """A message was redacted."""
    assert message.redacted_at is not None
    data = contracts.MessageRedacted(
        conversation_id=conversation_id,
        message_id=UUID(message.id),
        sequence=message.sequence,
        redacted_at=message.redacted_at,
    )
    return Fact(contracts.FACTS_STREAM, str(conversation_id), sequence, data)
