"""The other process takes over from one that is killed or frozen within 5 s, and stays the one that does."""

import time
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.proof.chat.stage import stage

TAKEOVER_SECONDS = 5.0


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_the_other_process_takes_over_in_time_and_in_order(
    database: str, redis: Redis, redis_url: str, tmp_path: Path, how: str
) -> None:
    async with stage(database, redis, redis_url, tmp_path) as play:
        active = await play.holder()
        await play.handled(await play.publish())
        started = time.monotonic()
        if how == "killed":
            await active.kill()
        else:
            active.freeze()
        await play.handled(await play.publish())
        assert time.monotonic() - started < TAKEOVER_SECONDS
        active.thaw()  # what it does now overlaps with what its successor does
        for _ in range(200):
            await play.publish()
        findings = await play.judge()
    assert findings.good, findings.by_kind()


async def test_without_takeover_what_the_dead_process_consumed_waits_for_its_return(
    database: str, redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    short = {"LEASE_TTL_SECONDS": "1"}
    async with stage(database, redis, redis_url, tmp_path, without="takeover", environment=short) as play:
        active = await play.holder()
        await play.handled(await play.publish())
        await active.kill()
        command = await play.publish()
        with pytest.raises(AssertionError):
            await play.handled(command, timeout=3)
        await active.start()  # under its own name: that takes no lease's expiry
        await play.handled(command)
