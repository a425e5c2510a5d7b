"""Shows the newest syncs of a base, and deletes old ones, since each scheduled run adds one."""

from collections.abc import Sequence
from datetime import timedelta

from common.postgres import Pool
from knowledge.bases.use_cases import get_visible_base
from knowledge.history import repository
from knowledge.history.records import SyncRecord

KEPT = 20
"""The newest syncs of a base are kept, however old they are: as many as ``GET …/syncs`` shows by default."""

BATCH = 500
"""Syncs deleted in one transaction, each with its report of files."""


async def list_syncs(pool: Pool, base_id: str, user_id: str, limit: int) -> Sequence[SyncRecord]:
    """The newest syncs of a base that the user can see. Raises ``NotFound`` and ``Forbidden``."""
    async with pool.acquire() as connection:
        await get_visible_base(connection, base_id, user_id)
        return await repository.list_syncs(connection, base_id, limit)


async def forget_syncs(pool: Pool, older_than: timedelta) -> int:
    """Delete older syncs, in batches. Returns their number."""
    forgotten = 0
    while True:
        async with pool.acquire() as connection:
            deleted = await repository.delete_old_syncs(connection, older_than, KEPT, BATCH)
        forgotten += deleted
        if deleted < BATCH:
            return forgotten
