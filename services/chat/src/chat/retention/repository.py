"""SQL of the retention of conversations. Each function runs its one statement on the caller's transaction."""

from collections.abc import Sequence
from uuid import UUID

from chat.retention.records import CUSTOM, Retention, Step
from common.postgres import Connection

# `greatest` leaves out what is null. A conversation of which no time is known is never due.
# The last part: a message of before migration 014 may have left no time at its conversation.
_IS_DUE = f"""
greatest(c.created_at, c.updated_at, c.last_message_at) < clock_timestamp() - make_interval(days =>
    CASE
        WHEN c.agent_id = ANY($1::text[]) THEN ($2::int[])[array_position($1::text[], c.agent_id::text)]
        WHEN c.agent_id LIKE 'custom:%' AND '{CUSTOM}' = ANY($1::text[])
            THEN ($2::int[])[array_position($1::text[], '{CUSTOM}')]
        ELSE $3::int
    END)
AND NOT EXISTS (
    SELECT FROM messages AS m
    WHERE m.conversation_id = c.id AND c.last_message_at IS NULL
      AND m.created_at > greatest(c.created_at, c.updated_at)
)
"""

# By the primary key: an index on the last activity would have to be changed by each message.
LIST_STEP = f"""
WITH step AS MATERIALIZED (
    SELECT id, agent_id, created_at, updated_at, last_message_at, message_sequence
    FROM conversations WHERE id > $4 ORDER BY id LIMIT $5
)
SELECT c.id, coalesce(c.message_sequence, 0) AS messages, {_IS_DUE} AS due FROM step AS c ORDER BY c.id
"""  # noqa: S608 - only names of ours


async def list_step(connection: Connection, retention: Retention, after: UUID, limit: int) -> Step:
    """Look at the first ``limit`` conversations after this id."""
    rows = await connection.fetch(LIST_STEP, *_arguments(retention), after, limit)
    due = [(row["id"], row["messages"]) for row in rows if row["due"]]
    return Step(due, rows[-1]["id"] if len(rows) == limit else None)


LOCK_DUE = f"""
SELECT c.id FROM conversations AS c WHERE c.id = ANY($4::uuid[]) AND {_IS_DUE}
ORDER BY c.id FOR UPDATE OF c SKIP LOCKED
"""  # noqa: S608 - only names of ours


async def lock_due(connection: Connection, retention: Retention, ids: Sequence[UUID]) -> list[UUID]:
    """Lock those of these conversations that are still due and that nobody is working on."""
    rows = await connection.fetch(LOCK_DUE, *_arguments(retention), ids)
    return [row["id"] for row in rows]


def _arguments(retention: Retention) -> tuple[list[str], list[int | None], int | None]:
    return list(retention.by_agent), list(retention.by_agent.values()), retention.general
