import pytest
from redis.asyncio import Redis

from tests.integration.backbone.probe import Probe, World


@pytest.fixture
async def world(database: str, redis_url: str, redis: Redis) -> World:
    world = World(database, redis_url, redis)
    await world.prepare()
    return world


@pytest.fixture
def probe() -> Probe:
    return Probe()
