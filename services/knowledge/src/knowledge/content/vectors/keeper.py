"""Builds an index for each large space, and drops those that nobody needs.

One process at a time does it, under a lease. Until an index is valid, searches of its space compare every
row: the same answers, more slowly. A build that is killed leaves an invalid index, which is dropped and built
again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter

import asyncpg
import structlog

from backbone import names
from backbone.leases import Lease, LeaseKeeper
from common.connecting import connect
from common.errors import is_transient
from common.postgres import Connection, Pool, transaction, tried_again
from knowledge.content.vectors import repository, rules
from knowledge.content.vectors.records import Space

log = structlog.get_logger()

BUILD_SECONDS = 4 * 3600.0
RETRY_SECONDS = 60.0
QUESTIONS = 40
"""Of each kind. Each is compared with every row of the space once."""

SESSION = {
    "lock_timeout": "0",  # it waits for every transaction that is older
    "statement_timeout": str(int(BUILD_SECONDS * 1000)),
    "client_connection_check_interval": "1s",  # a build ends with the process that wanted it
    "max_parallel_maintenance_workers": "0",  # the processors stay for searches, and shared memory small
}


@dataclass(slots=True, frozen=True)
class Limits:
    """``exact_rows``: spaces with more rows get an index. ``memory_bytes``: the most that one build takes."""

    exact_rows: int
    memory_bytes: int
    interval_seconds: float = 60.0


class IndexKeeper:
    """Can run in any number of processes; one of them works at a time."""

    def __init__(
        self, pool: Pool, database_url: str, limits: Limits, *, instance: str, lease_ttl_seconds: float
    ) -> None:
        self._pool, self._url, self._limits = pool, database_url, limits
        self._keeper = LeaseKeeper(pool, names.SPACES_LEASE, instance, lease_ttl_seconds)

    async def run(self) -> None:
        """Keep the indexes in line until cancelled."""
        await self._keeper.run(self._keep)

    async def _keep(self, _: Lease) -> None:
        while True:
            try:
                while await keep_indexes(self._pool, self._url, self._limits):
                    pass
            except Exception as error:
                if not is_transient(error) and not isinstance(error, asyncpg.PostgresError):
                    raise
                log.warning("indexes of spaces wait", error=repr(error))
                await asyncio.sleep(RETRY_SECONDS)
            await asyncio.sleep(self._limits.interval_seconds)


async def keep_indexes(pool: Pool, database_url: str, limits: Limits) -> bool:
    """One step: drop what isn't needed, and build one index. Returns whether there may be more to do."""
    if deleted := await _delete_empty_spaces(pool):
        log.info("spaces without chunks deleted", spaces=deleted)
    async with pool.acquire() as connection:
        spaces = await repository.list_spaces(connection)
        indexes = await repository.list_space_indexes(connection)
    work = rules.work_of(spaces, indexes, limits.exact_rows)
    if not work.drop and not work.build and not work.measure:
        return False
    if work.drop:
        async with _session(database_url) as session:
            for name in work.drop:
                await session.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}", timeout=BUILD_SECONDS)
                log.info("index of a space dropped", index=name)
    if work.build:
        await _build(database_url, work.build[0], limits.memory_bytes)
    for space in work.measure[:1]:
        async with _session(database_url) as session:
            await _measure(session, space)
    return len(work.build) + len(work.measure) > 1


@tried_again
async def _delete_empty_spaces(pool: Pool) -> int:
    async with transaction(pool) as connection:
        held = await repository.lock_empty_spaces(connection)
        return await repository.delete_empty_spaces(connection, held)


async def _build(database_url: str, space: Space, memory_bytes: int) -> None:
    memory = f"{rules.build_memory_kilobytes(space.rows, memory_bytes)}kB"
    started = perf_counter()
    async with _session(database_url, maintenance_work_mem=memory) as session:
        await session.execute(rules.create_statement(space.id), timeout=BUILD_SECONDS)
        await _measure(session, space)
    log.info(
        "index of a space built",
        knowledge_base=space.base_id,
        version=space.version,
        rows=space.rows,
        seconds=round(perf_counter() - started, 1),
    )


async def _measure(session: Connection, space: Space) -> None:
    measured = await repository.measure_recall(session, space.id, QUESTIONS, rules.EF_STEPS, BUILD_SECONDS)
    ef_search = rules.ef_search_of(measured)
    await repository.update_ef_search(session, space.id, ef_search)
    log.info("index of a space measured", knowledge_base=space.base_id, ef_search=ef_search)


@asynccontextmanager
async def _session(database_url: str, **more: str) -> AsyncIterator[Connection]:
    """A connection of its own: what is set for a build must not stay with one of the pool."""
    connection = await connect(
        database_url,
        application="takaro-knowledge-indexes",
        command_timeout=60,
        session=SESSION | more,
        server_settings={},
    )
    try:
        yield connection
    finally:
        connection.terminate()  # a build that is still running ends with it
