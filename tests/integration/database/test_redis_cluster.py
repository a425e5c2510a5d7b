"""A Redis Cluster is refused: the queue's keys carry no hash tag, so its scripts can't run there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.refusals import CLUSTER
from tests.support.servers import RedisServer, free_port
from tests.support.services import Service, ServiceName
from tests.support.wait import eventually


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisServer]:
    """One node of a cluster."""
    # The port of its bus is named: it would be its own plus 10,000, which may be taken.
    settings = {"cluster-enabled": "yes", "cluster-port": str(free_port())}
    server = RedisServer(tmp_path / "cluster", free_port(), settings)
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("name", ["chat", "knowledge", "cockpit"])
@pytest.mark.parametrize("setting", ["REDIS_URL", "EVENT_BUS_URL"])
async def test_a_cluster_is_refused_at_start_in_one_line(
    cluster: RedisServer, database: str, redis_url: str, tmp_path: Path, name: ServiceName, setting: str
) -> None:
    service = Service(
        name,
        database_url=database,
        redis_url=redis_url,
        folder=tmp_path,
        environment={setting: cluster.url},
    )
    service.launch()
    try:
        await eventually(lambda: service.exit_code is not None, timeout=60)
    finally:
        await service.kill()
    assert service.exit_code == 2
    assert service.log_file.read_text().splitlines() == [f"{name}: {setting} {CLUSTER}"]


async def test_ready_says_no_to_a_cluster_that_was_away_at_the_start(
    cluster: RedisServer, database: str, tmp_path: Path
) -> None:
    cluster.stop()
    chat = Service("chat", database_url=database, redis_url=cluster.url, folder=tmp_path)
    await chat.start_unready()
    try:
        async with chat.client() as client:
            cluster.start()

            async def says_why() -> bool:
                answer = await client.get("/ready")
                return (
                    answer.status_code == 503 and answer.json()["checks"]["redis"] == f"REDIS_URL {CLUSTER}"
                )

            await eventually(says_why, timeout=60)
    finally:
        await chat.stop()
