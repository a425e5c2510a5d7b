"""A database that counts its deadlocks, and finds them quickly."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import asyncpg
import pytest

from common.postgres import Pool, prepare_connection
from tests.support.servers import PostgresServer
from tests.support.wait import eventually

Deadlocks: TypeAlias = Callable[[], Awaitable[int]]

_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
_OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


@pytest.fixture
async def counting(database: str) -> str:
    """The URL of a migrated database whose deadlocks end after 250 ms. A group of requests waits for a lock
    less long (``GROUP_LOCK_TIMEOUT``), so that only waits are counted that nobody else ends."""
    connection = await asyncpg.connect(database)
    name = await connection.fetchval("SELECT quote_ident(current_database())")
    await connection.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '250ms'")
    await connection.close()
    return database


@pytest.fixture
def deadlocks(counting: str, postgres_server: PostgresServer) -> Deadlocks:
    """How many deadlocks the server ended in this database. A process counts them when it ends, so this waits
    until nobody else is connected. Prints the server's log of them."""

    async def count() -> int:
        connection = await asyncpg.connect(counting)

        async def alone() -> bool:
            return bool(await connection.fetchval(_OTHERS) == 0)

        try:
            await eventually(alone)
            ended = int(await connection.fetchval(_DEADLOCKS))
            if ended:
                print(postgres_server.log_tail(200))
            return ended
        finally:
            await connection.close()

    return count


@pytest.fixture
async def pool(counting: str) -> AsyncIterator[Pool]:
    """A pool as a service has it."""
    async with asyncpg.create_pool(
        counting, min_size=1, max_size=10, init=prepare_connection, server_settings={"timezone": "UTC"}
    ) as opened:
        yield opened
