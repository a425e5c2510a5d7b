"""Large messages: a process holds a bounded number of bytes, however many messages there are."""

from collections.abc import Sequence
from typing import Any

import pytest

from backbone import window
from backbone.backbone import Backbone
from backbone.redis_streams.consumer import StreamConsumer
from backbone.redis_streams.publisher import RedisPublisher
from tests.support import without
from tests.support.probe import COMMANDS, FACTS, Probe
from tests.support.redis_world import RedisWorld
from tests.support.wait import eventually

pytestmark = pytest.mark.large

SIZE, COUNT, BUDGET = 100_000, 150, 500_000
"""15 MB wait; half a megabyte may be handled at once."""

IN_HAND = 3 * BUDGET + window.FIRST * SIZE
"""A batch handled, one ready and one that was read, the first of them before its size was known."""


@pytest.fixture(params=[True, False], ids=["counted", "not counted"])
def counted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if not request.param:
        without.counting_of_bytes(monkeypatch)
    return bool(request.param)


def in_hand(backbone: Backbone) -> int:
    """Bytes of the entries that were read and aren't done."""
    [consumer] = backbone._consumers.values()
    assert isinstance(consumer, StreamConsumer)
    return len(consumer._processor.in_flight) * SIZE


async def most_in_hand(world: RedisWorld, backbone: Backbone) -> int:
    """The highest value until everything is done."""
    most = 0

    async def done() -> bool:
        nonlocal most
        most = max(most, in_hand(backbone))
        return len(await world.effects()) == COUNT

    await eventually(done, interval=0.002, timeout=60)
    return most


async def fill(world: RedisWorld) -> None:
    padding = "x" * SIZE
    pipeline = world.redis.pipeline(transaction=False)
    for value in range(COUNT):
        data = f'{{"subject": "s{value % 3}", "value": {value}, "padding": "{padding}"}}'
        pipeline.xadd(COMMANDS, {"type": "probe.note.v1", "data": data})
    await pipeline.execute()


async def test_what_is_read_ahead_is_bounded_in_bytes(world: RedisWorld, probe: Probe, counted: bool) -> None:
    await fill(world)
    probe.gate.clear()
    async with world.running(probe, stream_batch_bytes=BUDGET) as backbone:
        if not counted:
            await eventually(lambda: in_hand(backbone) > 5 * IN_HAND)
            probe.gate.set()
            return
        await eventually(lambda: in_hand(backbone) > 2 * BUDGET)
        probe.gate.set()
        assert await most_in_hand(world, backbone) <= IN_HAND
    for subject in range(3):
        assert await world.effects(f"s{subject}") == list(range(subject, COUNT, 3))


async def test_what_a_dead_consumer_held_is_taken_over_in_small_parts(
    world: RedisWorld, probe: Probe, counted: bool
) -> None:
    await fill(world)
    await world.redis.xgroup_create(COMMANDS, "probe", id="0")
    await world.redis.xreadgroup("probe", "dead", {COMMANDS: ">"}, count=COUNT)
    probe.gate.clear()
    async with world.running(probe, stream_batch_bytes=BUDGET) as backbone:
        await eventually(lambda: in_hand(backbone))
        probe.gate.set()
        assert (await most_in_hand(world, backbone) <= IN_HAND) == counted


@pytest.mark.parametrize("page_bytes", [BUDGET, 1_000_000_000], ids=["counted", "not counted"])
async def test_facts_are_published_in_pages_of_bytes(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch, page_bytes: int
) -> None:
    pages: list[int] = []

    publish = RedisPublisher.publish

    async def measured(self: RedisPublisher, stream: str, entries: Sequence[Any]) -> Sequence[str]:
        pages.append(sum(len(entry["data"]) for entry in entries))
        return await publish(self, stream, entries)

    monkeypatch.setattr(RedisPublisher, "publish", measured)
    await world.execute(
        f"""INSERT INTO outbox (stream, event_id, type, source, subject, sequence, data)
            SELECT '{FACTS}', gen_random_uuid(), 'probe.noted.v1', '/takaro/probe', 's', n,
                   '{{"subject": "s", "value": ' || n || ', "padding": "' || repeat('x', {SIZE}) || '"}}'
            FROM generate_series(1, 60) AS n"""
    )
    async with world.running(probe, stream_batch_bytes=page_bytes):
        await world.expect(facts=60)
    assert [fact["sequence"] for fact in await world.facts()] == [str(n) for n in range(1, 61)]
    # A page ends with the row that reaches its bytes. None waits for a poll of the relay: it goes on at once.
    assert (max(pages) < BUDGET + 2 * SIZE) == (page_bytes == BUDGET)
