"""The end of a topic, read without a group: from some records before now, then what comes."""

from contextlib import AsyncExitStack

from backbone.kafka.tail import TopicTail
from tests.support.kafka_world import KafkaWorld
from tests.support.probe import FACTS


async def test_a_topic_is_read_from_before_its_end_on(world: KafkaWorld) -> None:
    async def record(key: int) -> None:
        headers = [("ce_type", b"a.b.c.v1"), ("ce_source", b"/takaro/chat"), ("ce_id", b"%d" % key)]
        await world.produce(b"%d" % key, b"{}", headers, FACTS)

    for n in range(20):
        await record(n)
    async with AsyncExitStack() as stack:
        whole = await stack.enter_async_context(TopicTail(world.kafka_url, FACTS))
        new = await stack.enter_async_context(TopicTail(world.kafka_url, FACTS))
        assert not whole.has_read(await whole.begin(10_000))
        assert new.has_read(await new.begin(0))
        await record(20)
        assert not new.has_read(await new.end())
        for tail, wanted in ((whole, range(21)), (new, range(20, 21))):
            end, seen = await tail.end(), list[int]()
            while not tail.has_read(end):
                seen += [int(fields[b"id"]) for _, fields in await tail.read()]
            assert sorted(seen) == list(wanted)
