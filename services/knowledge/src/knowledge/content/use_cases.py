"""Reads what is stored of a base."""

from common.postgres import Pool
from knowledge.bases.records import KnowledgeBase
from knowledge.content.chunks.repository import list_chunk_ids
from knowledge.content.files.repository import list_files
from knowledge.content.indexes.repository import get_index
from knowledge.content.records import Stored
from knowledge.content.versions.repository import list_versions


async def get_stored(pool: Pool, base: KnowledgeBase) -> Stored:
    """The stored content of the base's version. Only the holder of its lease can rely on it."""
    async with pool.acquire() as connection:
        return Stored(
            base.version,
            await get_index(connection, base.id, base.version),
            await list_files(connection, base.id, base.version),
            await list_chunk_ids(connection, base.id, base.version),
            await list_versions(connection, base.id),
        )
