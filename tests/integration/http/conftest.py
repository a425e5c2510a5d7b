"""A chat and a cockpit with small limits, on one database, for tests of what HTTP callers may do."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.conftest import _database as make_database
from tests.support.servers import PostgresServer
from tests.support.services import Service, running


@pytest.fixture(scope="package")
def package_database(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    yield from make_database(postgres_server, template_database)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def chat(
    package_database: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """A chat that waits two seconds for headers, for a body, and for a client that doesn't read."""
    async with running(
        "chat",
        database_url=package_database,
        redis_url=f"{redis_url}/7",
        folder=tmp_path_factory.mktemp("chat"),
        environment={
            "HTTP_HEADERS_TIMEOUT_SECONDS": "2",
            "HTTP_BODY_TIMEOUT_SECONDS": "2",
            "HTTP_SEND_TIMEOUT_SECONDS": "2",
        },
    ) as service:
        yield service


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def cockpit(
    package_database: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """Short time limits, but for bodies; six connections; three event streams, two of them for one user."""
    async with running(
        "cockpit",
        database_url=package_database,
        redis_url=f"{redis_url}/8",
        folder=tmp_path_factory.mktemp("cockpit"),
        environment={
            "HTTP_MAX_CONNECTIONS": "6",
            "HTTP_HEADERS_TIMEOUT_SECONDS": "2",
            "HTTP_KEEP_ALIVE_SECONDS": "1",
            "HTTP_SEND_TIMEOUT_SECONDS": "1",
            "HTTP_BODY_TIMEOUT_SECONDS": "60",
            "EVENT_STREAMS_MAX": "3",
            "EVENT_STREAMS_PER_USER": "2",
            "LOCK_TIMEOUT_SECONDS": "1",
        },
    ) as service:
        yield service
