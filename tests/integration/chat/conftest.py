"""A pool on a migrated database, and rows as the Node application leaves them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeAlias, cast
from uuid import UUID, uuid4

import asyncpg
import httpx
import psycopg
import pytest
import pytest_asyncio
from psycopg import sql
from redis.asyncio import Redis

from common import codec
from common.postgres import Pool, prepare_connection
from tests.support.servers import PostgresServer
from tests.support.services import Service, running
from tests.support.wait import eventually

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


@pytest.fixture(scope="module")
def service_database(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    """The URL of a migrated database that the tests of a module share with their service."""
    name = f"chat_{uuid4().hex}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(template_database)))
        yield postgres_server.url_of(name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def chat(
    service_database: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The chat service as a separate process, on its own Redis database."""
    service = Service(
        "chat",
        database_url=service_database,
        redis_url=f"{redis_url}/5",
        folder=tmp_path_factory.mktemp("chat"),
    )
    asyncio.run(service.start())
    yield service
    asyncio.run(service.stop())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def second(
    service_database: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """Another process of chat beside the first one. A test that kills it starts it again."""
    async with running(
        "chat",
        database_url=service_database,
        redis_url=f"{redis_url}/5",
        folder=tmp_path_factory.mktemp("second"),
        instance="chat-2",
    ) as service:
        yield service


@pytest.fixture
async def alice(chat: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose caller is a user that no other test knows."""
    async with chat.client(f"alice-{uuid4()}") as client:
        yield client


@pytest.fixture
async def mallory(chat: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose caller owns nothing of alice's."""
    async with chat.client(f"mallory-{uuid4()}") as client:
        yield client


@pytest.fixture
async def service_pool(service_database: str) -> AsyncIterator[Pool]:
    """A pool on the service's database, to look and to write as the Node application does."""
    async with asyncpg.create_pool(service_database, min_size=1, init=prepare_connection) as opened:
        yield opened


@pytest.fixture
async def bus(chat: Service, redis_url: str) -> AsyncIterator[Redis]:
    """A client (str in, str out) of the service's Redis."""
    async with Redis.from_url(f"{redis_url}/5", decode_responses=True) as client:
        yield client


async def post(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    """POST that must succeed; the answer's ``data``."""
    answer = await client.post(path, json=body, headers={"Accept": "application/json"})
    assert answer.status_code in (200, 201), answer.text
    return cast("dict[str, Any]", answer.json()["data"])


def user_of(client: httpx.AsyncClient) -> str:
    return client.headers["X-User-Id"]


async def entries(bus: Redis, stream: str) -> list[dict[str, str]]:
    """All entries of a stream as fields, oldest first."""
    found = cast("list[tuple[str, dict[str, str]]]", await bus.xrange(stream))
    return [fields for _, fields in found]


async def published(bus: Redis, subject: str, count: int) -> list[dict[str, Any]]:
    """The first ``count`` events about ``subject`` in ``chat.events``, once they are there; data decoded."""

    async def look() -> list[dict[str, Any]]:
        about = [{**fields} for fields in await entries(bus, "chat.events") if fields["subject"] == subject]
        assert len(about) >= count, f"{len(about)} of {count} facts about {subject}"
        return about[:count]

    events = await eventually(look)
    return [{**event, "data": codec.loads(event["data"])} for event in events]
