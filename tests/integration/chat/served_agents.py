"""Runtimes of takaro-agent-client in tests: an agent of one's own, served by a function."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx

from contracts.chat import AnnounceAgent
from takaro_agent_client import AsyncClient, Retrying
from takaro_agent_client.runtime import Answer, Runtime, connect
from tests.integration.chat.turn_calls import start_conversation
from tests.support.plain_http import NO_TLS
from tests.support.services import Service
from tests.support.wait import eventually

QUICK = Retrying(first_seconds=0.01)


class Served:
    """Starts runtimes of one agent, each as a process of its own would be."""

    def __init__(self, chat: Service, bus: str) -> None:
        self.agent = f"served-{uuid4().hex[:8]}"
        self._chat, self._bus = chat, bus
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Served":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def by(self, answer: Answer, **settings: Any) -> Runtime:
        """A runtime that runs until the end of the test, or until it is stopped."""
        return await self._stack.enter_async_context(self._running(answer, settings))

    @asynccontextmanager
    async def _running(self, answer: Answer, settings: dict[str, Any]) -> AsyncIterator[Runtime]:
        name = f"{self.agent}-{uuid4().hex[:8]}"
        announced = AnnounceAgent(agent_id=self.agent, model="m", description="d", ttl_seconds=30)
        url = settings.pop("url", self._chat.url)
        async with (
            httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=60) as http,
            connect(self._bus, group=self.agent, name=name) as bus,
        ):
            client = AsyncClient(chat=url, user=name, agents=[self.agent], http=http, retrying=QUICK)
            runtime = Runtime(client, bus, [announced], answer, name=name, **{"stop_seconds": 0} | settings)
            running = asyncio.create_task(runtime.run())
            try:
                yield runtime
            finally:
                runtime.stop()
                await running

    async def conversation(self, user: httpx.AsyncClient) -> str:
        """The path of a conversation with the agent, once chat knows that it is served."""

        async def look() -> bool:
            answer = await user.post("/api/conversations", json={"agentId": self.agent})
            return answer.is_success

        await eventually(look)
        return await start_conversation(user, self.agent)


async def turns(user: httpx.AsyncClient, conversation: str) -> list[dict[str, Any]]:
    """The conversation's turns, oldest first."""
    answer = await user.get(f"{conversation}/turns?order=asc")
    found: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
    return found


async def ended(user: httpx.AsyncClient, conversation: str, *states: str) -> list[dict[str, Any]]:
    """The conversation's turns, once they are in these states, oldest first."""

    async def look() -> list[dict[str, Any]]:
        found = await turns(user, conversation)
        assert [turn["state"] for turn in found] == list(states)
        return found

    return await eventually(look)
