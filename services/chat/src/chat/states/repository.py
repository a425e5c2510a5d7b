"""SQL of states. Each function runs its one statement on the caller's transaction."""

from collections.abc import Sequence
from uuid import UUID

from chat.states.records import EditedState, Limits, LockedState
from common.postgres import Connection

GET_STATE = (
    "SELECT id, user_id, coalesce(state, '{}') AS state, state_version FROM conversations WHERE id = $1"
)


async def get_state(connection: Connection, conversation_id: UUID) -> LockedState | None:
    """State, version and owner of a conversation, not locked."""
    row = await connection.fetchrow(GET_STATE, conversation_id)
    return LockedState(*row) if row else None


LOCK_STATES = """
SELECT id, user_id, coalesce(state, '{}') AS state, state_version
FROM conversations
WHERE id = ANY($1::uuid[])
ORDER BY id
FOR NO KEY UPDATE
"""


async def lock_states(connection: Connection, conversation_ids: Sequence[UUID]) -> dict[UUID, LockedState]:
    """Lock conversations in the order of their ids, so that two batches can't deadlock."""
    rows = await connection.fetch(LOCK_STATES, conversation_ids)
    return {row["id"]: LockedState(*row) for row in rows}


# One statement for the states and their versions, with what is sent once:
#   sent      each new version; the newest of each conversation, which has facts, is its state too;
#   updated   says for the transaction that the versions are kept here, so that the trigger doesn't;
#   newest    the newest version that was kept before;
#   found     the state before, if it wasn't: that of the conversation's creation;
#   kept      adds up the bytes, so that `removed` needs no sum: it looks for the first version to keep,
#             beginning at the oldest that may be kept, which is almost always the first one that it reads.
UPDATE_STATES = """
WITH sent AS MATERIALIZED (
    SELECT id, version, state::jsonb AS state, octet_length(state) AS bytes, facts, user_id, source
    FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[])
         AS t(id, version, state, facts, user_id, source)
), updated AS (
    UPDATE conversations AS c
    SET state = s.state, state_version = s.version, event_sequence = c.event_sequence + s.facts,
        updated_at = clock_timestamp()
    FROM sent AS s
    WHERE c.id = s.id AND s.facts > 0
      AND (SELECT set_config('takaro.state_history', 'kept', true)) = 'kept'
    RETURNING c.id, c.event_sequence - s.facts AS sequence
), newest AS MATERIALIZED (
    SELECT s.id, last.version, coalesce(last.total, 0) AS total
    FROM sent AS s LEFT JOIN LATERAL (
        SELECT version, total FROM chat_state_versions AS v WHERE v.conversation_id = s.id
        ORDER BY version DESC LIMIT 1
    ) AS last ON true
    WHERE s.facts > 0
), found AS MATERIALIZED (
    SELECT c.id, c.state_version AS version, coalesce(c.state, '{}') AS state,
           octet_length(coalesce(c.state, '{}')::text) AS bytes,
           CASE WHEN c.state_version = 0 THEN c.created_at END AS changed_at
    FROM newest AS n JOIN conversations AS c ON c.id = n.id
    WHERE n.version IS NULL OR n.version < c.state_version
), added AS MATERIALIZED (
    SELECT a.id, a.version, state, bytes, user_id, source, changed_at,
           n.total + sum(bytes) OVER (PARTITION BY a.id ORDER BY a.version) AS total
    FROM (
        SELECT id, version, state, bytes, user_id, source, clock_timestamp() AS changed_at FROM sent
        UNION ALL
        SELECT id, version, state, bytes, NULL, NULL, changed_at FROM found
    ) AS a JOIN newest AS n ON n.id = a.id
), kept AS (
    INSERT INTO chat_state_versions (conversation_id, version, state, bytes, total, user_id, source,
                                     changed_at)
    SELECT id, version, state, bytes, total, user_id, source, changed_at FROM added
), removed AS (
    DELETE FROM chat_state_versions AS v
    USING (
        SELECT a.id, coalesce((
            SELECT k.version FROM chat_state_versions AS k
            WHERE k.conversation_id = a.id AND k.version > max(a.version) - $7
              AND k.total - k.bytes >= max(a.total) - $8
            ORDER BY k.version
            LIMIT 1
        ), min(a.version)) AS first
        FROM added AS a
        GROUP BY a.id
    ) AS keep
    WHERE v.conversation_id = keep.id AND v.version < keep.first
)
SELECT id, sequence FROM updated
"""


async def update_states(
    connection: Connection, edited: Sequence[EditedState], limits: Limits
) -> dict[UUID, int]:
    """Write new states of locked conversations, keep their versions, and remove those over the limits.

    Returns the sequence before the first new fact, by id.
    """
    sent = [
        (e.conversation_id, v.version, v.state.decode(), e.facts * (v is e.versions[-1]), v.author)
        for e in edited
        for v in e.versions
    ]
    rows = await connection.fetch(
        UPDATE_STATES,
        *([row[column] for row in sent] for column in range(4)),
        [row[4].user_id for row in sent],
        [row[4].source for row in sent],
        limits.versions,
        limits.versions_bytes,
    )
    return {row["id"]: row["sequence"] for row in rows}
