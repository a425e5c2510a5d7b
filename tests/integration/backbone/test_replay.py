"""A replayed dead letter is handled once a replay, and never has a second effect."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from backbone import inbox
from backbone.handlers import Command, Rejection, Router
from backbone.redis_streams import letters as dead_letters
from backbone.redis_streams.letters import Filters, Letter
from common.postgres import Connection
from tests.integration.backbone.probe import COMMANDS, Note, Probe, Rejected, World
from tests.support.wait import eventually


@pytest.fixture
def refusals() -> set[str]:
    """Subjects whose notes are refused, for as long as they are in it."""
    return set()


@pytest.fixture
def probe(probe: Probe, refusals: set[str]) -> Probe:
    probe.router = _router(probe, refusals, Router("probe", rejected=Rejected))
    return probe


def _router(probe: Probe, refusals: set[str], router: Router) -> Router:
    async def handle(connection: Connection, commands: Sequence[Command[Note]]) -> list[Rejection | None]:
        taken = [command for command in commands if command.data.subject not in refusals]
        await probe.handle(connection, taken)
        return [None if c in taken else Rejection("refused", "not now") for c in commands]

    router.on(Note, handle, key=lambda command: command.data.subject)
    return router


async def _letters(world: World) -> list[Letter]:
    async with Redis.from_url(world.redis_url) as redis:
        return [letter async for page in dead_letters.find(redis, Filters()) for letter in page]


async def _resend(world: World, fields: dict[Any, Any]) -> None:
    await world.redis.xadd(COMMANDS, fields)


async def test_a_rejected_command_is_handled_once_when_replayed_twice(
    world: World, probe: Probe, refusals: set[str]
) -> None:
    refusals.add("s")
    async with world.running(probe):
        await world.note("s", 1)
        await world.expect(dead=1)
        refusals.clear()
        [letter] = await _letters(world)
        async with Redis.from_url(world.redis_url) as redis:
            # Two operators at once: each has read the letter before the other one deletes it.
            await dead_letters.replay(redis, [letter])
            await dead_letters.replay(redis, [letter])
        await world.note("s", 2)
        await world.expect(effects=2, pending=0, dead=0)
    assert await world.effects() == [1, 2]


async def test_a_replay_that_is_delivered_twice_has_one_effect(
    world: World, probe: Probe, refusals: set[str]
) -> None:
    refusals.add("s")
    async with world.running(probe):
        await world.note("s", 1)
        await world.expect(dead=1)
        refusals.clear()
        [letter] = await _letters(world)
        fields = letter.replay_fields()
        for _ in range(3):
            await _resend(world, fields)
        await world.note("s", 2)
        await world.expect(effects=2, pending=0)
    assert await world.effects() == [1, 2]


async def test_a_replay_that_is_rejected_again_is_told_once_however_often_it_is_delivered(
    world: World, probe: Probe, refusals: set[str]
) -> None:
    refusals.add("s")
    async with world.running(probe):
        await world.note("s", 1)
        await world.expect(dead=1)
        [letter] = await _letters(world)
        fields = letter.replay_fields()
        for expected in (2, 3, 4):
            await _resend(world, fields)
            await world.expect(dead=expected)
        await world.note("other", 2)
        await world.expect(facts=1)
    assert len(await world.facts(Rejected.type)) == 2  # of the command, and of its one replay


async def test_without_the_record_of_replays_every_delivery_is_told(
    world: World, probe: Probe, refusals: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def record_nothing(_: Connection, __: str, records: Sequence[inbox.Record]) -> set[Any]:
        return {key for key, _ in records}

    monkeypatch.setattr(inbox, "record_replays", record_nothing)
    with pytest.raises(AssertionError):
        await test_a_replay_that_is_rejected_again_is_told_once_however_often_it_is_delivered(
            world, probe, refusals
        )


async def test_a_failed_command_is_handled_when_it_is_replayed(world: World, probe: Probe) -> None:
    probe.failing["s"] = ValueError("boom")
    async with world.running(probe, max_handler_failures=1):
        await world.note("s", 1)
        await world.expect(dead=1)
        del probe.failing["s"]
        async with Redis.from_url(world.redis_url) as redis:
            await dead_letters.replay(redis, await _letters(world))
        await world.expect(effects=1, dead=0, pending=0)


@pytest.mark.parametrize("own_id", [True, False])
async def test_a_faststream_entry_keeps_its_identity_when_replayed(
    world: World, probe: Probe, refusals: set[str], own_id: bool
) -> None:
    from faststream.redis import RedisBroker

    refusals.add("s")
    event = {"type": Note.type, "data": {"subject": "s", "value": 1}} | (
        {"id": str(uuid4())} if own_id else {}
    )
    async with RedisBroker(world.redis_url) as broker:
        await broker.publish(event, stream=COMMANDS)
    async with world.running(probe):
        [letter] = await eventually(lambda: _letters(world))
        refusals.clear()
        assert letter.event_id == event.get("id", letter.original_id)
        async with Redis.from_url(world.redis_url) as redis:
            await dead_letters.replay(redis, [letter])
            await dead_letters.replay(redis, [letter])
        await world.note("s", 2)
        await world.expect(effects=2, pending=0)
    assert await world.effects() == [1, 2]


async def test_a_rejected_fact_is_handled_when_it_is_replayed(
    world: World, probe: Probe, refusals: set[str]
) -> None:
    """On a stream of facts nobody is told of a rejection; its dead letter must be good for a replay."""
    probe.router = _router(probe, refusals, Router("probe"))
    refusals.add("s")
    async with world.running(probe):
        await world.note("s", 1)
        await world.expect(dead=1)
        refusals.clear()
        async with Redis.from_url(world.redis_url) as redis:
            await dead_letters.replay(redis, await _letters(world))
        await world.expect(effects=1, dead=0, pending=0)
