"""Connections of a runtime break while it answers: everything is shown once, in its order."""

from collections.abc import AsyncIterator

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
from tests.support.wire import Wire, wire_to


@pytest.fixture
async def wire(chat: Service) -> AsyncIterator[Wire]:
    async with wire_to(chat.url) as wire:
        yield wire


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
