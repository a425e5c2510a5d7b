"""SQL of lists of conversations. Each function runs its one statement on the caller's connection."""

from collections.abc import Sequence
from uuid import UUID

from chat.conversations.records import Conversation
from common.packed_ids import PackedIds
from common.postgres import Connection

LISTED_BYTES = 16 * 1024
"""A list holds states and metadata of up to this size."""

# A stored size of 128 KiB always means more than 16 KiB of text (at most a quarter of the stored size). It is
# known without reading the value, so a state of tens of megabytes costs a list nothing.
_FITS = "(pg_column_size({0}) < 131072 AND octet_length({0}::text) <= 16384)"
_COLUMNS = f"""id, agent_id, agent_version, user_id, title, provider,
       CASE WHEN {_FITS.format("metadata")} THEN metadata::text END AS metadata,
       CASE WHEN {_FITS.format("state")} THEN state::text END AS state,
       created_at, updated_at,
       coalesce(NOT {_FITS.format("metadata")}, false) AS metadata_omitted,
       coalesce(NOT {_FITS.format("state")}, false) AS state_omitted"""

# In the order created_at DESC, id DESC, with rows without a time first.
LIST_CONVERSATION_IDS = """
SELECT coalesce(string_agg(uuid_send(id), '' ORDER BY undated DESC, at DESC, id DESC), '') AS ids
FROM (
    SELECT id, created_at IS NULL AS undated, coalesce(created_at, '-infinity') AS at
    FROM conversations
    WHERE user_id = $1
      AND ($3::uuid IS NULL OR (created_at IS NULL, coalesce(created_at, '-infinity'), id)
                             < ($2::timestamptz IS NULL, coalesce($2, '-infinity'), $3))
    ORDER BY undated DESC, at DESC, id DESC
    LIMIT $4
) AS wanted
"""


async def list_conversation_ids(
    connection: Connection, user_id: str, limit: int, after: Conversation | None = None
) -> PackedIds:
    """The ids of a user's conversations, newest first: the first ``limit`` after ``after``."""
    position = (after.created_at, after.id) if after else (None, None)
    return PackedIds(await connection.fetchval(LIST_CONVERSATION_IDS, user_id, *position, limit))


LIST_CONVERSATIONS = f"""
SELECT {_COLUMNS}
FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, place) JOIN conversations USING (id)
ORDER BY place
"""  # noqa: S608 -- a constant


async def list_conversations(connection: Connection, ids: Sequence[UUID]) -> list[Conversation]:
    """These conversations in this order, if they exist, without large states and metadata."""
    return [Conversation(*row) for row in await connection.fetch(LIST_CONVERSATIONS, ids)]


LIST_CONVERSATIONS_BY_AGENT = f"""
SELECT {_COLUMNS}
FROM conversations
WHERE user_id = $1 AND agent_id = $2 AND ($3::text IS NULL OR agent_version = $3)
ORDER BY updated_at DESC NULLS LAST, id DESC
LIMIT $4
"""  # noqa: S608 -- a constant


async def list_conversations_by_agent(
    connection: Connection, user_id: str, agent_id: str, version: str | None, limit: int
) -> list[Conversation]:
    """A user's conversations with an agent, last active first; any version if ``version`` is None.

    Without large states and metadata.
    """
    rows = await connection.fetch(LIST_CONVERSATIONS_BY_AGENT, user_id, agent_id, version, limit)
    return [Conversation(*row) for row in rows]
