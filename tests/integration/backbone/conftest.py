import pytest
from redis.asyncio import Redis

from tests.support.probe import Probe
from tests.support.redis_world import RedisWorld


@pytest.fixture
async def world(database: str, redis_url: str, redis: Redis) -> RedisWorld:
    world = RedisWorld(database, redis_url, redis)
    await world.prepare()
    return world


@pytest.fixture
def probe() -> Probe:
    return Probe()
