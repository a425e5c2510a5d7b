"""Everybody takes locks in one order, so that requests about the same rows never deadlock."""

import asyncio
import random
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from redis.asyncio import Redis

from common import codec
from tests.integration.locks.conftest import Deadlocks
from tests.support.services import running
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Coroutine

# Between two rounds the clients' connections are idle.
PATIENT = {"HTTP_KEEP_ALIVE_SECONDS": "600"}
ROUNDS, REPEATS = 4, 6
USER = "ann"


async def test_requests_and_commands_about_the_same_conversations_meet_no_deadlock(
    counting: str, deadlocks: Deadlocks, redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    """Starts, stops, commands, selections, appends, patches and deletes of two conversations at once, over
    HTTP and from the streams, of chat and cockpit. The user's one server moves between the two."""
    answers: Counter[tuple[str, int]] = Counter()
    start = partial(running, database_url=counting, redis_url=redis_url, folder=tmp_path, environment=PATIENT)
    async with (
        start("chat") as chat,
        start("cockpit") as cockpit,
        chat.client(USER, timeout=120) as talk,
        cockpit.client(USER, timeout=120) as play,
    ):

        async def ask(client: httpx.AsyncClient, method: str, path: str, body: object = None) -> None:
            answer = await client.request(method, path, json=body)
            answers[f"{method} {path.rpartition('/')[2] or path}", answer.status_code] += 1

        async def send(stream: str, type: str, data: object) -> None:
            await redis.xadd(stream, {"type": type, "data": codec.dumps_str(data)})

        for _ in range(ROUNDS):
            opened = [await _open(talk, play) for _ in range(2)]
            work: list[Coroutine[Any, Any, None]] = []
            for conversation_id, session_id in opened:
                about = f"/api/conversations/{conversation_id}"
                game = f"/api/cockpit/sessions/{session_id}"
                concerns = {"conversationId": conversation_id}
                said = {"role": "user", "content": "hello"}
                moves = {**concerns, "userId": USER}
                for _ in range(REPEATS):
                    work += [
                        ask(play, "POST", f"{game}/mock-server/start"),
                        ask(play, "POST", f"{game}/mock-server/stop"),
                        ask(play, "POST", f"{game}/mock-server/command", {"command": "say hi"}),
                        ask(play, "POST", f"{game}/select-player", {"playerId": str(random.randint(1, 5))}),
                        ask(play, "GET", f"/api/cockpit/sessions/{conversation_id}"),
                        ask(talk, "POST", f"{about}/messages", {"content": "hello"}),
                        ask(talk, "PATCH", f"{about}/state", {"at": random.random()}),
                        send("chat.commands", "chat.message.append.v1", {**concerns, **said}),
                        send("chat.commands", "chat.conversation.title.set.v1", {**concerns, "title": "t"}),
                        send("cockpit.commands", "cockpit.server.start.v1", moves),
                        send("cockpit.commands", "cockpit.server.execute.v1", {**moves, "command": "say yo"}),
                        send("cockpit.commands", "cockpit.player.select.v1", {**moves, "playerId": "2"}),
                    ]
            random.shuffle(work)
            for conversation_id, _ in opened:
                deletions = [
                    ask(talk, "DELETE", f"/api/conversations/{conversation_id}"),
                    send("chat.commands", "chat.conversation.delete.v1", {"conversationId": conversation_id}),
                ]
                for deletion in deletions:
                    work.insert(random.randrange(len(work) // 4, len(work)), deletion)
            await asyncio.gather(*work)
        await eventually(lambda: _are_done(redis), timeout=240)
    assert {status for _, status in answers} <= {200, 404, 409}, answers
    assert await deadlocks() == 0


async def _open(talk: httpx.AsyncClient, play: httpx.AsyncClient) -> tuple[str, str]:
    """A new conversation, and its session."""
    made = await talk.post("/api/conversations", json={"agentId": "module-writer"})
    conversation_id = made.json()["data"]["id"]
    session = await play.get(f"/api/cockpit/sessions/{conversation_id}")
    return conversation_id, session.json()["data"]["id"]


async def _are_done(redis: Redis) -> bool:
    """Whether every group has handled all that its stream holds."""
    streams = ("chat.commands", "cockpit.commands", "chat.events")
    groups = [group for stream in streams for group in await redis.xinfo_groups(stream)]
    return len(groups) == len(streams) and not any(group["pending"] or group["lag"] for group in groups)
