"""A process isn't ready before it knows whether it reads its stream or stands by; once it is, it stays so."""

import asyncpg

from tests.support.probe import Probe
from tests.support.redis_world import RedisWorld
from tests.support.wait import eventually
from tests.support.world import status, until


async def test_who_waits_for_the_answer_to_its_first_request_for_the_lease_is_starting(
    world: RedisWorld, probe: Probe
) -> None:
    database = await asyncpg.connect(world.database)
    try:
        await database.execute("BEGIN; LOCK TABLE leases")
        async with world.running(probe) as backbone:
            seen = {status(backbone)}

            async def asks() -> bool:
                seen.add(status(backbone))
                return bool(await database.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

            await eventually(asks)
            assert seen == {"starting"}
            await database.execute("COMMIT")
            await until(backbone, "active")
            async with world.running(probe, "probe-2") as other:
                await until(other, "standby")
    finally:
        await database.close()
