from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.kafka.server import KafkaServer
from tests.support.kafka_world import KafkaWorld
from tests.support.probe import Probe


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.kafka)


@pytest.fixture
def kafka(apache_kafka: KafkaServer) -> KafkaServer:
    return apache_kafka


@pytest.fixture
async def world(database: str, redis_url: str, redis: Redis, kafka: KafkaServer) -> AsyncIterator[KafkaWorld]:
    world = KafkaWorld(database, redis_url, redis, kafka.url)
    await world.prepare()
    yield world
    await world.close()


@pytest.fixture
def probe() -> Probe:
    return Probe()
