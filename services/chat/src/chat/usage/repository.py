"""SQL of usage. Each function runs its one statement on the caller's transaction."""

from datetime import date

from chat.usage.records import Used
from common.postgres import Connection

LIST_USED = """
SELECT day, agent_id, nullif(model, ''), sum(messages)::bigint, sum(tokens)::bigint
FROM (
    SELECT day, agent_id, model, messages, tokens FROM chat_usage
    WHERE user_id = $1 AND day BETWEEN $2 AND $3
    UNION ALL
    SELECT day, agent_id, model, messages, tokens FROM chat_usage_entries
    WHERE user_id = $1 AND day BETWEEN $2 AND $3
) AS counted
GROUP BY day, agent_id, model
ORDER BY day, agent_id, model
LIMIT $4
"""


async def list_used(connection: Connection, user_id: str, first: date, last: date, limit: int) -> list[Used]:
    """What a user used on these days, oldest first: exactly what is committed."""
    rows = await connection.fetch(LIST_USED, user_id, first, last, limit)
    return [Used(*row) for row in rows]


ADD_UP = """
WITH taken AS (
    DELETE FROM chat_usage_entries WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM chat_usage_entries LIMIT $1 FOR UPDATE SKIP LOCKED))
    RETURNING user_id, day, agent_id, model, messages, tokens
), added AS (
    INSERT INTO chat_usage AS known (user_id, day, agent_id, model, messages, tokens)
    SELECT user_id, day, agent_id, model, sum(messages), sum(tokens) FROM taken
    GROUP BY user_id, day, agent_id, model
    ORDER BY user_id, day, agent_id, model
    ON CONFLICT (user_id, day, agent_id, model) DO UPDATE
    SET messages = known.messages + excluded.messages, tokens = known.tokens + excluded.tokens
)
SELECT count(*) FROM taken
"""


async def add_up(connection: Connection, limit: int) -> int:
    """Move up to ``limit`` entries into the sums. Returns their number. Any number of processes may do so."""
    return int(await connection.fetchval(ADD_UP, limit))


PRUNE = """
DELETE FROM chat_usage WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM chat_usage WHERE day < (now() AT TIME ZONE 'UTC')::date - $1::int LIMIT $2
    FOR UPDATE SKIP LOCKED))
"""


async def prune(connection: Connection, older_than_days: int, limit: int) -> int:
    """Delete up to ``limit`` sums of days that are past their retention. Returns their number."""
    status: str = await connection.execute(PRUNE, older_than_days, limit)
    return int(status.rpartition(" ")[2])
