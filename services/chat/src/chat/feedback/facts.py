"""The facts about feedback. Use cases append them to the outbox."""

from uuid import UUID

from backbone.outbox import Fact
from chat.feedback.records import Given, RatedMessage
from contracts import chat as contracts


def feedback_given(conversation_id: UUID, message_id: UUID, given: Given, sequence: int) -> Fact:
    """Feedback was given, or changed."""
    note = {} if given.feedback.note is None else {"note": given.feedback.note}
    data = contracts.FeedbackGiven(
        conversation_id=conversation_id,
        message_id=message_id,
        user_id=given.feedback.user_id,
        rating=given.feedback.rating,
        given_at=given.at,
        **note,
    )
    return Fact(contracts.FACTS_STREAM, str(conversation_id), sequence, data)


def feedback_removed(message: RatedMessage, user_id: str, sequence: int) -> Fact:
    """Feedback was taken back."""
    data = contracts.FeedbackRemoved(
        conversation_id=message.conversation_id, message_id=message.id, user_id=user_id
    )
    return Fact(contracts.FACTS_STREAM, str(message.conversation_id), sequence, data)
