"""SQL of states. Each function runs its one statement on the caller's transaction."""

from collections.abc import Sequence
from uuid import UUID

from chat.states.records import EditedState, LockedState
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


UPDATE_STATES = """
UPDATE conversations AS c
SET state = u.state::jsonb, state_version = u.version, event_sequence = c.event_sequence + u.facts,
    updated_at = clock_timestamp()
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[]) AS u(id, state, version, facts)
WHERE c.id = u.id
RETURNING c.id, c.event_sequence - u.facts AS sequence
"""


async def update_states(connection: Connection, edited: Sequence[EditedState]) -> dict[UUID, int]:
    """Write new states of locked conversations. Returns the sequence before the first new fact, by id."""
    rows = await connection.fetch(
        UPDATE_STATES,
        [e.conversation_id for e in edited],
        [e.state.decode() for e in edited],
        [e.version for e in edited],
        [e.facts for e in edited],
    )
    return {row["id"]: row["sequence"] for row in rows}
