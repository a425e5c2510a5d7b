"""CloudEvents' Kafka binding, as others write it and as we do."""

from uuid import uuid4

from faststream.kafka import KafkaBroker

from tests.support.kafka_world import DEAD, KafkaWorld
from tests.support.probe import FACTS, Probe
from tests.support.wait import eventually

DATA = b'{"subject": "s", "value": %d}'


async def test_a_type_and_a_value_are_all_that_is_required_of_others(world: KafkaWorld, probe: Probe) -> None:
    first = await world.produce(b"s", DATA % 1, [("ce_type", b"probe.note.v1")])
    await world.produce(b"s", DATA % 2, [("type", b"probe.note.v1"), ("x-tenant", b"\xff")])
    async with KafkaBroker(world.servers, logger=None) as broker:
        data = {"subject": "s", "value": 3}
        await broker.publish(data, "probe.commands", key=b"s", headers={"ce_type": "probe.note.v1"})
    async with world.running(probe):
        await world.expect(effects=3, facts=3)
    assert await world.effects() == [1, 2, 3]
    rows = await world.execute("SELECT event_id FROM inbox")
    assert first in {row["event_id"] for row in rows}
    assert await world.dead() == []


async def test_facts_are_binary_cloudevents_keyed_by_their_subject(world: KafkaWorld, probe: Probe) -> None:
    async with world.running(probe):
        for value in range(30):
            await world.note(f"s{value % 3}", value)
        await world.expect(facts=30)
    by_key: dict[bytes, list[int]] = {}
    homes: dict[bytes, int] = {}
    for record in await world.records(FACTS):
        headers = dict(record.headers)
        assert headers["ce_specversion"] == b"1.0"
        assert headers["content-type"] == b"application/json"
        assert headers["ce_type"] == b"probe.noted.v1"
        assert headers["ce_source"] == b"/takaro/probe"
        assert headers["ce_subject"] == record.key
        assert headers["ce_time"].endswith(b"Z")
        assert len(headers["ce_id"]) == 36
        by_key.setdefault(record.key, []).append(int(headers["ce_sequence"]))
        assert homes.setdefault(record.key, record.partition) == record.partition
    assert by_key == {f"s{n}".encode(): list(range(1, 11)) for n in range(3)}


async def test_a_dead_letter_is_the_record_itself_and_why_it_died(world: KafkaWorld, probe: Probe) -> None:
    value = b'{"subject": 1}'
    headers = [
        ("ce_id", str(uuid4()).encode()),
        ("ce_type", b"probe.note.v1"),
        ("ce_tenant", b"\xff\x00"),
        ("x", b""),
    ]
    where = await world.produce(b"\xfe-key", value, headers)
    async with world.running(probe):
        [record] = await eventually(lambda: world.records(DEAD))
    assert record.key == b"\xfe-key"
    assert record.value == value
    written = dict(record.headers)
    assert written | dict(headers) == written
    assert written["dead-id"].decode() == where
    assert written["dead-stream"] == b"probe.commands"
    assert written["dead-group"] == b"probe"
    assert written["dead-kind"] == b"invalid"
    assert set(written) - dict(headers).keys() == {
        f"dead-{name}" for name in ("stream", "id", "group", "reason", "kind", "failures", "time")
    }


async def test_a_dead_letter_is_handled_when_it_is_published_again_as_a_replay(
    world: KafkaWorld, probe: Probe
) -> None:
    probe.failing["s"] = ValueError("boom")
    async with world.running(probe, max_handler_failures=2):
        await world.note("s", 1)
        [dead] = await eventually(lambda: world.records(DEAD))
        del probe.failing["s"]
        headers = [(name, value) for name, value in dead.headers if not name.startswith("dead-")]
        await world.produce(dead.key, dead.value, headers)
        await world.expect(effects=0, dead=2)  # recognised as a dead letter without this header too
        for _ in range(2):
            await world.produce(dead.key, dead.value, [*headers, ("replay", b"1")])
        await world.expect(effects=1)
        await world.note("s", 2)
        await world.expect(effects=2)
    assert await world.effects() == [1, 2]
