"""CPU for each message by part, compared with the bare library doing the same I/O in the same run.

Each part is the product's own code, run alone in this process over the same entries. Its floor is what
redis-py or asyncpg needs for the I/O that the part can't avoid, in batches of 100. Our code uses the
service's batches.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg

from backbone.batch import BatchTransaction
from backbone.events import RawEntry, decode_entry, encode_entry
from backbone.handlers import Router
from backbone.leases import LeaseKeeper, held
from backbone.processor import Processor
from backbone.redis_streams.consumer import StreamConsumer
from backbone.redis_streams.group import Group
from backbone.redis_streams.publisher import RedisPublisher
from backbone.relay import Relay
from backbone.validation import Item, validate
from benchmarks.report import Report
from benchmarks.world import TEXT, World, command, cpu_seconds, median
from chat.app import create_command_router
from chat.quotas.limited import LimitedUsers
from chat.settings import ChatSettings
from common.notifications import Notifications
from common.postgres import create_pool
from contracts.chat import FACTS_STREAM

if TYPE_CHECKING:
    from redis.asyncio import Redis

COUNT, BATCH, ROUNDS = 20_000, 100, 5
STREAM, SCRATCH = "bench.commands", "bench.floor"

FLOOR_FROM = 1_000_000_000
"""Sequences that ours don't give: the floor writes to the same conversations."""

INSERT_MESSAGES = """
INSERT INTO messages (id, conversation_id, role, content, sequence)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[])
"""
INSERT_OUTBOX = """
INSERT INTO outbox (stream, event_id, type, source, subject, sequence, data)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[])
RETURNING position
"""
DELETE_OUTBOX = "DELETE FROM outbox WHERE stream = $1 AND position = ANY($2::bigint[])"


class Counting(Processor):
    """Replaces the processor: only parses and acknowledges the entries that the reader delivers."""

    def __init__(self, group: Group, router: Router, settings: ChatSettings) -> None:
        nothing: Any = None
        super().__init__(group, router, nothing, settings)
        self.group = group
        self.seen = 0
        self.all_seen = asyncio.Event()

    def prepare(self, entries: Sequence[RawEntry]) -> list[Item]:
        for entry_id, fields in entries:
            decode_entry(self.group.stream, entry_id, fields)
        return [Item(entry) for entry in entries]

    async def handle(self, items: Sequence[Item]) -> None:
        await self.group.acknowledge([item.entry[0] for item in items])
        self.seen += len(items)
        if self.seen >= COUNT:
            self.all_seen.set()


class Parts:
    """The parts and floors over one set of servers."""

    def __init__(self, world: World, conversations: Sequence[UUID]) -> None:
        self.world, self.conversations = world, conversations
        self.settings = ChatSettings(
            database_url=world.postgres.url,
            redis_url=world.redis.url,
            auth_mode="dev",
            instance_name="bench",
        )
        self.batch = self.settings.stream_batch_size
        self.router: Router = create_command_router(self.settings, LimitedUsers(set()))
        self.redis: Redis = world.client()
        self.entries: list[RawEntry] = []
        self.sequences = count(FLOOR_FROM)

    async def fill(self) -> None:
        """New commands in the stream, and in memory as a reader delivers them."""
        await self.redis.delete(STREAM, SCRATCH)
        for start in range(0, COUNT, 500):
            pipeline = self.redis.pipeline(transaction=False)
            for i in range(start, start + 500):
                pipeline.xadd(STREAM, command(self.conversations[i % len(self.conversations)]))
            await pipeline.execute()
        found: Any = await self.redis.xrange(STREAM)
        self.entries = [(entry_id.decode(), fields) for entry_id, fields in found]
        for group in ("floor", "ours"):
            await self.redis.xgroup_create(STREAM, group, id="0")

    async def read_floor(self) -> None:
        seen = 0
        while seen < COUNT:
            answer: Any = await self.redis.xreadgroup("floor", "c", {STREAM: ">"}, count=BATCH)
            for _, entries in answer.items() if isinstance(answer, dict) else answer:
                await self.redis.xack(STREAM, "floor", *(entry_id for entry_id, _ in entries))
                seen += len(entries)

    async def read(self) -> None:
        group = Group(self.redis, STREAM, "ours")
        counting = Counting(group, self.router, self.settings)
        async with await create_pool(self.settings) as pool:
            keeper = LeaseKeeper(pool, "bench-read", f"bench-{uuid4()}", 60)
            consuming = asyncio.create_task(StreamConsumer(self.settings, group, counting, keeper).run())
            await counting.all_seen.wait()
            consuming.cancel()
            await asyncio.gather(consuming, return_exceptions=True)

    async def validation(self) -> None:
        for start in range(0, COUNT, self.batch):
            validate(self.router, STREAM, self.entries[start : start + self.batch])

    async def decoding(self) -> None:
        for entry_id, fields in self.entries:
            decode_entry(STREAM, entry_id, fields)

    async def write(self) -> None:
        async with await create_pool(self.settings) as pool:
            batch = BatchTransaction(pool, self.router, FACTS_STREAM)
            async with held(pool, "bench", f"bench-{uuid4()}", 60) as holding:
                for start in range(0, COUNT, self.batch):
                    await batch.apply(self.items[start : start + self.batch], holding.lease)

    async def write_floor(self) -> None:
        connection = await asyncpg.connect(self.world.postgres.url)
        text = '{"conversationId":"' + "x" * 36 + '","content":"' + TEXT + '"}'
        for start in range(0, COUNT, BATCH):
            conversations = [
                self.conversations[i % len(self.conversations)] for i in range(start, start + BATCH)
            ]
            async with connection.transaction():
                await connection.execute("SELECT set_config('takaro.message_order', 'numbered', true)")
                await connection.execute(
                    INSERT_MESSAGES,
                    [uuid4() for _ in range(BATCH)],
                    conversations,
                    ["user"] * BATCH,
                    [TEXT] * BATCH,
                    [next(self.sequences) for _ in range(BATCH)],
                )
                rows = await connection.fetch(
                    INSERT_OUTBOX,
                    ["bench.floor"] * BATCH,
                    [uuid4() for _ in range(BATCH)],
                    ["chat.message.appended.v1"] * BATCH,
                    ["/takaro/chat"] * BATCH,
                    [str(c) for c in conversations],
                    list(range(BATCH)),
                    [text] * BATCH,
                )
            await connection.execute(DELETE_OUTBOX, "bench.floor", [row["position"] for row in rows])
        await connection.close()

    async def relay(self) -> None:
        async with await create_pool(self.settings) as pool:
            owner = f"bench-{uuid4()}"
            keeper = LeaseKeeper(pool, "bench-relay", owner, 60)
            publisher = RedisPublisher(self.redis)
            notifications, page_bytes = Notifications(self.settings), self.settings.stream_batch_bytes
            relay = Relay(pool, publisher, notifications, keeper, FACTS_STREAM, page_bytes)
            async with held(pool, "bench-relay", owner, 60) as holding:
                while await relay.publish_batch(holding.lease):
                    pass

    async def relay_floor(self) -> None:
        fields: dict[Any, Any] = encode_entry(
            id=str(uuid4()),
            source="/takaro/chat",
            type="chat.message.appended.v1",
            subject=str(uuid4()),
            sequence=1,
            data='{"content":"' + TEXT + '"}',
        )
        for _ in range(0, COUNT, 500):
            pipeline = self.redis.pipeline(transaction=False)
            for _ in range(500):
                pipeline.xadd(SCRATCH, fields)
            await pipeline.execute()

    def prepare_write(self) -> None:
        self.items = validate(self.router, STREAM, self.entries)

    async def measure(self, part: Callable[[], Awaitable[None]]) -> dict[str, float]:
        """CPU of this process, of Postgres and of Redis, in microseconds for each message."""
        pids = {"postgres": self.world.postgres.pid, "redis": self.world.redis.pid}
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        started = time.process_time()
        await part()
        used = {"client": (time.process_time() - started) / COUNT * 1e6}
        await asyncio.sleep(0.5)  # until Postgres has reaped the backends of closed connections
        return used | {n: (cpu_seconds(pid) - before[n]) / COUNT * 1e6 for n, pid in pids.items()}


async def run(world: World, report: Report) -> None:
    """Measure parts and floors alternately; medians of the rounds."""
    parts = Parts(world, await world.make_conversations(200))
    names = ("read_floor", "read", "decoding", "validation", "write_floor", "write", "relay_floor", "relay")
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for number in range(ROUNDS):
        report.progress(f"parts and floors, round {number + 1} of {ROUNDS}")
        await parts.fill()
        parts.prepare_write()
        for name in names:
            measured[name].append(await parts.measure(getattr(parts, name)))
    await parts.redis.aclose()

    def of(name: str, who: str) -> float:
        return median([m[who] for m in measured[name]])

    for part, floor, what, base in (
        ("read", "read_floor", "read and parse", "batched XREADGROUP and XACK"),
        ("write", "write_floor", "write", "asyncpg: message, outbox row, its removal"),
        ("relay", "relay_floor", "relay", "pipelined XADD"),
    ):
        ratio = of(part, "client") / of(floor, "client")
        report.line(
            f"CPU of {what}",
            f"{of(part, 'client'):.1f} µs against {of(floor, 'client'):.1f} µs ({base}): {ratio:.2f}",
            "at most 2 times its floor",
            ratio <= 2,
        )
    report.line("CPU of validation", f"{of('validation', 'client') - of('decoding', 'client'):.1f} µs")
    postgres = (of("write", "postgres") + of("relay", "postgres")) / of("write_floor", "postgres")
    report.line(
        "Postgres's own CPU, write and relay",
        f"{of('write', 'postgres') + of('relay', 'postgres'):.1f} µs against "
        f"{of('write_floor', 'postgres'):.1f} µs: {postgres:.2f}",
        "at most 2 times its floor",
        postgres <= 2,
    )
    redis_floor = of("read_floor", "redis") + of("relay_floor", "redis")
    redis = (of("read", "redis") + of("relay", "redis")) / redis_floor
    report.line(
        "Redis's own CPU, read and relay",
        f"{of('read', 'redis') + of('relay', 'redis'):.1f} µs against {redis_floor:.1f} µs: {redis:.2f}",
        "at most 2 times its floor",
        redis <= 2,
    )
