"""When a follower's group is silent: there is something to read, and nobody asks."""

import time
from typing import Any

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from structlog.testing import capture_logs

from backbone.redis_streams.trimming import trim
from tests.support import without
from tests.support.probe import FACTS
from tests.support.wait import eventually

HOUR = 3_600
SHORT = 1.0


async def fact(redis: Redis, *, age_seconds: float = 0.0) -> None:
    entry_id = f"{int((time.time() - age_seconds) * 1000)}-*" if age_seconds else "*"
    await redis.xadd(FACTS, {"type": "x", "data": "{}"}, id=entry_id)


async def sweep(redis: Redis, retention_seconds: float = SHORT) -> None:
    await trim(redis, FACTS, retention_seconds=retention_seconds, owner=None)


async def groups(redis: Redis) -> list[str]:
    found: Any = await redis.xinfo_groups(FACTS)
    return [group["name"] for group in found]


async def read_all(redis: Redis, group: str) -> None:
    read: Any = await redis.xreadgroup(group, "c", {FACTS: ">"}, count=100)
    await redis.xack(FACTS, group, *(entry_id for entry_id, _ in read[0][1]))


async def idle(redis: Redis, group: str) -> float:
    [consumer] = await redis.xinfo_consumers(FACTS, group)
    return float(consumer["idle"]) / 1000


def series(name: str, group: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"stream": FACTS, "group": group})


def removed_in(group: str) -> float | None:
    return series("takaro_stream_group_removed_in_seconds", group)


@pytest.mark.parametrize("noted", [True, False], ids=["with", "without"])
async def test_a_new_group_has_its_whole_retention_however_old_the_facts_are(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, noted: bool
) -> None:
    """Its consumer hasn't started yet, and other groups keep facts that are older than the retention."""
    if not noted:
        without.notes_of_silence(monkeypatch)
    await redis.xgroup_create(FACTS, "slow", id="0", mkstream=True)
    await fact(redis, age_seconds=HOUR)
    for _ in range(3):
        await fact(redis)
    await redis.xgroup_create(FACTS, "mine", id="0")
    for _ in range(3):
        await sweep(redis, retention_seconds=HOUR / 2)
    assert ("mine" in await groups(redis)) == noted


@pytest.mark.parametrize("noted", [True, False], ids=["with", "without"])
async def test_a_group_that_had_nothing_to_read_is_not_silent(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, noted: bool
) -> None:
    """Its consumer stopped for longer than the retention, having read everything; then comes a fact."""
    if not noted:
        without.notes_of_silence(monkeypatch)
    await fact(redis)
    await redis.xgroup_create(FACTS, "mine", id="0")
    await read_all(redis, "mine")

    async def is_long_idle() -> bool:
        await sweep(redis)
        return await idle(redis, "mine") > 2 * SHORT

    await eventually(is_long_idle)
    await fact(redis)
    await sweep(redis)
    assert (await groups(redis) == ["mine"]) == noted
    if noted:
        assert series("takaro_stream_group_silent_seconds", "mine") == 0


async def test_a_group_whose_consumer_holds_entries_is_silent_once_it_stops_asking(redis: Redis) -> None:
    await fact(redis)
    await redis.xgroup_create(FACTS, "mine", id="0")
    await redis.xreadgroup("mine", "c", {FACTS: ">"}, count=1)

    async def is_gone() -> bool:
        await sweep(redis)
        return await groups(redis) == []

    await eventually(is_gone)


async def test_signs_of_life_begin_the_silence_anew(redis: Redis) -> None:
    """Asking in vain, acknowledging, and moving the group."""
    for _ in range(3):
        await fact(redis)
    await redis.xgroup_create(FACTS, "mine", id="0")
    read: Any = await redis.xreadgroup("mine", "c", {FACTS: ">"}, count=2)

    async def is_alerted() -> bool:
        await sweep(redis, retention_seconds=4 * SHORT)
        return removed_in("mine") is not None

    for sign in (
        lambda: redis.xreadgroup("mine", "c", {FACTS: "0"}, count=1),
        lambda: redis.xack(FACTS, "mine", read[0][1][0][0]),
        lambda: redis.xgroup_setid(FACTS, "mine", "0"),
    ):
        await eventually(is_alerted)
        await sign()
        await sweep(redis, retention_seconds=HOUR)
        assert removed_in("mine") is None
        assert await groups(redis) == ["mine"]


async def test_the_alert_comes_before_the_removal_and_ends_with_it(redis: Redis) -> None:
    """Also when nobody looked for longer than the retention: services were down as long as the follower."""
    await fact(redis)
    await redis.xgroup_create(FACTS, "mine", id="0")
    await sweep(redis)
    seconds, _ = await redis.time()
    long_ago = f"{seconds - HOUR} 0 0-0 0 None"
    await redis.hset(f"{FACTS}:silence", "mine", long_ago)
    with capture_logs() as logs:
        await sweep(redis)
        assert await groups(redis) == ["mine"]
        assert removed_in("mine") is not None
        silent = series("takaro_stream_group_silent_seconds", "mine")
        assert silent is not None
        assert silent >= HOUR

        async def is_gone() -> bool:
            await sweep(redis)
            return await groups(redis) == []

        await eventually(is_gone)
    assert [line["log_level"] for line in logs] == ["warning", "error"]
    assert removed_in("mine") is None
    assert series("takaro_stream_group_silent_seconds", "mine") is None
    assert series("takaro_stream_group_lag", "mine") is None
    assert not await redis.exists(f"{FACTS}:silence")


async def test_a_stream_that_is_created_again_has_new_groups(redis: Redis) -> None:
    await fact(redis)
    await redis.xgroup_create(FACTS, "mine", id="0")
    await sweep(redis)
    seconds, _ = await redis.time()
    await redis.hset(f"{FACTS}:silence", "mine", f"{seconds - HOUR} {seconds - HOUR} 0-0 0 None")
    await redis.delete(FACTS)
    await sweep(redis)
    await fact(redis)
    await redis.xgroup_create(FACTS, "mine", id="0")
    await sweep(redis)
    assert await groups(redis) == ["mine"]
