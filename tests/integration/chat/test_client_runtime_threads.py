"""Answers of a runtime that are plain functions, which wait."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import httpx
import pytest

from takaro_agent_client.runtime import Turn, TurnOver, WaitingTurn, in_thread
from tests.integration.chat.conftest import post
from tests.integration.chat.served_agents import Served, ended
from tests.integration.chat.turn_calls import contents
from tests.support.services import Service
from tests.support.wait import eventually


@pytest.fixture
async def served(chat: Service, redis_url: str) -> AsyncIterator[Served]:
    async with Served(chat, f"{redis_url}/5") as agent:
        yield agent


async def test_a_function_answers_and_asks(served: Served, alice: httpx.AsyncClient) -> None:
    def answer(turn: WaitingTurn) -> None:
        call = turn.tool_use("search", {"q": turn.question})
        turn.tool_result(call, "search", output=[1])
        said = turn.ask("ban_player", {"name": "Eve"})
        turn.append({"role": "assistant", "content": f"{said}"})
        turn.text("Done ")
        turn.flush()
        turn.text(f"{turn.taken.number} {turn.state} {len(turn.history)}")

    await served.by(in_thread(answer))
    conversation = await served.conversation(alice)
    await post(alice, f"{conversation}/messages", content="ban Eve")
    [turn] = await ended(alice, conversation, "awaiting")
    await post(alice, f"{conversation}/turns/{turn['turnId']}/answer", answer={"ok": True})
    await ended(alice, conversation, "finished")
    assert await contents(alice, conversation) == ["ban Eve", "{'ok': True}", "Done 1 {} 1"]


@pytest.mark.parametrize("stops", [False, True])
async def test_a_function_is_told_when_its_turn_is_over_or_given_back(
    served: Served, alice: httpx.AsyncClient, stops: bool
) -> None:
    told: list[str | None] = []
    go = threading.Event()

    def talks(turn: WaitingTurn) -> None:
        try:
            while True:
                turn.text("bla ")
                turn.flush()
                go.wait(0.02)
        except TurnOver as over:
            told.extend([over.reason, turn.over])
            raise

    runtime = await served.by(in_thread(talks), ttl_seconds=3)
    conversation = await served.conversation(alice)
    await post(alice, f"{conversation}/messages", content="talk")
    [turn] = await ended(alice, conversation, "running")
    if stops:
        runtime.stop()
        await ended(alice, conversation, "interrupted")
    else:
        await post(alice, f"{conversation}/turns/{turn['turnId']}/cancel")
    await eventually(lambda: told)
    assert told == (["given back"] * 2 if stops else ["cancelled"] * 2)


async def test_no_number_of_functions_takes_the_threads_that_the_client_needs() -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    all_began = threading.Barrier(3)

    class Looks:
        """Looks an address up, as a new connection does."""

        over = None

        async def text(self, *_: Any, **__: Any) -> None:
            await asyncio.get_running_loop().getaddrinfo("localhost", 80)

    def answer(turn: WaitingTurn) -> None:
        all_began.wait(30)
        turn.text("bla")

    answered = in_thread(answer)
    await asyncio.gather(*(answered(cast("Turn", Looks())) for _ in range(3)))
