"""Forget syncs of long ago: each run of a schedule adds one."""

from datetime import timedelta

from common.postgres import Pool
from knowledge.sync import history_repository

KEPT = 20
"""The newest syncs of a base stay, however old they are: as many as ``GET …/syncs`` shows by itself."""

BATCH = 500
"""Syncs in one transaction, each with the files that it touched."""


async def forget_syncs(pool: Pool, older_than: timedelta) -> int:
    """Delete what is older, in batches; how many there were."""
    forgotten = 0
    while True:
        async with pool.acquire() as connection:
            deleted = await history_repository.delete_old_syncs(connection, older_than, KEPT, BATCH)
        forgotten += deleted
        if deleted < BATCH:
            return forgotten
