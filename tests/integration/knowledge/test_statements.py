"""Every statement of knowledge fits the migrated schema."""

from types import ModuleType

import pytest

from common.postgres import create_pool
from knowledge.bases import removal_repository as removals
from knowledge.bases import repository as bases
from knowledge.queue import repository as queue
from knowledge.schedules import repository as schedules
from knowledge.search import repository as search
from knowledge.settings import KnowledgeSettings
from knowledge.sync import cache_repository as cache
from knowledge.sync import chunk_repository as chunks
from knowledge.sync import history_repository as history
from knowledge.sync import repository as syncs
from knowledge.sync import version_repository as versions


@pytest.mark.parametrize(
    "module",
    [bases, cache, chunks, history, queue, removals, schedules, search, syncs, versions],
    ids=lambda module: module.__name__,
)
async def test_every_statement_can_be_prepared(database: str, module: ModuleType) -> None:
    words = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
    statements = {
        name: value
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str) and value.strip().startswith(words)
    }
    assert statements
    settings = KnowledgeSettings(database_url=database, auth_mode="dev")
    async with await create_pool(settings) as pool, pool.acquire() as connection:
        for statement in statements.values():
            await connection.prepare(statement)
