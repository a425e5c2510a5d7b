"""Reading usage, and keeping its tables small."""

import asyncio
import time

from opentelemetry.instrumentation.utils import suppress_instrumentation

from chat.usage import repository
from chat.usage.records import Days, Used
from chat.usage.rules import MAX_ROWS, too_many
from common.postgres import Pool, tried_again

ADD_UP_SECONDS = 1.0
ENTRIES_AT_ONCE = 5_000
PRUNE_SECONDS = 60.0
SUMS_AT_ONCE = 1_000


async def list_used(pool: Pool, user_id: str, days: Days) -> list[Used]:
    """What a user used on these days. Raises :class:`common.errors.Invalid` for too many rows."""
    async with pool.acquire() as connection:
        found = await repository.list_used(connection, user_id, days.first, days.last, MAX_ROWS + 1)
    if len(found) > MAX_ROWS:
        raise too_many()
    return found


async def keep_usage(pool: Pool, retention_days: int) -> None:
    """Add up entries, and delete sums past their retention, until cancelled. Each process does."""
    pruned = float("-inf")
    with suppress_instrumentation():
        while True:
            while await add_up(pool, ENTRIES_AT_ONCE) == ENTRIES_AT_ONCE:
                pass
            if time.monotonic() - pruned > PRUNE_SECONDS:
                pruned = time.monotonic()
                while await _prune(pool, retention_days) == SUMS_AT_ONCE:
                    pass
            await asyncio.sleep(ADD_UP_SECONDS)


@tried_again
async def add_up(pool: Pool, limit: int) -> int:
    """Move up to ``limit`` entries into the sums, in a transaction of its own. Returns their number."""
    async with pool.acquire() as connection:
        return await repository.add_up(connection, limit)


@tried_again
async def _prune(pool: Pool, retention_days: int) -> int:
    async with pool.acquire() as connection:
        return await repository.prune(connection, retention_days, SUMS_AT_ONCE)
