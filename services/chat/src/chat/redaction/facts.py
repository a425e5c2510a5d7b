"""The facts about redactions. Use cases append them to the outbox."""

from datetime import datetime
from uuid import UUID

from backbone.outbox import Fact
from contracts import chat as contracts


def redacted(conversation_id: UUID, message_id: UUID, place: int, at: datetime, sequence: int) -> Fact:
    """A message was redacted, which has this place in its conversation."""
    data = contracts.MessageRedacted(
        conversation_id=conversation_id, message_id=message_id, sequence=place, redacted_at=at
    )
    return Fact(contracts.FACTS_STREAM, str(conversation_id), sequence, data)
