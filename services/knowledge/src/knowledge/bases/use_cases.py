"""Register bases: from the settings file at start, from a job's data when the Node application knows more."""

from collections.abc import Sequence

import structlog

from common import outbox
from common.contracts.knowledge import FACTS_STREAM, BaseUpdated
from common.postgres import Connection, Pool, transaction
from knowledge.bases import repository
from knowledge.bases.models import KnowledgeBase
from knowledge.sync import requests

log = structlog.get_logger()


async def register(connection: Connection, base: KnowledgeBase) -> bool:
    """Add or change ``base`` and tell of it, in the caller's transaction; whether anything changed."""
    sequence = await repository.upsert_base(connection, base)
    if sequence is None:
        return False
    fact = BaseUpdated(
        knowledge_base_id=base.id,
        name=base.name,
        version=base.version,
        source=base.source,
        refresh_schedule=base.refresh_schedule,
    )
    await outbox.append(connection, [outbox.Fact(FACTS_STREAM, base.id, sequence, fact)])
    return True


async def seed(pool: Pool, bases: Sequence[KnowledgeBase], *, sync: bool = True) -> None:
    """Bring the registry in line with the settings file, and ask for the first sync of each base (``sync``).

    A base that the file no longer names stays: its rows may still be read.
    """
    async with transaction(pool) as connection:
        await repository.lock_registry(connection)
        for base in bases:
            if await register(connection, base):
                log.info("knowledge base registered", knowledge_base=base.id, source=base.source)
        for base_id in await repository.list_never_synced(connection) if sync else ():
            await requests.request_sync(connection, base_id, reason="startup")


async def register_from_job(pool: Pool, wanted: KnowledgeBase) -> KnowledgeBase:
    """The base to sync for a job that describes ``wanted``.

    A base that only jobs have described follows the newest job. One that settings or the API declare stays
    as declared, or the Node application and this service would take turns in redefining it.
    """
    async with transaction(pool) as connection:
        await repository.lock_registry(connection)
        known = await repository.get_base(connection, wanted.id)
        if known is not None and known.origin != "job":
            return known
        if known != wanted:
            await register(connection, wanted)
    return wanted
