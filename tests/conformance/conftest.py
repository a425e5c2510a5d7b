"""Every case takes ``world``, and so runs once a broker: on Apache Kafka with ``make test-kafka`` only."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from backbone.kafka import consumer
from takaro_local.server import Server
from tests.conformance.brokers import Broker, brokers_of
from tests.support.kafka_world import KafkaWorld
from tests.support.probe import Probe
from tests.support.redis_world import RedisWorld
from tests.support.servers import free_port
from tests.support.tansu import TansuServer
from tests.support.world import World


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "broker" not in metafunc.fixturenames:
        return
    case = metafunc.definition
    marks = {"apache": pytest.mark.kafka}
    brokers = brokers_of(case.originalname, case.path.parent.name)
    metafunc.parametrize(
        "broker", [pytest.param(broker, marks=marks.get(broker, ()), id=broker) for broker in brokers]
    )


@pytest.fixture
def kafka(broker: Broker, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A broker that speaks Kafka: a tansu of the test's own, or the session's Apache Kafka."""
    if broker == "apache":
        yield request.getfixturevalue("apache_kafka")
        return
    patch = request.getfixturevalue("monkeypatch")
    # tansu waits for a member's session to end, because nobody leaves its first generation.
    patch.setattr(consumer, "SESSION_MILLISECONDS", 2_000)
    patch.setattr(consumer, "HEARTBEAT_MILLISECONDS", 500)
    server = TansuServer(tmp_path / "tansu", free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def world(
    broker: Broker, request: pytest.FixtureRequest, database: str, redis_url: str, redis: Redis
) -> AsyncIterator[World]:
    if broker == "redis":
        on_redis = RedisWorld(database, redis_url, redis)
        await on_redis.prepare()
        yield on_redis
        return
    on_kafka = KafkaWorld(database, redis_url, redis, request.getfixturevalue("kafka").url)
    await on_kafka.prepare()
    yield on_kafka
    await on_kafka.close()


@pytest.fixture
def probe() -> Probe:
    return Probe()
