"""Following a stream of facts with takaro-agent-client: the same cases, sync and async."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis as sync_redis
from redis.asyncio import Redis

from takaro_agent_client.events import Fact, redis
from takaro_agent_client.events.reading import GroupReader, PositionReader

STREAM = "chat.events"
GROUP = "my-service"
Reader = GroupReader | PositionReader


class Follower:
    """Follows with redis-py's waiting client, or with its asyncio one."""

    def __init__(self, client: Redis, sync: "sync_redis.Redis", *, waits: bool) -> None:
        self._client, self._sync, self._waits = client, sync, waits

    async def read(
        self, reader: Reader, *, stop_at: str = "", when_quiet: Callable[[], object] | None = None
    ) -> list[Fact]:
        """The facts up to where there is nothing new, or to one that breaks its handler. ``when_quiet`` is
        called the first time that there is nothing new."""
        seen: list[Fact] = []
        waits = [when_quiet] if when_quiet else []

        def ends(fact: Fact | None) -> bool:
            if fact is None and waits:
                waits.pop()()
                return False
            if fact is None or fact.id == stop_at:
                return True
            seen.append(fact)
            return False

        if self._waits:
            for fact in redis.follow(self._sync, reader):
                if ends(fact):
                    break
        else:
            async for fact in redis.follow_async(self._client, reader):
                if ends(fact):
                    break
        return seen


@pytest.fixture
def sync(redis: Redis, redis_url: str) -> "Iterator[sync_redis.Redis]":
    with sync_redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(params=["sync", "async"])
def follower(redis: Redis, sync: "sync_redis.Redis", request: pytest.FixtureRequest) -> Follower:
    return Follower(redis, sync, waits=request.param == "sync")


def reader(consumer: str = "worker-1", **more: Any) -> GroupReader:
    return GroupReader(STREAM, GROUP, consumer, block_milliseconds=20, **more)


async def tell(redis: Redis, id: str, subject: str = "", sequence: int | None = None, **more: str) -> str:
    fields: Any = {"id": id, "type": "chat.message.appended.v1", "data": json.dumps({"at": id}), **more}
    if sequence is not None:
        fields |= {"subject": subject, "sequence": str(sequence)}
    return str(await redis.xadd(STREAM, fields))


def ids(facts: list[Fact]) -> list[str]:
    return [fact.id for fact in facts]


async def pending(redis: Redis) -> int:
    return int((await redis.xpending(STREAM, GROUP))["pending"])


async def test_everything_since_the_beginning_comes_once_and_in_order(
    redis: Redis, follower: Follower
) -> None:
    for number in range(1, 6):
        await tell(redis, f"f{number}", "c", number, source="/takaro/chat", traceparent="00-ab")
    facts = await follower.read(reader(count=2))
    assert ids(facts) == ["f1", "f2", "f3", "f4", "f5"]
    assert [fact.missed for fact in facts] == [0] * 5
    assert (facts[0].source, facts[0].traceparent, facts[0].data) == ("/takaro/chat", "00-ab", {"at": "f1"})
    assert await pending(redis) == 0
    assert await follower.read(reader()) == []


async def test_a_fact_whose_handler_breaks_comes_again_and_so_does_the_rest(
    redis: Redis, follower: Follower
) -> None:
    for number in range(1, 4):
        await tell(redis, f"f{number}", "c", number)
    assert ids(await follower.read(reader(), stop_at="f2")) == ["f1"]
    assert await pending(redis) == 2
    assert ids(await follower.read(reader())) == ["f2", "f3"]
    assert await pending(redis) == 0


async def test_a_repeat_is_left_out(redis: Redis, follower: Follower) -> None:
    """By its number; an event without one by its id."""
    for id, number in (("f1", 1), ("f2", 2), ("again", 1), ("f2", 2)):
        await tell(redis, id, "c", number)
    for id in ("plain", "plain"):
        await tell(redis, id)
    assert ids(await follower.read(reader())) == ["f1", "f2", "plain"]
    assert await pending(redis) == 0


async def test_what_was_handled_is_known_after_a_restart(redis: Redis, follower: Follower) -> None:
    await tell(redis, "f1", "c", 1)
    await tell(redis, "f2", "c", 2)
    assert len(await follower.read(reader(kept="my-service:seen"))) == 2
    await redis.xgroup_destroy(STREAM, GROUP)
    lost: list[str] = []
    again = reader(kept="my-service:seen", lost=lambda: lost.append("lost"))
    await tell(redis, "f3", "c", 3)
    assert ids(await follower.read(again)) == ["f3"], "a new group reads everything again"
    await tell(redis, "gone", "c", 4, type="chat.conversation.deleted.v1")
    await follower.read(reader(kept="my-service:seen"))
    assert await redis.hgetall("my-service:seen") == {}


async def test_a_group_that_was_deleted_is_made_again(
    redis: Redis, sync: "sync_redis.Redis", follower: Follower
) -> None:
    told: list[str] = []
    mine = reader(lost=lambda: told.append("lost"))
    await tell(redis, "f1", "c", 1)

    def lose_everything() -> None:
        sync.flushdb()
        sync.xadd(STREAM, {"id": "f3", "type": "t", "data": "{}", "subject": "c", "sequence": "3"})

    facts = await follower.read(mine, when_quiet=lose_everything)
    assert [(fact.id, fact.missed) for fact in facts] == [("f1", 0), ("f3", 1)]
    assert told == ["lost"]


async def test_a_gap_is_noticed_and_a_late_fact_is_no_repeat(redis: Redis, follower: Follower) -> None:
    for id, number in (("f5", 5), ("f8", 8), ("f7", 7), ("f6", 6), ("f7", 7), ("f9", 9)):
        await tell(redis, id, "c", number)
    facts = await follower.read(reader())
    assert [(fact.id, fact.missed) for fact in facts] == [
        ("f5", 0),
        ("f8", 2),
        ("f7", 0),
        ("f6", 0),
        ("f9", 0),
    ]


async def test_what_a_lost_consumer_left_is_taken_over(redis: Redis, follower: Follower) -> None:
    for number in range(1, 4):
        await tell(redis, f"f{number}", "c", number)
    await follower.read(reader("worker-1"), stop_at="f2")
    assert await follower.read(reader("worker-2")) == [], "it may still be at work"
    assert ids(await follower.read(reader("worker-2", claim_after_milliseconds=0))) == ["f2", "f3"]


async def test_entries_that_are_no_facts_and_deleted_ones_are_passed_over(
    redis: Redis, follower: Follower
) -> None:
    await redis.xadd(STREAM, {"type": "x", "data": "no JSON"})
    await redis.xadd(STREAM, {"data": "{}"})
    for number in (1, 2, 3):
        deleted = await tell(redis, f"f{number}", "c", number)
        if number == 2:
            await follower.read(reader(), stop_at="f2")
            await redis.xdel(STREAM, deleted)
    facts = await follower.read(reader())
    assert ids(facts) == ["f3"]
    assert await pending(redis) == 0


async def test_a_position_of_ones_own_needs_no_group(redis: Redis, follower: Follower) -> None:
    await tell(redis, "f1", "c", 1)
    mine = PositionReader(STREAM, "$", block_milliseconds=20)
    assert await follower.read(mine) == []
    await tell(redis, "f2", "c", 2)
    facts = await follower.read(mine)
    assert ids(facts) == ["f2"]
    again = PositionReader(STREAM, facts[0].position, block_milliseconds=20)
    assert await follower.read(again) == []
    assert ids(await follower.read(PositionReader(STREAM, block_milliseconds=20))) == ["f1", "f2"]
