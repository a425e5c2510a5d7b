"""A pool on a migrated database, and rows as the Node application leaves them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias, cast
from uuid import UUID

import asyncpg
import pytest

from common.postgres import Pool, prepare_connection

NewConversation: TypeAlias = Callable[..., Awaitable[UUID]]

# What knex sends for `db("conversations").insert({agent_id, agent_version, user_id}).returning("*")`.
NODE_CONVERSATION = """
insert into "conversations" ("agent_id", "agent_version", "user_id") values ($1, $2, $3) returning *
"""
NODE_MESSAGE = """
insert into "messages" ("content", "conversation_id", "latency_ms", "role", "token_count", "tool_calls")
values ($1, $2, $3, $4, $5, $6) returning *
"""


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """A pool as the service has it."""
    async with asyncpg.create_pool(
        database, min_size=1, max_size=10, init=prepare_connection, server_settings={"timezone": "UTC"}
    ) as opened:
        yield opened


@pytest.fixture
def conversation(pool: Pool) -> NewConversation:
    """Inserts a conversation as the Node application does; the id of the new row."""

    async def insert(
        user: str | None = "alice", agent: str = "module-writer", version: str = "grok-fast"
    ) -> UUID:
        row = await pool.fetchrow(NODE_CONVERSATION, agent, version, user)
        assert row is not None
        return UUID(str(row["id"]))

    return insert


async def node_message(connection: Any, conversation_id: UUID, content: str) -> asyncpg.Record:
    """Insert a message exactly as the Node application does, `created_at` left to its default."""
    row = await connection.fetchrow(NODE_MESSAGE, content, conversation_id, 30, "user", 12, None)
    assert row is not None
    return cast("asyncpg.Record", row)


async def facts(pool: Pool, subject: UUID) -> list[tuple[int, str, dict[str, Any]]]:
    """The facts about ``subject`` that wait in the outbox, oldest first: sequence, type, data."""
    rows = await pool.fetch(
        "SELECT sequence, type, data::jsonb AS data FROM outbox WHERE subject = $1 ORDER BY position",
        str(subject),
    )
    return [(row["sequence"], row["type"], row["data"]) for row in rows]
