"""What is cleaned up in time, and what never is."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from backbone import backbone, inbox, reader
from backbone.handlers import Router
from backbone.redis_streams import redis_bus
from backbone.redis_streams.group import Group
from backbone.redis_streams.redis_bus import RedisBus
from tests.support import without
from tests.support.probe import COMMANDS, FACTS, Note, Probe
from tests.support.redis_world import RedisWorld
from tests.support.wait import eventually

DEAD_FACTS = "other.events.dead"
_AGE = (
    "UPDATE inbox SET handled_at = now() - interval '31 days' WHERE event_id IN (SELECT unnest($1::text[]))"
)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbone, "HOUSEKEEPING_SECONDS", 0.05)


async def fill(world: RedisWorld, *streams: str, count: int = 300) -> None:
    pipeline = world.redis.pipeline(transaction=False)
    for stream in streams:
        for number in range(count):
            pipeline.xadd(stream, {"type": Note.type, "data": f'{{"subject": "s", "value": {number}}}'})
    await pipeline.execute()


async def test_commands_wait_for_their_owner_whose_group_is_not_there(
    world: RedisWorld, probe: Probe
) -> None:
    """Postgres is down at the first start, or when the group was lost: no group exists, and time passes."""
    await fill(world, COMMANDS, FACTS)
    away = "postgresql://127.0.0.1:1/away"
    async with world.running(probe, database_url=away, stream_retention_seconds=0.1):
        await eventually(lambda: trimmed(world, FACTS))
        assert await world.redis.xlen(COMMANDS) == 300
    async with world.running(probe, stream_retention_seconds=0.1):
        await world.expect(effects=300)
        await eventually(lambda: trimmed(world, COMMANDS))


async def test_dead_letters_go_with_their_retention_whoever_wrote_them(
    world: RedisWorld, probe: Probe
) -> None:
    """Dead letters of a service's own commands, and of another service's facts that it couldn't handle."""
    await fill(world, f"{COMMANDS}.dead", DEAD_FACTS)
    streams = {COMMANDS: probe.router, "other.events": Router("probe", rejected=None)}
    async with world.running(probe, streams=streams):
        await asyncio.sleep(0.3)
        assert await world.redis.xlen(f"{COMMANDS}.dead") == 300
        assert await world.redis.xlen(DEAD_FACTS) == 300
    async with world.running(probe, streams=streams, stream_retention_seconds=0.1):
        await eventually(lambda: trimmed(world, f"{COMMANDS}.dead"))
        await eventually(lambda: trimmed(world, DEAD_FACTS))


@pytest.mark.parametrize("kept", [True, False], ids=["with", "without"])
async def test_facts_stay_for_their_retention_although_every_group_has_read_them(
    world: RedisWorld, probe: Probe, kept: bool
) -> None:
    """Without a retention they are removed as soon as nobody needs them."""
    await fill(world, FACTS)
    await world.redis.xgroup_create(FACTS, "reader", id="0")
    read: Any = await world.redis.xreadgroup("reader", "c", {FACTS: ">"}, count=300)
    await world.redis.xack(FACTS, "reader", *(entry_id for entry_id, _ in read[0][1]))
    async with world.running(probe, stream_retention_seconds=60 if kept else 0.1):
        if not kept:
            await eventually(lambda: trimmed(world, FACTS))
            return
        await asyncio.sleep(0.5)
    await world.redis.xgroup_create(FACTS, "newcomer", id="0")
    again: Any = await world.redis.xreadgroup("newcomer", "c", {FACTS: ">"}, count=1_000)
    assert len(again[0][1]) == 300


@pytest.mark.parametrize("swept", [True, False], ids=["with", "without"])
async def test_consumers_of_former_connections_are_removed_while_nobody_reconnects(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch, swept: bool
) -> None:
    """Consumers with nothing pending. Entries of the others are claimed first."""
    if not swept:
        without.sweep_of_consumers(monkeypatch)
    monkeypatch.setattr(reader, "BLOCK_MILLISECONDS", 100)
    async with world.running(probe):
        await world.note("s", 1)
        await world.expect(effects=1, pending=0)
        [own] = await consumers(world)
        for number in range(5):
            await world.redis.xgroup_createconsumer(COMMANDS, "probe", f"former-{number}")
        assert len(await consumers(world)) == 6
        # Much longer than the reader ever waits between two requests.
        monkeypatch.setattr(redis_bus, "IDLE_CONSUMER_SECONDS", 1.1)
        if swept:
            await eventually(lambda: only(world, own))
        else:
            await asyncio.sleep(1.4)
            assert len(await consumers(world)) == 6
        await world.note("s", 2)
        await world.expect(effects=2, pending=0)


async def test_a_consumer_that_holds_entries_stays(world: RedisWorld) -> None:
    await fill(world, COMMANDS, count=2)
    bus = RedisBus(world.settings(), None)  # type: ignore[arg-type]
    group = Group(bus._redis, COMMANDS, "probe")
    async with bus:
        assert await group.remove_idle_consumers(0) == []  # no group yet
        await group.ensure()
        await world.redis.xreadgroup("probe", "holds", {COMMANDS: ">"}, count=1)
        await world.redis.xgroup_createconsumer(COMMANDS, "probe", "holds nothing")
        await asyncio.sleep(0.01)
        assert await group.remove_idle_consumers(0) == ["holds nothing"]
    assert await world.pending() == 1


@pytest.mark.parametrize("pruned", [True, False], ids=["with", "without"])
async def test_the_inbox_forgets_what_nothing_can_replay_any_more(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch, pruned: bool
) -> None:
    if not pruned:
        without.pruning_of_the_inbox(monkeypatch)
    async with world.running(probe):
        ids = [f"old-{number}" for number in range(5)] + ["new"]
        for value, event_id in enumerate(ids):
            await world.note("s", value, id=event_id)
        await world.expect(effects=6, pending=0)
        await world.execute(_AGE, ids[:5])

        async def remembered() -> list[str]:
            return [row["event_id"] for row in await world.execute("SELECT event_id FROM inbox")]

        if pruned:
            await eventually(is_(remembered, ["new"]))
        else:
            await asyncio.sleep(0.3)
            assert sorted(await remembered()) == sorted(ids)


async def test_a_sweep_takes_a_bounded_number(world: RedisWorld, probe: Probe) -> None:
    async with world.running(probe) as running:
        for value in range(6):
            await world.note("s", value, id=f"e{value}")
        await world.expect(effects=6, pending=0)
        async with running._pool.acquire() as connection, connection.transaction():
            await connection.execute(_AGE, [f"e{value}" for value in range(6)])
            assert await inbox.prune(connection, older_than_seconds=30 * 86_400, limit=4) == 4
            assert await inbox.prune(connection, older_than_seconds=30 * 86_400, limit=4) == 2


async def test_one_sweep_takes_everything_that_is_past_its_retention(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However fast records come: a limit for each sweep would let the tables grow."""
    await world.execute(
        "INSERT INTO inbox (consumer, key, event_id, source, type, digest, handled_at) "
        "SELECT 'probe', gen_random_uuid(), n::text, '/tests', 'note', '', now() - interval '31 days' "
        "FROM generate_series(1, 2500) AS n"
    )
    await world.execute(
        "INSERT INTO idempotency_keys (service, user_id, key, digest, status, headers, body, created_at) "
        "SELECT 'probe', 'ann', n::text, '', 200, '[]', '', now() - interval '2 days' "
        "FROM generate_series(1, 2500) AS n"
    )
    sweeps = 0

    async def count_once(*_: object) -> None:
        nonlocal sweeps
        sweeps += 1
        if sweeps > 1:
            await asyncio.Event().wait()

    async def left() -> list[int]:
        tables = ("inbox", "idempotency_keys")
        return [(await world.execute(f"SELECT count(*) FROM {table}"))[0]["count"] for table in tables]

    monkeypatch.setattr(backbone, "count_waiting", count_once)
    async with world.running(probe):
        await eventually(is_(left, [0, 0]))


async def trimmed(world: RedisWorld, stream: str) -> bool:
    """Redis trims node by node, of a hundred entries."""
    return int(await world.redis.xlen(stream)) <= 100


async def consumers(world: RedisWorld) -> list[str]:
    rows: Any = await world.redis.xinfo_consumers(COMMANDS, "probe")
    return [row["name"] for row in rows]


async def only(world: RedisWorld, consumer: str) -> bool:
    return await consumers(world) == [consumer]


def is_(look: Callable[[], Any], expected: Any) -> Callable[[], Any]:
    async def check() -> bool:
        return bool(await look() == expected)

    return check


async def test_a_stop_ends_although_a_cancellation_was_lost_on_the_way(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """redis-py loses it in the same way if it arrives at the end of a send."""
    sweeping, lost = asyncio.Event(), asyncio.Event()

    async def deaf_once(*_: Any) -> None:
        sweeping.set()
        if not lost.is_set():
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                lost.set()

    monkeypatch.setattr(RedisBus, "keep_house", deaf_once)
    async with asyncio.timeout(10):
        async with world.running(probe):
            await sweeping.wait()
    assert lost.is_set()
