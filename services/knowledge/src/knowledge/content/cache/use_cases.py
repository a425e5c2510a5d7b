"""Removes embeddings that are no longer needed."""

from datetime import timedelta

from common.postgres import Pool, transaction, tried_again
from knowledge.content.cache import repository


@tried_again
async def forget_embeddings(pool: Pool, unused_for: timedelta) -> None:
    """Delete embeddings that no sync has needed for that long."""
    async with transaction(pool) as connection:
        await repository.delete_cached(connection, unused_for)
