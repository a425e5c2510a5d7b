"""Shows the newest syncs of a base, and deletes old ones, since each scheduled run adds one."""

from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta

from common.postgres import Pool
from knowledge.bases.use_cases import get_visible_base
from knowledge.history import repository
from knowledge.history.records import Position, SyncRecord
from servicekit.keysets import Page

KEPT = 20
"""The newest syncs of a base are kept, however old they are: as many as ``GET …/syncs`` shows by default."""

BATCH = 500
"""Syncs deleted in one transaction, each with its report of files."""


PAGE_SYNCS = 10
"""Each has a report of its files."""


async def list_syncs(
    pool: Pool, base_id: str, user_id: str, page: Page[Position]
) -> AsyncGenerator[Sequence[SyncRecord], None]:
    """The syncs of a base that the user can see, by when they were requested, in pages, and one more than
    ``page`` wants. Raises ``NotFound`` and ``Forbidden``."""
    read = repository.list_syncs if page.descending else repository.list_oldest_syncs
    async with pool.acquire() as connection:
        await get_visible_base(connection, base_id, user_id)
    after = page.after
    for size in page.sizes(PAGE_SYNCS):
        async with pool.acquire() as connection:
            found = await read(connection, base_id, size, after)
        if found:
            yield found
            after = position(found[-1])
        if len(found) < size:
            return


def position(sync: SyncRecord) -> Position:
    """The key of a sync in the history."""
    return sync.created_at, sync.id


async def forget_syncs(pool: Pool, older_than: timedelta) -> int:
    """Delete older syncs, in batches. Returns their number."""
    forgotten = 0
    while True:
        async with pool.acquire() as connection:
            deleted = await repository.delete_old_syncs(connection, older_than, KEPT, BATCH)
        forgotten += deleted
        if deleted < BATCH:
            return forgotten
