"""Giving feedback on an agent's messages, and taking it back."""

from uuid import UUID

from backbone import outbox
from chat.conversations import repository as conversations
from chat.conversations.use_cases import check_owner, lock_conversations
from chat.feedback import repository
from chat.feedback.facts import feedback_given, feedback_removed
from chat.feedback.records import Feedback, Given, RatedMessage
from chat.messages.rules import message_not_found
from common.errors import Conflict, Invalid
from common.postgres import Connection, Pool, transaction, tried_again


@tried_again
async def give_feedback(pool: Pool, conversation_id: UUID, message_id: UUID, feedback: Feedback) -> Given:
    """Store the owner's feedback on an assistant's message; the same again changes nothing.

    Raises as :func:`check_owner`, :class:`NotFound` for a message that isn't in the conversation,
    :class:`Invalid` for one of another role, and :class:`Conflict` for one that was redacted.
    """
    async with transaction(pool) as connection:
        message = await _lock(connection, feedback.user_id, conversation_id, message_id)
        if message.role != "assistant":
            raise Invalid("Feedback is for an assistant's messages", code="not_an_assistants_message")
        if message.redacted:
            raise Conflict("The message was redacted", code="message_redacted")
        if message.given is not None and message.given.feedback == feedback:
            return message.given
        sequence, at = await conversations.count_fact(connection, conversation_id)
        given = Given(feedback, at)
        await repository.update_feedback(connection, message_id, given)
        await outbox.append(connection, [feedback_given(conversation_id, message_id, given, sequence)])
        return given


@tried_again
async def remove_feedback(pool: Pool, user_id: str, conversation_id: UUID, message_id: UUID) -> None:
    """Take the feedback on a message back, if there is any. Raises as :func:`give_feedback`."""
    async with transaction(pool) as connection:
        message = await _lock(connection, user_id, conversation_id, message_id)
        if message.given is None:
            return
        sequence, _ = await conversations.count_fact(connection, conversation_id)
        await repository.delete_feedback(connection, message_id)
        await outbox.append(connection, [feedback_removed(message, user_id, sequence)])


async def _lock(
    connection: Connection, user_id: str, conversation_id: UUID, message_id: UUID
) -> RatedMessage:
    await check_owner(connection, user_id, conversation_id)
    await lock_conversations(connection, [conversation_id], deletes=False)
    message = await repository.get_message(connection, conversation_id, message_id)
    if message is None:
        raise message_not_found()
    return message
