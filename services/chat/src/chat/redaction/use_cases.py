"""Redacting one message."""

from uuid import UUID

from backbone import idempotency, outbox
from chat.conversations import repository as conversations
from chat.conversations.use_cases import check_owner, lock_conversations
from chat.messages.records import Message
from chat.messages.rules import message_not_found
from chat.messages.shown_pieces import forget_shown
from chat.messages.wire import message_json
from chat.redaction import repository
from chat.redaction.facts import redacted
from chat.redaction.rules import without_content
from common.postgres import Connection, Pool, transaction, tried_again
from contracts.chat import FACTS_STREAM, FeedbackGiven, MessageAppended


@tried_again
async def redact_message(pool: Pool, user_id: str, conversation_id: UUID, message_id: UUID) -> Message:
    """Replace what a message says by nothing: content, tool records, feedback, its words in the full-text
    index, what turns have shown of it, and the facts about it that aren't published yet. Its place, role,
    times and counts stay.

    A message that is redacted already stays as it is. Raises as :func:`check_owner`, and :class:`NotFound`
    for a message that isn't in the conversation.
    """
    async with transaction(pool) as connection:
        await check_owner(connection, user_id, conversation_id)
        # As a deletion does: indexing and copying hold it too.
        await lock_conversations(connection, [conversation_id], deletes=True)
        message = await repository.get_message(connection, conversation_id, message_id)
        if message is None:
            raise message_not_found()
        if message.redacted_at is not None:
            return message
        sequence, _ = await conversations.count_fact(connection, conversation_id)
        message = await repository.redact_message(connection, message_id)
        await forget_shown(connection, conversation_id, message_id)
        await _redact_waiting_facts(connection, conversation_id, message_id)
        await _redact_kept_answers(connection, user_id, conversation_id, message)
        assert message.redacted_at is not None
        fact = redacted(conversation_id, message_id, message.sequence, message.redacted_at, sequence)
        await outbox.append(connection, [fact])
        return message


async def _redact_waiting_facts(connection: Connection, conversation_id: UUID, message_id: UUID) -> None:
    """What the relay publishes from now on says nothing any more either."""
    subject, about = str(conversation_id), {"messageId": str(message_id)}
    for contract, fields, instead in (
        (MessageAppended, ["toolCalls", "toolResults"], {"content": ""}),
        (FeedbackGiven, ["note"], {}),
    ):
        await outbox.rewrite(
            connection, FACTS_STREAM, subject, [contract.type], about, without=fields, instead=instead
        )


async def _redact_kept_answers(
    connection: Connection, user_id: str, conversation_id: UUID, message: Message
) -> None:
    """A repetition with the ``Idempotency-Key`` that sent the message is answered with what is left of it."""
    left = dict(message_json(str(conversation_id), message))
    kept = await idempotency.list_bodies(connection, "chat", user_id, message.id.encode())
    if kept:
        cleaned = [(key, without_content(body, message.id, left)) for key, body in kept]
        await idempotency.update_bodies(connection, "chat", user_id, cleaned)
