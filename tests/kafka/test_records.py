"""The publisher and the topics it writes to, on the broker itself."""

from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from backbone.kafka.address import KafkaAddress
from backbone.kafka.binding import Record, entry_id
from backbone.kafka.producer import KafkaPublisher
from backbone.kafka.topics import PARTITIONS, ensure_topics
from tests.support.kafka_world import KafkaWorld


async def test_records_of_any_size_arrive_in_order_under_the_ids_that_were_told(world: KafkaWorld) -> None:
    address = KafkaAddress.parse(world.kafka_url)
    await ensure_topics(address, ["sizes"])
    await ensure_topics(address, ["sizes"])
    sizes = [10, 700_000, 300_000, 4_000_000, 10, 850_000, 20, 2_000_000, 5]
    records = [Record(b"k%d" % (i % 2), b"x" * size, [("n", b"%d" % i)]) for i, size in enumerate(sizes)]
    publisher = KafkaPublisher(address)
    ids = await publisher.send("sizes", records)
    await publisher.stop()
    places = [TopicPartition("sizes", p) for p in range(PARTITIONS)]
    reader = AIOKafkaConsumer(
        bootstrap_servers=world.servers, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    await reader.start()
    found: list[Any] = []
    try:
        reader.assign(places)
        while len(found) < len(sizes):
            for batch in (await reader.getmany(timeout_ms=500)).values():
                found += batch
    finally:
        await reader.stop()
        await world.admin.delete_topics(["sizes"])
    assert {dict(r.headers)["n"]: entry_id(r.topic, r.partition, r.offset) for r in found} == {
        b"%d" % i: ids[i] for i in range(len(sizes))
    }
    for key in (b"k0", b"k1"):
        order = [int(dict(r.headers)["n"]) for r in found if r.key == key]
        assert order == sorted(order)
