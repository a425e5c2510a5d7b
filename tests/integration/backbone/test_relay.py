"""Facts are published once they are committed, in their order: woken by NOTIFY, found by the poll."""

from typing import Any

import pytest

from backbone import relay
from backbone.leases import Lease
from tests.support import without
from tests.support.probe import FACTS, Noted, Probe
from tests.support.redis_world import RedisWorld
from tests.support.wait import eventually

_APPEND = f"""
WITH appended AS (
    INSERT INTO outbox (stream, event_id, type, source, subject, sequence, data)
    SELECT '{FACTS}', gen_random_uuid(), '{Noted.type}', '/takaro/probe', 's', n, '{{}}'
    FROM generate_series($1::int, $2::int) AS n
)
SELECT pg_notify('outbox', '{FACTS}')
"""


async def sequences(world: RedisWorld) -> list[int]:
    entries: Any = await world.redis.xrange(FACTS)
    return [int(fields["sequence"]) for _, fields in entries]


async def published(world: RedisWorld, *expected: int) -> bool:
    return await sequences(world) == list(expected)


async def listening(world: RedisWorld) -> bool:
    """What is notified from now on is heard."""
    rows = await world.execute(
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'takaro-probe-listen' "
        "AND datname = current_database() AND query LIKE 'LISTEN%outbox%'"
    )
    return bool(rows)


@pytest.mark.parametrize("poll", [True, False], ids=["poll", "no poll"])
@pytest.mark.parametrize("notify", [True, False], ids=["notify", "no notify"])
async def test_a_fact_wakes_the_relay_or_is_found_by_its_poll(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch, notify: bool, poll: bool
) -> None:
    """Either is enough; with neither, facts wait."""
    monkeypatch.setattr(relay, "POLL_SECONDS", 0.2)
    if not poll:
        without.poll(monkeypatch)
    if not notify:
        without.notifications(monkeypatch)
    looks: list[int] = []
    publish_batch = relay.Relay.publish_batch

    async def counted(self: relay.Relay, lease: Lease) -> int:
        count = await publish_batch(self, lease)
        looks.append(count)
        return count

    monkeypatch.setattr(relay.Relay, "publish_batch", counted)
    async with world.running(probe):
        await eventually(lambda: looks)
        await eventually(lambda: listening(world))
        await world.execute(_APPEND, 1, 1)
        if poll or notify:
            await eventually(lambda: published(world, 1))
        else:
            with pytest.raises(AssertionError):
                await eventually(lambda: published(world, 1), timeout=1)


@pytest.mark.parametrize("ordered", [True, False], ids=["by position", "in any order"])
async def test_facts_of_a_subject_are_published_in_their_order(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch, ordered: bool
) -> None:
    if not ordered:
        without.order_of_facts(monkeypatch)
    monkeypatch.setattr(relay, "BATCH", 7)
    await world.execute(_APPEND, 1, 40)
    async with world.running(probe):
        await eventually(lambda: _count(world, 40))
    assert (await sequences(world) == list(range(1, 41))) == ordered


@pytest.mark.parametrize("deleted", [True, False], ids=["with", "without"])
async def test_what_a_relay_left_behind_is_told_again_and_then_gone(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch, deleted: bool
) -> None:
    """It died between publishing and its commit. Without the delete, every poll publishes everything
    again."""
    await world.execute(_APPEND, 1, 3)
    with monkeypatch.context() as died:
        without.deletion_of_published(died)
        async with world.running(probe):
            await eventually(lambda: _more(world, 3))
    first: Any = await world.redis.xrange(FACTS)
    monkeypatch.setattr(relay, "POLL_SECONDS", 0.1)
    if not deleted:
        without.deletion_of_published(monkeypatch)
    told = len(first)
    async with world.running(probe):
        if not deleted:
            await eventually(lambda: _more(world, told + 9))
            return
        await eventually(lambda: _count(world, told + 3))
        await eventually(lambda: _emptied(world))
    again: Any = await world.redis.xrange(FACTS)
    ids = [fields["id"] for _, fields in again]
    assert ids == ids[:3] * (len(ids) // 3)  # the same facts, by their ids, in the same order


async def _count(world: RedisWorld, count: int) -> bool:
    return int(await world.redis.xlen(FACTS)) == count


async def _more(world: RedisWorld, count: int) -> bool:
    return int(await world.redis.xlen(FACTS)) >= count


async def _emptied(world: RedisWorld) -> bool:
    return await world.execute("SELECT 1 FROM outbox") == []
