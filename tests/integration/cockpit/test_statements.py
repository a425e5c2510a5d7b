"""Every statement of cockpit fits the migrated schema."""

from types import ModuleType

import pytest

from cockpit.events import repository as events
from cockpit.servers import repository as servers
from cockpit.sessions import repository as sessions
from common.postgres import Pool


@pytest.mark.parametrize("module", [events, servers, sessions], ids=lambda module: module.__name__)
async def test_every_statement_can_be_prepared(pool: Pool, module: ModuleType) -> None:
    words = ("SELECT", "INSERT", "UPDATE", "DELETE")
    statements = {
        name: value
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str) and value.strip().startswith(words)
    }
    assert statements
    async with pool.acquire() as connection:
        for statement in statements.values():
            await connection.prepare(statement)
