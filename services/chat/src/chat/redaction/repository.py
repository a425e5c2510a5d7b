"""SQL of redactions. Each function runs its one statement on the caller's transaction."""

from uuid import UUID

from chat.messages.records import Message
from common.json_time import SQL_TIME
from common.postgres import Connection

GET_MESSAGE = f"""
SELECT id::text, role::text AS role, content, tool_calls::text AS tool_calls,
       tool_results::text AS tool_results, token_count, latency_ms,
       model::text AS model, {SQL_TIME.format("created_at")} AS created_at, sequence,
       feedback::text AS feedback, redacted_at, incomplete
FROM messages WHERE id = $1 AND conversation_id = $2
"""  # noqa: S608 -- only constants


async def get_message(connection: Connection, conversation_id: UUID, message_id: UUID) -> Message | None:
    """A message of this conversation."""
    row = await connection.fetchrow(GET_MESSAGE, message_id, conversation_id)
    return Message(*row) if row else None


# The trigger messages_changed_not_searched takes its words out of the full-text index.
REDACT_MESSAGE = f"""
UPDATE messages
SET content = '', tool_calls = NULL, tool_results = NULL, feedback = NULL, redacted_at = clock_timestamp()
WHERE id = $1
RETURNING id::text, role::text AS role, content, tool_calls::text AS tool_calls,
          tool_results::text AS tool_results, token_count, latency_ms,
       model::text AS model, {SQL_TIME.format("created_at")} AS created_at, sequence,
       feedback::text AS feedback, redacted_at, incomplete
"""  # noqa: S608 -- only constants


async def redact_message(connection: Connection, message_id: UUID) -> Message:
    """Take away what a message of a locked conversation says. Returns what is left."""
    row = await connection.fetchrow(REDACT_MESSAGE, message_id)
    assert row is not None, "its conversation is locked"
    return Message(*row)
