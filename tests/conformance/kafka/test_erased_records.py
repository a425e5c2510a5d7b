"""Erasing a user's records: tombstones by key, which consumers pass over."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import orjson

from backbone import erasures
from backbone.entry_store import open_entries
from backbone.leftovers import count_entries
from backbone.sweeping import Sweep
from common.postgres import Connection, prepare_connection
from tests.support.kafka_world import KafkaWorld
from tests.support.probe import COMMANDS, FACTS, Probe
from tests.support.wait import eventually


async def test_a_tombstone_is_passed_over(world: KafkaWorld, probe: Probe) -> None:
    await world.note("s", 1)
    await world.produce(b"s", None, [])
    await world.note("s", 2)
    async with world.running(probe):
        await world.expect(effects=2, pending=0)
    assert await world.dead() == []


async def test_each_key_of_a_user_gets_a_tombstone_in_its_partition(world: KafkaWorld) -> None:
    async def record(topic: str, kind: str, key: str, data: Mapping[str, Any]) -> None:
        headers = [("ce_type", kind.encode()), ("ce_source", b"/takaro/chat"), ("ce_subject", key.encode())]
        await world.produce(key.encode(), orjson.dumps(data), headers, topic)

    created, appended, append = (
        "chat.conversation.created.v1",
        "chat.message.appended.v1",
        "chat.message.append.v1",
    )
    keys = {user: [str(uuid4()) for _ in range(4)] for user in ("ann", "bob")}
    for user, conversations in keys.items():
        for key in conversations:
            await record(FACTS, created, key, {"conversationId": key, "userId": user})
            await record(FACTS, appended, key, {"conversationId": key, "content": user})
            await record(COMMANDS, append, key, {"conversationId": key, "content": user})
    connection = await asyncpg.connect(world.database)
    await prepare_connection(connection)
    async with open_entries(world.kafka_url) as entries:
        sweep = Sweep("chat", entries, [COMMANDS], FACTS, nobodys)
        erasure = erasures.Erasure(await erasures.request(connection, "ann"), "ann", None)
        counted: dict[str, int] = {}
        while True:
            swept = await sweep.step(connection, erasure)
            for stream, count in swept.streams.items():
                counted[stream] = counted.get(stream, 0) + count
            if swept.place.stage == "done":
                break
            erasure = replace(erasure, sweep=swept.place.stored())
        assert counted == {FACTS: 4, COMMANDS: 4}, "keys"
        left = await count_entries(entries, connection, [FACTS, COMMANDS], "ann")
    await connection.close()
    assert left == {FACTS: 8, COMMANDS: 4}, "Kafka keeps the records themselves"

    async def all_buried() -> bool:
        records = await world.records(FACTS)
        homes = {record.key: record.partition for record in records if record.value is not None}
        buried = [record for record in records if record.value is None]
        assert all(homes[record.key] == record.partition for record in buried)
        return {record.key.decode() for record in buried} == set(keys["ann"])

    await eventually(all_buried)


async def nobodys(_: Connection, __: Sequence[str]) -> set[str]:
    return set()
