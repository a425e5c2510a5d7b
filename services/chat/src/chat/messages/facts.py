"""The facts about messages. Use cases append them to the outbox."""

from backbone.outbox import Fact
from chat.messages.records import NewMessage, Placed
from contracts import chat as contracts


def appended(message: NewMessage, placed: Placed) -> Fact:
    """A message was appended. Its missing fields are absent from the fact."""
    optional = {
        name: value
        for name in ("tool_calls", "tool_results", "token_count", "latency_ms", "model")
        if (value := getattr(message, name)) is not None
    }
    data = contracts.MessageAppended(
        message_id=message.id,
        conversation_id=message.conversation_id,
        role=message.role,
        content=message.content,
        created_at=placed.created_at,
        sequence=placed.sequence,
        **optional,
    )
    return Fact(
        contracts.FACTS_STREAM,
        str(message.conversation_id),
        placed.fact_sequence,
        data,
        trace=message.trace,
    )
