"""SQL of feedback. Each function runs its one statement on the caller's transaction."""

from datetime import datetime
from uuid import UUID

from chat.feedback.records import Feedback, Given, RatedMessage
from common.postgres import Connection

GET_MESSAGE = """
SELECT id, conversation_id, role::text AS role, redacted_at IS NOT NULL AS redacted, feedback
FROM messages WHERE id = $1 AND conversation_id = $2
"""


async def get_message(connection: Connection, conversation_id: UUID, message_id: UUID) -> RatedMessage | None:
    """A message of this conversation with its feedback."""
    row = await connection.fetchrow(GET_MESSAGE, message_id, conversation_id)
    if row is None:
        return None
    kept = row["feedback"]
    given = kept and Given(
        Feedback(kept["userId"], kept["rating"], kept.get("note")), datetime.fromisoformat(kept["at"])
    )
    return RatedMessage(row["id"], row["conversation_id"], row["role"], row["redacted"], given)


# The words of the message stay what they are.
UPDATE_FEEDBACK = """
UPDATE messages
SET feedback = jsonb_strip_nulls(jsonb_build_object(
        'userId', $2::text, 'rating', $3::text, 'note', $4::text, 'at', $5::timestamptz))
WHERE id = $1 AND (SELECT set_config('takaro.message_search', 'kept', true)) = 'kept'
"""


async def update_feedback(connection: Connection, message_id: UUID, given: Given) -> None:
    """Store feedback on a message of a locked conversation."""
    feedback = given.feedback
    await connection.execute(
        UPDATE_FEEDBACK, message_id, feedback.user_id, feedback.rating, feedback.note, given.at
    )


DELETE_FEEDBACK = """
UPDATE messages SET feedback = NULL
WHERE id = $1 AND (SELECT set_config('takaro.message_search', 'kept', true)) = 'kept'
"""


async def delete_feedback(connection: Connection, message_id: UUID) -> None:
    """Remove the feedback on a message of a locked conversation."""
    await connection.execute(DELETE_FEEDBACK, message_id)
