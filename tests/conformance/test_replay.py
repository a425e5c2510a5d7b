"""A replayed dead letter is handled once for each replay, and never has a second effect."""

from collections.abc import Sequence
from uuid import uuid4

import pytest

from backbone.handlers import Command, Rejection, Router
from common.postgres import Connection
from tests.support import without
from tests.support.probe import COMMANDS, Note, Probe, Rejected
from tests.support.wait import eventually
from tests.support.world import World


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


async def test_a_rejected_command_is_handled_once_when_replayed_twice(
    world: World, probe: Probe, refusals: set[str]
) -> None:
    refusals.add("s")
    async with world.running(probe):
        await world.note("s", 1)
        await world.expect(dead=1)
        refusals.clear()
        [letter] = await world.letters()
        # Two operators at once: each has read the letter before the other one deletes it.
        await world.replay(letter)
        await world.replay(letter)
        await world.note("s", 2)
        await world.expect(effects=2, pending=0, dead=int(world.keeps_replayed))
    assert await world.effects() == [1, 2]


async def test_a_replay_that_is_delivered_twice_has_one_effect(
    world: World, probe: Probe, refusals: set[str]
) -> None:
    refusals.add("s")
    async with world.running(probe):
        await world.note("s", 1)
        await world.expect(dead=1)
        refusals.clear()
        [letter] = await world.letters()
        fields = world.replay_fields(letter)
        for _ in range(3):
            await world.publish(fields)
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
        [letter] = await world.letters()
        fields = world.replay_fields(letter)
        for expected in (2, 3, 4):
            await world.publish(fields)
            await world.expect(dead=expected)
        await world.note("other", 2)
        await world.expect(facts=1)
    assert len(await world.facts(Rejected.type)) == 2  # of the command, and of its one replay


async def test_without_the_record_of_replays_every_delivery_is_told(
    world: World, probe: Probe, refusals: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without.record_of_replays(monkeypatch)
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
        [letter] = await world.letters()
        await world.replay(letter)
        await world.expect(effects=1, dead=int(world.keeps_replayed), pending=0)


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
        [letter] = await eventually(world.letters)
        refusals.clear()
        assert letter.event_id == event.get("id", letter.original_id)
        await world.replay(letter)
        await world.replay(letter)
        await world.note("s", 2)
        await world.expect(effects=2, pending=0)
    assert await world.effects() == [1, 2]


async def test_a_rejected_fact_is_handled_when_it_is_replayed(
    world: World, probe: Probe, refusals: set[str]
) -> None:
    """On a stream of facts no sender is notified of a rejection; its dead letter must be good for a
    replay."""
    probe.router = _router(probe, refusals, Router("probe"))
    refusals.add("s")
    async with world.running(probe):
        await world.note("s", 1)
        await world.expect(dead=1)
        refusals.clear()
        [letter] = await world.letters()
        await world.replay(letter)
        await world.expect(effects=1, dead=int(world.keeps_replayed), pending=0)
