"""Brings the registry in line with the settings file: at start, and when its table was made anew."""

import asyncio
from collections.abc import Sequence

import structlog

from common.postgres import Pool, transaction, tried_again
from knowledge.bases import repository
from knowledge.bases.records import KnowledgeBase
from knowledge.bases.rules import content_differs
from knowledge.registry.registration import register
from knowledge.registry.removal import remove
from knowledge.requests import use_cases as requests

log = structlog.get_logger()

LOOK_SECONDS = 2.0


class Seeding:
    """Which table was seeded: a rollback with a migration after it, or a restored backup, makes another."""

    def __init__(self) -> None:
        self._table: int | None = None

    async def is_done(self, pool: Pool) -> bool:
        """Whether the registry that is there now was brought in line."""
        return self._table is not None and await _table(pool) == self._table

    async def keep(self, pool: Pool, bases: Sequence[KnowledgeBase], *, sync: bool) -> None:
        """:func:`seed` each new table. Runs until cancelled; raises what the database answers meanwhile."""
        while True:
            if not await self.is_done(pool):
                table = await _table(pool)
                await seed(pool, bases, sync=sync)
                self._table = table
            await asyncio.sleep(LOOK_SECONDS)


async def _table(pool: Pool) -> int | None:
    async with pool.acquire() as connection:
        return await repository.get_registry(connection)


async def seed(pool: Pool, bases: Sequence[KnowledgeBase], *, sync: bool = True) -> None:
    """Bring the registry in line with the settings file. With ``sync``, request a sync of each base that is
    new, was never synced or has a new definition.

    A base that the file no longer names stays, because its rows may still be read. If a user has a base with
    one of the file's ids, it becomes the file's, without the user's content: a file's bases are public.
    """
    for base in bases:
        await _take_back(pool, base)
    await _register_all(pool, bases, sync=sync)


@tried_again
async def _register_all(pool: Pool, bases: Sequence[KnowledgeBase], *, sync: bool) -> None:
    async with transaction(pool) as connection:
        await repository.lock_registry(connection)
        stale = []
        for base in bases:
            known = await repository.get_base(connection, base.id)
            if await register(connection, base):
                log.info("knowledge base registered", knowledge_base=base.id, source=base.source)
            if known is None or content_differs(known, base):
                stale.append(base.id)
        if sync:
            for base_id in dict.fromkeys([*await repository.list_never_synced(connection), *stale]):
                await requests.request_sync(connection, base_id, reason="startup")


async def _take_back(pool: Pool, base: KnowledgeBase) -> None:
    async with pool.acquire() as connection:
        known = await repository.get_base(connection, base.id)
    if known is not None and known.owner is not None:
        log.warning("a user's knowledge base replaced by the settings file's", knowledge_base=base.id)
        await remove(pool, base.id, lambda _: None)
