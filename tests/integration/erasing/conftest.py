"""A database with a service's own connections, and the lease under which erasures are carried out."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from backbone.leases import Lease, held
from common.postgres import Pool, prepare_connection


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    async with asyncpg.create_pool(
        database, min_size=1, max_size=10, init=prepare_connection, server_settings={"timezone": "UTC"}
    ) as opened:
        yield opened


@pytest_asyncio.fixture
async def lease(pool: Pool) -> AsyncIterator[Lease]:
    async with held(pool, "erasing:test", "test", 60) as holding:
        yield holding.lease
