"""SQL that finds what is to be erased. Each function runs its one statement on the caller's transaction."""

from collections.abc import Sequence
from uuid import UUID

from chat.retention.records import Due
from common.postgres import Connection

LIST_CONVERSATIONS = """
SELECT id, coalesce(message_sequence, 0) AS messages FROM conversations WHERE user_id = $1 LIMIT $2
"""


async def list_conversations(connection: Connection, user_id: str, limit: int) -> list[Due]:
    """Up to ``limit`` of a user's conversations, with their numbers of messages."""
    rows = await connection.fetch(LIST_CONVERSATIONS, user_id, limit)
    return [(row["id"], row["messages"]) for row in rows]


COUNT_MESSAGES = "SELECT count(*) FROM messages WHERE conversation_id = ANY($1::uuid[])"


async def count_messages(connection: Connection, conversation_ids: Sequence[UUID]) -> int:
    """The messages of locked conversations."""
    return int(await connection.fetchval(COUNT_MESSAGES, conversation_ids))


LOCK_AGENTS = "SELECT id FROM custom_agents WHERE user_id = $1 ORDER BY id LIMIT $2 FOR UPDATE"


async def lock_agents(connection: Connection, user_id: str, limit: int) -> list[UUID]:
    """Lock up to ``limit`` of a user's custom agents."""
    return [row["id"] for row in await connection.fetch(LOCK_AGENTS, user_id, limit)]


LIST_EXISTING = """
SELECT id FROM conversations WHERE id = ANY($1::uuid[])
UNION ALL SELECT id FROM custom_agents WHERE id = ANY($1::uuid[])
"""


async def list_existing(connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these are conversations or custom agents, whoever owns them."""
    return {row["id"] for row in await connection.fetch(LIST_EXISTING, ids)}


FORGET_SETTER = "UPDATE chat_quotas SET set_by = '' WHERE set_by = $1"


async def forget_setter(connection: Connection, user_id: str) -> int:
    """Forget who set quotas. Returns their number."""
    status: str = await connection.execute(FORGET_SETTER, user_id)
    return int(status.rpartition(" ")[2])
