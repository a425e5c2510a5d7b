"""Builds an index for each large space, and drops those that nobody needs.

One process at a time does it, under a lease. Until an index is valid, searches of its space compare every
row: the same answers, more slowly. A build that is killed leaves an invalid index, which is dropped and built
again.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
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
            failed = set[int]()
            try:
                while await keep_indexes(self._pool, self._url, self._limits, failed):
                    pass
            except Exception as error:
                if not _may_pass(error):
                    raise
                log.warning("indexes of spaces wait", error=repr(error))
                await asyncio.sleep(RETRY_SECONDS)
            await asyncio.sleep(self._limits.interval_seconds)


async def keep_indexes(pool: Pool, database_url: str, limits: Limits, failed: set[int]) -> bool:
    """One step: drop what isn't needed, and build one index. Returns whether there may be more to do.

    Spaces in ``failed`` are passed over; one whose index can't be built or measured now is added to them, so
    that it holds up no other.
    """
    if deleted := await _delete_empty_spaces(pool):
        log.info("spaces without chunks deleted", spaces=deleted)
    async with pool.acquire() as connection:
        spaces = await repository.list_spaces(connection)
        indexes = await repository.list_space_indexes(connection)
    work = rules.work_of(spaces, indexes, limits.exact_rows)
    build = [space for space in work.build if space.id not in failed]
    measure = [space for space in work.measure if space.id not in failed]
    failed_before = len(failed)
    if work.drop:
        async with _session(database_url) as session:
            for name in work.drop:
                await session.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}", timeout=BUILD_SECONDS)
                log.info("index of a space dropped", index=name)
    for space in build[:1]:
        with _passed_over(space, failed):
            await _build(database_url, space, limits.memory_bytes)
    for space in measure[:1]:
        with _passed_over(space, failed):
            async with _session(database_url) as session:
                await _measure(session, space)
    return len(build) + len(measure) > 1 or len(failed) > failed_before  # a failed build leaves one to drop


def _may_pass(error: Exception) -> bool:
    return is_transient(error) or isinstance(error, asyncpg.PostgresError)


@contextmanager
def _passed_over(space: Space, failed: set[int]) -> Iterator[None]:
    """The space is added to ``failed`` if this fails in a way that may pass."""
    try:
        yield
    except Exception as error:
        if not _may_pass(error):
            raise
        failed.add(space.id)
        log.warning(
            "index of a space waits", knowledge_base=space.base_id, version=space.version, error=repr(error)
        )


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
    if ef_search is None:  # emptied meanwhile
        return
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
