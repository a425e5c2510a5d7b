"""Erasing a user's entries: unread, pending and dead ones, exactly counted whatever interrupts it."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from bullmq import Queue  # type: ignore[import-untyped]
from redis.asyncio import Redis

from backbone import erased_ids, erasures
from backbone.entry_names import SUBJECT_MEMBERS, USER_MEMBERS
from backbone.leases import Lease
from backbone.leftovers import count_entries
from backbone.queued_jobs import open_queue
from backbone.redis_streams.entries import StreamEntries
from backbone.redis_streams.publisher import RedisPublisher
from common.postgres import Pool, transaction
from contracts import Contract, chat, cockpit, knowledge
from knowledge.erasing.jobs import QueueErasing
from tests.support import without
from tests.support.erasures import STREAMS, Interrupted, Traces, erase


@pytest.fixture
async def publisher(redis_url: str) -> AsyncIterator[RedisPublisher]:
    async with Redis.from_url(redis_url) as client:
        yield RedisPublisher(client)


@pytest.fixture
async def entries(redis_url: str, redis: Redis) -> AsyncIterator[StreamEntries]:
    async with StreamEntries(redis_url) as opened:
        yield opened


async def foreign(redis: Redis, count: int) -> list[tuple[str, str]]:
    """Entries of others, which only look like Ann's. Returns their streams and ids."""
    traces = Traces(redis, "bob")
    other = str(uuid4())
    created, titled = "chat.conversation.created.v1", "chat.conversation.titled.v1"
    await traces.fact("chat.events", created, other, 1, {"conversationId": other, "userId": "bob"})
    await traces.fact("chat.events", titled, other, 2, {"conversationId": other, "title": "ann"})
    data = json.dumps({"conversationId": other, "role": "user", "content": '"userId": "ann"'})
    pipeline, streams = redis.pipeline(), []
    for number in range(count):
        stream = ("chat.commands", "chat.commands.dead")[number % 2]
        pipeline.xadd(stream, {"id": str(uuid4()), "type": "chat.message.append.v1", "data": data})
        streams.append(stream)
    added = list(zip(streams, await pipeline.execute(), strict=True))
    start = {"conversationId": other, "userId": "bob"}
    await traces.command("cockpit.commands", "cockpit.server.start.v1", start)
    return added + [(stream, entry_id) for stream, ids in traces.ids.items() for entry_id in ids]


async def there(redis: Redis) -> list[tuple[str, str]]:
    found = []
    for stream in STREAMS:
        rows: Any = await redis.xrange(stream)
        found += [
            (stream, entry_id) for entry_id, fields in rows if not fields["type"].endswith(".erased.v1")
        ]
    return found


@pytest.mark.parametrize(
    ("foreigners", "interrupted"),
    [pytest.param(5_000, False, id="at once"), pytest.param(100, True, id="killed at every other step")],
)
async def test_no_entry_of_a_user_is_left_and_nobody_elses_is_touched(
    pool: Pool,
    lease: Lease,
    redis: Redis,
    entries: StreamEntries,
    publisher: RedisPublisher,
    monkeypatch: pytest.MonkeyPatch,
    foreigners: int,
    interrupted: bool,
) -> None:
    others = await foreign(redis, foreigners)
    ann = Traces(redis, "ann")
    await ann.fill(pool)
    for stream, group in (("chat.commands", "chat"), ("chat.events", "cockpit")):
        await redis.xgroup_create(stream, group, "0")
    await redis.xreadgroup("cockpit", "one", {"chat.events": ">"}, count=4)
    if interrupted:
        record, calls = erasures.record, 0

        async def killed_every_other_time(*arguments: Any, **named: Any) -> int:
            nonlocal calls
            calls += 1
            if calls % 2:
                raise Interrupted
            return await record(*arguments, **named)

        monkeypatch.setattr(erasures, "record", killed_every_other_time)
    receipts = await erase(pool, lease, entries, publisher, redis, "ann")
    assert Counter(await there(redis)) == Counter(others)
    async with pool.acquire() as connection:
        assert await count_entries(entries, connection, STREAMS, "ann") == {}
        bobs = await count_entries(entries, connection, STREAMS, "bob")
    assert bobs == Counter(stream for stream, _ in others)
    counted = {stream: count for each in receipts.values() for stream, count in each.streams.items()}
    counted["chat.events"] += receipts["chat"].counts.get("outbox", 0)
    waited = {"chat.events": 2}  # a message's fact and that of a deletion: published meanwhile, or not
    assert counted == Counter(waited) + Counter({stream: len(ids) for stream, ids in ann.ids.items()})
    summary: Any = await redis.xpending("chat.events", "cockpit")
    assert summary["pending"] == 2, "only what is Bob's"


async def test_the_check_finds_what_is_left(
    pool: Pool,
    lease: Lease,
    redis: Redis,
    entries: StreamEntries,
    publisher: RedisPublisher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann = Traces(redis, "ann")
    await ann.fill(pool)
    without.deletion_of_entries(monkeypatch)
    await erase(pool, lease, entries, publisher, redis, "ann")
    async with pool.acquire() as connection:
        left = await count_entries(entries, connection, STREAMS, "ann")
    assert left == {stream: len(ids) for stream, ids in ann.ids.items()}


async def test_a_stream_that_is_deleted_meanwhile_holds_up_nothing(
    pool: Pool,
    lease: Lease,
    redis: Redis,
    entries: StreamEntries,
    publisher: RedisPublisher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await Traces(redis, "ann").fill(pool)
    erase_entries = entries.erase
    deleted: list[int] = []

    async def deleted_first(shelf: str, marks: Sequence[str]) -> None:
        if shelf == "chat.events" and not deleted:
            deleted.append(await redis.delete("chat.events", "chat.commands"))
        await erase_entries(shelf, marks)

    monkeypatch.setattr(entries, "erase", deleted_first)
    receipts = await erase(pool, lease, entries, publisher, redis, "ann")
    assert all(receipt.finished_at for receipt in receipts.values())
    async with pool.acquire() as connection:
        assert await count_entries(entries, connection, STREAMS, "ann") == {}


async def test_followers_are_told_all_subjects_before_their_entries_go(
    pool: Pool, lease: Lease, redis: Redis, entries: StreamEntries, publisher: RedisPublisher
) -> None:
    await Traces(redis, "ann").fill(pool)
    rows: Any = await redis.xrange("chat.events")
    subjects = {fields["subject"] for _, fields in rows}
    await erase(pool, lease, entries, publisher, redis, "ann")
    rows = await redis.xrange("chat.events")
    facts = [chat.UserErased.model_validate_json(fields["data"]) for _, fields in rows]
    assert subjects <= {subject for fact in facts for subject in fact.subjects}
    assert [fields["sequence"] for _, fields in rows] == [str(n + 1) for n in range(len(rows))]
    assert facts[-1].finished
    assert facts[-1].streams == {"chat.events": 6, "chat.commands": 3, "chat.commands.dead": 2}


@pytest.mark.parametrize(
    "contract", [*chat.TYPES.values(), *cockpit.TYPES.values(), *knowledge.TYPES.values()]
)
def test_members_that_name_users_and_subjects_are_known(contract: type[Contract]) -> None:
    """A new contract whose field names a user or a subject otherwise must be added to ``entry_names``."""
    names = {field.alias or name for name, field in contract.model_fields.items()}
    users = {name for name in names if "user" in name.lower() or "owner" in name.lower()}
    assert users <= set(USER_MEMBERS)
    about = {name for name in names if name in ("conversationId", "sessionId", "knowledgeBaseId")}
    assert about <= set(SUBJECT_MEMBERS)


async def test_jobs_of_a_users_bases_are_removed_and_running_ones_waited_for(
    pool: Pool, redis: Redis, redis_url: str
) -> None:
    queue = Queue("kb-sync", {"connection": redis})
    for base in ("kb-ann", "kb-bob"):
        data = {"knowledgeBaseId": base, "version": "1", "source": "github:o/r@main"}
        await queue.upsertJobScheduler(f"kb-sync-{base}", {"pattern": "0 0 1 1 *"}, "sync", data, {})
        running = await queue.add("sync", data)
        assert await redis.lrem("bull:kb-sync:wait", 1, running.id) == 1
        await redis.lpush("bull:kb-sync:active", running.id)
        await redis.set(f"bull:kb-sync:{running.id}:lock", "worker")
        for options in ({}, {"delay": 3_600_000}, {"priority": 2}):
            await queue.add("sync", data, options)
        await redis.rpush(f"bull:kb-sync:{running.id}:logs", base)
        await redis.xadd("bull:kb-sync:events", {"event": "progress", "jobId": running.id, "data": base})
    async with transaction(pool) as connection:
        erasure = erasures.Erasure(await erasures.request(connection, "ann"), "ann")
        await erased_ids.insert_subjects(connection, erasure.id, ["kb-ann"])
    async with open_queue(redis_url) as client, pool.acquire() as connection:
        erasing = QueueErasing(client)
        assert await erasing.erase(connection, erasure) == {"bull:kb-sync": 5}, "with the scheduler"
        assert await erasing.erase(connection, erasure) is None, "a worker has it"
        [locked] = [key async for key in redis.scan_iter("bull:kb-sync:*:lock") if await is_anns(redis, key)]
        await redis.delete(locked)
        assert await erasing.erase(connection, erasure) == {"bull:kb-sync": 1}
        assert await erasing.erase(connection, erasure) == {}
    events: Any = await redis.xrange("bull:kb-sync:events")
    assert [fields["data"] for _, fields in events if fields["event"] == "progress"] == ["kb-bob"]
    left = [key async for key in redis.scan_iter("bull:kb-sync:*", _type="hash") if await is_anns(redis, key)]
    assert left == []
    assert [key async for key in redis.scan_iter("bull:kb-sync:repeat:*")] != []


async def is_anns(redis: Redis, key: str) -> bool:
    return "kb-ann" in str(await redis.hget(key.removesuffix(":lock"), "data"))
