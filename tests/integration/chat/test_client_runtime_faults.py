"""Connections of a runtime break while it answers: everything is shown once, in its order."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest

from common import codec
from common.postgres import Pool
from takaro_agent_client.runtime import Turn
from tests.integration.chat.conftest import post
from tests.integration.chat.served_agents import Served, ended
from tests.integration.chat.turn_calls import contents
from tests.support.services import Service
from tests.support.wait import eventually


class Wire:
    """Relays to a service on a port of its own, until it is cut."""

    def __init__(self, url: str) -> None:
        self._port = urlsplit(url).port
        self._open: set[asyncio.StreamWriter] = set()
        self.url = ""

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        mine = {writer, back}
        self._open |= mine
        await asyncio.gather(_copy(reader, back), _copy(there, writer), return_exceptions=True)
        self._open -= mine

    def cut(self) -> int:
        """Break all connections. Returns how many ends they had."""
        for writer in self._open:
            writer.transport.abort()
        return len(self._open)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while some := await reader.read(65_536):
            writer.write(some)
            await writer.drain()
    finally:
        writer.close()


@pytest.fixture
async def wire(chat: Service) -> AsyncIterator[Wire]:
    wire = Wire(chat.url)
    server = await asyncio.start_server(wire.relay, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield wire
    finally:
        server.close()
        wire.cut()


async def test_pieces_are_sent_again_after_a_broken_connection_and_shown_once(
    chat: Service, redis_url: str, wire: Wire, alice: httpx.AsyncClient, service_pool: Pool
) -> None:
    """With the pieces counted anew after each break, some would be missing."""
    texts = [f"{number} " for number in range(60)]

    async def streams(turn: Turn) -> None:
        for number, text in enumerate(texts):
            await turn.text(text)
            if number % 20 == 10:
                await eventually(lambda: _stored(service_pool, turn))
                await eventually(wire.cut)

    async with Served(chat, f"{redis_url}/5") as served:
        await served.by(streams, url=wire.url)
        conversation = await served.conversation(alice)
        await post(alice, f"{conversation}/messages", content="go")
        [turn] = await ended(alice, conversation, "finished")
    assert await contents(alice, conversation) == ["go", "".join(texts)]
    rows = await service_pool.fetch(
        "SELECT pieces FROM chat_turn_pieces WHERE turn_id = $1 ORDER BY first", turn["turnId"]
    )
    pieces = [piece for row in rows for piece in codec.loads(row["pieces"])]
    assert [piece["number"] for piece in pieces] == list(range(1, 61))
    assert [piece["content"] for piece in pieces] == texts


async def _stored(pool: Pool, turn: Turn) -> bool:
    """Whether pieces come through, so that there is something to break."""
    last = await pool.fetchval(
        "SELECT max(last) FROM chat_turn_pieces WHERE turn_id = $1", turn.taken.turn_id
    )
    return bool(last)
