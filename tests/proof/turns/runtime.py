"""``python -m tests.proof.turns.runtime``: a runtime that takes the turns that it hears of, and works there.

It asks any process of chat, again and again until one answers, and is stopped by nothing but a refusal. What
it is about to ask, and what was answered, it prints as JSON lines: who reads them kills it, or chat, at that
step.
"""

import argparse
import asyncio
import json
import random
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts.chat import AppendMessage, PatchState, TurnInterrupted, TurnRequested
from takaro_agent_client.events.envelope import Fact
from takaro_agent_client.events.reading import GroupReader
from takaro_agent_client.events.redis import follow_async
from tests.proof.commands import add_entry
from tests.support.plain_http import NO_TLS

AGENT = "player-moderator"
STEPS = ("take", "renew", "patch", "append", "finish", "fail")
"""What a runtime asks for in a turn; ``fail`` in place of ``finish`` in one of ten."""
TTL_SECONDS = 3
FAILS = 0.1


class TurnIsOver(Exception):
    """Chat refused the turn's token, or said that somebody has stopped the turn."""


@dataclass(slots=True)
class Work:
    """A turn that was taken: ``messages`` are the ids of those sent so far."""

    conversation: str
    id: str
    token: str
    messages: list[str] = field(default_factory=list)
    renewing: asyncio.Task[None] | None = None

    @property
    def path(self) -> str:
        return f"/api/conversations/{self.conversation}"

    def content(self) -> str:
        """Of the next message: its turn, and its number in the turn."""
        return f"{self.id} {len(self.messages) + 1}"


class Runtime:
    """Works in one turn at a time; ``way`` says how it writes: over HTTP, or on the stream of commands."""

    def __init__(self, name: str, way: str, chats: Sequence[str], redis: Redis, seed: str) -> None:
        self._name, self._way, self._chats, self._redis = name, way, chats, redis
        self._random = random.Random(seed)
        self._stopping = False
        headers = {"X-User-Id": name, "X-Scope": "agent", "X-Agents": AGENT}
        self._http = httpx.AsyncClient(headers=headers, timeout=2, trust_env=False, verify=NO_TLS)

    def stop(self) -> None:
        """Take no more turns."""
        self._stopping = True

    async def run(self) -> None:
        """Until :meth:`stop`. Each runtime hears of every turn, so that all try to take it."""
        while not self._stopping:
            reader = GroupReader("chat.events", self._name, self._name, block_milliseconds=200)
            try:
                async for fact in follow_async(self._redis, reader):
                    if self._stopping:
                        break
                    if fact is not None:
                        await self._answer(fact)
            except (RedisError, OSError):
                await asyncio.sleep(0.1)

    async def _answer(self, fact: Fact) -> None:
        if fact.type == TurnRequested.type and fact.data["agentId"] == AGENT:
            taking = {"turnId": fact.data["turnId"], "ttlSeconds": TTL_SECONDS}
        elif fact.type == TurnInterrupted.type:
            taking = {"ttlSeconds": TTL_SECONDS}
        else:
            return
        conversation = str(fact.data["conversationId"])
        with suppress(TurnIsOver):
            taken = await self._take(conversation, taking)
            work = Work(conversation, taken["turnId"], taken["token"])
            async with self._held(work):
                await self._work(work)

    async def _take(self, conversation: str, taking: Mapping[str, Any]) -> Any:
        key = {"Idempotency-Key": str(uuid4())}
        path = f"/api/conversations/{conversation}/turns"
        answer = await self._ask("take", str(taking.get("turnId")), "POST", path, taking, key)
        return answer["data"]

    @asynccontextmanager
    async def _held(self, work: Work) -> AsyncIterator[None]:
        """Renew the turn meanwhile. The work isn't stopped when that is refused: its own next request is."""
        work.renewing = asyncio.create_task(self._renew(work))
        try:
            yield
        finally:
            work.renewing.cancel()
            await asyncio.wait([work.renewing])

    async def _renew(self, work: Work) -> None:
        """Ends when the turn does."""
        with suppress(TurnIsOver):
            while True:
                await asyncio.sleep(TTL_SECONDS / 4)
                body = {"ttlSeconds": TTL_SECONDS}
                answer = await self._in_turn("renew", work, "PUT", f"/turns/{work.id}", body)
                if answer["data"]["cancelled"]:
                    return

    async def _work(self, work: Work) -> None:
        for step in range(1, self._random.randint(2, 4)):
            await self._patch(work, {"turn": work.id, "step": step})
            await self._append(work)
            await asyncio.sleep(self._random.uniform(0, 0.3))  # as long as a model would think
        if self._random.random() < FAILS:
            await self._in_turn("fail", work, "POST", f"/turns/{work.id}/fail", {"error": "no idea"})
            return
        await self._all_stored(work)
        body = {"messages": [{"id": str(uuid4()), "role": "assistant", "content": work.content() + " last"}]}
        await self._in_turn("finish", work, "POST", f"/turns/{work.id}/finish", body)

    async def _patch(self, work: Work, patch: Mapping[str, Any]) -> None:
        if self._way == "http":
            await self._in_turn("patch", work, "PATCH", "/state", patch)
        else:
            await self._send("patch", work, PatchState.type, {"patch": patch}, str(uuid4()))

    async def _append(self, work: Work) -> None:
        id = str(uuid4())
        message = {"role": self._random.choice(("assistant", "tool")), "content": work.content()}
        if self._way == "http":
            body = {"messages": [{"id": id, **message}]}
            await self._in_turn("append", work, "POST", "/messages/bulk", body)
        else:
            await self._send("append", work, AppendMessage.type, message, id)
        work.messages.append(id)

    async def _send(self, step: str, work: Work, type_: str, data: Mapping[str, Any], id: str) -> None:
        tell(step=step, turn=work.id, chat=None)
        about = {"conversationId": work.conversation, "turnToken": work.token}
        await add_entry(self._redis, "chat.commands", type_, id, work.conversation, {**about, **data})

    async def _all_stored(self, work: Work) -> None:
        """Wait until chat has carried out every command: what it handles after the end is refused."""
        missing = set(work.messages) if self._way == "stream" else set()
        while missing:
            if work.renewing is not None and work.renewing.done():
                raise TurnIsOver  # the commands were refused, which nobody answers to
            path = f"{work.path}/messages?order=desc&limit=20"
            page = await self._ask("read", work.id, "GET", path)
            missing -= {message["id"] for message in page["data"]}
            await asyncio.sleep(0.05)

    async def _in_turn(self, step: str, work: Work, method: str, path: str, body: Any) -> Any:
        headers = {"X-Turn-Token": work.token}
        return await self._ask(step, work.id, method, work.path + path, body, headers)

    async def _ask(
        self,
        step: str,
        turn: str,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Ask until there is an answer. Raises :class:`TurnIsOver` if it is a refusal."""
        while True:
            chat = self._random.choice(self._chats)
            tell(step=step, turn=turn, chat=chat)
            try:
                answer = await self._http.request(method, chat + path, json=body, headers=headers)
            except httpx.HTTPError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code < 500:
                break
            await asyncio.sleep(0.05)
        found = answer.json()
        if answer.is_success:
            tell(done=step, turn=found["data"]["turnId"] if step == "take" else turn, body=body)
            return found
        tell(refused=step, turn=turn, status=answer.status_code, text=answer.text)
        raise TurnIsOver


def tell(**line: Any) -> None:
    print(json.dumps(line), flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("name", "way", "redis", "seed"):
        parser.add_argument(name)
    parser.add_argument("chats", nargs="+")
    arguments = parser.parse_args()
    async with Redis.from_url(arguments.redis, socket_timeout=5) as redis:
        runtime = Runtime(arguments.name, arguments.way, arguments.chats, redis, arguments.seed)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, runtime.stop)
        await runtime.run()


if __name__ == "__main__":
    asyncio.run(main())
