"""Delete a knowledge base: its rows, state, history and schedule, at once."""

from collections.abc import Callable

import asyncpg
import structlog

from common import outbox
from common.contracts.knowledge import FACTS_STREAM, BaseUpdated
from common.errors import TransientError
from common.postgres import Pool
from knowledge.bases import removal_repository as removals
from knowledge.bases import repository
from knowledge.bases.models import KnowledgeBase
from knowledge.schedules import repository as schedules
from knowledge.sync import repository as syncs

log = structlog.get_logger()

TRANSACTION_SECONDS = 600.0


async def remove(pool: Pool, base_id: str, check: Callable[[KnowledgeBase | None], object]) -> None:
    """Delete the base in one transaction, if ``check`` of what is there raises nothing.

    A sync of it that is running is fenced off and fails: it can't bring rows back. Only one that is just
    writing its rows is waited for, and when that takes longer than the lock timeout, ``TransientError``.
    """
    async with pool.acquire() as connection, connection.transaction():
        await syncs.set_statement_timeout(connection, TRANSACTION_SECONDS)
        try:
            await syncs.lock_base(connection, base_id)
            await removals.revoke_lease(connection, base_id)
        except asyncpg.LockNotAvailableError as error:
            raise TransientError(
                "A sync of this knowledge base is just writing its rows: try again", code="sync_running"
            ) from error
        await repository.lock_registry(connection)
        base = await repository.get_base(connection, base_id)
        check(base)
        if base is None:
            return
        await schedules.insert_retired_schedule(connection, base_id)
        fact = BaseUpdated(
            knowledge_base_id=base.id,
            name=base.name,
            version=base.version,
            source=base.source,
            refresh_schedule=None,
            public=base.public,
            owner_id=base.owner,
            deleted=True,
        )
        sequence = await repository.update_sequence(connection, base_id)
        await outbox.append(connection, [outbox.Fact(FACTS_STREAM, base_id, sequence, fact)])
        await removals.delete_chunks_of_base(connection, base_id, TRANSACTION_SECONDS)
        await removals.delete_sync_state(connection, base_id)
        await removals.delete_base(connection, base_id)
        await schedules.notify_schedules(connection)
    log.info("knowledge base deleted", knowledge_base=base_id)
