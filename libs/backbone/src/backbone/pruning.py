"""Removes records past their retention: of handled events, and of answers to requests with a key."""

import asyncio
from functools import partial

from backbone import idempotency, inbox
from backbone.settings import BackboneSettings
from common.postgres import Pool

RECORDS_AT_ONCE = 1_000
PAUSE_SECONDS = 0.02
"""Between two statements, so that a sweep leaves the database to others."""


async def prune_records(pool: Pool, settings: BackboneSettings) -> None:
    """Delete every record past its retention, a bounded number in each statement."""
    for prune in (
        partial(inbox.prune, older_than_seconds=settings.inbox_retention_seconds),
        partial(
            idempotency.prune,
            service=settings.service,
            older_than_seconds=settings.idempotency_retention_seconds,
        ),
    ):
        while True:
            async with pool.acquire() as connection:
                pruned = await prune(connection, limit=RECORDS_AT_ONCE)
            if pruned < RECORDS_AT_ONCE:
                break
            await asyncio.sleep(PAUSE_SECONDS)
