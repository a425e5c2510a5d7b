"""One cockpit process a test, on its own database, and people who talk to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from common import codec
from common.postgres import Pool, prepare_connection
from tests.conftest import _database as make_database
from tests.support.servers import PostgresServer
from tests.support.services import Service, running
from tests.support.wait import eventually

Converse: TypeAlias = Callable[[str], Awaitable[UUID]]

# What knex sends for `db("conversations").insert({agent_id, agent_version, user_id}).returning("*")`.
NODE_CONVERSATION = """
insert into "conversations" ("agent_id", "agent_version", "user_id") values ($1, $2, $3) returning *
"""
ENVIRONMENT = {"SIMULATION_INTERVAL_SECONDS": "0.05", "LEASE_TTL_SECONDS": "1.5"}


# Left by a test; commands and chat's facts were consumed, or concern what was deleted.
FORGET = "TRUNCATE conversations, cockpit_game_servers, cockpit_registration_tokens, outbox CASCADE"


@pytest.fixture(scope="package")
def package_database(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    yield from make_database(postgres_server, template_database)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def process(
    package_database: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """One cockpit for all tests of the package: starting it takes longer than most of them."""
    async with Redis.from_url(redis_url) as redis:
        await redis.flushall()
    async with running(
        "cockpit",
        database_url=package_database,
        redis_url=redis_url,
        folder=tmp_path_factory.mktemp("cockpit"),
        environment=ENVIRONMENT,
    ) as service:
        yield service


@pytest.fixture
async def pool(package_database: str) -> AsyncIterator[Pool]:
    async with asyncpg.create_pool(
        package_database,
        min_size=1,
        max_size=12,
        init=prepare_connection,
        server_settings={"timezone": "UTC"},
    ) as opened:
        yield opened


@pytest.fixture
async def cockpit(process: Service, pool: Pool, redis_url: str) -> Service:
    """The running cockpit, without any data; restarted if the last test left it dead."""
    if process.exit_code is not None:
        await process.start()
    await pool.execute(FORGET)
    async with Redis.from_url(redis_url) as redis:
        await redis.xtrim("cockpit.events", maxlen=0, approximate=False)
    return process


@pytest.fixture
def converse(pool: Pool) -> Converse:
    """Creates a conversation as the Node application does. Returns its id."""

    async def insert(user: str) -> UUID:
        row = await pool.fetchrow(NODE_CONVERSATION, "module-writer", "grok-fast", user)
        assert row is not None
        return UUID(str(row["id"]))

    return insert


@dataclass(slots=True)
class Cockpit:
    """A user's view of one session, over HTTP."""

    client: httpx.AsyncClient
    conversation_id: UUID
    session_id: str

    async def post(self, path: str, body: object = None, *, status: int = 200) -> Any:
        answer = await self.client.post(f"/api/cockpit/sessions/{self.session_id}/{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json().get("data")

    async def get(self, path: str) -> Any:
        answer = await self.client.get(f"/api/cockpit/sessions/{self.session_id}/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def start(self) -> Any:
        return await self.post("mock-server/start")

    async def stop(self) -> Any:
        return await self.post("mock-server/stop")

    async def status(self) -> Any:
        return await self.get("mock-server/status")

    async def run(self, line: str) -> Any:
        return await self.post("mock-server/command", {"command": line})


async def open_cockpit(client: httpx.AsyncClient, conversation_id: UUID) -> Cockpit:
    answer = await client.get(f"/api/cockpit/sessions/{conversation_id}")
    assert answer.status_code == 200, answer.text
    return Cockpit(client, conversation_id, answer.json()["data"]["id"])


@pytest.fixture
async def ann(cockpit: Service, converse: Converse) -> AsyncIterator[Cockpit]:
    """Ann, in a session of a conversation of hers."""
    async with cockpit.client("ann") as client:
        yield await open_cockpit(client, await converse("ann"))


@dataclass(slots=True)
class Tab:
    """A browser tab that follows a session's events: what it received, in order."""

    received: list[tuple[str, str | None, Any]] = field(default_factory=list)
    ended: bool = False

    def of(self, kind: str) -> list[Any]:
        return [data for event, _, data in self.received if event == kind]

    def names(self) -> list[str]:
        return [data["eventName"] for data in self.of("event")]

    def last_id(self) -> str:
        return [id for _, id, _ in self.received if id is not None][-1]


@asynccontextmanager
async def open_tab(
    service: Service, user: str, session_id: str, last_event_id: str | None = None
) -> AsyncIterator[Tab]:
    """Follow the session until the end of the block; entered when ``connected`` has arrived."""
    tab = Tab()
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}

    async def follow() -> None:
        async with (
            service.client(user, timeout=60) as client,
            client.stream("GET", f"/api/cockpit/sessions/{session_id}/events", headers=headers) as answer,
        ):
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            fields: dict[str, str] = {}
            async for line in answer.aiter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif fields:
                    tab.received.append((fields["event"], fields.get("id"), codec.loads(fields["data"])))
                    fields = {}
        tab.ended = True

    following = asyncio.create_task(follow())
    try:
        await eventually(lambda: following.done() or tab.of("connected"))
        if following.done():
            following.result()
        yield tab
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError, httpx.TransportError):
            await following


@dataclass(slots=True)
class Streams:
    """What others publish for cockpit, and the facts that it publishes."""

    redis: Redis

    async def send(self, stream: str, type: str, data: object, *, id: str | None = None) -> str:
        """XADD as any language would. Returns the event's id."""
        event_id = id or str(uuid4())
        fields: dict[Any, Any] = {"id": event_id, "source": "/tests", "type": type}
        await self.redis.xadd(stream, fields | {"data": codec.dumps_str(data)})
        return event_id

    async def command(self, type: str, data: object, *, id: str | None = None) -> str:
        return await self.send("cockpit.commands", type, data, id=id)

    async def facts(self, type: str | None = None) -> list[dict[str, Any]]:
        """Every fact of ``cockpit.events`` (of one type), its ``data`` decoded, in order."""
        entries: Any = await self.redis.xrange("cockpit.events")
        facts = [{**fields, "data": codec.loads(fields["data"])} for _, fields in entries]
        return [fact for fact in facts if type in (None, fact["type"])]


@pytest.fixture
async def streams(redis_url: str) -> AsyncIterator[Streams]:
    async with Redis.from_url(redis_url, decode_responses=True) as redis:
        yield Streams(redis)
