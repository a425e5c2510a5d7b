"""Keeping up with the knowledge bases that there are."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime

from opentelemetry.instrumentation.utils import suppress_instrumentation

from backbone.erased_ids import digest_of_subject, digest_of_user, list_erased
from chat.knowledge_bases import repository
from chat.knowledge_bases.records import Found, ToldBase, VisibleBase
from chat.knowledge_bases.rules import is_erased
from common.postgres import Connection, Pool, transaction, tried_again

PAGE_BASES = 100
KEPT_DAYS = 30
SWEEP_SECONDS = 3600.0
DELETED_AT_ONCE = 1_000


async def keep_base(
    connection: Connection, base: ToldBase, owner: str | None, told_at: datetime | None
) -> None:
    """Store what a fact of ``told_at`` tells of a base of ``owner``, in the caller's transaction.

    What was told before its owner, or the base with its owner, was erased is not stored.
    """
    subject, user = digest_of_subject(base.id), digest_of_user(owner) if owner else None
    erased = await list_erased(connection, [each for each in (subject, user) if each])
    user_erased_at = erased.get(user) if user else None
    if not is_erased(told_at, user_erased_at, subject_erased=subject in erased):
        await repository.upsert_base(connection, base)


async def list_bases(pool: Pool, user_id: str) -> AsyncGenerator[list[VisibleBase], None]:
    """The public bases and the user's own, by id, in pages. No connection is held between pages."""
    after = ""
    while True:
        async with pool.acquire() as connection:
            found = await repository.list_visible(connection, user_id, after, PAGE_BASES)
        if found:
            yield found
            after = found[-1].id
        if len(found) < PAGE_BASES:
            return


async def find_visible(connection: Connection, user_id: str, ids: Sequence[str]) -> Found:
    """Which of these bases the user may read."""
    return await repository.find_visible(connection, user_id, ids)


async def forget_deleted(pool: Pool) -> None:
    """Forget bases that were deleted long ago every hour, until cancelled. Each process does."""
    with suppress_instrumentation():
        while True:
            while await _forget(pool) == DELETED_AT_ONCE:
                pass
            await asyncio.sleep(SWEEP_SECONDS)


@tried_again
async def _forget(pool: Pool) -> int:
    async with transaction(pool) as connection:
        return await repository.delete_forgotten(connection, KEPT_DAYS, DELETED_AT_ONCE)
