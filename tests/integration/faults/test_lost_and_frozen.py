"""A Redis that lost everything, and one that doesn't answer: who is told what, and by whom."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from structlog.testing import capture_logs

from backbone import backbone as backbones
from backbone import outbox
from backbone.outbox import Fact
from backbone.redis_streams.losses import Losses
from common.readiness import NotReady
from tests.support import without
from tests.support.probe import COMMANDS, FACTS, Noted, Probe
from tests.support.redis_world import RedisWorld
from tests.support.servers import RedisServer
from tests.support.wait import eventually
from tests.support.world import until


def series(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


@pytest.mark.parametrize("healed", [True, False], ids=["with", "without"])
async def test_a_wiped_redis_heals_and_nobody_asks_for_a_restart(
    world: RedisWorld,
    probe: Probe,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    healed: bool,
) -> None:
    """FastStream would log CRITICAL "Stopping subscriber — restart the application"."""
    if not healed:
        without.reports_of_lost_groups(monkeypatch)
    async with world.running(probe) as backbone:
        await world.note("s", 1)
        await world.expect(effects=1, pending=0)
        await until(backbone, "active")
        with caplog.at_level(logging.ERROR):
            await world.redis.flushall()
            await world.note("s", 2)
            await world.expect(effects=2, pending=0)
    found = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert bool(found) != healed


async def test_lost_groups_and_facts_of_followers_are_told(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backbones, "HOUSEKEEPING_SECONDS", 0.05)
    before = series("takaro_stream_losses_total", stream=FACTS) or 0
    with capture_logs() as logs:
        async with world.running(probe) as backbone:
            await world.note("s", 1)
            await world.expect(effects=1, facts=1)
            await world.redis.xgroup_create(FACTS, "mine", id="0")
            seen: Any = backbone._bus._losses._seen  # type: ignore[attr-defined]
            await eventually(
                lambda: FACTS in seen and seen[FACTS].groups == {"mine"} and seen[FACTS].added == 1
            )
            await world.redis.flushall()

            def is_told() -> bool:
                return (series("takaro_stream_losses_total", stream=FACTS) or 0) > before

            await eventually(is_told)
    [line] = [line for line in logs if line["event"] == "stream was lost" and line["stream"] == FACTS]
    assert line["log_level"] == "error"
    assert line["groups_gone"] == ["mine"]


async def test_only_a_loss_is_a_loss(redis: Redis) -> None:
    """Trimming, deleting and growing aren't; a stream that begins again is, also when it grew meanwhile."""
    losses = Losses()

    async def add(count: int) -> None:
        for _ in range(count):
            await redis.xadd(FACTS, {"n": "1"})

    assert not await losses.look(redis, FACTS)
    await redis.xgroup_create(FACTS, "mine", id="0", mkstream=True)
    assert not await losses.look(redis, FACTS)
    await add(5)
    assert not await losses.look(redis, FACTS)
    await redis.xtrim(FACTS, maxlen=0, approximate=False)
    assert not await losses.look(redis, FACTS)
    await add(3)
    assert not await losses.look(redis, FACTS)
    await redis.xtrim(FACTS, maxlen=1, approximate=False)
    await add(1)
    assert not await losses.look(redis, FACTS)
    await redis.flushall()
    await asyncio.sleep(0.002)  # ids are times in milliseconds, and the old ones' are over
    await add(12)  # more than it ever had
    assert await losses.look(redis, FACTS)
    assert not await losses.look(redis, FACTS)
    await redis.flushall()
    assert await losses.look(redis, FACTS)
    assert not await losses.look(redis, FACTS)


async def test_a_frozen_redis_is_named_in_the_log_in_ready_and_in_the_metrics(
    world: RedisWorld, probe: Probe, own_redis: RedisServer
) -> None:
    labels = {"stream": COMMANDS, "group": "probe"}
    async with world.running(probe) as backbone:
        await world.note("s", 1)
        await world.expect(effects=1, facts=1)
        await until(backbone, "active")
        before = series("takaro_stream_outages_total", **labels)
        assert before is not None
        relayed = series("takaro_outbox_outages_total", stream=FACTS) or 0
        with capture_logs() as logs:
            own_redis.pause()
            try:
                await commit_fact(world, 2)
                for check in (f"relay {FACTS}", f"consumer {COMMANDS}"):
                    await eventually(_complaint(backbone.checks()[check], "Timeout"))
            finally:
                own_redis.resume()
            await world.expect(facts=2)
        assert (series("takaro_stream_outages_total", **labels) or 0) > before
        assert (series("takaro_outbox_outages_total", stream=FACTS) or 0) > relayed
        waits = [line["error"] for line in logs if line["event"] == "facts wait"]
        assert waits
        assert all("Timeout" in error or "connecting" in error for error in waits), waits
        await eventually(_is_fine(backbone.checks()[f"relay {FACTS}"]))


async def commit_fact(world: RedisWorld, sequence: int) -> None:
    """As a request over HTTP does, which needs no Redis."""
    connection = await asyncpg.connect(world.database)
    try:
        async with connection.transaction():
            await outbox.append(connection, [Fact(FACTS, "s", sequence, Noted(subject="s", value=sequence))])
    finally:
        await connection.close()


def _complaint(check: Callable[[], Any], text: str) -> Callable[[], Any]:
    async def complains() -> bool:
        try:
            await check()
        except NotReady as error:
            return text in str(error)
        return False

    return complains


def _is_fine(check: Callable[[], Any]) -> Callable[[], Any]:
    async def fine() -> bool:
        try:
            return bool(await check())
        except NotReady:
            return False

    return fine
