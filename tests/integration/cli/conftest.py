import pytest
from redis.asyncio import Redis

from tests.integration.backbone.probe import Probe, World
from tests.integration.cli.terminal import Terminal


@pytest.fixture
async def world(database: str, redis_url: str, redis: Redis) -> World:
    world = World(database, redis_url, redis)
    await world.prepare()
    return world


@pytest.fixture
def probe() -> Probe:
    return Probe()


@pytest.fixture
def takaro(database: str, redis_url: str) -> Terminal:
    return Terminal({"DATABASE_URL": database, "REDIS_URL": redis_url})
