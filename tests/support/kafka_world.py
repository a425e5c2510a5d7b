"""The probe's world on Kafka: what the backbone's cases do and see, as records of topics."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, ClassVar
from uuid import uuid4

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis.asyncio import Redis

from backbone.kafka import consumer
from backbone.kafka.binding import PLAIN, entry_id, entry_of
from backbone.kafka.partitions import Partitions
from tests.support.probe import COMMANDS, FACTS, Noted, ProbeSettings
from tests.support.wait import eventually
from tests.support.world import World, once

DEAD = f"{COMMANDS}.dead"
TOPICS = (COMMANDS, FACTS, DEAD)
PARTITIONS = 3


class KafkaWorld(World):
    """Topics of three partitions, empty at first, written and read with its own clients."""

    source: ClassVar[type[Any]] = Partitions
    keeps_replayed: ClassVar[bool] = True
    abrupt: ClassVar[Mapping[str, Any]] = {}  # a rebalance waits for three seconds anyway

    def __init__(self, database: str, redis_url: str, redis: Redis, kafka_url: str) -> None:
        super().__init__(database, redis_url, redis)
        self.kafka_url, self.servers = kafka_url, kafka_url.removeprefix("kafka://")
        self._ends: dict[int, int] = {}
        self._read: dict[str, list[Any]] = {FACTS: [], DEAD: []}
        self._stack = AsyncExitStack()

    async def prepare(self) -> None:
        await super().prepare()
        self.admin = AIOKafkaAdminClient(bootstrap_servers=self.servers)
        await self._open(self.admin, "close")
        await self.recreate(TOPICS)
        self.producer = AIOKafkaProducer(bootstrap_servers=self.servers, acks="all")
        await self._open(self.producer, "stop")
        self._tails = {}
        for topic in (FACTS, DEAD):
            tail = AIOKafkaConsumer(
                bootstrap_servers=self.servers,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
            )
            await self._open(tail, "stop")
            tail.assign([TopicPartition(topic, p) for p in range(PARTITIONS)])
            self._tails[topic] = tail

    async def close(self) -> None:
        await self._stack.aclose()

    async def recreate(self, topics: tuple[str, ...]) -> None:
        """Delete existing topics and create all of them again."""
        there = [topic for topic in topics if topic in await self.admin.list_topics()]
        if there:
            await self.admin.delete_topics(there)

            async def gone() -> bool:
                return not set(there) & set(await self.admin.list_topics())

            await eventually(gone, interval=0.2)

        async def created() -> bool:
            wanted = set(topics) - set(await self.admin.list_topics())
            await self.admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in wanted])
            return set(topics) <= set(await self.admin.list_topics())

        await eventually(created, interval=0.2)

    async def publish(self, fields: dict[Any, Any], stream: str = COMMANDS) -> str:
        """``data`` is the value, the rest are headers; the key is the subject, if the data has it."""
        fields = {_text(name): value for name, value in fields.items()}
        data = fields.pop("data", None)
        headers = [(_header(name), _bytes(value)) for name, value in fields.items()]
        return await self.produce(_key(data) or b"?", data, headers, stream)

    async def produce(
        self, key: bytes | None, value: Any, headers: list[tuple[str, bytes]], topic: str = COMMANDS
    ) -> str:
        """Append a record. Returns its entry id."""
        stored = await self.producer.send_and_wait(
            topic, key=key, value=None if value is None else _bytes(value), headers=headers
        )
        if topic == COMMANDS:
            self._ends[stored.partition] = stored.offset + 1
        return entry_id(topic, stored.partition, stored.offset)

    async def facts(self, type_: str = Noted.type) -> list[dict[str, Any]]:
        found = [_flat(record) for record in await self._tail(FACTS)]
        return once([{**f, "data": orjson.loads(f["data"])} for f in found if f["type"] == type_])

    async def dead(self) -> list[dict[str, str]]:
        return [_flat(record) for record in await self._tail(DEAD)]

    async def letters(self) -> list[Any]:
        return list(await self._tail(DEAD))

    async def replay(self, letter: Any) -> None:
        """Published again, as docs/kafka.md says: the record's own headers, and a mark."""
        await self.publish(self.replay_fields(letter))

    def replay_fields(self, letter: Any) -> dict[Any, Any]:
        flat = _flat(letter)
        own = {name: value for name, value in flat.items() if not name.startswith(("dead-", "ce_"))}
        identity = {} if "id" in own else {"id": flat["dead-id"]}
        return own | identity | {"replay": str(uuid4())}

    async def records(self, topic: str) -> list[Any]:
        """The records of a topic as they are."""
        return await self._tail(topic)

    async def pending(self) -> int:
        """Records at and beyond the committed offsets."""
        places = [TopicPartition(COMMANDS, p) for p in self._ends]
        committed = await self.admin.list_consumer_group_offsets("probe", partitions=places) if places else {}
        return sum(
            end - max(0, committed[place].offset if place in committed else 0)
            for place, end in zip(places, self._ends.values(), strict=True)
        )

    async def is_held_up(self, entries: int) -> bool:
        """At least: records after the first of them in its partition aren't committed either."""
        return await self.pending() >= entries

    async def read_and_die(self, member: str, count: int) -> None:
        reader = AIOKafkaConsumer(
            COMMANDS,
            bootstrap_servers=self.servers,
            group_id="probe",
            client_id=member,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=consumer.SESSION_MILLISECONDS,
            heartbeat_interval_ms=consumer.HEARTBEAT_MILLISECONDS,
        )
        await reader.start()
        try:
            read = 0
            while read < count:
                found = await reader.getmany(timeout_ms=200, max_records=count - read)
                read += sum(map(len, found.values()))
        finally:
            await reader.stop()

    def settings(self, instance: str = "probe-1", **changes: Any) -> ProbeSettings:
        return super().settings(instance, **{"event_bus_url": self.kafka_url, **changes})

    async def _tail(self, topic: str) -> list[Any]:
        while read := await self._tails[topic].getmany(timeout_ms=50):
            for records in read.values():
                self._read[topic] += records
        return self._read[topic]

    async def _open(self, client: Any, closing: str) -> None:
        await client.start()
        self._stack.push_async_callback(getattr(client, closing))


def _flat(record: Any) -> dict[str, str]:
    _, fields = entry_of(record)
    return {name.decode(): value.decode() for name, value in fields.items() if not name.startswith(b":")}


def _key(data: Any) -> bytes | None:
    try:
        return str(orjson.loads(data)["subject"]).encode()
    except (TypeError, KeyError, ValueError):
        return None


def _header(name: str) -> str:
    return name if name == "replay" or name.encode() in PLAIN else f"ce_{name}"


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
