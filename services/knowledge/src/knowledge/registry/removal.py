"""Deletes a knowledge base at once with its rows, state, history and schedule, or one version of its
content."""

from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import asyncpg
import structlog

from backbone import leases, names, sequences
from backbone.leases import Lease
from common.errors import Conflict, NotFound, TransientError
from common.notifications import notify
from common.postgres import Connection, Pool, transaction, tried_again
from knowledge.bases import facts, repository
from knowledge.bases.records import KnowledgeBase
from knowledge.content import repository as content_repository
from knowledge.content.chunks import repository as chunk_repository
from knowledge.content.indexes import repository as index_repository
from knowledge.content.lease import hold_base
from knowledge.content.versions import repository as versions
from knowledge.schedules import repository as schedules
from knowledge.search.repository import list_targets

log = structlog.get_logger()

TRANSACTION_SECONDS = 600.0


@tried_again
async def remove(pool: Pool, base_id: str, check: Callable[[KnowledgeBase | None], object]) -> None:
    """Delete the base in one transaction, unless ``check`` of its row raises.

    A running sync of the base is fenced off and fails, so it can't bring rows back. A sync that is writing
    its rows right now is waited for; if that takes longer than the lock timeout, raises ``TransientError``.
    """
    async with transaction(pool) as connection:
        await remove_in(connection, base_id, check)


async def remove_in(
    connection: Connection, base_id: str, check: Callable[[KnowledgeBase | None], object]
) -> int | None:
    """:func:`remove` in the caller's transaction. Returns the number of its chunks; ``None`` without such a
    base."""
    await content_repository.set_statement_timeout(connection, TRANSACTION_SECONDS)
    try:
        await content_repository.lock_base(connection, base_id)
        await leases.revoke(connection, names.sync_lease(base_id))
    except asyncpg.LockNotAvailableError as error:
        raise TransientError(
            "A sync of this knowledge base is just writing its rows: try again", code="sync_running"
        ) from error
    await repository.lock_registry(connection)
    base = await repository.get_base(connection, base_id)
    check(base)
    if base is None:
        return None
    await schedules.insert_retired_schedule(connection, base_id)
    gone = facts.updated(replace(base, refresh_schedule=None), deleted=True)
    await facts.append(connection, base_id, gone)
    chunks = await chunk_repository.delete_chunks_of_base(connection, base_id, TRANSACTION_SECONDS)
    await index_repository.delete_sync_state(connection, base_id)
    last = await repository.delete_base(connection, base_id)
    await sequences.retire(connection, {names.retired_base(base_id): last})
    await notify(connection, names.SCHEDULES_CHANNEL)
    log.info("knowledge base deleted", knowledge_base=base_id)
    return chunks


async def remove_version(
    pool: Pool,
    base_id: str,
    version: str,
    check: Callable[[KnowledgeBase | None], object],
    ttl_seconds: float,
) -> None:
    """Delete the content of one version in one transaction, unless ``check`` of the base raises.

    It writes to the base as a sync does, so it holds the base's lease. Raises ``BaseBusy`` while a sync runs,
    which might be writing this very version; ``NotFound`` for a version that doesn't exist; ``Conflict`` for
    the version that searches use.
    """
    async with pool.acquire() as connection:
        check(await repository.get_base(connection, base_id))
    async with hold_base(pool, base_id, f"removal/{uuid4()}", ttl_seconds) as held:
        await held.stop_renewing()
        if await _remove_version(pool, base_id, version, check, held.lease):
            log.info("version of a knowledge base deleted", knowledge_base=base_id, version=version)


@tried_again
async def _remove_version(
    pool: Pool, base_id: str, version: str, check: Callable[[KnowledgeBase | None], object], lease: Lease
) -> bool:
    async with transaction(pool) as connection:
        await content_repository.set_statement_timeout(connection, TRANSACTION_SECONDS)
        await content_repository.lock_base(connection, base_id)
        await lease.hold(connection)
        await repository.lock_registry(connection)
        base = await repository.get_base(connection, base_id)
        check(base)
        targets = await list_targets(connection, [base_id], "")
        if base is None or not targets:
            return False
        if version in (base.version, targets[0].version):
            raise Conflict(f"{version!r} is the version that searches find", code="version_in_use")
        if version not in {stored.version for stored in await versions.list_versions(connection, base_id)}:
            raise NotFound(f"This knowledge base has no version {version!r}", code="version_not_found")
        await versions.delete_chunks_of_versions(connection, base_id, [version], TRANSACTION_SECONDS)
        await versions.delete_indexes(connection, base_id, [version])
        await facts.append(connection, base_id, facts.updated(base, removed_version=version))
    return True
