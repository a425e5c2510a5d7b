"""Nobody holds a connection by sending a request slowly, or by not reading the answer."""

import asyncio

import asyncpg
import httpx
import pytest

from tests.support.plain_http import NO_TLS
from tests.support.raw_http import RawConnection, connected, request
from tests.support.services import Service
from tests.support.wait import eventually

HALF = b"GET /health HTTP/1.1\r\nHost: test\r\n"
MESSAGE = b'{"agentId": "module-writer"}'


async def cut(chat: Service, reason: str) -> float:
    """How many connections the service has cut for ``reason``."""
    async with chat.client() as client:
        lines = (await client.get("/metrics")).text.splitlines()
    name = f'takaro_http_cut_total{{reason="{reason}"}}'
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


async def test_half_sent_requests_are_answered_and_closed(chat: Service) -> None:
    connections = [await RawConnection.open(chat) for _ in range(101)]
    for connection in connections:
        await connection.send(HALF)
    answers = await asyncio.gather(*(connection.answer() for connection in connections))
    assert {answer.status for answer in answers} == {408}
    assert answers[0].headers["connection"] == "close"
    assert "headers" in answers[0].json["error"]
    assert set(await asyncio.gather(*(connection.rest() for connection in connections))) == {b""}
    for connection in connections:
        await connection.close()


async def test_headers_that_drip_have_the_same_time_as_a_whole(chat: Service) -> None:
    before = await cut(chat, "slow headers")
    async with connected(chat) as connection:
        await connection.send(HALF + b"X-Long: ")
        await connection.drip(b"x")
    assert await cut(chat, "slow headers") == before + 1


async def test_a_connection_without_a_request_is_closed_without_an_answer(chat: Service) -> None:
    async with connected(chat) as connection:
        assert await connection.rest() == b""


async def test_empty_lines_dont_keep_a_connection(chat: Service) -> None:
    async with connected(chat) as connection:
        await connection.send(request("GET /health"))
        assert (await connection.answer()).status == 200
        await asyncio.wait_for(connection.drip(b"\r\n"), 60)


async def test_a_slow_body_is_a_408(chat: Service) -> None:
    async with connected(chat) as connection:
        head = request("POST /api/conversations", "Content-Type: application/json", "Content-Length: 1000")
        await connection.send(head + MESSAGE)
        answer = await connection.answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert "2 s" in answer.json["error"]
        await asyncio.wait_for(connection.drip(b" "), 60)


async def test_a_body_that_nobody_asked_for_doesnt_hold_a_connection(chat: Service) -> None:
    async with connected(chat) as connection:
        await connection.send(request("GET /health", "Content-Length: 1000000"))
        assert (await connection.answer()).status == 200
        await asyncio.wait_for(connection.drip(b" "), 60)


async def test_a_slow_request_on_a_kept_connection_is_answered_too(chat: Service) -> None:
    async with connected(chat) as connection:
        await connection.send(request("GET /health") + HALF)  # the second one begins with the first
        assert (await connection.answer()).status == 200
        assert (await connection.answer()).status == 408


async def test_requests_in_one_segment_are_all_answered(chat: Service) -> None:
    async with connected(chat) as connection:
        await connection.send(request("GET /health") * 3 + request("GET /ready"))
        assert [(await connection.answer()).status for _ in range(4)] == [200] * 4


@pytest.mark.parametrize("end", [b"\r\n\r\n", b""], ids=["complete", "endless"])
async def test_headers_that_are_too_large_are_a_431(chat: Service, end: bytes) -> None:
    async with connected(chat) as connection:
        await connection.send(HALF + b"X-Long: " + b"x" * 600_000 + end)
        answer = await connection.answer()
        assert (answer.status, answer.headers["connection"]) == (431, "close")


async def test_what_is_no_http_is_a_400(chat: Service) -> None:
    async with connected(chat) as connection:
        await connection.send(b"\x16\x03\x01 not HTTP\r\n\r\n" + b"x" * 300_000)
        answer = await connection.answer()
        assert (answer.status, answer.headers["content-type"]) == (400, "application/json")
        assert await connection.rest() == b""


async def test_a_client_that_doesnt_read_is_disconnected(chat: Service, package_database: str) -> None:
    async with chat.client("ann") as client:
        created = await client.post("/api/conversations", json={"agentId": "module-writer"})
    conversation = created.json()["data"]["id"]
    connection = await asyncpg.connect(package_database)
    try:
        await connection.execute(
            "INSERT INTO messages (conversation_id, role, content) "
            "SELECT $1, 'user', repeat('x', 50000) FROM generate_series(1, 800)",
            conversation,
        )
    finally:
        await connection.close()
    before = await cut(chat, "answer not taken")
    async with connected(chat) as slow:
        await slow.send(request(f"GET /api/conversations/{conversation}/messages"))

        async def is_cut() -> bool:
            return await cut(chat, "answer not taken") == before + 1

        await eventually(is_cut, timeout=60)
    async with httpx.AsyncClient(
        base_url=chat.url, headers={"X-User-Id": "ann"}, timeout=60, verify=NO_TLS
    ) as reader:
        whole = await reader.get(f"/api/conversations/{conversation}/messages")
    assert len(whole.json()["data"]) == 800
