"""The commands that docs/events.md gives to followers, word for word, on the real server."""

import re
from pathlib import Path
from typing import Any

import pytest
from redis import exceptions
from redis.asyncio import Redis

EVENTS = (Path(__file__).parents[3] / "docs" / "events.md").read_text()
STREAM = "chat.events"


def commands(heading: str) -> list[str]:
    """The Redis commands in the code blocks of a section."""
    section = re.split(r"\n#{2,3} ", EVENTS.split(f"# {heading}\n", 1)[1], maxsplit=1)[0]
    blocks = re.findall(r"^ *```\n(.*?)^ *```", section, flags=re.DOTALL | re.MULTILINE)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


FOLLOW, KEEP, LOST = (
    commands(heading) for heading in ("Follow facts", "Keep a group going", "When Redis lost everything")
)


class Follower:
    """Runs commands as they are written."""

    def __init__(self, redis: Redis) -> None:
        self.redis: Any = redis  # commands as they are written have no types

    async def run(self, command: str, entry_id: str = "") -> Any:
        return await self.redis.execute_command(*command.replace("<id>", entry_id).split())

    async def read(self, command: str) -> list[str]:
        answer = await self.run(command)
        return [entry_id for _, entries in answer or () for entry_id, _ in entries]

    async def fields(self, command: str) -> dict[str, Any]:
        """The fields by entry, as the server sends them: redis-py takes nil for no fields."""
        connection = await self.redis.connection_pool.get_connection()
        try:
            await connection.send_command(*command.split())
            answer: Any = await connection.read_response()
        finally:
            await self.redis.connection_pool.release(connection)
        [entries] = answer.values() if isinstance(answer, dict) else [found for _, found in answer]
        return dict(entries)

    async def fact(self) -> str:
        return str(await self.redis.xadd(STREAM, {"type": "t", "data": "{}"}))


@pytest.fixture
def follower(redis: Redis) -> Follower:
    return Follower(redis)


async def test_a_group_reads_acknowledges_and_is_there_already(follower: Follower) -> None:
    create, read, acknowledge = FOLLOW
    facts = [await follower.fact() for _ in range(2)]
    await follower.run(create)
    assert await follower.read(read) == facts
    assert await follower.run(acknowledge, facts[0]) == 1
    with pytest.raises(exceptions.ResponseError, match="BUSYGROUP Consumer Group name already exists"):
        await follower.run(create)


async def test_a_consumer_reads_its_own_pending_entries_first(follower: Follower) -> None:
    create, read, acknowledge = FOLLOW
    own, _ = KEEP
    facts = [await follower.fact() for _ in range(2)]
    await follower.run(create)
    await follower.read(read)
    later = await follower.fact()
    assert await follower.read(own) == facts
    await follower.run(acknowledge, facts[0])
    assert await follower.read(own) == [facts[1]]
    await follower.redis.xdel(STREAM, facts[1])
    assert await follower.fields(own) == {facts[1]: None}
    await follower.run(acknowledge, facts[1])
    assert await follower.read(own) == []
    assert await follower.read(read) == [later]


async def test_another_consumer_takes_over_what_was_left(follower: Follower) -> None:
    create, read, _ = FOLLOW
    _, claim = KEEP
    facts = [await follower.fact() for _ in range(2)]
    await follower.run(create)
    await follower.read(read)
    assert await follower.run(claim) == ["0-0", [], []]  # too early
    await follower.redis.xclaim(STREAM, "my-service", "worker-1", 0, facts[:1], idle=61_000)
    cursor, entries, deleted = await follower.run(claim)
    assert (cursor, [entry_id for entry_id, _ in entries], deleted) == ("0-0", facts[:1], [])


async def test_a_follower_goes_on_after_redis_lost_everything(follower: Follower) -> None:
    create, read, _ = FOLLOW
    await follower.fact()
    await follower.run(create)
    await follower.redis.flushdb()  # the server is also other tests'
    for command in (read, *KEEP):
        with pytest.raises(exceptions.ResponseError, match=r"NOGROUP No such key .* or consumer group"):
            await follower.run(command)
    later = await follower.fact()
    [again] = LOST
    await follower.run(again)
    assert await follower.read(read) == [later]
