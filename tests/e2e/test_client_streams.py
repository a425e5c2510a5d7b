"""Saying something and following the answer with takaro-agent-client, sync and async."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest

from contracts.chat import AnnounceAgent
from takaro_agent_client import AsyncClient
from takaro_agent_client.operations import messages, turns
from takaro_agent_client.runtime import Runtime, Turn, connect
from tests.e2e.asking import Asks, Make
from tests.e2e.conftest import System
from tests.e2e.test_echo_agent import begin
from tests.support.plain_http import NO_TLS
from tests.support.wire import wire_to

WORDS = [f"{number} " for number in range(40)]


class Slow:
    """Answers half, and the rest when it may ``go`` on."""

    def __init__(self) -> None:
        self.agent = f"slow-{uuid4().hex[:8]}"
        self.go = asyncio.Event()

    async def answer(self, turn: Turn) -> None:
        for word in WORDS[:20]:
            await turn.text(word)
        await self.go.wait()
        if turn.question == "fail":
            raise ValueError("as you wish")
        for word in WORDS[20:]:
            await turn.text(word)
        turn.used(inputTokens=2, outputTokens=40)


@pytest.fixture
async def slow(system: System) -> AsyncIterator[Slow]:
    slow = Slow()
    announced = AnnounceAgent(agent_id=slow.agent, model="m", description="d", ttl_seconds=30)
    async with (
        httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=60) as http,
        connect(system.redis_url, group=slow.agent) as bus,
    ):
        client = AsyncClient(chat=system["chat"].url, user="slow", agents=[slow.agent], http=http)
        runtime = Runtime(client, bus, [announced], slow.answer, stop_seconds=0)
        running = asyncio.create_task(runtime.run())
        yield slow
        runtime.stop()
        await running


@pytest.fixture
async def conversation(slow: Slow, system: System, make: Make) -> UUID:
    """One of the client's user with that agent."""
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=60) as http:
        return (await begin(AsyncClient(chat=system["chat"].url, user="installed", http=http), slow.agent)).id


async def test_an_answer_is_followed_across_a_broken_connection_and_the_message_stored_once(
    make: Make, system: System, slow: Slow, conversation: UUID
) -> None:
    async with wire_to(system["chat"].url) as wire:
        client = make(wire.url)
        loop = asyncio.get_running_loop()

        def breaks(event: object) -> bool:
            if getattr(event, "id", "") == "10" and not slow.go.is_set():
                loop.call_soon_threadsafe(wire.cut)
                loop.call_soon_threadsafe(slow.go.set)
            return getattr(event, "event", "") in ("done", "error")

        seen = await client.follow(messages.ask(conversation, "go on"), breaks)
        assert [event.event for event in seen] == ["text"] * 40 + ["done"]
        assert [event.json()["content"] for event in seen[:-1]] == WORDS
        assert seen[-1].json()["tokenUsage"] == {"inputTokens": 2, "outputTokens": 40, "totalTokens": 42}
        stored = await client.each(messages.listing(conversation))
    assert [each.content for each in stored] == ["go on", "".join(WORDS)]


async def test_a_stream_ends_with_the_reason_why_there_is_no_answer(
    client: Asks, slow: Slow, conversation: UUID
) -> None:
    slow.go.set()
    seen = await client.follow(messages.ask(conversation, "fail"), lambda _: False)
    assert (seen[-1].event, seen[-1].json()["code"]) == ("error", "turn_failed")
    assert seen[-1].json()["error"] == "ValueError: as you wish"
    [turn] = await client.each(turns.listing(conversation))
    again = await client.follow(turns.stream(conversation, turn.turn_id), lambda _: False)
    assert [event.id for event in again] == [event.id for event in seen]
