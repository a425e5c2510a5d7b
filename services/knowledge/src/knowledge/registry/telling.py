"""Tells followers of bases that no fact has told of with all that they need: those of before migration 040,
and what a release of before registers beside this one."""

import asyncio

from opentelemetry.instrumentation.utils import suppress_instrumentation

from common.postgres import Pool, transaction, tried_again
from knowledge.bases import facts
from knowledge.bases.repository import get_base
from knowledge.registry import repository

LOOK_SECONDS = 60.0
TOLD_AT_ONCE = 100


async def keep_told(pool: Pool) -> None:
    """Tell of such bases at start and every minute, until cancelled. Each process does, of others."""
    with suppress_instrumentation():
        while True:
            while await tell(pool) == TOLD_AT_ONCE:
                pass
            await asyncio.sleep(LOOK_SECONDS)


@tried_again
async def tell(pool: Pool) -> int:
    """Publish a fact of each of up to :data:`TOLD_AT_ONCE` such bases, once. Returns their number."""
    async with transaction(pool) as connection:
        told = await repository.tell_bases(connection, TOLD_AT_ONCE)
        for base_id, sequence in told.items():
            base = await get_base(connection, base_id)
            assert base is not None, "its row is locked"
            await facts.append(connection, base_id, facts.updated(base), sequence)
        return len(told)
