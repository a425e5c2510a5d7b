"""Register bases: from the settings file at start, from a job's data when the Node application knows more."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from backbone import outbox
from common.errors import NotFound
from common.postgres import Connection, Pool, transaction
from contracts.knowledge import FACTS_STREAM
from knowledge.bases import removal_repository as removals
from knowledge.bases import repository
from knowledge.bases.models import KnowledgeBase
from knowledge.bases.removal import remove
from knowledge.bases.rules import content_differs, updated
from knowledge.schedules import repository as schedules
from knowledge.sync import requests

log = structlog.get_logger()


async def register(connection: Connection, base: KnowledgeBase) -> bool:
    """Add or change ``base`` and tell of it, in the caller's transaction; whether anything changed."""
    if base.refresh_schedule is None:
        await schedules.insert_retired_schedule(connection, base.id)
    sequence = await repository.upsert_base(connection, base)
    if sequence is None:
        return False
    await outbox.append(connection, [outbox.Fact(FACTS_STREAM, base.id, sequence, updated(base))])
    await schedules.notify_schedules(connection)
    return True


async def seed(pool: Pool, bases: Sequence[KnowledgeBase], *, sync: bool = True) -> None:
    """Bring the registry in line with the settings file, and ask for a sync of each base that is new, never
    synced or now defined otherwise (``sync``).

    A base that the file no longer names stays: its rows may still be read. One of the file's ids that a user
    had taken becomes the file's, without the user's content: a file's bases are public.
    """
    for base in bases:
        await _take_back(pool, base)
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
        log.warning("a user's knowledge base gives way to the settings file", knowledge_base=base.id)
        await remove(pool, base.id, lambda _: None)


async def register_from_job(
    pool: Pool, wanted: KnowledgeBase, *, added_at: datetime | None = None, known_only: bool = False
) -> KnowledgeBase:
    """The base to sync for a job that describes ``wanted`` and was added at ``added_at``.

    A base that only jobs have described follows the newest job. One that settings or the API declare stays
    as declared, or the Node application and this service would take turns in redefining it. An unknown one is
    registered, unless ``known_only``, or it was deleted after the job was added: ``NotFound`` then.
    """
    async with transaction(pool) as connection:
        await repository.lock_registry(connection)
        known = await repository.get_base(connection, wanted.id)
        if known is not None and (known.origin != "job" or known_only):
            return known
        if known is None:
            retired_at = await removals.get_retired_at(connection, wanted.id)
            if known_only or (retired_at and added_at and added_at <= retired_at):
                raise NotFound(
                    f"The knowledge base {wanted.id} was deleted after this job was added",
                    code="knowledge_base_deleted",
                )
        if known != wanted:
            await register(connection, wanted)
    return wanted
