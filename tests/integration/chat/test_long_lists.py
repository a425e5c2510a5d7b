"""A long list is sent as it is read: flat in memory, and no connection waits for a slow reader."""

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from common.postgres import Pool
from tests.integration.chat.conftest import post, user_of
from tests.support.services import Service
from tests.support.wait import eventually

MESSAGES = 20_000
ROOM_BYTES = 40_000_000

FILL = """
INSERT INTO messages (conversation_id, role, content, created_at, sequence)
SELECT $1, 'user', n || repeat('x', $3), '2026-01-01'::timestamptz + n * interval '1 ms', n
FROM generate_series(1, $2) AS n
"""


@pytest.fixture(scope="module")
def chat(
    service_database: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A chat service with two connections."""
    service = Service(
        "chat",
        database_url=service_database,
        redis_url=f"{redis_url}/5",
        folder=tmp_path_factory.mktemp("chat"),
        environment={"DATABASE_POOL_SIZE": "2"},
    )
    asyncio.run(service.start())
    yield service
    asyncio.run(service.stop())


@pytest.fixture
async def id(alice: httpx.AsyncClient) -> str:
    """A fresh conversation of alice's."""
    return str((await post(alice, "/api/conversations", agentId="module-writer"))["id"])


async def fill(pool: Pool, id: str, count: int, size: int = 1_000) -> None:
    """Give the conversation messages that count up from 1."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('takaro.message_order', 'numbered', true)")
        await connection.execute(FILL, UUID(id), count, size)
        await connection.execute(
            "UPDATE conversations SET message_sequence = $2 WHERE id = $1", UUID(id), count
        )


class SlowReader:
    """A client that has sent a request, and reads the answer when the test lets it."""

    def __init__(self, chat: Service, user: str, path: str) -> None:
        self._chat, self._user, self._path = chat, user, path

    async def __aenter__(self) -> "SlowReader":
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self._chat.port))
        self._reader, self._writer = await asyncio.open_connection(sock=connection, limit=4_096)
        request = f"GET {self._path} HTTP/1.1\r\nHost: chat\r\nX-User-Id: {self._user}\r\n\r\n"
        self._writer.write(request.encode())
        self.head = await self._reader.readuntil(b"\r\n\r\n")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def read_to_end(self, body: bytearray) -> bytearray:
        """Add what follows to ``body``. Raises ``IncompleteReadError`` when the answer is broken off."""
        if b"content-length: " in self.head:
            length = int(self.head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            return body + await self._reader.readexactly(length)
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            body += await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        return body


def peak_bytes(service: Service) -> int:
    """The most memory that the service had since :func:`forget_peak`."""
    status = Path(f"/proc/{service.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def forget_peak(service: Service) -> int:
    """Measure from now on; the memory that the service has now."""
    Path(f"/proc/{service.pid}/clear_refs").write_text("5")
    return peak_bytes(service)


@pytest.mark.large
async def test_memory_stays_flat_while_messages_are_read(
    chat: Service, alice: httpx.AsyncClient, id: str, service_pool: Pool
) -> None:
    await fill(service_pool, id, 600)
    path = f"/api/conversations/{id}/messages"
    assert len((await alice.get(path)).json()["data"]) == 600
    await service_pool.execute("DELETE FROM messages WHERE conversation_id = $1", UUID(id))
    await fill(service_pool, id, MESSAGES)
    before = forget_peak(chat)
    async with SlowReader(chat, user_of(alice), path) as slow:
        body = await slow.read_to_end(bytearray())
    assert peak_bytes(chat) - before < ROOM_BYTES
    assert b"transfer-encoding: chunked" in slow.head
    assert [int(m["content"].rstrip("x")) for m in json.loads(body)["data"]] == list(range(1, MESSAGES + 1))


async def test_a_neighbour_is_answered_while_clients_do_not_read(
    chat: Service, alice: httpx.AsyncClient, id: str, service_pool: Pool
) -> None:
    await fill(service_pool, id, MESSAGES)
    path = f"/api/conversations/{id}/messages"
    async with (
        SlowReader(chat, user_of(alice), path),
        SlowReader(chat, user_of(alice), path),
        SlowReader(chat, user_of(alice), path),
    ):
        for _ in range(5):
            assert (await alice.get(f"/api/conversations/{id}", timeout=5)).status_code == 200
        await eventually(lambda: _no_transaction_is_open(service_pool))


async def _no_transaction_is_open(pool: Pool) -> bool:
    count = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND state LIKE 'idle in%'
    """
    return bool(await pool.fetchval(count) == 0)


async def test_an_answer_that_fails_in_the_middle_is_broken_off(
    chat: Service, alice: httpx.AsyncClient, id: str, service_pool: Pool
) -> None:
    await fill(service_pool, id, MESSAGES)
    received = bytearray()
    async with SlowReader(chat, user_of(alice), f"/api/conversations/{id}/messages") as slow:
        await service_pool.execute("DELETE FROM conversations WHERE id = $1", UUID(id))
        with pytest.raises(asyncio.IncompleteReadError):
            await slow.read_to_end(received)
    body = bytes(received)
    assert body.startswith(b'{"data":[{"id":')
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)
    assert (await alice.get("/api/conversations")).status_code == 200


async def test_messages_that_come_while_it_is_read_are_not_in_the_answer(
    chat: Service, alice: httpx.AsyncClient, id: str, service_pool: Pool
) -> None:
    await fill(service_pool, id, MESSAGES)
    path = f"/api/conversations/{id}/messages"
    async with SlowReader(chat, user_of(alice), path) as slow:
        await post(alice, path, content="late")
        body = await slow.read_to_end(bytearray())
    assert len(json.loads(body)["data"]) == MESSAGES


async def test_one_page_is_one_response(alice: httpx.AsyncClient, id: str, service_pool: Pool) -> None:
    await fill(service_pool, id, 500, size=10)
    answer = await alice.get(f"/api/conversations/{id}/messages")
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert len(answer.json()["data"]) == 500


async def test_messages_of_a_stranger_are_refused_before_anything_is_sent(
    mallory: httpx.AsyncClient, id: str, service_pool: Pool
) -> None:
    await fill(service_pool, id, 2_000)
    assert (await mallory.get(f"/api/conversations/{id}/messages")).status_code == 403
    assert (await mallory.get(f"/api/conversations/{uuid4()}/messages")).status_code == 404


@pytest.mark.large
async def test_memory_stays_flat_while_conversations_are_listed(
    chat: Service, alice: httpx.AsyncClient, service_pool: Pool
) -> None:
    count = 3_000
    await service_pool.execute(
        """
        INSERT INTO conversations (agent_id, agent_version, user_id, state, created_at)
        SELECT 'module-writer', 'v', $1, jsonb_build_object('n', n, 'x', repeat('x', 15000)),
               '2026-01-01'::timestamptz + n * interval '1 s'
        FROM generate_series(1, $2) AS n
        """,
        user_of(alice),
        count,
    )
    before = forget_peak(chat)
    async with SlowReader(chat, user_of(alice), "/api/conversations") as slow:
        body = await slow.read_to_end(bytearray())
    assert peak_bytes(chat) - before < ROOM_BYTES
    assert [c["state"]["n"] for c in json.loads(body)["data"]] == list(range(count, 0, -1))


@pytest.mark.large
async def test_memory_stays_flat_while_a_long_conversation_is_deleted(
    chat: Service, alice: httpx.AsyncClient, id: str, service_pool: Pool
) -> None:
    await fill(service_pool, id, 150_000, size=1)
    before = forget_peak(chat)
    assert (await alice.delete(f"/api/conversations/{id}", timeout=30)).status_code == 200
    assert peak_bytes(chat) - before < ROOM_BYTES / 4
    remembered = await service_pool.fetchval(
        "SELECT count(*) FROM inbox WHERE type = 'chat.message.append.v1' AND digest = ''"
    )
    assert remembered == 150_000
