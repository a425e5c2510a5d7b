"""SQL of lists of conversations. Each function runs its one statement on the caller's connection."""

from chat.conversations.records import Conversation, ConversationFilter, Position
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

# As in conversations_owner_created_at_id_index, which has the order of these lists. A row without a time is
# newer than all others.
_CREATED = "coalesce(created_at, 'infinity')"
# The bounds that are plain comparisons with _CREATED keep the scan of the index inside the wanted times.
_WANTED = f"""coalesce(user_id, '') = $1 AND user_id IS NOT NULL
      AND ($2::text IS NULL OR agent_id = $2) AND ($3::text IS NULL OR agent_version = $3)
      AND ($4::text IS NULL OR provider = $4)
      AND ($5::text IS NULL OR strpos(lower(title), lower($5)) > 0)
      AND {_CREATED} >= coalesce($6::timestamptz, '-infinity')
      AND {_CREATED} <= coalesce($7::timestamptz, 'infinity')
      AND ($6 IS NULL OR created_at >= $6) AND ($7 IS NULL OR created_at < $7)
      AND ($8::timestamptz IS NULL OR updated_at >= $8) AND ($9::timestamptz IS NULL OR updated_at < $9)"""

LIST_NEWEST = f"""
SELECT {_COLUMNS}
FROM conversations
WHERE {_WANTED}
      AND ({_CREATED}, id) < (coalesce($10::timestamptz, 'infinity'),
                              coalesce($11::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY {_CREATED} DESC, id DESC
LIMIT $12
"""  # noqa: S608 -- a constant


async def list_newest(
    connection: Connection, user_id: str, wanted: ConversationFilter, after: Position | None, limit: int
) -> list[Conversation]:
    """A user's conversations, newest first: the first ``limit`` after a position."""
    position = after or (None, None)
    rows = await connection.fetch(LIST_NEWEST, user_id, *wanted.values(), *position, limit)
    return [Conversation(*row) for row in rows]


LIST_OLDEST = f"""
SELECT {_COLUMNS}
FROM conversations
WHERE {_WANTED}
      AND ({_CREATED}, id) > (CASE WHEN $11::uuid IS NULL THEN '-infinity'::timestamptz
                                   ELSE coalesce($10::timestamptz, 'infinity') END,
                              coalesce($11, '00000000-0000-0000-0000-000000000000'))
ORDER BY {_CREATED}, id
LIMIT $12
"""  # noqa: S608 -- a constant


async def list_oldest(
    connection: Connection, user_id: str, wanted: ConversationFilter, after: Position | None, limit: int
) -> list[Conversation]:
    """A user's conversations, oldest first: the first ``limit`` after a position."""
    position = after or (None, None)
    rows = await connection.fetch(LIST_OLDEST, user_id, *wanted.values(), *position, limit)
    return [Conversation(*row) for row in rows]


# Ordered, so that the user's own rows are read: the planner would rather read the table of somebody with most
# of its rows, and may have to read all others' first.
COUNT_CONVERSATIONS = f"""
SELECT count(*)
FROM (SELECT FROM conversations WHERE {_WANTED} ORDER BY {_CREATED}, id LIMIT $10) AS wanted
"""  # noqa: S608 -- a constant


async def count_conversations(
    connection: Connection, user_id: str, wanted: ConversationFilter, limit: int
) -> int:
    """How many conversations of a user match; counting ends at ``limit``."""
    count: int = await connection.fetchval(COUNT_CONVERSATIONS, user_id, *wanted.values(), limit)
    return count


# A row without a time is less recent than all others.
_ACTIVE = "coalesce(updated_at, '-infinity')"
_OF_AGENT = "user_id = $1 AND agent_id = $2 AND ($3::text IS NULL OR agent_version = $3)"

LIST_LAST_ACTIVE = f"""
SELECT {_COLUMNS}
FROM conversations
WHERE {_OF_AGENT}
  AND ($5::uuid IS NULL OR ({_ACTIVE}, id) < (coalesce($4::timestamptz, '-infinity'), $5))
ORDER BY {_ACTIVE} DESC, id DESC
LIMIT $6
"""  # noqa: S608 -- a constant


async def list_last_active(
    connection: Connection,
    user_id: str,
    agent_id: str,
    version: str | None,
    after: Position | None,
    limit: int,
) -> list[Conversation]:
    """A user's conversations with an agent, last active first: the first ``limit`` after a position.

    Any version if ``version`` is None. Without large states and metadata.
    """
    position = after or (None, None)
    rows = await connection.fetch(LIST_LAST_ACTIVE, user_id, agent_id, version, *position, limit)
    return [Conversation(*row) for row in rows]


LIST_LONGEST_IDLE = f"""
SELECT {_COLUMNS}
FROM conversations
WHERE {_OF_AGENT}
  AND ($5::uuid IS NULL OR ({_ACTIVE}, id) > (coalesce($4::timestamptz, '-infinity'), $5))
ORDER BY {_ACTIVE}, id
LIMIT $6
"""  # noqa: S608 -- a constant


async def list_longest_idle(
    connection: Connection,
    user_id: str,
    agent_id: str,
    version: str | None,
    after: Position | None,
    limit: int,
) -> list[Conversation]:
    """As :func:`list_last_active`, the longest idle first."""
    position = after or (None, None)
    rows = await connection.fetch(LIST_LONGEST_IDLE, user_id, agent_id, version, *position, limit)
    return [Conversation(*row) for row in rows]
