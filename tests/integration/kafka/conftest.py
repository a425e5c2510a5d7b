from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from backbone.kafka import consumer
from tests.integration.backbone.probe import Probe
from tests.integration.kafka.world import KafkaWorld
from tests.support.servers import free_port
from tests.support.tansu import TansuServer


@pytest.fixture(autouse=True)
def short_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """tansu waits for a member's session to end, since its first generation is one that nobody leaves."""
    monkeypatch.setattr(consumer, "SESSION_MILLISECONDS", 2_000)
    monkeypatch.setattr(consumer, "HEARTBEAT_MILLISECONDS", 500)


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[TansuServer]:
    server = TansuServer(tmp_path / "tansu", free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def world(database: str, redis_url: str, redis: Redis, kafka: TansuServer) -> AsyncIterator[KafkaWorld]:
    world = KafkaWorld(database, redis_url, redis, kafka.url)
    await world.prepare()
    yield world
    await world.close()


@pytest.fixture
def probe() -> Probe:
    return Probe()
