"""The facts about forks. Use cases append them to the outbox."""

from backbone.outbox import Fact
from chat.forks.records import Fork, Replaced
from contracts import chat as contracts


def forked(fork: Fork, sequence: int) -> Fact:
    """A new conversation has messages of another one."""
    moved = {} if fork.moved_from is None else {"moved_from_sequence": fork.moved_from}
    data = contracts.ConversationForked(
        conversation_id=fork.id,
        source_conversation_id=fork.source_id,
        through_sequence=fork.through,
        messages=fork.messages,
        **moved,
    )
    return Fact(contracts.FACTS_STREAM, str(fork.id), sequence, data)


def replaced(replaced: Replaced, sequence: int) -> Fact:
    """Messages were moved to a fork, because a new one takes their place."""
    data = contracts.MessageReplaced(
        conversation_id=replaced.conversation_id,
        message_id=replaced.message_id,
        replaced_message_id=replaced.first.id,
        from_sequence=replaced.first.sequence,
        through_sequence=replaced.through,
        branch_conversation_id=replaced.branch_id,
    )
    return Fact(contracts.FACTS_STREAM, str(replaced.conversation_id), sequence, data)
