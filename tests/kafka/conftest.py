from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.integration.backbone.probe import Probe
from tests.integration.kafka.world import KafkaWorld
from tests.kafka.server import KafkaServer
from tests.support.servers import free_port


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.kafka)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """The session's broker. A test that breaks it leaves it running."""
    server = KafkaServer(tmp_path_factory.mktemp("kafka") / "kafka", free_port())
    server.start(timeout=60)
    yield server
    server.stop()


@pytest.fixture
async def world(database: str, redis_url: str, redis: Redis, kafka: KafkaServer) -> AsyncIterator[KafkaWorld]:
    world = KafkaWorld(database, redis_url, redis, kafka.url)
    await world.prepare()
    yield world
    await world.close()


@pytest.fixture
def probe() -> Probe:
    return Probe()
