"""Full disks and full memory: a clear refusal, nothing lost, and work resumes by itself once there is
space."""

import contextlib
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from backbone.redis_streams.publisher import RedisPublisher
from tests.support.probe import Probe
from tests.support.redis_world import RedisWorld
from tests.support.servers import PostgresServer, RedisServer
from tests.support.services import running
from tests.support.wait import eventually


async def test_facts_wait_while_redis_is_full(world: RedisWorld, probe: Probe) -> None:
    async with world.running(probe):
        await world.note("s", 0)
        await world.expect(effects=1, facts=1)
        for value in range(1, 6):
            await world.note("s", value)
        await world.expect(effects=6, facts=6)
        probe.gate.clear()
        for value in range(6, 11):
            await world.note("s", value)
        used: Any = (await world.redis.info("memory"))["used_memory"]
        await world.redis.config_set("maxmemory", max(1, used // 2))
        probe.gate.set()
        with pytest.raises(OutOfMemoryError):
            await world.note("s", 99)
        await world.expect(effects=11)
        waiting = await world.execute("SELECT count(*) AS n FROM outbox")
        assert waiting[0]["n"] == 5
        await world.redis.config_set("maxmemory", 0)
        await world.expect(facts=11, pending=0)
    assert await world.effects() == list(range(11))


async def test_poison_is_buried_when_redis_has_room_again(world: RedisWorld, probe: Probe) -> None:
    probe.failing["poison"] = ValueError("boom")
    async with world.running(probe, max_handler_failures=1):
        await world.note("s", 0)
        await world.expect(effects=1)
        probe.gate.clear()
        await world.note("poison", 1)
        await world.note("s", 2)
        await world.redis.config_set("maxmemory", 1)
        probe.gate.set()
        await eventually(lambda: ("poison", 1) in probe.attempts)
        await world.redis.config_set("maxmemory", 0)
        await world.expect(dead=1, effects=2, pending=0)


async def test_while_redis_is_full_requests_are_accepted_and_carried_out_later(
    database: str, own_redis: RedisServer, tmp_path: Path
) -> None:
    """Nothing that HTTP accepts needs Redis: facts and jobs wait in Postgres. Senders of commands get
    Redis's own error."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "levers.md").write_text("# Levers\n\nPull the red lever.")
    sources = {"LOCAL_SOURCES_ROOT": str(tmp_path)}
    at: dict[str, Any] = {"database_url": database, "redis_url": own_redis.url}
    async with (
        running("chat", folder=tmp_path / "chat", **at) as chat,
        running("knowledge", folder=tmp_path / "knowledge", environment=sources, **at) as knowledge,
        chat.client() as client,
        knowledge.client() as reader,
        Redis.from_url(own_redis.url, decode_responses=True) as redis,
    ):
        await redis.config_set("maxmemory", 1)
        with pytest.raises(OutOfMemoryError):
            await redis.xadd("chat.commands", {"type": "chat.conversation.create.v1", "data": "{}"})
        made = await client.post("/api/conversations", json={"agentId": "module-writer"})
        conversation = made.json()["data"]["id"]
        path = f"/api/conversations/{conversation}/messages"
        sent = await client.post(path, json={"content": "is anybody there?"})
        base = {"id": "guide", "name": "Guide", "source": (tmp_path / "docs").as_uri()}
        added = await reader.post("/api/knowledge-bases", json=base)
        assert (made.status_code, sent.status_code, added.status_code) == (200, 200, 201)
        assert await redis.xlen("chat.events") == 0

        await redis.config_set("maxmemory", 0)

        async def told() -> bool:
            facts: Any = await redis.xrange("chat.events")
            types = [fields["type"] for _, fields in facts if fields["subject"] == conversation]
            assert types == ["chat.conversation.created.v1", "chat.message.appended.v1"]
            return True

        async def synced() -> bool:
            syncs = (await reader.get("/api/knowledge-bases/guide/syncs")).json()["data"]
            assert [sync["state"] for sync in syncs] == ["completed"], syncs
            return True

        await eventually(told)
        await eventually(synced, timeout=30)


async def test_a_full_postgres_answers_503_and_goes_on_when_there_is_room(
    postgres_on_small_disk: PostgresServer, small_disk: Path, own_redis: RedisServer, tmp_path: Path
) -> None:
    async with (
        running(
            "chat",
            database_url=postgres_on_small_disk.url,
            redis_url=own_redis.url,
            folder=tmp_path / "chat",
        ) as chat,
        chat.client() as client,
    ):
        answer = await client.post("/api/conversations", json={"agentId": "module-writer"})
        conversation = answer.json()["data"]["id"]
        filler = small_disk / "filler"
        with filler.open("wb") as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 16))
                file.flush()
        accepted: list[str] = []
        refused = None
        for i in range(400):
            text = f"{i} " + "x" * 20_000
            answer = await client.post(f"/api/conversations/{conversation}/messages", json={"content": text})
            if answer.status_code == 200:
                accepted.append(text)
                continue
            refused = answer
            break
        assert refused is not None, "the disk was never full"
        assert refused.status_code == 503
        assert "error" in refused.json()
        assert "Retry-After" in refused.headers
        assert "INSERT" not in refused.text
        async with Redis.from_url(own_redis.url, decode_responses=True) as redis:
            queued = uuid4()
            await redis.xadd(
                "chat.commands",
                {
                    "id": str(queued),
                    "type": "chat.message.append.v1",
                    "data": f'{{"conversationId":"{conversation}","role":"user","content":"{"q" * 20_000}"}}',
                },
            )
            filler.unlink()

            async def stored() -> bool:
                answer = await client.get(f"/api/conversations/{conversation}/messages")
                contents = [message["content"] for message in answer.json()["data"]]
                assert contents == [*accepted, "q" * 20_000]
                return True

            await eventually(stored)
            assert await redis.xlen("chat.commands.dead") == 0


@pytest.mark.parametrize("at_once", [True, False], ids=["one transaction", "a bare pipeline"])
async def test_a_refused_fact_is_never_overtaken(
    world: RedisWorld, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    """Redis fills up in the middle of a batch: all of it is published, or none of it."""
    redis = Redis.from_url(world.redis_url)
    if not at_once:
        pipeline = redis.pipeline
        monkeypatch.setattr(redis, "pipeline", lambda transaction: pipeline(transaction=False))
    publisher = RedisPublisher(redis)
    entries: list[dict[Any, Any]] = [{"type": "x", "n": str(n), "data": "y" * 10_000} for n in range(200)]
    used: Any = (await world.redis.info("memory"))["used_memory"]
    stored_at = set()
    for room in (0, 200_000, 1_000_000):
        await world.redis.config_set("maxmemory", used + room)
        with contextlib.suppress(OutOfMemoryError):
            await publisher.publish("facts", entries)
        await world.redis.config_set("maxmemory", 0)
        stored_at.add(await world.redis.xlen("facts"))
        await world.redis.delete("facts")
    assert (stored_at <= {0, 200}) == at_once
    ids = await publisher.publish("facts", entries)
    stored: Any = await world.redis.xrange("facts")
    assert [entry_id for entry_id, _ in stored] == list(ids)
    assert [fields["n"] for _, fields in stored] == [str(n) for n in range(200)]
    await redis.aclose()
