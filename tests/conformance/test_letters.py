"""One dead letter for each entry that needs one, with its reason, whatever happens in between."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from redis.exceptions import ConnectionError as Disconnected

from backbone.dead_letters import DeadLetter
from tests.support import without
from tests.support.probe import COMMANDS, Note, Probe, Refuse, Rejected, refuse
from tests.support.wait import eventually
from tests.support.world import World

REFUSED = "subject_not_found: no such subject"


@pytest.fixture
def probe(probe: Probe) -> Probe:
    probe.router.each(Refuse, refuse, key=lambda command: command.data.subject)
    return probe


async def _refused(world: World) -> str:
    return await world.publish({"id": str(uuid4()), "type": Refuse.type, "data": '{"subject": "s"}'})


async def _reasons(world: World) -> list[str]:
    return sorted(dead["dead-reason"].partition(": ")[0] for dead in await world.dead())


async def _lose_group_and_dropped_letters(world: World, probe: Probe) -> list[str]:
    """The reasons of the letters that exist after an operator dropped three, and the group was lost."""
    probe.failing["bad"] = ValueError("boom")
    async with world.running(probe, max_handler_failures=1):
        await _refused(world)
        await world.publish({"type": Note.type, "data": "{"})
        await world.note("bad", 1)
        await world.expect(dead=3, pending=0)
        assert await _reasons(world) == ["ValueError", "invalid", "subject_not_found"]
        await world.redis.delete(f"{COMMANDS}.dead")
        await world.redis.xgroup_destroy(COMMANDS, "probe")
        await world.note("s", 1)
        await world.expect(effects=1, facts=1, pending=0)
        assert len(await world.facts(Rejected.type)) == 2
        return await _reasons(world)


async def test_letters_that_were_dropped_stay_so_when_the_group_is_lost(world: World, probe: Probe) -> None:
    assert await _lose_group_and_dropped_letters(world, probe) == []


async def test_without_remembering_them_dropped_letters_come_back(
    world: World, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    without.memory_of_letters(monkeypatch)
    reasons = await _lose_group_and_dropped_letters(world, probe)
    assert reasons == ["ValueError", "invalid", "subject_not_found"]


async def test_a_letter_that_was_due_when_its_process_died_is_written_by_the_next_with_its_reason(
    world: World, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreachable(*_: Any) -> None:
        raise Disconnected("Connection refused.")

    with monkeypatch.context() as refused:
        refused.setattr(world.source, "bury", unreachable)
        async with world.running(probe, **world.abrupt):
            entry_id = await _refused(world)
            await eventually(lambda: world.facts(Rejected.type))
    assert await world.dead() == []
    async with world.running(probe):
        await world.expect(dead=1, pending=0)
    [dead] = await world.dead()
    assert (dead["dead-id"], dead["dead-kind"], dead["dead-reason"]) == (entry_id, "invalid", REFUSED)
    assert len(await world.facts(Rejected.type)) == 1


async def test_a_letter_is_written_once_though_the_answer_was_lost(
    world: World, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    bury, calls = world.source.bury, 0

    async def bury_unheard(self: Any, letters: Sequence[DeadLetter]) -> None:
        nonlocal calls
        calls += 1
        await bury(self, letters)
        if calls == 1:
            raise Disconnected("Connection closed by server.")

    monkeypatch.setattr(world.source, "bury", bury_unheard)
    async with world.running(probe):
        await _refused(world)
        await eventually(lambda: calls == 2)
        await world.expect(dead=1, pending=0)


async def test_a_repeat_of_a_rejected_command_dies_of_the_same_reason(world: World, probe: Probe) -> None:
    entry = {"id": str(uuid4()), "type": Refuse.type, "data": '{"subject": "s"}'}
    async with world.running(probe):
        for dead in (1, 2):
            await world.publish(entry)
            await world.expect(dead=dead, pending=0)
    assert [dead["dead-reason"] for dead in await world.dead()] == [REFUSED, REFUSED]
    assert len(await world.facts(Rejected.type)) == 1


@pytest.mark.parametrize("together", [True, False])
async def test_an_unreadable_entry_never_takes_the_record_of_a_handled_one_with_its_id(
    world: World, probe: Probe, together: bool
) -> None:
    event_id = str(uuid4())
    if together:
        await world.note("s", 1, id=event_id)
        await world.publish({"id": event_id, "type": Note.type, "data": "{"})
    async with world.running(probe):
        if not together:
            await world.note("s", 1, id=event_id)
            await world.expect(effects=1, pending=0)
            await world.publish({"id": event_id, "type": Note.type, "data": "{"})
        await world.expect(effects=1, dead=1, pending=0)
        await world.note("s", 1, id=event_id)
        await world.note("s", 2)
        await world.expect(effects=2, pending=0)
    assert await world.effects() == [1, 2]
    assert await _reasons(world) == ["invalid"]
