"""Servers that can't write since a fail-over: nothing is lost, no entry counts a failure, and work resumes by
itself."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from backbone.processor import Processor
from common.readiness import NotReady
from tests.support.probe import COMMANDS, Probe
from tests.support.redis_world import RedisWorld
from tests.support.servers import RedisServer, free_port
from tests.support.wait import eventually

WRITES_FAIL = pytest.mark.parametrize("cause", ["too few replicas", "a replica now"])


@pytest.fixture
async def other_redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    server = RedisServer(tmp_path / "other", free_port())
    server.start()
    yield server
    server.stop()


async def _tells(backbone: Any) -> bool:
    """Whether ``/ready`` says that the consumer makes no progress."""
    try:
        await backbone.checks()[f"consumer {COMMANDS}"]()
    except NotReady:
        return True
    return False


async def _recovered(backbone: Any) -> bool:
    return not await _tells(backbone)


@WRITES_FAIL
async def test_a_redis_that_takes_no_writes_is_waited_for_and_parked_entries_go_on(
    world: RedisWorld, probe: Probe, own_redis: RedisServer, other_redis: RedisServer, cause: str
) -> None:
    probe.failing["bad"] = ValueError("boom")
    async with world.running(probe, max_handler_failures=1_000) as backbone:
        await world.note("bad", 1)
        await world.note("good", 2)
        await world.expect(effects=1)
        await eventually(lambda: len(probe.attempts) > 4)
        redis = world.redis
        if cause == "too few replicas":
            await redis.config_set("min-replicas-to-write", 1)
        else:
            async with Redis.from_url(other_redis.url) as other:
                await redis.config_set("repl-diskless-sync-delay", 0)
                await other.replicaof("127.0.0.1", str(own_redis.port))
                await eventually(lambda: _in_step(redis))
                await other.replicaof("NO", "ONE")
            await redis.replicaof("127.0.0.1", str(other_redis.port))
        await eventually(lambda: _tells(backbone))
        await asyncio.sleep(0.5)  # long enough for a retry, a read and a drain to be refused
        await redis.config_set("min-replicas-to-write", 0)
        await redis.replicaof("NO", "ONE")
        probe.failing.clear()
        await world.note("good", 3)
        await world.expect(effects=3, facts=3, pending=0)
        await eventually(lambda: _recovered(backbone))
    assert sorted(await world.effects()) == [1, 2, 3]
    assert await world.dead() == []


async def _in_step(redis: Redis) -> bool:
    info: Any = await redis.info("replication")
    return bool(info["connected_slaves"] == 1 and info["slave0"]["state"] == "online")


async def test_retries_that_end_by_themselves_restart_the_consumer(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = Processor.retry_due
    mistakes = 0

    async def mistaken(self: Processor) -> bool:
        nonlocal mistakes
        if self.parking.ids() and mistakes < 2:
            mistakes += 1
            raise LookupError("a mistake of ours")
        return await due(self)

    monkeypatch.setattr(Processor, "retry_due", mistaken)
    probe.failing["bad"] = ValueError("boom")
    async with world.running(probe, max_handler_failures=1_000):
        await world.note("bad", 1)
        await eventually(lambda: mistakes == 2)
        probe.failing.clear()
        await world.note("good", 2)
        await world.expect(effects=2, pending=0)


async def test_a_postgres_that_is_read_only_is_waited_for_and_left(
    world: RedisWorld, probe: Probe, database: str
) -> None:
    """Sessions that start meanwhile stay read-only, as those with a former primary would."""
    name = database.rpartition("/")[2].partition("?")[0]
    async with world.running(probe, max_handler_failures=1) as backbone:
        await world.note("s", 1)
        await world.expect(effects=1, facts=1)
        await world.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        await world.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await world.note("s", 2)
        await eventually(lambda: _tells(backbone))
        writing = await asyncpg.connect(database, server_settings={"default_transaction_read_only": "off"})
        await writing.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        await writing.close()
        await world.note("s", 3)
        await world.expect(effects=3, facts=3, pending=0)
    assert await world.effects() == [1, 2, 3]
    assert await world.dead() == []
