"""Exactly one effect and one fact for each event, whatever was delivered and however often."""

from contextlib import suppress
from uuid import uuid4

import pytest

from backbone import processor as processing
from backbone.backbone import Backbone
from backbone.handlers import Router
from common.readiness import NotReady
from tests.support.probe import COMMANDS, Note, Probe, Refuse, Rejected, refuse
from tests.support.wait import eventually
from tests.support.world import World, until, until_not_ready


async def test_entries_published_before_the_first_start_are_handled(world: World, probe: Probe) -> None:
    for value in range(250):
        await world.note(f"s{value % 7}", value)
    async with world.running(probe):
        await world.expect(effects=250)
        await world.expect(facts=250)
    for subject in range(7):
        values = await world.effects(f"s{subject}")
        assert values == sorted(values)
    for fact in await world.facts():
        assert {"id", "source", "subject", "time", "sequence", "type"} <= fact.keys()
    assert await world.pending() == 0


async def test_the_same_event_twice_has_one_effect_and_one_fact(world: World, probe: Probe) -> None:
    event_id = str(uuid4())
    for _ in range(3):
        await world.note("s", 1, id=event_id)
    async with world.running(probe):
        await world.note("s", 1, id=event_id)
        await world.note("s", 2)
        await world.expect(facts=2)
    assert await world.effects() == [1, 2]
    assert await world.dead() == []


async def test_the_same_id_with_other_content_is_rejected_once(world: World, probe: Probe) -> None:
    event_id = str(uuid4())
    await world.note("s", 1, id=event_id)
    await world.note("s", 2, id=event_id)
    async with world.running(probe):
        await eventually(lambda: _rejections(world, 1))
    [dead] = await world.dead()
    assert dead["dead-kind"] == "invalid"
    assert dead["dead-reason"].startswith("id_reused")
    assert await world.effects() == [1]


async def test_a_rejected_command_leaves_a_dead_letter_and_a_fact_only(world: World, probe: Probe) -> None:
    probe.router.each(Refuse, refuse, key=lambda command: command.data.subject)
    entry = {"type": Refuse.type, "data": '{"subject": "s"}'}
    entry_id = await world.publish(entry)
    await world.note("s", 1)
    async with world.running(probe):
        [fact] = await eventually(lambda: _rejections(world, 1))
        await world.expect(effects=1)
    assert fact["data"] == {
        "commandId": entry_id,
        "commandType": Refuse.type,
        "code": "subject_not_found",
        "reason": "no such subject",
    }
    [dead] = await world.dead()
    assert dead["dead-id"] == entry_id
    assert dead["dead-stream"] == COMMANDS
    assert dead["dead-group"] == "probe"


async def test_a_bad_entry_never_holds_up_a_batch(world: World, probe: Probe) -> None:
    bad: list[dict[str, str]] = [
        {"type": "probe.note.v1", "data": "{"},
        {"type": "probe.note.v1", "data": '{"subject": "s"}'},
        {"type": "probe.note.v1", "data": '{"subject": "a\\u0000", "value": 1}'},
        {"type": "probe.unheard_of.v1", "data": "{}"},
        {"data": "{}"},
        {"hello": "world"},
        {"__data__": "no json"},
        {"type": "probe.note.v1", "data": '{"subject": "s", "value": NaN}'},
        {"__data__": '{"data": "x", "headers": null}'},
        {"__data__": '{"data": "x", "headers": 5}'},
        {"__data__": '{"data": "x", "headers": [1]}'},
        {"id": "no data", "type": "probe.note.v1"},
        # Less than 1,024 characters, and more bytes than an index takes.
        {"id": "".join(map(chr, range(0x4E00, 0x5200 - 1))), "type": "nobody.takes.v1", "data": "{}"},
    ]
    for i, fields in enumerate(bad):
        await world.publish(fields)
        await world.note("good", i)
    async with world.running(probe) as backbone:
        await world.expect(effects=len(bad), dead=len(bad), pending=0)
        for i, fields in enumerate(bad):
            await world.publish(fields)
            await world.note("good", len(bad) + i)
        await world.expect(effects=2 * len(bad), dead=2 * len(bad), pending=0)
        assert [await check() for check in backbone.checks().values()] == ["active", "active"]
    assert {dead["dead-kind"] for dead in await world.dead()} == {"invalid"}
    told = {fact["data"]["commandId"] for fact in await world.facts(Rejected.type)}
    nameless = [dead for dead in await world.dead() if "type" not in dead]
    # Each but those whose type is not known; the two of one id are one command.
    assert len(told) == 2 * len(bad) - len(nameless) - 1
    assert "no data" in told


async def test_a_consumer_that_cannot_get_on_says_so(
    world: World, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For any error: here a bug of ours that no rule of the backbone foresees."""
    await world.note("s", 1)
    async with world.running(probe) as backbone:
        with monkeypatch.context() as mistaken:
            mistaken.setattr(processing, "validate", lambda *_: 1 / 0)
            await until_not_ready(backbone, "ZeroDivisionError")
        await world.expect(effects=1, pending=0)
        await eventually(lambda: _says_active(backbone))


async def test_flat_entries_and_faststream_entries_are_both_read(world: World, probe: Probe) -> None:
    from faststream.redis import RedisBroker

    await world.redis.xadd(COMMANDS, {"type": "probe.note.v1", "data": '{"subject": "s", "value": 1}'})
    async with RedisBroker(world.redis_url) as broker:
        data = {"subject": "s", "value": 2}
        await broker.publish({"type": "probe.note.v1", "id": str(uuid4()), "data": data}, stream=COMMANDS)
        await broker.publish(data | {"value": 3}, stream=COMMANDS, headers={"ce_type": "probe.note.v1"})
    async with world.running(probe):
        await world.expect(effects=3)
    assert await world.effects() == [1, 2, 3]


async def test_the_trace_context_travels_from_a_command_to_its_fact(world: World, probe: Probe) -> None:
    traceparent = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
    rest = {"tracestate": "vendor=1", "baggage": "tenant=acme"}
    await world.note("s", 1, traceparent=traceparent, **rest)
    async with world.running(probe):
        await world.expect(facts=1)
    [fact] = await world.facts()
    assert fact["traceparent"][:35] == traceparent[:35]
    assert {name: fact[name] for name in rest} == rest


async def test_a_service_reads_several_streams_in_one_group(world: World, probe: Probe) -> None:
    """As cockpit does: its own commands, and chat's facts."""
    listener = Router("probe")  # facts: unknown types are meant for other services
    listener.on(Note, probe.handle, key=lambda command: command.data.subject)
    async with world.running(probe, streams={COMMANDS: probe.router, "other.events": listener}) as backbone:
        await until(backbone, "active", stream="other.events")
        for value in range(20):
            await world.note(f"s{value}", value)
            await world.note(f"t{value}", value, "other.events")
            await world.publish({"type": "other.thing.v1", "data": "{}"}, "other.events")
        await world.expect(effects=40, facts=40, pending=0)
    assert await world.dead() == []


async def _says_active(backbone: Backbone) -> bool:
    with suppress(NotReady):
        return await backbone.checks()[f"consumer {COMMANDS}"]() == "active"
    return False


async def _rejections(world: World, count: int) -> list[dict[str, object]]:
    facts = await world.facts(Rejected.type)
    assert len(facts) == count
    return facts
