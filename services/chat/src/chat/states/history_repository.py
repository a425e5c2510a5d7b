"""SQL of the versions of states. Each function runs its one statement on the caller's transaction."""

from uuid import UUID

from chat.states.records import CurrentState, KeptState, Limits, StateVersion
from common.postgres import Connection

# Its version may be kept nowhere else: that of its creation, until the first change.
GET_CURRENT = """
SELECT user_id, state_version, octet_length(coalesce(state, '{}')::text) AS bytes,
       CASE WHEN state_version = 0 THEN created_at END AS changed_at
FROM conversations
WHERE id = $1
"""


async def get_current(connection: Connection, conversation_id: UUID) -> CurrentState | None:
    """The version that a conversation's state is at, and the conversation's owner."""
    row = await connection.fetchrow(GET_CURRENT, conversation_id)
    if row is None:
        return None
    about = StateVersion(row["state_version"], row["bytes"], None, None, row["changed_at"])
    return CurrentState(row["user_id"], about)


WITHIN_LIMITS = """
chat_state_versions AS v CROSS JOIN LATERAL (
    SELECT n.version, n.total FROM chat_state_versions AS n WHERE n.conversation_id = v.conversation_id
    ORDER BY n.version DESC LIMIT 1
) AS newest
WHERE v.conversation_id = $1 AND v.version > newest.version - $2
  AND (v.total - v.bytes >= newest.total - $3 OR v.version = newest.version)
"""
"""SQL of the versions of the state of ``$1`` that are kept: the newest ``$2``, of ``$3`` bytes together.

Others are removed some at once (:data:`chat.states.repository.UPDATE_STATES`), and aren't shown until then.
"""

# A state has some hundred versions, so that sorting them costs nothing.
LIST_VERSIONS = f"""
SELECT v.version, v.bytes, user_id, source, changed_at
FROM {WITHIN_LIMITS} AND CASE WHEN $6 THEN v.version < $4 ELSE v.version > $4 END
ORDER BY CASE WHEN $6 THEN -v.version ELSE v.version END
LIMIT $5
"""  # noqa: S608 - only names of ours


async def list_versions(
    connection: Connection, conversation_id: UUID, limits: Limits, after: int, limit: int, *, descending: bool
) -> list[StateVersion]:
    """The first ``limit`` kept versions of a state after the version ``after``: the oldest first, or
    descending."""
    rows = await connection.fetch(
        LIST_VERSIONS, conversation_id, limits.versions, limits.versions_bytes, after, limit, descending
    )
    return [StateVersion(*row) for row in rows]


GET_VERSION = f"""
SELECT v.version, v.bytes, user_id, source, changed_at, state::text AS state
FROM {WITHIN_LIMITS} AND v.version = $4
"""  # noqa: S608 - only names of ours


async def get_version(
    connection: Connection, conversation_id: UUID, limits: Limits, version: int
) -> KeptState | None:
    """A kept version of a state."""
    row = await connection.fetchrow(
        GET_VERSION, conversation_id, limits.versions, limits.versions_bytes, version
    )
    if row is None:
        return None
    *about, state = row
    return KeptState(StateVersion(*about), state)


GET_UNKEPT = """
SELECT coalesce(state, '{}')::text AS state FROM conversations WHERE id = $1 AND state_version = $2
"""


async def get_unkept(connection: Connection, conversation_id: UUID, version: int) -> str | None:
    """A conversation's state as JSON, if it is at this version."""
    state: str | None = await connection.fetchval(GET_UNKEPT, conversation_id, version)
    return state


# Blocks of rows come in the order of their times, so the index leads to the old ones.
PRUNE_VERSIONS = """
DELETE FROM chat_state_versions WHERE ctid = ANY (ARRAY(
    SELECT ctid
    FROM chat_state_versions AS v
    WHERE changed_at < clock_timestamp() - make_interval(days => $1)
      AND EXISTS (
          SELECT FROM chat_state_versions AS n
          WHERE n.conversation_id = v.conversation_id AND n.version > v.version
      )
    LIMIT $2
    FOR UPDATE SKIP LOCKED))
"""


async def prune_versions(connection: Connection, days: int, limit: int) -> int:
    """Delete up to ``limit`` versions that are older than ``days`` and not the newest of their conversation.
    Returns their number."""
    status: str = await connection.execute(PRUNE_VERSIONS, days, limit)
    return int(status.rpartition(" ")[2])
