"""SQL of the versions of states that move with a conversation. Each function runs its one statement on the
caller's transaction."""

from collections.abc import Sequence
from uuid import UUID

from chat.states.history_repository import WITHIN_LIMITS
from chat.states.records import KeptState, Limits, StateVersion
from common.postgres import Connection

LIST_VERSIONS = f"""
SELECT version, bytes, user_id, source, changed_at, state::text AS state
FROM (
    SELECT v.*, sum(v.bytes) OVER (ORDER BY v.version) - v.bytes AS before
    FROM {WITHIN_LIMITS} AND v.version > $4 AND v.version <= $5
) AS following
WHERE before < $6
ORDER BY version
"""  # noqa: S608 - only names of ours


async def list_versions(
    connection: Connection, conversation_id: UUID, limits: Limits, after: int, until: int, max_bytes: int
) -> list[KeptState]:
    """Kept versions after one and up to another, the oldest first, until ``max_bytes`` are reached."""
    rows = await connection.fetch(
        LIST_VERSIONS, conversation_id, limits.versions, limits.versions_bytes, after, until, max_bytes
    )
    return [KeptState(StateVersion(*row[:5]), row[5]) for row in rows]


INSERT_VERSIONS = """
INSERT INTO chat_state_versions (conversation_id, version, state, bytes, total, user_id, source, changed_at)
SELECT $1, (line ->> 'version')::bigint, line -> 'state', (line ->> 'bytes')::integer,
       $4 + sum((line ->> 'bytes')::bigint) OVER (ORDER BY place), author, line ->> 'source',
       (line ->> 'changedAt')::timestamptz
FROM (
    SELECT line::jsonb AS line, author, place
    FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS exported (line, author, place)
) AS new
"""


async def insert_versions(
    connection: Connection,
    conversation_id: UUID,
    lines: Sequence[str],
    authors: Sequence[str | None],
    total: int,
) -> None:
    """Insert exported versions of the state of a new conversation, in their order, each with the id of the
    user who made it. ``total``: the bytes of those that were inserted before."""
    await connection.execute(INSERT_VERSIONS, conversation_id, lines, authors, total)


PRUNE_VERSIONS = """
DELETE FROM chat_state_versions AS v
USING (
    SELECT version, total FROM chat_state_versions WHERE conversation_id = $1 ORDER BY version DESC LIMIT 1
) AS newest
WHERE v.conversation_id = $1 AND v.version < newest.version
  AND (v.version <= newest.version - $2 OR v.total - v.bytes < newest.total - $3)
"""


async def prune_versions(
    connection: Connection, conversation_id: UUID, versions: int, max_bytes: int
) -> None:
    """Keep the newest versions of a state, as many as its limits allow."""
    await connection.execute(PRUNE_VERSIONS, conversation_id, versions, max_bytes)
