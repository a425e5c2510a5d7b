"""What lasts: event streams, uploads and callers who go, through the proxy to a server that sees it all."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.origin import Origin, running_origin
from tests.support.plain_http import NO_TLS
from tests.support.servers import free_port
from tests.support.wait import eventually

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n"


@asynccontextmanager
async def in_front_of(folder: Path, handler: Handler) -> AsyncIterator[Origin]:
    """The proxy, with ``handler`` as all three services."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        async with running_origin(folder, dict.fromkeys(("chat", "knowledge", "cockpit"), url)) as origin:
            yield origin
    finally:
        server.close()


def piece(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.mark.parametrize("kind", [b"text/event-stream", b"application/x-ndjson"])
async def test_each_piece_of_an_answer_comes_before_the_next_is_sent(tmp_path: Path, kind: bytes) -> None:
    """The server sends the next piece when the reader has the one before."""
    has_read = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(STREAM % kind)
        for number in range(3):
            has_read.clear()
            writer.write(piece(b"data: %d\n\n" % number))
            await has_read.wait()
        writer.write(piece(b""))
        await writer.drain()

    read = []
    async with (
        in_front_of(tmp_path, handler) as origin,
        origin.client() as client,
        client.stream("GET", "/api/cockpit/sessions/a/events") as answer,
    ):
        async for data in answer.aiter_bytes():
            read.append(data)
            has_read.set()
    assert read == [b"data: 0\n\n", b"data: 1\n\n", b"data: 2\n\n"]


async def test_a_caller_who_goes_before_the_answer_is_gone_at_the_service(tmp_path: Path) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()  # until the connection ends
        gone.set()

    async with in_front_of(tmp_path, handler) as origin, origin.client() as client:
        asking = asyncio.create_task(client.get("/api/conversations"))
        async with asyncio.timeout(60):
            await asked.wait()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await gone.wait()


@pytest.mark.parametrize("kind", [b"text/event-stream", b"application/x-ndjson"])
async def test_a_caller_who_goes_is_gone_at_the_service(tmp_path: Path, kind: bytes) -> None:
    gone = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(STREAM % kind + piece(b"data: 0\n\n"))
        await reader.read()  # until the connection ends
        gone.set()

    async with in_front_of(tmp_path, handler) as origin, origin.client() as client:
        async with client.stream("GET", "/api/cockpit/sessions/a/events") as answer:
            assert await anext(answer.aiter_bytes()) == b"data: 0\n\n"
            assert not gone.is_set()
        async with asyncio.timeout(60):
            await gone.wait()


async def test_an_upload_arrives_while_it_is_sent(tmp_path: Path) -> None:
    """The caller sends the rest when the service has the beginning."""
    has_begun = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"first")
        has_begun.set()
        await reader.readuntil(b"last")
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()

    async def lines() -> AsyncIterator[bytes]:
        yield b"first\n"
        await has_begun.wait()
        yield b"last\n"

    async with in_front_of(tmp_path, handler) as origin, origin.client() as client:
        answer = await client.post("/api/conversations/a/messages/bulk", content=lines())
    assert answer.json() == {}


async def test_while_a_service_is_away_callers_are_told_to_come_back(tmp_path: Path) -> None:
    """An EventSource too: any status but 200 would be final for it."""
    nobody = f"http://127.0.0.1:{free_port()}"
    services = dict.fromkeys(("chat", "knowledge", "cockpit"), nobody)
    async with running_origin(tmp_path, services) as origin, origin.client() as client:
        answer = await client.post("/api/conversations", json={"agentId": "a"})
        assert (answer.status_code, answer.headers["retry-after"]) == (502, "1")
        assert answer.json() == {"error": "The service is temporarily unavailable, try again"}
        stream = await client.get("/api/cockpit/sessions/a/events", headers={"Accept": "text/event-stream"})
        assert stream.status_code == 200
        assert stream.headers["content-type"] == "text/event-stream"
        retry, event, data, *end = stream.text.split("\n")
        assert (retry, event, end) == ("retry: 5000", "event: error", ["", ""])
        assert data.startswith('data: {"error":"The service is temporarily unavailable, try again"')


async def test_it_listens_on_its_port_alone_and_ends_in_time(tmp_path: Path) -> None:
    """Although a stream is open; nothing administers it over the network."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(STREAM % b"text/event-stream" + piece(b"data: 0\n\n"))
        await reader.read()

    client = httpx.AsyncClient(trust_env=False, verify=NO_TLS)
    async with client, in_front_of(tmp_path, handler) as origin:
        assert origin.listens_on() == {("127.0.0.1", origin.port)}
        stream = await client.send(
            client.build_request("GET", f"{origin.url}/api/cockpit/sessions/a/events"), stream=True
        )
        assert stream.status_code == 200
        origin.child.terminate()
        await eventually(lambda: origin.child.poll() == 0)
        await stream.aclose()
