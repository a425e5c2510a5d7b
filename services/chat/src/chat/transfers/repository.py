"""SQL of whole conversations. Each function runs its one statement on the caller's transaction.

Lines are given to Postgres as they came: what ``jsonb`` holds is then the same again, down to each digit.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chat.transfers.records import ExportedConversation
from common.postgres import Connection

GET_CONVERSATION = """
SELECT id, user_id, agent_id, agent_version, title, provider, metadata::text AS metadata,
       state::text AS state, state_version, created_at, updated_at, coalesce(message_sequence, 0),
       coalesce((SELECT max(sequence) FROM messages WHERE conversation_id = $1), 0) AS last_sequence
FROM conversations WHERE id = $1
"""


async def get_conversation(connection: Connection, conversation_id: UUID) -> ExportedConversation | None:
    """A conversation of any owner."""
    row = await connection.fetchrow(GET_CONVERSATION, conversation_id)
    return ExportedConversation(*row) if row else None


# The trigger would give times and places of its own, and count the messages as used once more.
INSERT_CONVERSATION = """
INSERT INTO conversations (id, user_id, agent_id, agent_version, title, provider, metadata, state,
                           state_version, created_at, updated_at, message_sequence, event_sequence)
SELECT $1, $2, line ->> 'agentId', line ->> 'agentVersion', line ->> 'title', line ->> 'provider',
       line -> 'metadata', line -> 'state', (line ->> 'stateVersion')::bigint,
       (line ->> 'createdAt')::timestamptz, (line ->> 'updatedAt')::timestamptz, 0, 1
FROM (SELECT $3::text::jsonb AS line) AS exported
WHERE (SELECT set_config('takaro.message_order', 'numbered', true)) = 'numbered'
  AND (SELECT set_config('takaro.usage', 'counted', true)) = 'counted'
  AND (SELECT set_config('takaro.agent_version', 'named', true)) = 'named'
ON CONFLICT (id) DO NOTHING
RETURNING id
"""


async def insert_conversation(connection: Connection, conversation_id: UUID, user_id: str, line: str) -> bool:
    """Insert an exported conversation under this id; False if there is one. Messages that this transaction
    inserts then keep their times and places."""
    row = await connection.fetchrow(INSERT_CONVERSATION, conversation_id, user_id, line)
    return row is not None


INSERT_MESSAGES = """
INSERT INTO messages (id, conversation_id, role, content, tool_calls, tool_results, token_count, latency_ms,
                      model, created_at, sequence, feedback, redacted_at, incomplete)
SELECT id, $1, line ->> 'role', line ->> 'content', line -> 'toolCalls', line -> 'toolResults',
       (line ->> 'tokenCount')::int, (line ->> 'latencyMs')::int, line ->> 'model',
       (line ->> 'createdAt')::timestamptz, (line ->> 'sequence')::bigint,
       CASE WHEN jsonb_typeof(line -> 'feedback') = 'object'
            THEN jsonb_set(line -> 'feedback', '{userId}', to_jsonb($4::text)) END,
       (line ->> 'redactedAt')::timestamptz, line ->> 'incomplete'
FROM (
    SELECT id, line::jsonb AS line, place
    FROM unnest($2::uuid[], $3::text[]) WITH ORDINALITY AS exported (id, line, place)
) AS new
ORDER BY place
ON CONFLICT (id) DO NOTHING
RETURNING id
"""


async def insert_messages(
    connection: Connection, conversation_id: UUID, ids: Sequence[UUID], lines: Sequence[str], user_id: str
) -> set[UUID]:
    """Insert exported messages of a new conversation of this user's, whose feedback on them is then. Returns
    the ids that were free."""
    rows = await connection.fetch(INSERT_MESSAGES, conversation_id, ids, lines, user_id)
    return {row["id"] for row in rows}


UPDATE_CONVERSATION = """
UPDATE conversations SET event_sequence = $2, message_sequence = $3, last_message_at = $4 WHERE id = $1
"""


async def update_conversation(
    connection: Connection,
    conversation_id: UUID,
    event_sequence: int,
    message_sequence: int,
    last_message_at: datetime | None,
) -> None:
    """Record where a new conversation's facts and messages go on."""
    await connection.execute(
        UPDATE_CONVERSATION, conversation_id, event_sequence, message_sequence, last_message_at
    )
