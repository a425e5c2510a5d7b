"""SQL of quotas. Each function runs its one statement on the caller's transaction."""

from collections.abc import Sequence
from uuid import UUID

from chat.quotas.records import Kind, Limits, Quota, SetQuota
from common.postgres import Connection

LIST_LIMITED = "SELECT DISTINCT user_id FROM chat_quotas"


async def list_limited(connection: Connection) -> set[str]:
    """The users who have quotas; ``''`` if there is one for everybody."""
    return {row["user_id"] for row in await connection.fetch(LIST_LIMITED)}


LIST_OWNERS = """
SELECT c.id, c.user_id
FROM conversations AS c
WHERE c.id = ANY ($1::uuid[]) AND EXISTS (
    SELECT FROM chat_quotas AS q WHERE q.user_id = c.user_id OR q.user_id = ''
) AND c.user_id IS NOT NULL
"""


async def list_owners(connection: Connection, conversation_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The owners of those of these conversations whose owners have a quota, by conversation."""
    return {row["id"]: row["user_id"] for row in await connection.fetch(LIST_OWNERS, conversation_ids)}


LOCK_USERS = """
SELECT pg_advisory_xact_lock(hashtextextended('chat.quotas:' || user_id, 0))
FROM (SELECT user_id FROM unnest($1::text[]) AS u (user_id) ORDER BY user_id) AS ordered
"""


async def lock_users(connection: Connection, user_ids: Sequence[str]) -> None:
    """Let nobody else count these users' messages until the transaction ends. In the order of their ids."""
    await connection.execute(LOCK_USERS, user_ids)


# A user's own quota of a kind comes before everybody's. A month begins before its days: sums reach no further
# back. Days and months are those of UTC, whatever the session's time zone.
LIST_QUOTAS = """
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now, date_trunc('month', clock_timestamp(), 'UTC') AS month,
           date_trunc('day', clock_timestamp(), 'UTC') AS day
), users AS (
    SELECT DISTINCT user_id FROM unnest($1::text[]) AS u (user_id)
), quotas AS (
    SELECT DISTINCT ON (u.user_id, q.measure, q.period)
           u.user_id, q.measure, q.period, q.soft, q.hard, q.user_id <> '' AS own,
           CASE q.period WHEN 'day' THEN clock.day ELSE clock.month END AS since,
           CASE q.period WHEN 'day' THEN clock.day + interval '24 h'
                ELSE (clock.month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC' END AS until,
           clock.now
    FROM users AS u JOIN chat_quotas AS q ON q.user_id IN (u.user_id, '') CROSS JOIN clock
    ORDER BY u.user_id, q.measure, q.period, q.user_id DESC
), counted AS (
    SELECT s.user_id, s.day, s.messages, s.tokens
    FROM chat_usage AS s JOIN users USING (user_id) CROSS JOIN clock
    WHERE s.day >= (clock.month AT TIME ZONE 'UTC')::date
    UNION ALL
    SELECT e.user_id, e.day, e.messages, e.tokens FROM chat_usage_entries AS e JOIN users USING (user_id)
)
SELECT q.user_id, q.measure, q.period, q.soft, q.hard, q.own,
       coalesce((
           SELECT sum(CASE q.measure WHEN 'messages' THEN c.messages ELSE c.tokens END)
           FROM counted AS c
           WHERE c.user_id = q.user_id AND c.day >= (q.since AT TIME ZONE 'UTC')::date
       ), 0)::bigint AS used,
       q.until, q.now
FROM quotas AS q
ORDER BY q.user_id, q.measure, q.period
"""


async def list_quotas(connection: Connection, user_ids: Sequence[str]) -> list[Quota]:
    """The quotas that hold for these users, with what each has used: exactly what is committed."""
    return [
        Quota(row[0], Kind(row[1], row[2]), Limits(row[3], row[4]), row[5], row[6], row[7], row[8])
        for row in await connection.fetch(LIST_QUOTAS, user_ids)
    ]


LIST_SET = """
SELECT measure, period, soft, hard FROM chat_quotas WHERE user_id = $1 ORDER BY measure, period
"""


async def list_set(connection: Connection, user_id: str) -> list[SetQuota]:
    """The quotas that were set for this user, or for everybody."""
    rows = await connection.fetch(LIST_SET, user_id)
    return [SetQuota(Kind(row[0], row[1]), Limits(row[2], row[3])) for row in rows]


UPSERT_QUOTA = """
INSERT INTO chat_quotas (user_id, measure, period, soft, hard, set_by) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (user_id, measure, period) DO UPDATE
SET soft = excluded.soft, hard = excluded.hard, set_by = excluded.set_by, set_at = now()
"""


async def upsert_quota(connection: Connection, user_id: str, kind: Kind, limits: Limits, set_by: str) -> None:
    """Set a quota, in place of one of the same kind."""
    await connection.execute(
        UPSERT_QUOTA, user_id, kind.measure, kind.period, limits.soft, limits.hard, set_by
    )


DELETE_QUOTA = """
DELETE FROM chat_quotas WHERE user_id = $1 AND measure = $2 AND period = $3 RETURNING user_id
"""


async def delete_quota(connection: Connection, user_id: str, kind: Kind) -> bool:
    """Delete a quota. Returns whether there was one."""
    return await connection.fetchval(DELETE_QUOTA, user_id, kind.measure, kind.period) is not None


LIST_STORED = "SELECT id FROM messages WHERE id = ANY ($1::uuid[])"


async def list_stored(connection: Connection, message_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these messages that are stored already."""
    return {row["id"] for row in await connection.fetch(LIST_STORED, message_ids)}
