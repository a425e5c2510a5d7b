"""``python -m tests.proof.turns.runtime``: a runtime that takes the turns that it hears of, and works there.

It asks any process of chat, again and again until one answers, and is stopped by nothing but a refusal. What
it is about to ask, and what was answered, it prints as JSON lines: who reads them kills it, or chat, at that
step.
"""

import argparse
import asyncio
import json
import os
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

from contracts.chat import AppendMessage, PatchState, ShowPiece, TurnInterrupted, TurnRequested
from takaro_agent_client.events.envelope import Fact
from takaro_agent_client.events.reading import GroupReader
from takaro_agent_client.events.redis import follow_async
from tests.proof.commands import add_entry
from tests.support.plain_http import NO_TLS

AGENT = "player-moderator"
STEPS = ("take", "renew", "show", "patch", "append", "finish", "fail")
"""What a runtime asks for in a turn; ``fail`` now and then in place of ``finish``."""
TTL_SECONDS = 3


class TurnIsOver(Exception):
    """Chat refused the turn's token, or said that somebody has stopped the turn."""


@dataclass(slots=True)
class Work:
    """A turn that was taken: ``messages`` are the ids of those sent so far, and ``shown`` is the number of
    the last piece."""

    conversation: str
    id: str
    token: str
    messages: list[str] = field(default_factory=list)
    shown: int = 0
    renewing: asyncio.Task[None] | None = None

    @property
    def path(self) -> str:
        return f"/api/conversations/{self.conversation}"

    def words(self, *, last: bool = False) -> list[str]:
        """Of the next message: its turn, its number there, whether it is the last one; and some more."""
        first = f"{self.id} {len(self.messages) + 1}{' last' if last else ''}"
        return [first, " as", " far", " as", " I", " know"]

    def pieces(self, words: Sequence[str], message: str) -> list[dict[str, Any]]:
        """The next pieces, which are of a message with this id."""
        first, self.shown = self.shown + 1, self.shown + len(words)
        return [
            {"number": number, "messageId": message, "type": "text", "content": word}
            for number, word in enumerate(words, start=first)
        ]


class Runtime:
    """Works in one turn at a time; ``way`` says how it writes: over HTTP, or on the stream of commands.
    ``fails`` is the share of turns that it gives up; it freezes once, after the step that it is told."""

    def __init__(self, arguments: argparse.Namespace, redis: Redis) -> None:
        self._name, self._way, self._chats = arguments.name, arguments.way, arguments.chats
        self._fails, self._freezes_after = arguments.fails, arguments.freezes_after
        self._redis = redis
        self._random = random.Random(arguments.seed)
        self._stopping = False
        headers = {"X-User-Id": self._name, "X-Scope": "agent", "X-Agents": AGENT}
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
            id, words = str(uuid4()), work.words()
            await self._show(work, work.pieces(words, id))
            await self._append(work, id, "".join(words))
            await asyncio.sleep(self._random.uniform(0, 0.2))  # as long as a model would think
        id, words = str(uuid4()), work.words(last=True)
        await self._show(work, work.pieces(words, id))
        await self._all_stored(work)
        if self._random.random() < self._fails:
            await self._in_turn("fail", work, "POST", f"/turns/{work.id}/fail", {"error": "no idea"})
            return
        body = {"messages": [{"id": id, "role": "assistant", "content": "".join(words)}]}
        await self._in_turn("finish", work, "POST", f"/turns/{work.id}/finish", body)

    async def _show(self, work: Work, pieces: Sequence[Mapping[str, Any]]) -> None:
        """Over HTTP in one request, which goes on while the words come; after an error all over again."""
        if self._way == "stream":
            for piece in pieces:
                data = {"turnId": work.id, "token": work.token, "chunk": piece}
                await self._send("show", work, "chat.turns", ShowPiece.type, data, str(uuid4()))
            return
        path = f"{work.path}/turns/{work.id}/chunks"
        headers = {"X-Turn-Token": work.token, "Content-Type": "application/x-ndjson"}

        async def lines() -> AsyncIterator[bytes]:
            for piece in pieces:
                yield json.dumps(piece).encode() + b"\n"
                await asyncio.sleep(self._random.choice((0, 0, 0.05)))

        await self._ask("show", work.id, "POST", path, lines, headers)

    async def _patch(self, work: Work, patch: Mapping[str, Any]) -> None:
        if self._way == "http":
            await self._in_turn("patch", work, "PATCH", "/state", patch)
        else:
            data = {"turnToken": work.token, "patch": patch}
            await self._send("patch", work, "chat.commands", PatchState.type, data, str(uuid4()))

    async def _append(self, work: Work, id: str, content: str) -> None:
        message = {"role": self._random.choice(("assistant", "tool")), "content": content}
        if self._way == "http":
            body = {"messages": [{"id": id, **message}]}
            await self._in_turn("append", work, "POST", "/messages/bulk", body)
        else:
            data = {"turnToken": work.token, **message}
            await self._send("append", work, "chat.commands", AppendMessage.type, data, id)
        work.messages.append(id)

    async def _send(
        self, step: str, work: Work, stream: str, type_: str, data: Mapping[str, Any], id: str
    ) -> None:
        tell(step=step, turn=work.id, chat=None)
        about = {"conversationId": work.conversation, **data}
        await add_entry(self._redis, stream, type_, id, work.conversation, about)

    async def _all_stored(self, work: Work) -> None:
        """Wait until chat has carried out every command: what it handles after the end is refused."""
        missing = set(work.messages)
        while self._way == "stream":
            if work.renewing is not None and work.renewing.done():
                raise TurnIsOver  # the commands were refused, which nobody answers to
            page = await self._ask("read", work.id, "GET", f"{work.path}/messages?order=desc&limit=20")
            missing -= {message["id"] for message in page["data"]}
            # Without a piece, it says which is the last one.
            shown = await self._in_turn("read", work, "POST", f"/turns/{work.id}/chunks", lambda: b"")
            if not missing and shown["data"]["lastNumber"] == work.shown:
                return
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
                # Lines are made anew for each request.
                sent: Any = {"content": body()} if callable(body) else {"json": body}
                answer = await self._http.request(method, chat + path, headers=headers, **sent)
            except httpx.HTTPError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code < 500:
                break
            await asyncio.sleep(0.05)
        found = answer.json()
        if answer.is_success:
            told = {"conversation": path.split("/")[3], "body": None if callable(body) else body}
            if step == "take":
                turn = found["data"]["turnId"]
            elif step == "show":
                told["shown"] = found["data"]["lastNumber"]
            tell(done=step, turn=turn, **told)
            if step == self._freezes_after:
                self._freezes_after = None
                os.kill(os.getpid(), signal.SIGSTOP)
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
    parser.add_argument("--fails", type=float, required=True)
    parser.add_argument("--freezes-after", choices=STEPS)
    arguments = parser.parse_args()
    async with Redis.from_url(arguments.redis, socket_timeout=5) as redis:
        runtime = Runtime(arguments, redis)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, runtime.stop)
        await runtime.run()


if __name__ == "__main__":
    asyncio.run(main())
